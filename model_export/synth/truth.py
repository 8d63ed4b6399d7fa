"""What is known exactly about a generated walk or action; pure NumPy."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

GaitName = Literal["walk", "trot", "stand"]


@dataclass(frozen=True)
class GaitTruth:
    """Measured from the events and joints of one clip, not copied from its settings.

    Pairs are (left, right). `stride_hz` of the hind limbs; `duty` per limb FL, RL, FR, RR;
    `*_si` = 200 (L - R) / (L + R) in percent (Robinson et al. 1987, Am. J. Vet. Res. 48:172), of
    stance times and of the hind step lengths (left step: from the right paw to the left one);
    `*_rom_deg` median range per stride of the joint angle hip-stifle-hock and stifle-hock-paw;
    `stifle_proxy_rom_deg` likewise of tail root-stifle-hock, which keypoints can show;
    `skip_rate` share of strides in which a hind paw is carried, and whose (`skip_left`, None
    without skips); `bob` and `sway` range of the pelvis's height and sideways path in body units;
    `bob_asymmetry` share of the once-a-stride part in the pelvis's bob; `stride_time_cv` of the
    hind limbs; `severity` 0 sound .. 1 carried.
    """

    gait: GaitName
    stride_hz: float
    duty: tuple[float, float, float, float]
    hind_stance_si: float
    fore_stance_si: float
    step_length_si: float
    stifle_rom_deg: tuple[float, float]
    hock_rom_deg: tuple[float, float]
    stifle_proxy_rom_deg: tuple[float, float]
    skip_rate: float
    skip_left: bool | None
    bob: float
    bob_asymmetry: float
    head_bob: float
    sway: float
    stride_time_cv: float
    speed: float
    strides: int
    sound: bool
    severity: float
    lame_left: bool | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Interval:
    """From when until when something is true, in milliseconds."""

    label: str
    start_ms: float
    end_ms: float


@dataclass(frozen=True)
class ActionTruth:
    """What a dog does in a clip.

    `action`: what was asked; `done`: whether the clip holds it in full; `intervals`: poses held
    and movements in order; `turned_deg`: rotation in place, left positive; `airborne_ms`: how long
    no paw touched the ground; `paw`: which fore paw is given.
    """

    action: str
    done: bool
    intervals: tuple[Interval, ...]
    turned_deg: float = 0.0
    airborne_ms: float = 0.0
    paw: Literal["left", "right"] | None = None
    extra: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)
