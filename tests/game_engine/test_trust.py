"""Trust: each signal on its own, forged tracks below the limit, honest ones above it."""

from dataclasses import replace

import numpy as np
import pytest

from edge_sdk.walk.gps_error import GpsError
from edge_sdk.walk.simulate import HONEST_KINDS, record, simulate
from edge_sdk.walk.truth import Gait
from game_engine.rules import CURRENT_RULES, rules_for
from game_engine.track import FLAG_MOCK, Fixes, clean
from game_engine.trust import (
    FINGERPRINT_SIZE,
    LastEnd,
    Trust,
    TrustContext,
    assess,
    fingerprint,
    is_same_track,
)

RULES = rules_for(CURRENT_RULES)
HONEST = simulate("walk", 3).fixes


def trust_of(fixes: Fixes, context: TrustContext | None = None) -> Trust:
    return assess(clean(fixes, RULES), context or TrustContext(), RULES)


def codes(trust: Trust) -> list[str]:
    return [signal.code for signal in trust.signals]


def counts(trust: Trust) -> bool:
    return trust.score >= RULES.trust_board_min


@pytest.mark.parametrize("kind", HONEST_KINDS)
def test_honest_walks_of_every_kind_count(kind: str) -> None:
    assert all(counts(trust_of(simulate(kind, seed).fixes)) for seed in range(8))


def test_an_empty_walk_is_assessed_without_complaint() -> None:
    assert trust_of(Fixes.empty()) == Trust(100, ())


def test_a_mock_provider_is_never_on_the_board_and_one_stray_flag_is_forgiven() -> None:
    all_mock = replace(HONEST, flags=HONEST.flags | np.uint8(FLAG_MOCK))
    assert codes(trust_of(all_mock)) == ["mock_provider"]
    assert not counts(trust_of(all_mock))
    flags = HONEST.flags.copy()
    flags[5] |= FLAG_MOCK
    assert counts(trust_of(replace(HONEST, flags=flags)))


@pytest.mark.parametrize(
    ("drift_ms", "score"),
    [(None, 100), (0, 100), (-9_000, 100), (30_000, 75), (-3_600_000, 35), (31_536_000_000, 35)],
)
def test_a_clock_that_was_set_during_the_walk_costs_trust(drift_ms: int | None, score: int) -> None:
    assert trust_of(HONEST, TrustContext(mono_drift_ms=drift_ms)).score == score


@pytest.mark.parametrize(
    ("context", "code"),
    [
        (TrustContext(duplicate_of_other=True), "duplicate_of_other"),
        (TrustContext(duplicate_of_own=True), "duplicate_of_own"),
    ],
)
def test_a_copied_track_does_not_count(context: TrustContext, code: str) -> None:
    trust = trust_of(HONEST, context)
    assert codes(trust) == [code]
    assert not counts(trust)


@pytest.mark.parametrize(
    ("hours", "lat_e5", "expected"),
    [
        (12.0, 3_510_000, []),  # Busan the evening before
        (1.0, 3_510_000, []),  # an express train
        (0.5, 3_510_000, ["implausible_start"]),
        (0.1, 3_510_000, ["implausible_start"]),
        (-1.0, 3_754_400, []),  # two phones of one household
    ],
)
def test_a_start_too_far_from_the_last_end(hours: float, lat_e5: int, expected: list[str]) -> None:
    last = LastEnd(int(HONEST.t_ms[0]) - int(hours * 3_600_000), lat_e5, 12_904_000)
    if hours < 0:
        last = LastEnd(last.t_ms, int(HONEST.lat_e5[0]), int(HONEST.lng_e5[0]))
    assert codes(trust_of(HONEST, TrustContext(last_end=last))) == expected


def test_a_phone_that_counts_no_steps_was_not_walked_and_one_without_a_counter_may_be() -> None:
    no_steps = replace(HONEST, steps=np.zeros(len(HONEST), dtype=np.int32))
    assert codes(trust_of(no_steps)) == ["steps_missing"]
    assert not counts(trust_of(no_steps))
    assert trust_of(replace(HONEST, steps=None)).score == 100


def test_a_rounded_constant_accuracy_alone_keeps_the_walk_on_the_board() -> None:
    constant = replace(HONEST, accuracy_m=np.full(len(HONEST), 5, dtype=np.int16))
    trust = trust_of(constant)
    assert codes(trust) == ["constant_accuracy"]
    assert counts(trust)


@pytest.mark.parametrize("kind", ["car", "bus", "bike", "spoofed_loop", "mock_provider"])
def test_cheats_do_not_reach_the_board(kind: str) -> None:
    assert not any(counts(trust_of(simulate(kind, seed).fixes)) for seed in range(20))


def test_a_route_simulator_is_told_what_gave_it_away() -> None:
    plain = next(
        walk
        for walk in (simulate("spoofed_loop", seed) for seed in range(99))
        if walk.variant == "white_jitter"
    )
    assert {"constant_speed", "ruler_straight"} <= set(codes(trust_of(plain.fixes)))


# --- fingerprints ------------------------------------------------------------------------------


def test_a_fingerprint_is_rising_62_bit_hashes_free_of_time_and_order() -> None:
    sketch = fingerprint(HONEST)
    assert len(sketch) == FINGERPRINT_SIZE
    assert list(sketch) == sorted(set(sketch))
    assert sketch[0] >= 0
    assert sketch[-1] < 2**62
    backwards = HONEST.take(slice(None, None, -1))
    assert fingerprint(replace(backwards, t_ms=backwards.t_ms + 1)) == sketch


def test_a_fingerprint_never_changes() -> None:
    fixes = Fixes.of(range(3), [37.5, -33.9, 0.0], [127.0, -70.1, 0.0])
    assert fingerprint(fixes) == (
        3456109960172938723,
        4073552104164651883,
        4523782229873881131,
    )


@pytest.mark.parametrize("seed", range(30))
def test_every_kind_of_replay_is_recognised(seed: int) -> None:
    walk = simulate("replay", seed)
    assert walk.original is not None
    assert is_same_track(fingerprint(walk.fixes), fingerprint(walk.original))


def test_companions_and_daily_walkers_are_not_replays() -> None:
    way = np.array([[0.0, 0.0], [300.0, 0.0], [300.0, 400.0], [0.0, 400.0], [0.0, 0.0]])
    error = GpsError(sigma_m=1.5, tau_s=60.0, white_m=0.2)
    gait = Gait(speed_mps=1.2)
    sketches = [fingerprint(record(way, seed, gait=gait, error=error).fixes) for seed in range(40)]
    pairs = [(a, b) for index, a in enumerate(sketches) for b in sketches[:index]]
    assert sum(is_same_track(a, b) for a, b in pairs) == 0


def test_short_tracks_are_never_the_same() -> None:
    two = fingerprint(Fixes.of([0, 1], [37.0, 37.1], [127.0, 127.0]))
    assert not is_same_track(two, two)
    assert not is_same_track((), ())
