"""Periods follow the calendar of the zone, without gap or overlap."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from game_engine.errors import InvalidPeriod
from game_engine.periods import (
    KINDS,
    Period,
    is_final,
    next_period,
    period_from_key,
    period_of,
    previous_period,
)
from game_engine.rules import CURRENT_RULES, rules_for

RULES = rules_for(CURRENT_RULES)
SEOUL = "Asia/Seoul"
NEW_YORK = "America/New_York"
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
# Changes at midnight (Sao Paulo, Beirut), by half an hour (Lord Howe), a skipped day (Apia),
# a midnight that comes twice (St Johns until 2011).
ZONES = (
    SEOUL,
    NEW_YORK,
    "America/Sao_Paulo",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/St_Johns",
)


def utc_ms(*parts: int, zone: str = SEOUL) -> int:
    return int(datetime(*parts, tzinfo=ZoneInfo(zone)).timestamp() * 1000)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize("zone", [SEOUL, NEW_YORK])
def test_every_day_from_2015_to_2040_is_in_its_iso_week(zone: str) -> None:
    day = date(2014, 12, 29)
    week = period_of("week", utc_ms(2014, 12, 29, zone=zone), zone)
    while day < date(2041, 1, 7):
        year, number, weekday = day.isocalendar()
        if weekday == 1:
            start_ms = utc_ms(day.year, day.month, day.day, zone=zone)
            week = period_of("week", start_ms, zone)
            assert week == ("week", f"{year}-W{number:02}", start_ms, week.end_ms)
            assert period_of("week", week.end_ms - 1, zone) == week
            assert period_of("week", start_ms - 1, zone).end_ms == start_ms
            assert period_from_key("week", week.key, zone) == week
        noon_ms = utc_ms(day.year, day.month, day.day, 12, zone=zone)
        assert week.start_ms <= noon_ms < week.end_ms
        assert week.key == f"{year}-W{number:02}"
        day += timedelta(days=1)


def test_years_with_53_weeks_are_right() -> None:
    assert period_of("week", utc_ms(2021, 1, 3, 23), SEOUL).key == "2020-W53"
    assert period_of("week", utc_ms(2027, 1, 1), SEOUL).key == "2026-W53"
    with pytest.raises(InvalidPeriod):
        period_from_key("week", "2025-W53", SEOUL)


def test_a_day_starts_at_midnight_in_seoul() -> None:
    midnight_ms = utc_ms(2026, 11, 21)
    assert period_of("day", midnight_ms - 1, SEOUL).key == "2026-11-20"
    day = period_of("day", midnight_ms, SEOUL)
    assert day == Period("day", "2026-11-21", midnight_ms, midnight_ms + DAY_MS)


def test_days_of_a_clock_change_have_23_and_25_hours() -> None:
    spring = period_from_key("day", "2026-03-08", NEW_YORK)
    autumn = period_from_key("day", "2026-11-01", NEW_YORK)
    assert spring.end_ms - spring.start_ms == 23 * HOUR_MS
    assert autumn.end_ms - autumn.start_ms == 25 * HOUR_MS


def test_months_have_their_own_lengths() -> None:
    lengths = {
        key: (month.end_ms - month.start_ms) // DAY_MS
        for key in ("2024-02", "2026-02", "2026-12", "2026-04")
        for month in [period_from_key("month", key, SEOUL)]
    }
    assert lengths == {"2024-02": 29, "2026-02": 28, "2026-12": 31, "2026-04": 30}
    assert period_of("month", utc_ms(2026, 12, 31, 23), SEOUL).key == "2026-12"


def test_seasons_are_four_weeks_from_the_anchor_in_both_directions() -> None:
    first = period_of("season", utc_ms(2026, 1, 5), SEOUL)
    assert first.key == "S2026-01-05"
    assert first.end_ms - first.start_ms == 28 * DAY_MS
    assert period_of("season", first.start_ms - 1, SEOUL).key == "S2025-12-08"
    assert period_of("season", first.end_ms, SEOUL).key == "S2026-02-02"
    weeks = [period_of("week", first.start_ms + n * 7 * DAY_MS, SEOUL).start_ms for n in range(4)]
    assert weeks[0] == first.start_ms


def test_all_time_holds_every_time() -> None:
    forever = period_of("all", 0, SEOUL)
    assert forever.key == "all"
    assert forever.start_ms < -(10**15) < 10**15 < forever.end_ms
    assert period_from_key("all", "all", SEOUL) == forever
    assert not is_final(forever, utc_ms(9000, 1, 1), RULES)


def test_a_period_is_final_72_hours_after_its_end() -> None:
    day = period_from_key("day", "2026-11-21", SEOUL)
    assert not is_final(day, day.end_ms + 72 * HOUR_MS - 1, RULES)
    assert is_final(day, day.end_ms + 72 * HOUR_MS, RULES)


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("day", "2026-02-29"),
        ("day", "2026-1-01"),
        ("day", "20260101"),
        ("day", "2026-01-01\n"),
        ("day", "0000-01-01"),
        ("day", "9999-12-31"),
        ("day", "２０２６-01-01"),
        ("week", "2026-W00"),
        ("week", "2026-W54"),
        ("week", "2026-w47"),
        ("week", ""),
        ("month", "2026-13"),
        ("month", "2026-00"),
        ("month", "2026-11-01"),
        ("season", "S2026-01-06"),
        ("season", "S2026-01-12"),
        ("season", "2026-01-05"),
        ("all", "ALL"),
        ("year", "2026"),
    ],
)
def test_a_key_that_names_no_period_is_a_typed_error(kind: str, key: str) -> None:
    with pytest.raises(InvalidPeriod) as caught:
        period_from_key(kind, key, SEOUL)  # type: ignore[arg-type]
    assert caught.value.code == "invalid_period"


def test_other_nonsense_is_a_typed_error_too() -> None:
    with pytest.raises(InvalidPeriod):
        period_of("day", 10**18, SEOUL)
    with pytest.raises(InvalidPeriod):
        period_of("day", -(10**18), SEOUL)
    with pytest.raises(InvalidPeriod):
        period_of("day", 0, "Asia/Nowhere")
    with pytest.raises(InvalidPeriod):
        previous_period(period_of("all", 0, SEOUL), SEOUL)
    with pytest.raises(InvalidPeriod):
        next_period(period_from_key("day", "9999-12-30", "UTC"), "UTC")
    with pytest.raises(InvalidPeriod):
        previous_period(period_from_key("day", "0001-01-01", "UTC"), "UTC")


@given(
    st.sampled_from([kind for kind in KINDS if kind != "all"]),
    st.integers(0, 3_000_000_000_000),
    st.sampled_from(ZONES),
)
@settings(max_examples=500, deadline=None)
def test_periods_hold_their_times_and_follow_each_other(kind, at_ms: int, zone: str) -> None:  # type: ignore[no-untyped-def]
    period = period_of(kind, at_ms, zone)
    assert period.start_ms <= at_ms < period.end_ms
    assert period_from_key(kind, period.key, zone) == period
    after, before = next_period(period, zone), previous_period(period, zone)
    assert (before.end_ms, after.start_ms) == (period.start_ms, period.end_ms)
    assert previous_period(after, zone) == period == next_period(before, zone)
    for edge_ms in (period.start_ms, period.end_ms - 1):
        assert period_of(kind, edge_ms, zone) == period


def test_days_stay_whole_around_the_odd_clock_changes() -> None:
    """A skipped midnight, a skipped day, and a midnight that comes twice."""
    for zone, near in (
        ("America/Sao_Paulo", (2018, 11, 4)),
        ("Pacific/Apia", (2011, 12, 31)),
        ("America/St_Johns", (2010, 11, 7)),
    ):
        start_ms = utc_ms(*near, zone=zone) - 2 * DAY_MS
        for at_ms in range(start_ms, start_ms + 4 * DAY_MS, 30_000):
            day = period_of("day", at_ms, zone)
            assert day.start_ms <= at_ms < day.end_ms
