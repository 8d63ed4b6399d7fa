"""How far a walk can be believed: a score from signals that each say what was seen."""

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from game_engine.rules import Rules, TrustRules
from game_engine.track import MOCK, VEHICLE, VEHICLE_STOP, CleanTrack, Fixes
from game_engine.wander import measure_wander

# Large enough for a third of a track to be recognised; see docs/decisions/0002.
FINGERPRINT_SIZE: Final = 48
# Fewer common hashes than this happen to daily walks with a good receiver on one path.
FINGERPRINT_MIN_COMMON: Final = 8
_SAME_MIN_SHARE: Final = 0.85
_EARTH_RADIUS_M: Final = 6_371_008.8


class LastEnd(msgspec.Struct, frozen=True):
    """When and where the user's walk before this one ended (UTC ms, 1e-5 degree)."""

    t_ms: int
    lat_e5: int
    lng_e5: int


class TrustContext(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about a walk beside its track; the defaults know nothing.

    `mono_drift_ms`: wall clock's elapsed time minus the monotonic clock's over the walk.
    `duplicate_of_other` / `duplicate_of_own`: `is_same_track` held for a walk of another account
    / an earlier walk of the same one.
    """

    mono_drift_ms: int | None = None
    duplicate_of_other: bool = False
    duplicate_of_own: bool = False
    last_end: LastEnd | None = None


class Signal(msgspec.Struct, frozen=True):
    """One reason to believe less: stable code, points taken off, what was measured."""

    code: str
    penalty: int
    detail: str


class Trust(msgspec.Struct, frozen=True):
    """A score of 0-100 and the signals that lowered it."""

    score: int
    signals: tuple[Signal, ...] = ()


def assess(track: CleanTrack, context: TrustContext, rules: Rules) -> Trust:
    """Score a clean track from 100 down; below `rules.trust_board_min` only the diary counts."""
    limits = rules.trust
    signals = [
        signal
        for signal in (
            _mock(track, limits),
            _clock(context, limits),
            _duplicate(context, limits),
            _start(track, context, limits),
            _steps(track, limits),
            _ridden(track, limits),
            _accuracy(track, limits),
            *_motion(track, limits),
        )
        if signal is not None
    ]
    return Trust(max(0, 100 - sum(signal.penalty for signal in signals)), tuple(signals))


def fingerprint(fixes: Fixes) -> tuple[int, ...]:
    """Return the `FINGERPRINT_SIZE` smallest 62-bit hashes of the positions, in rising order.

    A bottom-k sketch (Broder 1997): free of time and order, so a replay that is shifted,
    reversed, cut or thinned shares hashes with its source, while two phones side by side hardly
    do: their noise differs and a position is 1 m wide.
    """
    lat = fixes.lat_e5.astype(np.int64).view(np.uint64) & np.uint64(0xFFFF_FFFF)
    lng = fixes.lng_e5.astype(np.int64).view(np.uint64) & np.uint64(0xFFFF_FFFF)
    mixed = _splitmix64(lat << np.uint64(32) | lng) >> np.uint64(2)
    return tuple(np.unique(mixed)[:FINGERPRINT_SIZE].tolist())


def is_same_track(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Tell whether one fingerprint is of the other's track or of a part of it.

    Both sketches are complete up to the smaller of their largest hashes; below it the smaller
    track must lie nearly all in the other (a part of a track lies wholly in it, while walkers with
    good receivers on one path share up to a fifth of their positions). Tracks of fewer than
    `FINGERPRINT_MIN_COMMON` positions are never the same.
    """
    if len(a) < FINGERPRINT_MIN_COMMON or len(b) < FINGERPRINT_MIN_COMMON:
        return False
    # A sketch that is not full holds all hashes of its track: it is complete everywhere.
    ends = [sketch[-1] for sketch in (a, b) if len(sketch) == FINGERPRINT_SIZE]
    end = min(ends, default=max(a[-1], b[-1]))
    inside_a = {value for value in a if value <= end}
    inside_b = {value for value in b if value <= end}
    common = len(inside_a & inside_b)
    smaller = min(len(inside_a), len(inside_b))
    return common >= max(FINGERPRINT_MIN_COMMON, _SAME_MIN_SHARE * smaller)


def _splitmix64(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014); wraps around by design."""
    mixed = values + np.uint64(0x9E37_79B9_7F4A_7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    return mixed ^ (mixed >> np.uint64(31))


def _mock(track: CleanTrack, limits: TrustRules) -> Signal | None:
    mocked = sum(drop.fixes for drop in track.drops if drop.reason == MOCK)
    if not mocked:
        return None
    share = mocked / (mocked + len(track.fixes))
    penalty = limits.mock_penalty if share >= limits.mock_share else limits.mock_few_penalty
    return Signal("mock_provider", penalty, f"{mocked} fixes ({share:.0%}) from a mock provider")


def _clock(context: TrustContext, limits: TrustRules) -> Signal | None:
    if context.mono_drift_ms is None or abs(context.mono_drift_ms) <= limits.drift_small_ms:
        return None
    large = abs(context.mono_drift_ms) > limits.drift_large_ms
    penalty = limits.drift_large_penalty if large else limits.drift_small_penalty
    detail = f"clock moved {context.mono_drift_ms / 1_000:.0f} s against the monotonic clock"
    return Signal("clock_drift", penalty, detail)


def _duplicate(context: TrustContext, limits: TrustRules) -> Signal | None:
    if context.duplicate_of_other:
        detail = "the same positions as a walk of another account"
        return Signal("duplicate_of_other", limits.duplicate_penalty, detail)
    if context.duplicate_of_own:
        detail = "the same positions as an earlier walk of this account"
        return Signal("duplicate_of_own", limits.duplicate_penalty, detail)
    return None


def _start(track: CleanTrack, context: TrustContext, limits: TrustRules) -> Signal | None:
    """Compare the start with the end of the walk before it.

    A start before that end is left alone here: two phones of one household may record at once.
    """
    last = context.last_end
    if last is None or not len(track.fixes):
        return None
    elapsed_s = (int(track.fixes.t_ms[0]) - last.t_ms) / 1_000.0
    distance_m = _great_circle_m(
        (last.lat_e5, last.lng_e5),
        (int(track.fixes.lat_e5[0]), int(track.fixes.lng_e5[0])),
    )
    if distance_m < limits.start_far_min_m:
        return None
    speed_mps = distance_m / max(elapsed_s, 1.0)
    if speed_mps <= limits.start_fast_mps:
        return None
    impossible = speed_mps > limits.start_impossible_mps
    penalty = limits.start_impossible_penalty if impossible else limits.start_fast_penalty
    detail = f"{distance_m / 1_000:.0f} km from the last end within {max(elapsed_s, 0):.0f} s"
    return Signal("implausible_start", penalty, detail)


def _great_circle_m(a_e5: tuple[int, int], b_e5: tuple[int, int]) -> float:
    """Distance on the mean sphere by the haversine formula, metres."""
    lat_a, lng_a, lat_b, lng_b = np.radians(np.array([*a_e5, *b_e5]) / 1e5)
    half = (
        np.sin((lat_b - lat_a) / 2) ** 2
        + np.cos(lat_a) * np.cos(lat_b) * np.sin((lng_b - lng_a) / 2) ** 2
    )
    return float(2 * _EARTH_RADIUS_M * np.arcsin(np.sqrt(half)))


def _steps(track: CleanTrack, limits: TrustRules) -> Signal | None:
    steps = track.fixes.steps
    if steps is None or track.distance_m < limits.steps_min_m:
        return None
    # Steps of kept segments only; a counter that restarts (reboot) steps back and adds nothing.
    made = np.maximum(np.diff(steps.astype(np.int64)), 0)[track.segment_kept]
    count = int(made.sum())
    stride_m = track.distance_m / max(count, 1)
    if stride_m <= limits.stride_long_m:
        return None
    impossible = stride_m > limits.stride_impossible_m
    penalty = limits.stride_impossible_penalty if impossible else limits.stride_long_penalty
    detail = f"{count} steps for {track.distance_m:.0f} m"
    return Signal("steps_missing", penalty, detail)


def _ridden(track: CleanTrack, limits: TrustRules) -> Signal | None:
    ridden_ms = sum(
        drop.to_ms - drop.from_ms for drop in track.drops if drop.reason in (VEHICLE, VEHICLE_STOP)
    )
    if not ridden_ms:
        return None
    share = ridden_ms / (ridden_ms + track.moving_ms)
    if share < limits.ridden_share:
        return None
    return Signal("mostly_vehicle", limits.ridden_penalty, f"{share:.0%} of the way by vehicle")


def _accuracy(track: CleanTrack, limits: TrustRules) -> Signal | None:
    known = track.fixes.accuracy_m[~track.fixes.accuracy_unknown]
    if len(known) < limits.accuracy_min_fixes:
        return None
    spread_m = float(known.std())
    if spread_m >= limits.accuracy_spread_m:
        return None
    detail = f"accuracy of {known[0]} m throughout"
    return Signal("constant_accuracy", limits.accuracy_penalty, detail)


def _motion(track: CleanTrack, limits: TrustRules) -> tuple[Signal | None, ...]:
    wander = measure_wander(track, limits)
    if wander is None:
        return ()
    signals = []
    for code, found_m, ratio, penalty in (
        (
            "constant_speed",
            wander.along_m,
            limits.constant_speed_white_ratio,
            limits.constant_speed_penalty,
        ),
        ("ruler_straight", wander.across_m, limits.straight_white_ratio, limits.straight_penalty),
    ):
        if found_m < max(limits.motion_floor_m, ratio * wander.white_m):
            detail = f"wanders {found_m:.1f} m beside white noise of {wander.white_m:.1f} m"
            signals.append(Signal(code, penalty, detail))
    return tuple(signals)
