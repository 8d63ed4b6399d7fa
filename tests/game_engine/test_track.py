"""Cleaning a track: what is dropped and why, and a length that noise does not inflate."""

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sdk.walk.gps_error import GpsError, observe
from edge_sdk.walk.simulate import simulate
from game_engine.errors import InvalidFixes
from game_engine.report import describe, summarise
from game_engine.rules import CURRENT_RULES, rules_for
from game_engine.track import CleanTrack, Drop, Fixes, clean

RULES = rules_for(CURRENT_RULES)
LAT, LNG = 37.544, 127.044
METRES = 111_195.0


def fixes_at(
    t_s: npt.ArrayLike,
    east_m: npt.ArrayLike,
    north_m: npt.ArrayLike = 0.0,
    accuracy_m: npt.ArrayLike | None = None,
) -> Fixes:
    t_s, east_m = np.asarray(t_s, dtype=float), np.asarray(east_m, dtype=float)
    lng = LNG + east_m / (METRES * np.cos(np.radians(LAT)))
    lat = LAT + np.broadcast_to(np.asarray(north_m, dtype=float), east_m.shape) / METRES
    accuracy = 5.0 if accuracy_m is None else accuracy_m
    return Fixes.of(
        np.rint(t_s * 1_000).astype(np.int64), lat, lng, np.broadcast_to(accuracy, t_s.shape)
    )


def straight(speed_mps: float, duration_s: int, every_s: int = 1) -> Fixes:
    t_s = np.arange(0, duration_s + 1, every_s)
    return fixes_at(t_s, speed_mps * t_s)


def noisy(speed_mps: float, duration_s: int, tau_s: float, seed: int) -> Fixes:
    rng = np.random.default_rng(seed)
    t_s = np.arange(0.0, duration_s + 1)
    error = GpsError(sigma_m=5.0, tau_s=tau_s, white_m=0.3, dropout=0.0)
    seen = observe(rng, t_s, speed_mps * t_s, 0.0 * t_s, error)
    return fixes_at(seen.t_s, seen.x_m, seen.y_m, seen.accuracy_m)


def reasons(track: CleanTrack) -> set[str]:
    return {drop.reason for drop in track.drops}


# --- columns -----------------------------------------------------------------------------------


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(InvalidFixes):
        Fixes.of([1, 2], [LAT], [LNG, LNG])


def test_joining_parts_keeps_steps_only_when_all_have_them() -> None:
    with_steps = Fixes.of([1, 2], [LAT, LAT], [LNG, LNG], steps=[0, 1])
    without = Fixes.of([3], [LAT], [LNG])
    joined = Fixes.concat([with_steps, Fixes.empty(), with_steps]).steps
    assert joined is not None
    assert joined.tolist() == [0, 1, 0, 1]
    assert Fixes.concat([with_steps, without]).steps is None
    assert len(Fixes.concat([])) == 0


def test_an_unknown_accuracy_is_flagged_and_judged_as_ten_metres() -> None:
    fixes = Fixes.of([0, 1_000], [LAT, LAT], [LNG, LNG], [float("nan"), 60.0])
    assert fixes.accuracy_unknown.tolist() == [True, False]
    assert reasons(clean(fixes, RULES)) == {"accuracy"}


# --- fixes that do not count -------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_fixes_are_a_track_of_no_length(count: int) -> None:
    track = clean(straight(1.3, 10).take(slice(count)), RULES)
    assert (track.distance_m, track.moving_ms, track.paused_ms) == (0.0, 0, 0)
    assert len(track.fixes) == len(track.fix_kept) == count
    assert len(track.segment_kept) == 0


def test_each_bad_fix_is_dropped_with_its_own_reason() -> None:
    good = straight(1.3, 60)
    accuracy, flags, lat = good.accuracy_m.copy(), good.flags.copy(), good.lat_e5.copy()
    accuracy[10:13], flags[20], lat[30] = 80, 1, 9_100_000
    t_ms = good.t_ms.copy()
    t_ms[41] = t_ms[40]
    bad = replace(good, t_ms=t_ms, lat_e5=lat, accuracy_m=accuracy, flags=flags)
    track = clean(bad, RULES)
    found = {drop.reason: drop.fixes for drop in track.drops}
    assert found == {"accuracy": 3, "mock": 1, "out_of_range": 1, "duplicate_time": 1}
    assert track.distance_m == pytest.approx(78.0, rel=0.02)


def test_a_coordinate_that_is_no_number_costs_only_its_own_fix() -> None:
    good = straight(1.3, 60)
    lat = good.lat
    lat[7] = float("nan")
    track = clean(Fixes.of(good.t_ms, lat, good.lng, good.accuracy_m), RULES)
    assert [(drop.reason, drop.fixes) for drop in track.drops] == [("out_of_range", 1)]
    assert track.distance_m == pytest.approx(78.0, rel=0.02)


@settings(max_examples=50, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from(["walk", "car", "urban_canyon"]))
def test_the_order_of_arrival_does_not_matter(random: object, kind: str) -> None:
    fixes = simulate(kind, 5, duration_s=300).fixes
    order = list(range(len(fixes)))
    random.shuffle(order)  # type: ignore[attr-defined]
    one, other = clean(fixes, RULES), clean(fixes.take(np.array(order)), RULES)
    assert one.distance_m == other.distance_m
    assert one.drops == other.drops
    assert np.array_equal(one.segment_kept, other.segment_kept)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(-(2**62), 2**62),
            st.integers(-(2**31), 2**31 - 1),
            st.integers(-(2**31), 2**31 - 1),
            st.integers(-(2**15), 2**15 - 1),
            st.integers(0, 255),
        ),
        max_size=30,
    )
)
def test_hostile_columns_give_a_track_that_adds_up(
    rows: list[tuple[int, int, int, int, int]],
) -> None:
    columns = np.array(rows, dtype=np.int64).reshape(-1, 5).T
    fixes = Fixes(
        columns[0],
        columns[1].astype(np.int32),
        columns[2].astype(np.int32),
        columns[3].astype(np.int16),
        columns[4].astype(np.uint8),
    )
    track = clean(fixes, RULES)
    assert np.isfinite(track.distance_m)
    assert track.distance_m == pytest.approx(track.segment_distance_m.sum())
    assert np.all(np.diff(track.fixes.t_ms) > 0)
    assert not np.any(track.moving & ~track.segment_kept)
    assert not np.any(track.segment_kept & ~track.segment_joined)


# --- speed -------------------------------------------------------------------------------------


@pytest.mark.parametrize("speed_mps", [4.6, 6.0, 8.0, 15.0, 30.0])
@pytest.mark.parametrize("every_s", [1, 5, 15])
def test_a_vehicle_earns_no_distance(speed_mps: float, every_s: int) -> None:
    track = clean(straight(speed_mps, 300, every_s), RULES)
    assert track.distance_m == 0.0
    assert reasons(track) == {"vehicle"}


@pytest.mark.parametrize("speed_mps", [0.6, 1.3, 2.5, 4.0])
@pytest.mark.parametrize("every_s", [1, 5, 20])
def test_walking_and_running_keep_everything(speed_mps: float, every_s: int) -> None:
    track = clean(straight(speed_mps, 600, every_s), RULES)
    assert track.segment_kept.all()
    assert track.distance_m == pytest.approx(600 * speed_mps, rel=0.01)
    assert track.mean_speed_mps == pytest.approx(speed_mps, rel=0.01)
    assert track.max_speed_mps == pytest.approx(speed_mps, rel=0.05)


def test_one_outlier_costs_only_itself_and_the_way_goes_on() -> None:
    t_s = np.arange(0, 301)
    east_m = 1.3 * t_s
    east_m[150] += 80.0
    track = clean(fixes_at(t_s, east_m), RULES)
    assert [(drop.reason, drop.fixes) for drop in track.drops] == [("jump", 1)]
    assert track.segment_kept.all()
    assert track.distance_m == pytest.approx(390.0, rel=0.02)


def test_a_reflection_that_holds_costs_its_two_jumps_and_is_bridged() -> None:
    t_s = np.arange(0, 301)
    east_m = 1.3 * t_s
    east_m[100:130] += 40.0
    track = clean(fixes_at(t_s, east_m), RULES)
    assert np.flatnonzero(~track.segment_kept).tolist() == [99, 129]
    assert track.segment_joined.all()
    assert track.distance_m == pytest.approx(390.0, rel=0.02)


def test_a_traffic_light_belongs_to_the_car_and_a_long_stop_does_not() -> None:
    def drive_stop_drive(stop_s: int) -> CleanTrack:
        speed = np.concatenate([np.full(120, 12.0), np.zeros(stop_s), np.full(120, 12.0)])
        return clean(fixes_at(np.arange(len(speed)), np.cumsum(speed)), RULES)

    light = drive_stop_drive(60)
    assert not light.segment_kept.any()
    assert reasons(light) == {"vehicle", "vehicle_stop"}
    assert drive_stop_drive(300).segment_kept.any()


def test_a_walk_keeps_its_length_when_a_car_takes_it_home() -> None:
    speed = np.concatenate([np.full(1_200, 1.3), np.full(400, 12.0)])
    track = clean(fixes_at(np.arange(len(speed)), np.cumsum(speed)), RULES)
    assert track.distance_m == pytest.approx(1_560.0, rel=0.05)
    assert max(track.drops, key=lambda drop: drop.to_ms - drop.from_ms).reason == "vehicle"


def test_hopping_in_short_glimpses_is_a_vehicle() -> None:
    # Six seconds of standing in each of 40 places 60 m apart, a second to the next.
    t_s = np.arange(280)
    track = clean(fixes_at(t_s, 60.0 * (t_s // 7)), RULES)
    assert track.distance_m == 0.0
    assert "vehicle" in reasons(track)


def test_nothing_is_joined_over_a_gap_of_more_than_a_minute() -> None:
    t_s = np.concatenate([np.arange(0, 60), np.arange(125, 185)])
    track = clean(fixes_at(t_s, 1.3 * t_s), RULES)
    assert [(drop.reason, drop.fixes) for drop in track.drops] == [("gap", 0)]
    assert np.flatnonzero(~track.segment_joined).tolist() == [59]
    assert track.distance_m == pytest.approx(1.3 * 118, rel=0.03)


# --- length ------------------------------------------------------------------------------------


@pytest.mark.parametrize("tau_s", [20.0, 30.0, 60.0])
@pytest.mark.parametrize("seed", range(10))
def test_a_dog_that_stands_ten_minutes_walks_less_than_20_m(tau_s: float, seed: int) -> None:
    track = clean(noisy(0.0, 600, tau_s, seed), RULES)
    assert track.distance_m < 20.0
    assert track.paused_ms > 540_000


@pytest.mark.parametrize("tau_s", [20.0, 30.0, 60.0])
def test_a_slow_stroll_keeps_its_length(tau_s: float) -> None:
    lengths = [clean(noisy(0.6, 900, tau_s, seed), RULES).distance_m for seed in range(10)]
    assert np.mean(lengths) == pytest.approx(540.0, rel=0.05)


@pytest.mark.parametrize("kind", ["walk", "loop", "park", "no_steps", "sparse"])
def test_the_length_of_an_honest_walk_is_right_to_five_percent(kind: str) -> None:
    ratios = []
    for seed in range(12):
        walk = simulate(kind, seed)
        ratios.append(clean(walk.fixes, RULES).distance_m / walk.truth_distance_m)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.05)
    assert np.all(np.abs(np.array(ratios) - 1.0) < 0.08)


@pytest.mark.parametrize("kind", ["car", "bus", "bike"])
def test_simulated_vehicles_earn_next_to_nothing(kind: str) -> None:
    for seed in range(10):
        walk = simulate(kind, seed)
        assert clean(walk.fixes, RULES).distance_m < 0.06 * walk.truth_distance_m


# --- report ------------------------------------------------------------------------------------


def test_a_drop_is_described_in_both_languages() -> None:
    drop = Drop("vehicle", 0, 130_000, 131)
    assert describe(drop, "en") == "vehicle speed for 2 min 10 s"
    assert describe(drop) == "탈것 속도로 이동한 구간 2분 10초"


def test_every_reason_has_a_sentence_and_the_longest_comes_first() -> None:
    codes = [
        "accuracy",
        "mock",
        "out_of_range",
        "duplicate_time",
        "jump",
        "vehicle",
        "vehicle_stop",
        "gap",
    ]
    drops = [Drop(code, 0, 1_000 * (index + 1), 2) for index, code in enumerate(codes)]
    assert len(summarise([*drops, *drops], "en")) == len(codes)
    assert summarise(drops, "en")[0] == "no position for 8 s"


# --- real recordings ---------------------------------------------------------------------------


def recorded(path: Path) -> Fixes:
    t_ms, lat, lng = [], [], []
    for element in ElementTree.parse(path).iter():
        times = [child.text for child in element if child.tag.endswith("}time")]
        if element.tag.endswith("}trkpt") and times and times[0]:
            t_ms.append(int(datetime.fromisoformat(times[0]).timestamp() * 1_000))
            lat.append(float(element.attrib["lat"]))
            lng.append(float(element.attrib["lon"]))
    return Fixes.of(t_ms, lat, lng)


def test_the_real_car_trip_earns_nothing(data_folder: Path) -> None:
    track = clean(recorded(data_folder / "tracks" / "around-visnjan-with-car.gpx"), RULES)
    assert track.distance_m == 0.0
    assert reasons(track) == {"vehicle", "vehicle_stop"}


def test_the_real_hike_keeps_its_walk_and_loses_its_ride(data_folder: Path) -> None:
    track = clean(recorded(data_folder / "tracks" / "cerknicko-jezero.gpx"), RULES)
    assert 1_800 < track.distance_m < 2_300
    assert track.max_speed_mps < 3.0
    assert "vehicle" in reasons(track)


def test_the_other_real_hike_is_all_walked(data_folder: Path) -> None:
    track = clean(recorded(data_folder / "tracks" / "korita-zbevnica.gpx"), RULES)
    assert reasons(track) == {"gap"}
    assert 5_000 < track.distance_m < 5_700
