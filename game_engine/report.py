"""Sentences for the person who walked: what did not count, and why."""

from collections.abc import Iterable
from typing import Final, Literal

from game_engine.track import Drop

Language = Literal["ko", "en"]

_TEXTS: Final[dict[str, tuple[str, str]]] = {
    "accuracy": ("위치가 부정확한 구간 {span}", "inaccurate position for {span}"),
    "mock": ("가짜 위치 앱으로 만든 구간 {span}", "position from a mock provider for {span}"),
    "out_of_range": ("있을 수 없는 좌표 {fixes}개", "{fixes} impossible coordinates"),
    "duplicate_time": ("같은 시각에 겹친 위치 {fixes}개", "{fixes} positions at the same time"),
    "jump": ("위치가 튄 구간 {span}", "position jumped for {span}"),
    "vehicle": ("탈것 속도로 이동한 구간 {span}", "vehicle speed for {span}"),
    "vehicle_stop": (
        "탈것이 멈추거나 서행한 구간 {span}",
        "vehicle standing or in slow traffic for {span}",
    ),
    "gap": ("위치가 끊긴 구간 {span}", "no position for {span}"),
}


def describe(drop: Drop, language: Language = "ko") -> str:
    """Say in words what a drop is: "vehicle speed for 2 min 10 s"; Korean or English."""
    korean, english = _TEXTS[drop.reason]
    text = korean if language == "ko" else english
    return text.format(span=_span(drop.to_ms - drop.from_ms, language), fixes=drop.fixes)


def summarise(drops: Iterable[Drop], language: Language = "ko") -> tuple[str, ...]:
    """One sentence per reason with the total of its pieces, longest first."""
    totals: dict[str, list[int]] = {}
    for drop in drops:
        total = totals.setdefault(drop.reason, [0, 0])
        total[0] += drop.to_ms - drop.from_ms
        total[1] += drop.fixes
    ordered = sorted(totals.items(), key=lambda item: (-item[1][0], item[0]))
    return tuple(
        describe(Drop(reason, 0, span_ms, fixes), language) for reason, (span_ms, fixes) in ordered
    )


def _span(span_ms: int, language: Language) -> str:
    # A lone fix has no duration, and yet a second is gone.
    minutes, seconds = divmod(max(round(span_ms / 1_000), 1), 60)
    hours, minutes = divmod(minutes, 60)
    units = ("시간", "분", "초") if language == "ko" else (" h", " min", " s")
    parts = [
        f"{value}{unit}"
        for value, unit in zip((hours, minutes, seconds), units, strict=True)
        if value
    ]
    return " ".join(parts)
