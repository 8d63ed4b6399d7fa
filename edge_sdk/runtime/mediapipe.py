"""A classifier run by MediaPipe Tasks, as an app that already uses MediaPipe would run it.

The .tflite file carries MediaPipe's metadata (normalisation, labels), so the task takes pixels.
It takes whole grey levels only: what comes out differs by the rounding of the crop.
"""

from __future__ import annotations

import gc
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.bundle.manifest import LogitsOutput, Stage, Variant
from edge_sdk.errors import InferenceFailed, MissingExtra, ModelMismatch, ModelUnreadable
from edge_sdk.runtime.protocol import Session


class MediaPipeSession:
    """An open ImageClassifier; calls from several threads wait for one another."""

    takes_pixels = True

    def __init__(self, classifier: Any, library: Any, classes: int) -> None:
        """Take an open `ImageClassifier`, the library, and how many classes there are."""
        self._classifier: Any = classifier
        self._library = library
        self._classes = classes
        self._lock = Lock()

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, H, W, 3) in 0..255, rounded here -> (N, C) scores; see `Session.run`."""
        pixels = np.rint(batch).clip(0, 255).astype(np.uint8)
        with self._lock:
            return np.stack([self._one(picture) for picture in pixels])

    def _one(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        scores = np.full(self._classes, np.nan, np.float32)
        for category in self._categories(picture):
            scores[category.index] = category.score
        return scores

    def labels(self, width: int, height: int) -> tuple[str, ...]:
        """The labels in the file, by class index, read from the answer to a black picture."""
        answer = self._categories(np.zeros((height, width, 3), np.uint8))
        in_order = sorted(answer, key=lambda category: int(category.index))
        return tuple(str(category.category_name) for category in in_order)

    def _categories(self, picture: NDArray[np.uint8]) -> list[Any]:
        if self._classifier is None:
            raise InferenceFailed("the session is closed")
        image = self._library.Image(
            image_format=self._library.ImageFormat.SRGB, data=np.ascontiguousarray(picture)
        )
        try:
            answer = self._classifier.classify(image)
        except (RuntimeError, ValueError) as error:
            raise InferenceFailed(f"MediaPipe: {error}") from error
        return list(answer.classifications[0].categories)

    def close(self) -> None:
        """See `Session.close`."""
        with self._lock:
            if self._classifier is not None:
                self._classifier.close()
            self._classifier = None
        gc.collect()


def open_session(path: Path, stage: Stage, variant: Variant, threads: int) -> Session:
    """Open a .tflite file with metadata; see `RuntimeModule.open_session`.

    `threads` is MediaPipe's own choice and is not used. Raises `ModelMismatch` for a stage that
    is no classifier or whose labels differ from the manifest's.
    """
    output = stage.output
    if not isinstance(output, LogitsOutput):
        raise ModelMismatch(f"{variant.file}: MediaPipe runs classifiers here, not a {stage.name}")
    try:
        library: Any = import_module("mediapipe")
        tasks: Any = import_module("mediapipe.tasks.python")
    except ImportError as error:
        raise MissingExtra("mediapipe", "mediapipe") from error
    options = tasks.vision.ImageClassifierOptions(
        base_options=tasks.BaseOptions(model_asset_buffer=path.read_bytes()),
        running_mode=tasks.vision.RunningMode.IMAGE,
    )
    try:
        classifier = tasks.vision.ImageClassifier.create_from_options(options)
    except (RuntimeError, ValueError, FileNotFoundError) as error:
        raise ModelUnreadable(f"{variant.file}: MediaPipe: {error}") from error
    session = MediaPipeSession(classifier, library, len(output.classes))
    try:
        _require_labels(session, stage, output, variant)
    except Exception:
        session.close()
        raise
    return session


def _require_labels(
    session: MediaPipeSession, stage: Stage, output: LogitsOutput, variant: Variant
) -> None:
    labels = session.labels(stage.input.width, stage.input.height)
    if labels != output.classes:
        raise ModelMismatch(f"{variant.file}: labels {labels}, not {output.classes}")
