"""Golden vectors of a stage: which pictures, and what torch makes of them."""

from collections.abc import Mapping, Sequence

import numpy as np

from edge_sdk.bundle.golden import (
    GoldenCase,
    GoldenVectors,
    case_of,
    greatest_difference,
    make_golden,
    sample_of,
)
from edge_sdk.vision.stage import InferenceStage
from model_export.parity.inputs import ParityCase
from model_export.parity.reference import TorchReference

#: Longest side of a golden picture: the vectors travel with every bundle.
_LONGEST_SIDE_PX = 128
_ROWS_BESIDE_BOX = 4

#: Accepted beyond what was measured here: other processors add up in another order, and Core ML's
#: half precision is only computed, not run, on the machine that measures.
_MARGIN = 4.0
_LEAST_SHARE = {"fp32": 1e-5, "fp16": 5e-3, "w8a32": 1e-2, "int8": 5e-2}


def golden_cases(cases: Sequence[ParityCase]) -> list[GoldenCase]:
    """The first dog, its mirror image, and a picture of odd size with noise: each small.

    `cases` as `parity.inputs.structured_cases` gives them.
    """
    dog, mirrored = cases[0], cases[1]
    odd = next(case for case in cases if case.name == "odd size")
    return [_small(dog), _small(mirrored), _small(odd)]


def _small(case: ParityCase) -> GoldenCase:
    """Every k-th pixel of the rows about the box: sharp edges, and never a square picture.

    A square one would need no letterbox, and a wrong letterbox would go unseen.
    """
    height, width = case.image.shape[:2]
    k = max(1, -(-max(height, width) // _LONGEST_SIDE_PX))
    left, top, right, bottom = (float(v) for v in case.box_xyxy)
    first = max(0, int(top) - _ROWS_BESIDE_BOX)
    last = min(height, int(bottom) + _ROWS_BESIDE_BOX)
    if last - first > 0.9 * width or last <= first:
        first, last = 0, max(1, min(height, int(0.8 * width)))
    image = np.ascontiguousarray(case.image[first:last:k, ::k])
    box = (left / k, (top - first) / k, right / k, (bottom - first) / k)
    return GoldenCase(case.name, image, box, case.heading_rad)


def golden_vectors(
    reference: TorchReference,
    thresholds: Mapping[str, float],
    cases: Sequence[GoldenCase],
    sampled: int = 1,
) -> GoldenVectors:
    """What torch makes of the cases; boxes and headings are left out where the stage needs none.

    `sampled`: of how many the sampled input, which is large, is kept.
    """
    name = reference.spec.name
    asked = [
        GoldenCase(
            case.name,
            case.image,
            case.box_xyxy_px if reference.spec.input.fit == "square_crop" else None,
            case.heading_rad if name == "pose" else None,
        )
        for case in cases
    ]
    return make_golden(reference, thresholds, asked, sampled)


def accepted_error(stage: InferenceStage, vectors: GoldenVectors, precision: str) -> float:
    """The `max_abs_error` of a variant: its greatest difference on the vectors, with a margin."""
    worst, largest = 0.0, 0.0
    for vector in vectors.vectors:
        wanted = vector.raw.array()
        mine = stage.infer(sample_of(stage.spec, case_of(vector))[None])[0]
        worst = max(worst, greatest_difference(mine, wanted))
        largest = max(largest, float(np.abs(wanted).max()))
    return float(f"{max(_MARGIN * worst, _LEAST_SHARE[precision] * largest):.3g}")
