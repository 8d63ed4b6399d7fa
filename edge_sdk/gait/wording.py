"""What the owner reads: observations and what to do, never a diagnosis (a test holds to it)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from edge_sdk.gait.measures import Measure
from edge_sdk.gait.refusal import TEXT_EN, TEXT_KO, Reason
from edge_sdk.gait.scores import Level, MetricName, MetricScore

Words = tuple[str, str]
"""Korean and English."""

SUMMARY: Final[dict[Level | None, Words]] = {
    "low": (
        "전반적으로 고른 걸음입니다. 평소처럼 산책하며 가끔 다시 촬영해 비교해 보세요.",
        "The walk looks even overall. Keep walking as usual and film again now and then.",
    ),
    "medium": (
        "걸음에서 살펴볼 점이 보입니다. 며칠 뒤 같은 조건에서 다시 촬영해 비교해 보세요.",
        "Something in the walk is worth watching. Film again in a few days, in the same way.",
    ),
    "high": (
        "걸음에 주의가 필요해 보입니다. 같은 모습이 반복되면 동물병원에서 상담해 보세요.",
        "The walk seems to need attention. If it shows again, talk to a veterinary clinic.",
    ),
    None: (
        "이번 영상으로는 걸음을 평가할 수 없습니다.",
        "This clip does not allow the walk to be scored.",
    ),
}

_FIRST: Final[dict[MetricName, dict[Level, Words]]] = {
    "patella_risk_signal": {
        "low": (
            "뒷다리를 고르게 디디며 건너뛰는 걸음이 보이지 않습니다.",
            "The hind legs are put down evenly and no stride is skipped.",
        ),
        "medium": (
            "뒷다리를 디디는 모습에 작은 차이가 관측됩니다.",
            "A small difference shows in how the hind legs are put down.",
        ),
        "high": (
            "뒷다리를 덜 디디거나 건너뛰는 모습이 뚜렷이 관측됩니다.",
            "A hind leg is clearly spared or skips.",
        ),
    },
    "gait_balance": {
        "low": ("좌우 디딤이 비교적 고릅니다.", "Left and right are used about evenly."),
        "medium": (
            "좌우 디딤 시간이나 보폭에 차이가 관측됩니다.",
            "Stance times or steps differ between left and right.",
        ),
        "high": (
            "좌우 디딤 시간이나 보폭의 차이가 뚜렷합니다.",
            "Stance times or steps clearly differ between left and right.",
        ),
    },
    "knee_mobility": {
        "low": (
            "무릎과 뒷발목을 충분히 굽혔다 폅니다.",
            "Stifles and hocks bend and stretch well.",
        ),
        "medium": (
            "무릎과 뒷발목을 굽혔다 펴는 범위가 약간 작습니다.",
            "Stifles and hocks bend and stretch a little less than usual.",
        ),
        "high": (
            "무릎과 뒷발목을 굽혔다 펴는 범위가 작습니다.",
            "Stifles and hocks bend and stretch little.",
        ),
    },
    "gait_stability": {
        "low": ("몸통이 안정적으로 움직입니다.", "The trunk moves steadily."),
        "medium": (
            "대체로 안정적이나 간헐적 흔들림이 관측됩니다.",
            "Mostly steady, with some swaying.",
        ),
        "high": ("몸통의 흔들림이 큽니다.", "The trunk sways a good deal."),
    },
    "gait_rhythm": {
        "low": ("보행 리듬이 일정합니다.", "The rhythm of the strides is regular."),
        "medium": (
            "보행 리듬이 다소 일정하지 않습니다.",
            "The rhythm of the strides is somewhat irregular.",
        ),
        "high": ("보행 리듬이 일정하지 않습니다.", "The rhythm of the strides is irregular."),
    },
}


def describe(score: MetricScore, measures: Mapping[str, Measure]) -> Words:
    """Say in two sentences what was seen; the second names the measure and its error."""
    if score.level is None:
        reason = score.abstained_reason or Reason.TOO_UNCERTAIN
        return TEXT_KO[reason], TEXT_EN[reason]
    korean, english = _FIRST[score.name][score.level]
    more = _evidence(score.name, measures)
    if more is None:
        return korean, english
    return f"{korean} {more[0]}", f"{english} {more[1]}"


def summarise(level: Level | None, refused: Reason | None) -> Words:
    """Sum up the clip, with the way to a better one where it was refused."""
    korean, english = SUMMARY[level]
    if refused is not None:
        return f"{korean} {TEXT_KO[refused]}", f"{english} {TEXT_EN[refused]}"
    return korean, english


def _evidence(name: MetricName, m: Mapping[str, Measure]) -> Words | None:
    if name in ("gait_balance", "patella_risk_signal"):
        if name == "patella_risk_signal" and (skips := _skips(m)) is not None:
            return skips
        return _stance(m["hind_stance_si"])
    if name == "knee_mobility":
        left, right = m["left_stifle_rom"].value, m["right_stifle_rom"].value
        if left is None or right is None:
            return None
        return (
            f"무릎 움직임 범위는 왼쪽 약 {left:.0f}도, 오른쪽 약 {right:.0f}도입니다.",
            f"The stifles move through about {left:.0f} degrees left and {right:.0f} right.",
        )
    if name == "gait_stability":
        bob = m["pelvic_bob"].value
        if bob is None:
            return None
        return (
            f"골반은 한 걸음에 몸통 길이의 약 {bob:.1f}% 오르내립니다.",
            f"The pelvis rises and falls by about {bob:.1f} % of the trunk a stride.",
        )
    cv, cadence = m["stride_time_cv"].value, m["cadence"].value
    if cv is None or cadence is None:
        return None
    return (
        f"분당 약 {cadence:.0f}걸음, 걸음 시간의 변동은 약 {cv:.1f}%입니다.",
        f"About {cadence:.0f} strides a minute, varying by about {cv:.1f} %.",
    )


def _stance(stance: Measure) -> Words | None:
    if stance.value is None or stance.ci95 is None:
        return None
    low, high = stance.ci95
    if low <= 0.0 <= high:
        return (
            "뒷다리 디딤 시간의 좌우 차이는 측정 오차 안에 있습니다.",
            "The hind stance times differ by no more than the error of measurement.",
        )
    korean, english = ("오른쪽", "right") if stance.value > 0 else ("왼쪽", "left")
    size = abs(stance.value)
    return (
        f"{korean} 뒷다리를 디디는 시간이 약 {size:.0f}% 짧습니다.",
        f"The {english} hind leg stands about {size:.0f} % shorter.",
    )


def _skips(m: Mapping[str, Measure]) -> Words | None:
    for name, korean, english in (("left_skip_rate", "왼쪽", "left"),
                                  ("right_skip_rate", "오른쪽", "right")):  # fmt: skip
        rate, other = m[name], m[_other(name)]
        if rate.value is None or rate.value <= 0 or rate.value < (other.value or 0.0):
            continue
        count = round(rate.value * rate.strides / 100)
        if rate.value == other.value:
            return (
                f"양쪽 뒷다리를 각각 {rate.strides}걸음 중 {count}걸음 들고 걸었습니다.",
                f"Each hind leg was carried in {count} of {rate.strides} strides.",
            )
        return (
            f"{korean} 뒷다리를 {rate.strides}걸음 중 {count}걸음 들고 걸었습니다.",
            f"The {english} hind leg was carried in {count} of {rate.strides} strides.",
        )
    return None


def _other(name: str) -> str:
    return name.replace("left", "right") if "left" in name else name.replace("right", "left")
