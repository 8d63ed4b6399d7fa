"""Periods of the rankings: day, ISO week, month, season and all time, as UTC bounds.

A period is the half-open range [start_ms, end_ms); the periods of one kind follow each other
without gap or overlap in every time zone, also over daylight saving changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from game_engine.errors import InvalidPeriod
from game_engine.rules import CURRENT_RULES, Rules, rules_for

PeriodKind = Literal["day", "week", "month", "season", "all"]
KINDS: Final[tuple[PeriodKind, ...]] = ("day", "week", "month", "season", "all")

ALL_KEY: Final = "all"
# "All time" is bounded by the integers that JSON readers of every language keep exact.
_FOREVER_MS: Final = 2**53 - 1

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_WEEK: Final = timedelta(weeks=1)
_CURRENT: Final = rules_for(CURRENT_RULES)


class Period(NamedTuple):
    """One period: its kind, its key (`2026-11-21`, `2026-W47`, ...) and its UTC bounds."""

    kind: PeriodKind
    key: str
    start_ms: int
    end_ms: int


class _Calendar(NamedTuple):
    """What the kinds differ in, over local dates."""

    first_day: Callable[[date, Rules], date]
    next_first_day: Callable[[date, Rules], date]
    key: Callable[[date], str]
    parse: Callable[[str], date]


def period_of(
    kind: PeriodKind, at_ms: int, zone: str | ZoneInfo, rules: Rules = _CURRENT
) -> Period:
    """Return the period of a kind that holds a UTC time.

    Raises `InvalidPeriod` for an unknown kind or zone and outside the years 1 to 9999.
    """
    if kind == "all":
        return _all_time()
    calendar, where = _calendar(kind), _zone(zone)
    try:
        today = (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(where).date()
        period = _period(kind, calendar.first_day(today, rules), where, rules)
        # Where clocks go back over midnight, some minutes carry the date of the day before.
        while at_ms >= period.end_ms:
            period = next_period(period, where, rules)
        while at_ms < period.start_ms:
            period = previous_period(period, where, rules)
    except OverflowError:
        raise InvalidPeriod(f"{at_ms} ms is outside the calendar (years 1 to 9999)") from None
    return period


def period_from_key(
    kind: PeriodKind, key: str, zone: str | ZoneInfo, rules: Rules = _CURRENT
) -> Period:
    """Return the period with a key.

    Raises `InvalidPeriod` for a key that `period_of` never makes.
    """
    if kind == "all":
        if key != ALL_KEY:
            raise InvalidPeriod(f"{key!r} is no key of all time: use {ALL_KEY!r}")
        return _all_time()
    calendar = _calendar(kind)
    try:
        first = calendar.parse(key)
        if calendar.key(first) != key or calendar.first_day(first, rules) != first:
            raise InvalidPeriod(_bad_key(kind, key))
        return _period(kind, first, _zone(zone), rules)
    except (ValueError, OverflowError):
        raise InvalidPeriod(_bad_key(kind, key)) from None


def previous_period(period: Period, zone: str | ZoneInfo, rules: Rules = _CURRENT) -> Period:
    """Return the period of the same kind that ends where this one starts."""
    calendar = _calendar(period.kind)
    try:
        day_before = calendar.parse(period.key) - timedelta(days=1)
        return _period(period.kind, calendar.first_day(day_before, rules), _zone(zone), rules)
    except (ValueError, OverflowError):
        raise InvalidPeriod(f"there is no {period.kind} before {period.key}") from None


def next_period(period: Period, zone: str | ZoneInfo, rules: Rules = _CURRENT) -> Period:
    """Return the period of the same kind that starts where this one ends."""
    calendar = _calendar(period.kind)
    try:
        first = calendar.next_first_day(calendar.parse(period.key), rules)
        return _period(period.kind, first, _zone(zone), rules)
    except (ValueError, OverflowError):
        raise InvalidPeriod(f"there is no {period.kind} after {period.key}") from None


def is_final(period: Period, now_ms: int, rules: Rules) -> bool:
    """Return whether no late walk (up to 72 h) can change the period any more."""
    return now_ms >= period.end_ms + rules.late_max_ms


def _period(kind: PeriodKind, first: date, zone: ZoneInfo, rules: Rules) -> Period:
    calendar = _calendar(kind)
    start_ms = _midnight_ms(first, zone)
    try:
        end_ms = _midnight_ms(calendar.next_first_day(first, rules), zone)
    except ValueError as beyond:  # year 10000
        raise OverflowError(str(beyond)) from None
    return Period(kind, calendar.key(first), start_ms, end_ms)


def _all_time() -> Period:
    return Period("all", ALL_KEY, -_FOREVER_MS, _FOREVER_MS)


def _midnight_ms(day: date, zone: ZoneInfo) -> int:
    # Where a clock change skips midnight, `fold=0` reads it by the offset before the change:
    # the very moment of the change, which is the first of the day.
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    return (midnight - _EPOCH) // _MILLISECOND


def _zone(zone: str | ZoneInfo) -> ZoneInfo:
    if isinstance(zone, ZoneInfo):
        return zone
    try:
        return ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise InvalidPeriod(f"{zone!r} is no time zone of the IANA database") from None


def _calendar(kind: PeriodKind) -> _Calendar:
    try:
        return _CALENDARS[kind]
    except KeyError:
        if kind == "all":
            raise InvalidPeriod("all time has no period before or after it") from None
        raise InvalidPeriod(f"{kind!r} is no kind of period: {', '.join(KINDS)}") from None


def _bad_key(kind: PeriodKind, key: str) -> str:
    examples = {
        "day": "2026-11-21",
        "week": "2026-W47",
        "month": "2026-11",
        "season": "S2026-01-05 (every fourth Monday)",
    }
    return f"{key!r} is no key of a {kind}: expected one like {examples[kind]}"


def _groups(pattern: str, key: str) -> tuple[int, ...]:
    match = re.fullmatch(pattern, key, re.ASCII)
    if match is None:
        raise ValueError(key)
    return tuple(int(group) for group in match.groups())


def _parse_day(key: str) -> date:
    return date(*_groups(r"(\d{4})-(\d\d)-(\d\d)", key))


def _parse_week(key: str) -> date:
    year, week = _groups(r"(\d{4})-W(\d\d)", key)
    return date.fromisocalendar(year, week, 1)


def _parse_month(key: str) -> date:
    year, month = _groups(r"(\d{4})-(\d\d)", key)
    return date(year, month, 1)


def _parse_season(key: str) -> date:
    return date(*_groups(r"S(\d{4})-(\d\d)-(\d\d)", key))


def _week_key(day: date) -> str:
    year, week, _ = day.isocalendar()
    return f"{year:04}-W{week:02}"


def _next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def _season_start(day: date, rules: Rules) -> date:
    anchor = date.fromisoformat(rules.season_anchor_date)
    length = rules.season_weeks * _WEEK
    return anchor + (day - anchor) // length * length


_CALENDARS: Final[dict[PeriodKind, _Calendar]] = {
    "day": _Calendar(
        first_day=lambda day, _: day,
        next_first_day=lambda day, _: day + timedelta(days=1),
        key=date.isoformat,
        parse=_parse_day,
    ),
    "week": _Calendar(
        first_day=lambda day, _: day - timedelta(days=day.weekday()),
        next_first_day=lambda day, _: day + _WEEK,
        key=_week_key,
        parse=_parse_week,
    ),
    "month": _Calendar(
        first_day=lambda day, _: day.replace(day=1),
        next_first_day=lambda day, _: _next_month(day),
        key=lambda day: f"{day.year:04}-{day.month:02}",
        parse=_parse_month,
    ),
    "season": _Calendar(
        first_day=_season_start,
        next_first_day=lambda day, rules: day + rules.season_weeks * _WEEK,
        key=lambda day: f"S{day.isoformat()}",
        parse=_parse_season,
    ),
}
