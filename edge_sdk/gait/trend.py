"""A dog against itself: a baseline of its own sessions, and alerts only on changes beyond error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final, Literal

import msgspec
import numpy as np

from edge_sdk.errors import TrendInputInvalid
from edge_sdk.gait.measures import Measure
from edge_sdk.gait.report import GaitReport

# A baseline of fewer sessions than this would make its own error the owner's worry.
LEAST_BASELINE: Final = 2
MOST_BASELINE: Final = 6
# A change must show in this many sessions in a row.
SESSIONS_TO_ALERT: Final = 2
# Two sessions are looked at, so each must pass a wider bound than one alone would.
WIDER: Final = math.sqrt(2.0)

Direction = Literal["worse", "better", "changed"]

FOLLOWED: Final[tuple[str, ...]] = (
    "hind_stance_si",
    "fore_stance_si",
    "hind_step_si",
    "left_stifle_rom",
    "right_stifle_rom",
    "left_hock_rom",
    "right_hock_rom",
    "pelvic_bob_asymmetry",
    "trunk_sway",
    "stride_time_cv",
    "left_skip_rate",
    "right_skip_rate",
)
"""Measures that are followed; cadence and stride length change with speed, not with the dog."""

_SIGNED: Final = frozenset(
    {"hind_stance_si", "fore_stance_si", "hind_step_si", "pelvic_bob_asymmetry"}
)
_MORE_IS_BETTER: Final = frozenset(name for name in FOLLOWED if name.endswith("_rom"))


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One report and when its clip was filmed."""

    captured_at_ms: int
    report: GaitReport


class MeasureTrend(msgspec.Struct, frozen=True, kw_only=True):
    """How one measure moved.

    `baseline` the median of the first sessions, `change` of the latest from it, `bound` the change
    that error can make (MDC95 x sqrt 2), all in `unit`; `alert` when the last two sessions both
    left it on the same side; `direction` of an alert.
    """

    name: str
    unit: str
    baseline: float
    latest: float
    change: float
    bound: float
    sessions: int
    alert: bool
    direction: Direction | None


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """Trend of a dog: each followed measure that has a baseline, and words for the owner."""

    measures: tuple[MeasureTrend, ...]
    sessions: int

    @property
    def alerts(self) -> tuple[MeasureTrend, ...]:
        """Measures that changed beyond error in the last two sessions."""
        return tuple(m for m in self.measures if m.alert)

    @property
    def summary(self) -> str:
        """One sentence in Korean."""
        return self._words()[0]

    @property
    def summary_en(self) -> str:
        """The same in English."""
        return self._words()[1]

    def _words(self) -> tuple[str, str]:
        if not self.measures:
            return (
                "아직 비교할 기록이 부족합니다. 같은 조건에서 몇 번 더 촬영해 주세요.",
                "Too few records to compare yet. Film a few more times in the same way.",
            )
        if not self.alerts:
            return (
                "이전 기록과 비교해 측정 오차를 넘는 변화가 없습니다.",
                "No change beyond the error of measurement since the earlier records.",
            )
        if all(m.direction == "better" for m in self.alerts):
            return (
                "이전 기록보다 고른 걸음이 두 번 이어서 관측되었습니다.",
                "The walk was more even than before in two records in a row.",
            )
        return (
            "이전 기록과 다른 걸음이 두 번 이어서 관측되었습니다. 주의해서 살펴봐 주세요.",
            "The walk differed from the earlier records twice in a row. Please keep an eye on it.",
        )


def trend(sessions: Sequence[Session]) -> Trend:
    """Compare a dog's latest sessions with its own first ones.

    `sessions` in the order of their times (else `TrendInputInvalid`), refused reports included:
    they hold no values and count for nothing. See `trend_of_measures`.
    """
    return trend_of_measures([(s.captured_at_ms, s.report.measures) for s in sessions])


def trend_of_measures(sessions: Sequence[tuple[int, Mapping[str, Measure]]]) -> Trend:
    """Compare sessions that are kept as (time in ms, measures by name), in the order of time.

    A measure that a session does not have counts for nothing there. The baseline of a measure is
    the median of its first `MOST_BASELINE` values before the two latest. Alert: both latest values
    differ from it by more than MDC95 x sqrt 2 on the same side, with MDC95 the largest of the
    values compared.
    """
    times = [captured_at_ms for captured_at_ms, _ in sessions]
    if any(later <= earlier for earlier, later in pairwise(times)):
        raise TrendInputInvalid("sessions must be in the order of their times, none twice")
    followed = []
    for name in FOLLOWED:
        kept = (measures.get(name) for _, measures in sessions)
        values = [m for m in kept if m is not None and m.value is not None]
        if len(values) >= LEAST_BASELINE + SESSIONS_TO_ALERT:
            followed.append(_trend_of(name, values))
    return Trend(measures=tuple(followed), sessions=len(sessions))


def _trend_of(name: str, values: Sequence[Measure]) -> MeasureTrend:
    first = values[:-SESSIONS_TO_ALERT][:MOST_BASELINE]
    latest = values[-SESSIONS_TO_ALERT:]
    baseline = float(np.median([m.value for m in first if m.value is not None]))
    bound = WIDER * max(m.mdc95 for m in (*first, *latest) if m.mdc95 is not None)
    changes = [m.value - baseline for m in latest if m.value is not None]
    alert = all(c > bound for c in changes) or all(c < -bound for c in changes)
    return MeasureTrend(
        name=name,
        unit=values[0].unit,
        baseline=round(baseline, 4) + 0.0,
        latest=round(baseline + changes[-1], 4) + 0.0,
        change=round(changes[-1], 4) + 0.0,
        bound=round(bound, 4),
        sessions=len(values),
        alert=alert,
        direction=_direction(name, baseline, baseline + changes[-1]) if alert else None,
    )


def _direction(name: str, baseline: float, latest: float) -> Direction:
    if name in _SIGNED:
        if baseline * latest < 0 and abs(abs(latest) - abs(baseline)) < abs(latest - baseline) / 2:
            return "changed"
        return "worse" if abs(latest) > abs(baseline) else "better"
    grew = latest > baseline
    return "better" if grew == (name in _MORE_IS_BETTER) else "worse"
