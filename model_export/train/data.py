"""Generated training data: rendered once in worker processes, then read from memory-mapped shards.

A cache folder holds one folder per (generator version, kind, image size, split); in it each shard
is a range of seeds, an `.npy` of images and an `.npz` of labels. A shard appears by a rename, so
that an interrupted generation continues where it stopped and two trainings may share a cache.
"""

import hashlib
import importlib
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge_sdk.face.emotions import EMOTIONS
from edge_sdk.vision.keypoints import KEYPOINT_NAMES
from model_export.train.examples import KEYPOINTS, UNKNOWN_EMOTION, Example

Split = Literal["train", "val", "test"]
Kind = Literal["body", "face"]

#: Images of one shard: 50 MB at 256 px, some seconds of rendering.
SHARD_IMAGES = 256

#: Room for boxes in a label row; the generator draws at most two dogs.
_MAX_BOXES = 4

#: Every ninth face picture has no dog in it: the detector has to learn silence too.
_FACELESS_EVERY = 9

#: A head shows its face when one of these is in sight.
_FACE_POINTS = [KEYPOINT_NAMES.index(name) for name in ("nose", "left_eye", "right_eye")]

_RENDERERS = {
    "body": "model_export.synth.images:body_image",
    "face": "model_export.synth.faces:face_image",
}


@dataclass(frozen=True)
class DataSource:
    """Which pictures: `kind` of image, side in px, split, how many (seeds 0 .. count - 1).

    `renderer` "module:function" replaces the generator's own (the tests draw simpler pictures);
    it is called as the generator's functions are: `(seed, size=, split=)`, for faces with
    `emotion=` too.
    """

    kind: Kind
    image_px: int
    split: Split
    count: int
    renderer: str = ""

    @property
    def renderer_path(self) -> str:
        """The function that draws."""
        return self.renderer or _RENDERERS[self.kind]

    def folder(self, cache: Path) -> Path:
        """Where the shards of this source lie under `cache`."""
        return (
            cache
            / generator_version(self.renderer_path)
            / (f"{self.kind}-{self.image_px}px-{self.split}")
        )


def generator_version(renderer_path: str) -> str:
    """A short name that changes when the drawing code does: its package's sources, hashed."""
    module = importlib.import_module(renderer_path.partition(":")[0])
    file = module.__file__
    assert file is not None
    path = Path(file)
    in_package = bool(module.__package__)
    sources = sorted(path.parent.rglob("*.py")) if in_package else [path]
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.name.encode())
        digest.update(source.read_bytes())
    return f"{renderer_path.partition(':')[0].rpartition('.')[2]}-{digest.hexdigest()[:10]}"


def _function(renderer_path: str) -> Callable[..., Any]:
    module, _, name = renderer_path.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def _padded(boxes: list[Any]) -> NDArray[np.float32]:
    rows = np.full((_MAX_BOXES, 4), np.nan, np.float32)
    for row, box in zip(rows, boxes, strict=False):
        row[:] = box
    return rows


def _draw(source: DataSource, seed: int) -> dict[str, Any]:
    """One label row and its image; see `Shards.example` for the meaning of the columns."""
    draw = _function(source.renderer_path)
    headings = np.full(_MAX_BOXES, np.nan, np.float32)
    if source.kind == "face":
        empty = seed % _FACELESS_EVERY == _FACELESS_EVERY - 1
        emotion = UNKNOWN_EMOTION if empty else seed % len(EMOTIONS)
        name = None if empty else EMOTIONS[emotion]
        face = draw(seed, size=source.image_px, emotion=name, split=source.split)
        known = face.face_box_xyxy is not None
        others = list(getattr(face, "other_boxes", ()))
        return {
            "image": face.image,
            "dog_boxes": _padded([]),
            "dog_headings": headings,
            "dogs_hidden": np.zeros(_MAX_BOXES, np.bool_),
            "keypoints": np.zeros((KEYPOINTS, 3), np.float32),
            "face_boxes": _padded(([face.face_box_xyxy] if known else []) + others),
            "emotion": emotion if known else UNKNOWN_EMOTION,
            "legible": bool(getattr(face, "legible", True)),
            "dogs_labelled": False,
            "faces_labelled": True,
        }
    body = draw(seed, size=source.image_px, split=source.split)
    others = list(getattr(body, "other_boxes", ()))
    other_faces = list(getattr(body, "other_face_boxes", ()))
    dogs = ([body.box_xyxy] if body.has_dog else []) + others
    faces = ([body.face_box_xyxy] if body.face_box_xyxy is not None else []) + other_faces
    if body.has_dog:
        headings[0] = body.heading_rad
    for k, heading in enumerate(getattr(body, "other_headings_rad", ())):
        headings[k + int(body.has_dog)] = heading
    hidden = np.zeros(_MAX_BOXES, np.bool_)
    hidden[0] = body.has_dog and getattr(body, "hidden", False)
    for k, one in enumerate(getattr(body, "other_hidden", ())):
        hidden[k + int(body.has_dog)] = one
    return {
        "image": body.image,
        "dog_boxes": _padded(dogs),
        "dog_headings": headings,
        "dogs_hidden": hidden,
        "keypoints": body.keypoints if body.has_dog else np.zeros((KEYPOINTS, 3)),
        "face_boxes": _padded(faces),
        "emotion": UNKNOWN_EMOTION,
        "legible": False,
        "dogs_labelled": True,
        # The face of the second dog may be in sight without a label; and the back of a head is
        # neither a face nor the absence of one.
        "faces_labelled": (not others or hasattr(body, "other_face_boxes"))
        and (body.face_box_xyxy is None or bool((body.keypoints[_FACE_POINTS, 2] == 2).any())),
    }


_COLUMNS: dict[str, Any] = {
    "dog_boxes": np.float32,
    "dog_headings": np.float32,
    "dogs_hidden": np.bool_,
    "keypoints": np.float32,
    "face_boxes": np.float32,
    "emotion": np.int8,
    "legible": np.bool_,
    "dogs_labelled": np.bool_,
    "faces_labelled": np.bool_,
}


def _write_shard(source: DataSource, folder: Path, first: int, last: int) -> int:
    """Draw the seeds first .. last - 1 and put the shard in place; the labels come last."""
    images = np.empty((last - first, source.image_px, source.image_px, 3), np.uint8)
    rows: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    for seed in range(first, last):
        row = _draw(source, seed)
        images[seed - first] = row["image"]
        for name, column in rows.items():
            column.append(row[name])
    stem = folder / f"{first:07d}-{last:07d}"
    beside = folder / f".{stem.name}.{os.getpid()}"
    with open(f"{beside}.npy", "wb") as file:
        np.save(file, images)
    with open(f"{beside}.npz", "wb") as file:
        columns: dict[str, Any] = {n: np.asarray(c, _COLUMNS[n]) for n, c in rows.items()}
        np.savez(file, **columns)
    os.replace(f"{beside}.npy", f"{stem}.npy")
    os.replace(f"{beside}.npz", f"{stem}.npz")
    return last - first


def _single_threaded() -> None:
    """A worker draws on one core: the processes are the parallelism."""
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"


def generate(
    source: DataSource,
    cache: Path,
    *,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> "Shards":
    """Draw what the cache lacks, then open it.

    `workers` 0 draws in this process. `progress(done, wanted)` is called after each shard. The
    pictures depend on nothing but the source, so any number of workers writes the same bytes.
    """
    folder = source.folder(cache)
    folder.mkdir(parents=True, exist_ok=True)
    ranges = [
        (first, min(first + SHARD_IMAGES, source.count))
        for first in range(0, source.count, SHARD_IMAGES)
    ]
    missing = [r for r in ranges if not _stem(folder, r).with_suffix(".npz").exists()]
    done = source.count - sum(last - first for first, last in missing)

    def report(drawn: int) -> None:
        nonlocal done
        done += drawn
        if progress is not None:
            progress(done, source.count)

    if workers == 0 or len(missing) <= 1:
        for first, last in missing:
            report(_write_shard(source, folder, first, last))
    else:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context, initializer=_single_threaded) as pool:
            jobs = [pool.submit(_write_shard, source, folder, *r) for r in missing]
            for job in as_completed(jobs):
                report(job.result())
    return Shards([_stem(folder, r) for r in ranges])


def _stem(folder: Path, seeds: tuple[int, int]) -> Path:
    return folder / f"{seeds[0]:07d}-{seeds[1]:07d}"


class Shards:
    """The examples of some shards, images memory-mapped, labels in memory."""

    def __init__(self, stems: list[Path]):
        self._images = [np.load(stem.with_suffix(".npy"), mmap_mode="r") for stem in stems]
        tables = []
        for stem in stems:
            with np.load(stem.with_suffix(".npz")) as table:
                tables.append({name: table[name] for name in _COLUMNS})
        self._ends = np.cumsum([len(images) for images in self._images])
        self.labels: dict[str, NDArray[Any]] = {
            name: np.concatenate([table[name] for table in tables]) for name in _COLUMNS
        }

    def __len__(self) -> int:
        return int(self._ends[-1])

    def example(self, index: int) -> Example:
        """The picture of seed `index` with its labels; raises IndexError past the end."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        shard = int(np.searchsorted(self._ends, index, side="right"))
        within = index - (int(self._ends[shard - 1]) if shard else 0)
        labels = self.labels
        dogs = labels["dog_boxes"][index]
        known_dogs = ~np.isnan(dogs[:, 0])
        faces = labels["face_boxes"][index]
        return Example(
            image=np.asarray(self._images[shard][within]),
            dog_boxes=dogs[known_dogs],
            dog_headings_rad=labels["dog_headings"][index][known_dogs],
            dogs_hidden=labels["dogs_hidden"][index][known_dogs],
            keypoints=labels["keypoints"][index],
            face_boxes=faces[~np.isnan(faces[:, 0])],
            emotion=int(labels["emotion"][index]),
            legible=bool(labels["legible"][index]),
            dogs_labelled=bool(labels["dogs_labelled"][index]),
            faces_labelled=bool(labels["faces_labelled"][index]),
        )

    def __iter__(self) -> Iterator[Example]:
        return (self.example(index) for index in range(len(self)))
