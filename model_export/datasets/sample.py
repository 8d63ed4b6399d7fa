"""The one model of a data set in memory: what every reader makes and every writer takes."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from edge_sdk.vision.keypoints import FLIP_INDEX, KEYPOINT_NAMES, SKELETON
from model_export.datasets.errors import ImageBroken, ImageMissing
from model_export.datasets.rle import Rle

Split = Literal["train", "val", "test"]
SPLITS: Final[tuple[Split, ...]] = ("train", "val", "test")
ABSENT, OCCLUDED, VISIBLE = 0, 1, 2
FloatArray = npt.NDArray[np.float64]
ImageArray = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class KeypointScheme:
    """Names of K keypoints, the index that swaps left and right, and the bones to draw.

    `flip_index[k]` is the keypoint that k becomes in a mirror; `skeleton` are pairs of indices.
    """

    names: tuple[str, ...]
    flip_index: tuple[int, ...]
    skeleton: tuple[tuple[int, int], ...] = ()

    def __len__(self) -> int:
        """Return how many keypoints there are."""
        return len(self.names)


DOG_24: Final = KeypointScheme(
    tuple(KEYPOINT_NAMES),
    tuple(int(k) for k in FLIP_INDEX),
    tuple((int(a), int(b)) for a, b in SKELETON),
)
"""The 24 keypoints of the dog-pose data set, in its order."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a picture comes from and what its licence allows.

    `source` names the data set or photographer, `origin` the original file in it. With
    `research_only` a model trained on it must say so.
    """

    source: str
    licence: str
    research_only: bool = False
    origin: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class Instance:
    """One labelled thing: class, box (4,) xyxy px, keypoints (K, 3) px with visibility, mask.

    `heading_rad`: 0 faces image right, pi/2 towards the camera, pi left; None where unknown. No
    format of others keeps it; picture lists do.
    """

    class_id: int
    box_xyxy_px: FloatArray
    keypoints: FloatArray | None = None
    mask: Rle | None = None
    heading_rad: float | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Sample:
    """One picture with its labels, where it comes from, and to which part it belongs.

    `image` is a file, or pixels (H, W, 3) uint8 RGB, or a function that makes the pixels (data
    that is generated on demand). `label` is a class of the whole picture. Samples with the same
    non-empty `cluster` are near-duplicates and must stay together.
    """

    name: str
    image: Path | ImageArray | Callable[[], ImageArray]
    width_px: int
    height_px: int
    provenance: Provenance
    instances: tuple[Instance, ...] = ()
    label: str | None = None
    cluster: str = ""
    split: Split | None = None

    def pixels(self) -> ImageArray:
        """Pixels (H, W, 3) uint8 RGB, upright by EXIF; raises ImageMissing, ImageBroken."""
        if isinstance(self.image, Path):
            return read_image(self.image)
        return self.image() if callable(self.image) else self.image


@dataclass(frozen=True, eq=False, slots=True)
class Dataset:
    """Samples with the meaning of their class ids, image labels and keypoints."""

    samples: tuple[Sample, ...]
    classes: tuple[str, ...] = ("dog",)
    labels: tuple[str, ...] = ()
    keypoints: KeypointScheme | None = None
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        """Return how many samples there are."""
        return len(self.samples)

    def part(self, split: Split) -> Dataset:
        """Only the samples of one part."""
        return self.where(lambda sample: sample.split == split)

    def where(self, keep: Callable[[Sample], bool]) -> Dataset:
        """Only the samples for which `keep` is true."""
        return replace(self, samples=tuple(s for s in self.samples if keep(s)))

    def with_samples(self, samples: Sequence[Sample]) -> Dataset:
        """Return the same classes and keypoints over other samples."""
        return replace(self, samples=tuple(samples))

    @property
    def research_only(self) -> bool:
        """Whether any picture's licence allows research only."""
        return any(s.provenance.research_only for s in self.samples)


def read_image(path: Path) -> ImageArray:
    """Decode a picture to (H, W, 3) uint8 RGB, upright; raises ImageMissing, ImageBroken."""
    return image_of_bytes(_bytes_of(path), str(path))


def image_of_bytes(content: bytes, name: str) -> ImageArray:
    """Decode a picture's bytes to (H, W, 3) uint8 RGB, upright by EXIF; raises ImageBroken."""
    try:
        with Image.open(io.BytesIO(content)) as opened:
            upright = ImageOps.exif_transpose(opened)
            return np.asarray(upright.convert("RGB"), dtype=np.uint8)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageBroken(f"{name}: {error}") from error


def image_size(path: Path) -> tuple[int, int]:
    """Width and height in px of the upright picture, from its header; raises as `read_image`."""
    if not path.is_file():
        raise ImageMissing(f"{path} does not exist")
    try:
        with Image.open(path) as opened:
            width, height = opened.size
            # Orientations 5 to 8 of EXIF tag 274 turn the picture by a quarter.
            turned = opened.getexif().get(274, 1) in (5, 6, 7, 8)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageBroken(f"{path}: {error}") from error
    return (height, width) if turned else (width, height)


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ImageMissing(f"{path} does not exist") from error


def sample_of_file(path: Path, provenance: Provenance, *, name: str | None = None) -> Sample:
    """Return an unlabelled sample of a picture; raises ImageMissing, ImageBroken."""
    width, height = image_size(path)
    return Sample(name or path.stem, path, width, height, provenance)


def box_of_keypoints(keypoints: FloatArray, width_px: int, height_px: int) -> FloatArray:
    """Smallest box (4,) around the present keypoints (K, 3), at least 1 px, inside the picture."""
    seen = keypoints[keypoints[:, 2] > ABSENT, :2]
    limit = np.array([width_px, height_px], dtype=np.float64)
    if seen.size == 0:
        return np.concatenate([np.zeros(2), limit])
    low = np.clip(seen.min(axis=0), 0, limit - 1)
    high = np.clip(np.maximum(seen.max(axis=0), low + 1), 1, limit)
    return np.concatenate([low, high])
