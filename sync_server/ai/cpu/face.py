"""Faces, frames and emotions, step by step: each a call of a worker process.

The first step decodes the video once and keeps patches of the best faces and one whole frame in
a file; the later steps need nothing else.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_sdk.analyzers.modes import RunningMode
from edge_sdk.analyzers.stages import Progress
from edge_sdk.errors import FaceNotDetected, FaceTooSmall, LowQualityFace
from edge_sdk.face.analyzer import FaceAnalyzer
from edge_sdk.face.policy import FacePolicy
from edge_sdk.face.result import FaceBox
from edge_sdk.face.scoring import FrameScore
from edge_sdk.face.selection import FoundFaces, Seen, crop_of
from sync_server.ai.cpu.bundles import bundle_for
from sync_server.ai.cpu.files import load, save, save_jpeg
from sync_server.ai.cpu_calls import share_writer
from sync_server.ai.refusals import PICTURE_UNREADABLE, refusing

MAX_PICTURE_PX: Final = 4_096 * 4_096
_POLICY: Final = FacePolicy(decode_threads=1)
_DETECTION: Final = (25, 45)


class _SeenMeta(msgspec.Struct, frozen=True):
    index: int
    timestamp_ms: float
    face: FaceBox
    score: FrameScore


class _FoundMeta(msgspec.Struct, frozen=True):
    sampled: int
    with_face: int
    first_ms: float
    last_ms: float
    mean_confidence: float
    median_area_share: float
    duration_ms: float
    by_key_frames: bool
    seen: list[_SeenMeta]
    best: _SeenMeta | None


@refusing("face")
def find_faces(video: str, fps: float, out: str, models_dir: str, watched: str) -> dict[str, Any]:
    """FACE_DETECTION: search a video and keep the best faces in `out` (.npz).

    `fps` 0 takes the product's. Raises FACE_NOT_DETECTED and the media's codes.
    """
    analyzer = _analyzer(models_dir, fps)
    tell = share_writer(watched, 100)
    low, high = _DETECTION

    def on_progress(progress: Progress) -> None:
        tell(round(100 * (progress.percent - low) / (high - low)))

    found = analyzer.find(Path(video), on_progress=on_progress)
    _save(Path(out), found)
    return {
        "frames_sampled": found.sampled,
        "frames_with_face": found.with_face,
        "fps_used": analyzer.rate_of(found),
        "sampled_by": "key_frames" if found.by_key_frames else "fps",
        "mean_face_confidence": round(found.mean_confidence, 4),
        "model_version": analyzer.model_version,
    }


@refusing("face")
def select_frame(found: str, frame_out: str, crop_out: str, models_dir: str) -> dict[str, Any]:
    """FRAME_SELECTION: choose the frame that shows the face best; write it and the face as JPEG.

    Raises FACE_TOO_SMALL and LOW_QUALITY_FACE.
    """
    chosen, frame = _analyzer(models_dir, 0.0).choose(_load(Path(found)))
    save_jpeg(Path(frame_out), frame)
    save_jpeg(Path(crop_out), crop_of(chosen))
    return {
        "frame_id": chosen.frame_id,
        "timestamp_ms": chosen.timestamp_ms,
        "frame_score": round(chosen.score.total, 4),
        "parts": chosen.score.parts(),
        "face": msgspec.to_builtins(chosen.face),
    }


@refusing("face")
def read_emotion(found: str, models_dir: str) -> dict[str, Any]:
    """EMOTION_INFERENCE: classify the faces that were kept, weighted by their detection.

    Raises EMOTION_INFERENCE_FAILED.
    """
    analyzer = _analyzer(models_dir, 0.0)
    read = analyzer.read(_load(Path(found)))
    return _emotion(read.probabilities, read.uncertain, analyzer.model_version)


@refusing("face")
def read_picture(picture: str, models_dir: str) -> dict[str, Any]:
    """EMOTION_INFERENCE of one picture: find the face in it and classify it.

    Raises UNSUPPORTED_MEDIA_FORMAT, FACE_NOT_DETECTED, FACE_TOO_SMALL, LOW_QUALITY_FACE,
    EMOTION_INFERENCE_FAILED.
    """
    image = _decoded(Path(picture))
    analyzer = _picture_analyzer(models_dir)
    reading = analyzer.detect(image)
    if reading.probabilities is None:
        raise FaceNotDetected("no face in the picture", frames_sampled=1, frames_with_face=0)
    face = reading.faces[0]
    if face.area_share < _POLICY.min_area_share:
        raise FaceTooSmall("the face is too small", area_share=round(face.area_share, 4))
    if face.confidence < _POLICY.min_face_confidence:
        raise LowQualityFace("the face is unsure", mean_confidence=round(face.confidence, 4))
    confidence = reading.probabilities.ranked()[0][1]
    uncertain = confidence < _POLICY.low_confidence
    return _emotion(reading.probabilities, uncertain, analyzer.model_version)


def _emotion(probabilities: Any, uncertain: bool, model_version: str) -> dict[str, Any]:
    predicted, confidence = probabilities.ranked()[0]
    return {
        "predicted_emotion": predicted,
        "confidence": confidence,
        "emotion_probabilities": msgspec.to_builtins(probabilities),
        "uncertain": uncertain,
        "model_version": model_version,
    }


@lru_cache(maxsize=4)
def _analyzer(models_dir: str, fps: float) -> FaceAnalyzer:
    policy = msgspec.structs.replace(_POLICY, fps=fps) if fps else _POLICY
    bundles = (bundle_for("face_detection", models_dir), bundle_for("emotion", models_dir))
    return FaceAnalyzer(*bundles, policy=policy)


@lru_cache(maxsize=2)
def _picture_analyzer(models_dir: str) -> FaceAnalyzer:
    bundles = (bundle_for("face_detection", models_dir), bundle_for("emotion", models_dir))
    return FaceAnalyzer(*bundles, running_mode=RunningMode.IMAGE, policy=_POLICY)


def _decoded(path: Path) -> NDArray[np.uint8]:
    """A picture upright, (H, W, 3) uint8 RGB, at most as large as frames of a video are taken."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path, formats=("JPEG", "PNG", "WEBP")) as opened:
            # Before anything is decoded: a small file can claim any size.
            if opened.width * opened.height > MAX_PICTURE_PX or min(opened.size) < 16:
                raise PICTURE_UNREADABLE.error({"reason": "resolution"})
            opened.draft("RGB", (_POLICY.max_side_px, _POLICY.max_side_px))
            picture = ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise PICTURE_UNREADABLE.error({"reason": "undecodable"}) from None
    picture.thumbnail((_POLICY.max_side_px, _POLICY.max_side_px))
    return np.asarray(picture, np.uint8)


def _save(path: Path, found: FoundFaces) -> None:
    meta = _FoundMeta(
        found.sampled, found.with_face, found.first_ms, found.last_ms, found.mean_confidence,
        found.median_area_share, found.duration_ms, found.by_key_frames,
        [_seen_meta(seen) for seen in found.seen],
        None if found.best is None else _seen_meta(found.best),
    )  # fmt: skip
    arrays: dict[str, NDArray[Any]] = {}
    for name, seen in _named(found):
        arrays[f"patch_{name}"], arrays[f"box_{name}"] = seen.patch, seen.patch_box
    if found.frame is not None:
        arrays["frame"] = found.frame
    save(path, meta, arrays)


def _load(path: Path) -> FoundFaces:
    meta, arrays = load(path, _FoundMeta)

    def seen(name: str, one: _SeenMeta) -> Seen:
        patch, box = arrays[f"patch_{name}"], arrays[f"box_{name}"]
        return Seen(one.index, one.timestamp_ms, one.face, one.score, patch, box)

    return FoundFaces(
        meta.sampled, meta.with_face, meta.first_ms, meta.last_ms, meta.mean_confidence,
        meta.median_area_share, tuple(seen(str(at), one) for at, one in enumerate(meta.seen)),
        None if meta.best is None else seen("best", meta.best), arrays.get("frame"),
        meta.duration_ms, meta.by_key_frames,
    )  # fmt: skip


def _named(found: FoundFaces) -> list[tuple[str, Seen]]:
    named = [(str(at), seen) for at, seen in enumerate(found.seen)]
    return named if found.best is None else [*named, ("best", found.best)]


def _seen_meta(seen: Seen) -> _SeenMeta:
    return _SeenMeta(seen.index, seen.timestamp_ms, seen.face, seen.score)
