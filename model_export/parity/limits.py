"""How far a variant may be from torch, and why no further."""

from dataclasses import dataclass

from model_export.export.precision import Precision


@dataclass(frozen=True)
class Limits:
    """Limits of one precision; None is "not limited, only reported".

    `raw`: greatest difference of the raw head over all inputs, in parts of torch's value where
    that is above 1; `raw_share`: its root mean square as a share of the spread of torch's head,
    which holds also where a net sees nothing; `position_px`: 95th percentile of the difference of
    box edges and keypoints, in px of the net's input; `score`: greatest difference of a
    confidence or probability; `quality_drop`: by how much mAP50, PCK@0.05 (as a share of 1) may
    fall on labelled pictures; `f1_drop`: the same for macro F1; `agreement`: least share of
    pictures on which the classifier names the same class.
    """

    raw: float | None
    raw_share: float
    position_px: float
    score: float
    quality_drop: float
    f1_drop: float
    agreement: float


_QUANTISED = Limits(
    raw=None,
    raw_share=0.10,
    position_px=2.0,
    score=0.15,
    quality_drop=0.010,
    f1_drop=0.01,
    agreement=0.99,
)

LIMITS: dict[Precision, Limits] = {
    # 32 bits on both sides: only the order of sums differs.
    "fp32": Limits(
        raw=1e-4,
        raw_share=1e-3,
        position_px=0.5,
        score=1e-3,
        quality_drop=0.002,
        f1_drop=0.002,
        agreement=0.99,
    ),
    # One object of 150 on the edge of IoU 0.5 is 0.7 points of mAP: the same for all but 32 bits.
    # 11 bits of mantissa: a tenth of a per cent of a logit of 10 moves a sub-cell peak.
    "fp16": Limits(
        raw=None,
        raw_share=0.02,
        position_px=1.0,
        score=0.02,
        quality_drop=0.010,
        f1_drop=0.010,
        agreement=0.99,
    ),
    "w8a32": _QUANTISED,
    "int8": _QUANTISED,
}
