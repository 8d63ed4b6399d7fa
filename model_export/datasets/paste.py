"""Copy-paste augmentation: masked dogs onto other backgrounds, with boxes and keypoints.

After Ghiasi et al., "Simple Copy-Paste is a Strong Data Augmentation Method" (CVPR 2021), with a
soft edge and the dog's brightness drawn towards that of its new place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from model_export.datasets.errors import DatasetError
from model_export.datasets.rle import Rle
from model_export.datasets.sample import (
    ABSENT,
    FloatArray,
    ImageArray,
    Instance,
    KeypointScheme,
    Provenance,
    Sample,
)


@dataclass(frozen=True, slots=True)
class PasteSettings:
    """Ranges that are drawn from: the dog's height as a share of the picture's, and how much of
    the dog must stay inside; `adapt` is the share of the brightness gap that is closed.
    """

    height_share: tuple[float, float] = (0.25, 0.95)
    inside_share: float = 0.7
    adapt: float = 0.5
    mirror: bool = True


def paste_dog(
    dog: Sample,
    background: Sample,
    seed: int,
    *,
    scheme: KeypointScheme | None = None,
    settings: PasteSettings | None = None,
) -> Sample:
    """Put the first masked instance of `dog` somewhere onto `background`, at a random size.

    The background's own labels are kept where the dog leaves them at least half visible; its
    image label is dropped. Keypoints are mirrored by `scheme`, so a mirrored dog needs it.
    Raises DatasetError when `dog` has no mask, or has keypoints and no scheme is given.
    """
    told = settings or PasteSettings()
    rng = np.random.default_rng(seed)
    instance = next((i for i in dog.instances if i.mask is not None), None)
    if instance is None or instance.mask is None:
        raise DatasetError(f"{dog.name} has no mask to cut along")
    if instance.keypoints is not None and scheme is None and told.mirror:
        raise DatasetError(f"{dog.name} has keypoints: a mirrored dog needs their scheme")
    scene = background.pixels()
    height, width = scene.shape[:2]
    cut = _Cut.of(dog, instance, instance.mask)
    if told.mirror and rng.random() < 0.5:
        cut = cut.mirrored(scheme)
    scale = rng.uniform(*told.height_share) * height / cut.alpha.shape[0]
    scale = min(scale, width / (told.inside_share * cut.alpha.shape[1]))
    cut = cut.scaled(scale)
    x0, y0 = _place(rng, cut.alpha.shape, (height, width), told.inside_share)
    return _composed(dog, background, scene, cut, x0, y0, instance.class_id, told.adapt, seed)


@dataclass(frozen=True, eq=False, slots=True)
class _Cut:
    """A dog cut out: pixels (h, w, 3), alpha (h, w) 0..1, keypoints in its own pixels."""

    pixels: ImageArray
    alpha: npt.NDArray[np.floating]
    keypoints: FloatArray | None

    @classmethod
    def of(cls, dog: Sample, instance: Instance, mask: Rle) -> _Cut:
        x0, y0, x1, y1 = mask.box_xyxy_px().astype(int)
        alpha = mask.mask()[y0:y1, x0:x1].astype(np.float32)
        points = (
            None if instance.keypoints is None else instance.keypoints - np.array([x0, y0, 0.0])
        )
        return cls(dog.pixels()[y0:y1, x0:x1], alpha, points)

    def mirrored(self, scheme: KeypointScheme | None) -> _Cut:
        points = self.keypoints
        if points is not None and scheme is not None:
            points = points[list(scheme.flip_index)]
            points[:, 0] = self.alpha.shape[1] - points[:, 0]
        return _Cut(
            np.ascontiguousarray(self.pixels[:, ::-1]),
            np.ascontiguousarray(self.alpha[:, ::-1]),
            points,
        )

    def scaled(self, scale: float) -> _Cut:
        height, width = self.alpha.shape
        size = (max(2, round(width * scale)), max(2, round(height * scale)))
        pixels = np.asarray(Image.fromarray(self.pixels).resize(size, Image.Resampling.BILINEAR))
        shape = Image.fromarray((self.alpha * 255).astype(np.uint8))
        alpha = np.asarray(shape.resize(size, Image.Resampling.BILINEAR), dtype=np.float32) / 255
        points = self.keypoints
        if points is not None:
            points = points * np.array([size[0] / width, size[1] / height, 1.0])
        return _Cut(pixels, alpha, points)


def _place(
    rng: np.random.Generator, cut: tuple[int, ...], scene: tuple[int, int], inside: float
) -> tuple[int, int]:
    """Left and top px such that about `inside` of the cut lies in the scene."""
    over_y, over_x = (round(side * (1 - inside) / 2) for side in cut[:2])
    low_x, high_x = sorted((-over_x, scene[1] - cut[1] + over_x))
    low_y, high_y = sorted((-over_y, scene[0] - cut[0] + over_y))
    return int(rng.integers(low_x, high_x + 1)), int(rng.integers(low_y, high_y + 1))


def _composed(
    dog: Sample,
    background: Sample,
    scene: ImageArray,
    cut: _Cut,
    x0: int,
    y0: int,
    class_id: int,
    adapt: float,
    seed: int,
) -> Sample:
    height, width = scene.shape[:2]
    left, top = max(x0, 0), max(y0, 0)
    right, bottom = min(x0 + cut.alpha.shape[1], width), min(y0 + cut.alpha.shape[0], height)
    inner = (slice(top - y0, bottom - y0), slice(left - x0, right - x0))
    outer = (slice(top, bottom), slice(left, right))
    alpha = cut.alpha[inner][..., None]
    pixels = cut.pixels[inner].astype(np.float32)
    inside = alpha[..., 0] > 0.5
    if inside.any():
        gap = float(scene[outer].mean()) - float(pixels[inside].mean())
        pixels = np.clip(pixels + adapt * gap, 0, 255)
    out = scene.copy()
    out[outer] = np.rint(pixels * alpha + scene[outer] * (1 - alpha)).astype(np.uint8)
    mask = np.zeros((height, width), dtype=bool)
    mask[outer] = inside
    pasted = Rle.of_mask(mask)
    points = _inside(cut.keypoints, x0, y0, width, height)
    kept = tuple(i for i in background.instances if _visible_share(i, mask) >= 0.5)
    new = Instance(class_id, pasted.box_xyxy_px(), points, pasted)
    a, b = dog.provenance, background.provenance
    provenance = Provenance(
        f"{a.source} on {b.source}",
        a.licence if a.licence == b.licence else f"{a.licence}; {b.licence}",
        a.research_only or b.research_only,
        f"{a.origin or dog.name} on {b.origin or background.name}",
    )
    return Sample(
        f"{dog.name}-on-{background.name}-{seed}",
        out,
        width,
        height,
        provenance,
        (*kept, new),
        cluster=dog.cluster,
        split=dog.split,
    )


def _inside(
    points: FloatArray | None, x0: int, y0: int, width: int, height: int
) -> FloatArray | None:
    if points is None:
        return None
    moved: FloatArray = points + np.array([x0, y0, 0.0])
    x, y = moved[:, 0], moved[:, 1]
    outside = (x < 0) | (x > width) | (y < 0) | (y > height)
    moved[outside | (moved[:, 2] <= ABSENT)] = 0.0
    return moved


def _visible_share(instance: Instance, covered: npt.NDArray[np.bool_]) -> float:
    x0, y0, x1, y1 = np.rint(instance.box_xyxy_px).astype(int)
    part = covered[max(y0, 0) : y1, max(x0, 0) : x1]
    return 1.0 - float(part.mean()) if part.size else 0.0
