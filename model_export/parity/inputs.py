"""The pictures on which every variant must agree with torch: dogs, and what breaks code."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_export.train.examples import Example

Picture = NDArray[np.uint8]

#: Issue of the parity check: fewer structured inputs than this prove nothing.
LEAST_CASES = 32


@dataclass(frozen=True, eq=False)
class ParityCase:
    """A picture (H, W, 3) with the box (xyxy px) and heading that a crop would be cut by.

    The box may reach out of the picture; `heading_rad` pi means that the dog faces left, so that
    the mirrored way through the pose net is walked too.
    """

    name: str
    image: Picture
    box_xyxy: NDArray[np.float64]
    heading_rad: float


def structured_cases(dogs: Sequence[Example], seed: int = 2026) -> list[ParityCase]:
    """Dogs and mirrored dogs, ramps, stripes, noise, plain colours, tiny, huge and narrow pictures.

    `dogs`: pictures with the box of a dog or of a face, at least one; the same input gives the
    same cases.
    """
    cases = []
    for k, dog in enumerate(dogs):
        case = _dog_case(f"dog {k}", dog)
        cases.append(case)
        if k % 2 == 0:
            cases.append(_mirrored(case))
    cases.append(_huge(cases[0]))
    patterns = _patterns(np.random.default_rng(seed))
    cases += [_pattern_case(name, image, k) for k, (name, image) in enumerate(patterns)]
    return cases


def _dog_case(name: str, dog: Example) -> ParityCase:
    boxes = dog.dog_boxes if len(dog.dog_boxes) else dog.face_boxes
    height, width = dog.image.shape[:2]
    box = boxes[0] if len(boxes) else np.array([0, 0, width, height])
    heading = float(dog.dog_headings_rad[0]) if len(dog.dog_headings_rad) else 0.0
    return ParityCase(
        name, dog.image, np.asarray(box, np.float64), 0.0 if np.isnan(heading) else heading
    )


def _mirrored(case: ParityCase) -> ParityCase:
    width = case.image.shape[1]
    x0, y0, x1, y1 = case.box_xyxy
    return ParityCase(
        f"{case.name} mirrored",
        np.ascontiguousarray(case.image[:, ::-1]),
        np.array([width - x1, y0, width - x0, y1]),
        float(np.pi - case.heading_rad),
    )


def _huge(case: ParityCase) -> ParityCase:
    """The same dog eight times as large: the reduction by blocks is at work."""
    image = np.repeat(np.repeat(case.image, 8, axis=0), 8, axis=1)
    return ParityCase(f"{case.name} huge", image, case.box_xyxy * 8, case.heading_rad)


def _pattern_case(name: str, image: Picture, number: int) -> ParityCase:
    height, width = image.shape[:2]
    # Boxes off the centre, some of them reaching out of the picture.
    shift = np.array([0.15, 0.05, 0.15, 0.05]) * (number % 3 - 1)
    box = (np.array([0.15, 0.2, 0.85, 0.9]) + shift) * np.array([width, height, width, height])
    return ParityCase(name, image, box, 0.0 if number % 2 else float(np.pi))


def _patterns(rng: np.random.Generator) -> list[tuple[str, Picture]]:
    side = 256
    ramp = np.linspace(0, 255, side)
    across = np.broadcast_to(ramp[None, :, None], (side, side, 3))
    down = np.broadcast_to(ramp[:, None, None], (side, side, 3))
    y, x = np.mgrid[:side, :side]
    found: list[tuple[str, NDArray[np.floating] | NDArray[np.integer]]] = [
        ("ramp across", across),
        ("ramp down", down),
        ("ramp of colours", np.stack([across[..., 0], down[..., 0], 255 - across[..., 0]], 2)),
        (
            "rings",
            np.repeat((127.5 + 127.5 * np.sin(np.hypot(x - 90, y - 150) / 4))[..., None], 3, 2),
        ),
        ("stripes of 1 px", np.repeat((x % 2 * 255)[..., None], 3, 2)),
        ("squares of 16 px", np.repeat(((x // 16 + y // 16) % 2 * 255)[..., None], 3, 2)),
        ("noise, even", rng.integers(0, 256, (side, side, 3))),
        ("noise, around grey", rng.normal(128, 40, (side, side, 3))),
        ("noise, wide picture", rng.integers(0, 256, (40, 900, 3))),
        ("noise, tall picture", rng.integers(0, 256, (900, 40, 3))),
        ("black", np.zeros((side, side, 3))),
        ("white", np.full((side, side, 3), 255)),
        ("grey", np.full((side, side, 3), 114)),
        ("red", np.full((side, side, 3), (255, 0, 0))),
        ("green", np.full((side, side, 3), (0, 255, 0))),
        ("blue", np.full((side, side, 3), (0, 0, 255))),
        ("one white pixel", np.pad(np.full((1, 1, 3), 255), ((100, 155), (80, 175), (0, 0)))),
        ("1 x 1", np.full((1, 1, 3), 200)),
        ("3 x 5", rng.integers(0, 256, (5, 3, 3))),
        ("17 x 16", rng.integers(0, 256, (16, 17, 3))),
        ("odd size", rng.normal(128, 60, (251, 333, 3))),
        ("4000 x 3000", np.broadcast_to(ramp.repeat(16)[None, :4000, None], (3000, 4000, 3))),
    ]
    return [(name, np.clip(np.rint(image), 0, 255).astype(np.uint8)) for name, image in found]
