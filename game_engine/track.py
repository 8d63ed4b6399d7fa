"""From fixes to a clean track: what counts, how far it was, and why the rest did not count."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from game_engine.errors import InvalidFixes
from game_engine.motion import Bool, Complex128, Float64, SplicedPath, runs
from game_engine.rules import Rules
from game_engine.vehicle import find_outliers, find_vehicles

FLAG_MOCK: Final = 1
FLAG_ACCURACY_UNKNOWN: Final = 2

# Reasons of a drop: of fixes, then of segments.
DUPLICATE_TIME: Final = "duplicate_time"
OUT_OF_RANGE: Final = "out_of_range"
MOCK: Final = "mock"
ACCURACY: Final = "accuracy"
GAP: Final = "gap"
JUMP: Final = "jump"
VEHICLE: Final = "vehicle"
VEHICLE_STOP: Final = "vehicle_stop"
_SEGMENT_REASONS: Final = ("", GAP, JUMP, VEHICLE, VEHICLE_STOP)

# One degree in stored units.
E5: Final = 100_000
# Metres per 1e-5 degree of a great circle; mean Earth radius 6,371,008.8 m (IUGG).
_METRES_PER_E5: Final = 6_371_008.8 * np.pi / 180.0 / E5
_INT16_MAX: Final = 32_767
# Stored for a coordinate that is not a number: far outside any latitude or longitude.
_NOWHERE_E5: Final = 2_000_000_000

Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
Int16 = npt.NDArray[np.int16]
UInt8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False, slots=True)
class Fixes:
    """Positions of one phone in columns of equal length, quantised to 1e-5 degree.

    `t_ms` UTC milliseconds by the device clock, `lat_e5`/`lng_e5` 1e-5 degree, `accuracy_m`
    metres, `flags` (`FLAG_MOCK`, `FLAG_ACCURACY_UNKNOWN`), `steps` cumulative count or None when
    the phone has no step counter. Raises `InvalidFixes` when lengths differ.
    """

    t_ms: Int64
    lat_e5: Int32
    lng_e5: Int32
    accuracy_m: Int16
    flags: UInt8
    steps: Int32 | None = None

    def __post_init__(self) -> None:
        columns = (self.t_ms, self.lat_e5, self.lng_e5, self.accuracy_m, self.flags, self.steps)
        shapes = {column.shape for column in columns if column is not None}
        if len(shapes) != 1 or self.t_ms.ndim != 1:
            raise InvalidFixes(
                f"columns of fixes must be flat and equally long, got {sorted(shapes)}"
            )

    @classmethod
    def of(
        cls,
        t_ms: npt.ArrayLike,
        lat: npt.ArrayLike,
        lng: npt.ArrayLike,
        accuracy_m: npt.ArrayLike | None = None,
        *,
        mock: npt.ArrayLike | bool = False,
        steps: npt.ArrayLike | None = None,
    ) -> Self:
        """Quantise columns in degrees and metres; a NaN accuracy (or None) is unknown.

        A coordinate that is not finite or does not fit is kept as a position out of range, so
        that cleaning drops it with a reason and its neighbours live.
        """
        times = np.asarray(t_ms, dtype=np.int64)
        unknown = np.ones(times.shape, dtype=np.bool_)
        metres = np.zeros(times.shape, dtype=np.float64)
        if accuracy_m is not None:
            given = np.asarray(accuracy_m, dtype=np.float64)
            unknown = ~np.isfinite(given) | (given < 0)
            metres = np.where(unknown, 0.0, given)
        flags = np.where(unknown, FLAG_ACCURACY_UNKNOWN, 0) | np.where(mock, FLAG_MOCK, 0)
        return cls(
            t_ms=times,
            lat_e5=_quantise(lat),
            lng_e5=_quantise(lng),
            # Rounded up: a fix must not look better than it is.
            accuracy_m=np.minimum(np.ceil(metres), _INT16_MAX).astype(np.int16),
            flags=np.broadcast_to(flags, times.shape).astype(np.uint8),
            steps=None if steps is None else np.asarray(steps, dtype=np.int32),
        )

    @classmethod
    def empty(cls) -> Self:
        """No fixes at all."""
        return cls.of([], [], [])

    @classmethod
    def concat(cls, parts: Iterable["Fixes"]) -> Self:
        """Join parts in the given order; steps stay only when every non-empty part has them."""
        filled = [part for part in parts if len(part)]
        if not filled:
            return cls.empty()
        steps = [part.steps for part in filled if part.steps is not None]
        return cls(
            t_ms=np.concatenate([part.t_ms for part in filled]),
            lat_e5=np.concatenate([part.lat_e5 for part in filled]),
            lng_e5=np.concatenate([part.lng_e5 for part in filled]),
            accuracy_m=np.concatenate([part.accuracy_m for part in filled]),
            flags=np.concatenate([part.flags for part in filled]),
            steps=np.concatenate(steps) if len(steps) == len(filled) else None,
        )

    def take(self, index: Int64 | Bool | slice) -> Self:
        """Return the fixes at `index` (positions, a mask or a slice)."""
        return type(self)(
            t_ms=self.t_ms[index],
            lat_e5=self.lat_e5[index],
            lng_e5=self.lng_e5[index],
            accuracy_m=self.accuracy_m[index],
            flags=self.flags[index],
            steps=None if self.steps is None else self.steps[index],
        )

    def __len__(self) -> int:
        return len(self.t_ms)

    @property
    def lat(self) -> Float64:
        """Latitude in degrees."""
        return self.lat_e5 / E5

    @property
    def lng(self) -> Float64:
        """Longitude in degrees."""
        return self.lng_e5 / E5

    @property
    def mock(self) -> Bool:
        """True where the phone said that a mock provider made the fix."""
        flagged: Bool = (self.flags & FLAG_MOCK) != 0
        return flagged

    @property
    def accuracy_unknown(self) -> Bool:
        """True where the source gave no accuracy."""
        flagged: Bool = (self.flags & FLAG_ACCURACY_UNKNOWN) != 0
        return flagged


@dataclass(frozen=True, slots=True)
class Drop:
    """A piece of the track that does not count: reason code, time span (UTC ms), fixes in it."""

    reason: str
    from_ms: int
    to_ms: int
    fixes: int


@dataclass(frozen=True, eq=False, slots=True)
class CleanTrack:
    """A track after cleaning; n fixes in order of time, n-1 segments between neighbours.

    `segment_kept` counts, `segment_joined` (kept, or a short error of the receiver) carries the
    way on for loops though an error has no length; `fix_kept` touches a kept segment; `moving`
    segments are walked, the other kept ones are pauses. `x_m`, `y_m`: east and north of the first
    fix. `segment_distance_m` (0 where not moving) adds up to `distance_m`; mean speed is over
    moving time. `drops`: every piece that does not count, by time.
    """

    fixes: Fixes
    segment_kept: Bool
    segment_joined: Bool
    fix_kept: Bool
    moving: Bool
    x_m: Float64
    y_m: Float64
    segment_distance_m: Float64
    distance_m: float
    moving_ms: int
    paused_ms: int
    mean_speed_mps: float
    max_speed_mps: float
    drops: tuple[Drop, ...]


def clean(fixes: Fixes, rules: Rules) -> CleanTrack:
    """Order fixes, drop what does not count with its reason, and measure what does.

    Any number of fixes in any order; the same fixes give the same track in every order except
    that of two fixes with one time, of which the first stays.
    """
    ordered, drops = _ordered(fixes)
    valid, unfit = _valid(ordered, rules)
    drops += unfit
    good = ordered if valid.all() else ordered.take(valid)
    x_m, y_m = _local_metres(good)
    outlier = find_outliers(good.t_ms, x_m + 1j * y_m, rules)
    if outlier.any():
        drops += _fix_drops(good.t_ms, outlier, JUMP)
        good, x_m, y_m = good.take(~outlier), x_m[~outlier], y_m[~outlier]
    if len(good) < 2:
        return _still(good, x_m, y_m, drops)

    t_ms = good.t_ms
    duration_ms = np.diff(t_ms)
    step_m = np.diff(x_m) + 1j * np.diff(y_m)
    gap = duration_ms > rules.gap_max_ms
    vehicles = find_vehicles(t_ms, step_m, gap, rules)
    why = np.zeros(len(gap), dtype=np.int8)
    for code, mask in enumerate((gap, vehicles.jump, vehicles.fast, vehicles.stop), start=1):
        why[mask] = code
    kept = why == 0
    fix_kept = np.zeros(len(good), dtype=np.bool_)
    fix_kept[:-1] |= kept
    fix_kept[1:] |= kept
    if not kept.all():
        drops += _segment_drops(t_ms, why, fix_kept)

    length = _length(duration_ms, step_m, kept, rules)
    distance_m = float(length.segment_m.sum())
    moving_ms = int(duration_ms[length.moving].sum())
    return CleanTrack(
        fixes=good,
        segment_kept=kept,
        segment_joined=kept | vehicles.bridged,
        fix_kept=fix_kept,
        moving=length.moving,
        x_m=x_m,
        y_m=y_m,
        segment_distance_m=length.segment_m,
        distance_m=distance_m,
        moving_ms=moving_ms,
        paused_ms=int(duration_ms[kept].sum()) - moving_ms,
        mean_speed_mps=1_000.0 * distance_m / moving_ms if moving_ms else 0.0,
        max_speed_mps=length.max_speed_mps,
        drops=tuple(sorted(drops, key=lambda drop: (drop.from_ms, drop.to_ms, drop.reason))),
    )


def _ordered(fixes: Fixes) -> tuple[Fixes, list[Drop]]:
    if len(fixes) > 1 and not np.all(np.diff(fixes.t_ms) > 0):
        fixes = fixes.take(np.argsort(fixes.t_ms, kind="stable"))
        again = np.diff(fixes.t_ms, prepend=fixes.t_ms[0] - 1) == 0
        drops = _fix_drops(fixes.t_ms, again, DUPLICATE_TIME)
        return fixes.take(~again), drops
    return fixes, []


def _valid(fixes: Fixes, rules: Rules) -> tuple[Bool, list[Drop]]:
    """Mark the fixes that may count; each of the others has the first reason that applies."""
    outside = (np.abs(fixes.lat_e5.astype(np.int64)) > 90 * E5) | (
        np.abs(fixes.lng_e5.astype(np.int64)) > 180 * E5
    )
    accuracy_m = np.where(fixes.accuracy_unknown, rules.accuracy_unknown_m, fixes.accuracy_m)
    vague = (accuracy_m > rules.accuracy_max_m) | (accuracy_m < 0)
    unfit = np.zeros(len(fixes), dtype=np.bool_)
    drops: list[Drop] = []
    for reason, mask in ((OUT_OF_RANGE, outside), (MOCK, fixes.mock), (ACCURACY, vague)):
        if mask.any():
            drops += _fix_drops(fixes.t_ms, mask & ~unfit, reason)
            unfit |= mask
    return ~unfit, drops


def _fix_drops(t_ms: Int64, mask: Bool, reason: str) -> list[Drop]:
    return [
        Drop(reason, int(t_ms[start]), int(t_ms[end - 1]), end - start) for start, end in runs(mask)
    ]


def _segment_drops(t_ms: Int64, why: npt.NDArray[np.int8], fix_kept: Bool) -> list[Drop]:
    edges = np.flatnonzero(np.diff(why)) + 1
    bounds = [0, *edges.tolist(), len(why)]
    drops = []
    for start, end in pairwise(bounds):
        if why[start]:
            # A fix between two dropped pieces is counted by the first of them.
            first = start + 1 if start and why[start - 1] else start
            lost = int(np.count_nonzero(~fix_kept[first : end + 1]))
            drops.append(Drop(_SEGMENT_REASONS[why[start]], int(t_ms[start]), int(t_ms[end]), lost))
    return drops


def _local_metres(fixes: Fixes) -> tuple[Float64, Float64]:
    """Metres east and north of the first fix on a sphere; exact to 0.1 % within 50 km."""
    if not len(fixes):
        return np.zeros(0), np.zeros(0)
    north = (fixes.lat_e5 - fixes.lat_e5[0].astype(np.int64)) * _METRES_PER_E5
    east_e5 = fixes.lng_e5 - fixes.lng_e5[0].astype(np.int64)
    half = 180 * E5
    east_e5 = (east_e5 + half) % (2 * half) - half  # the short way across the date line
    middle = np.radians((float(fixes.lat_e5.min()) + float(fixes.lat_e5.max())) / (2 * E5))
    return east_e5 * (_METRES_PER_E5 * np.cos(middle)), north


def _still(fixes: Fixes, x_m: Float64, y_m: Float64, drops: list[Drop]) -> CleanTrack:
    none = np.zeros(0, dtype=np.bool_)
    return CleanTrack(
        fixes=fixes,
        segment_kept=none,
        segment_joined=none,
        fix_kept=np.zeros(len(fixes), dtype=np.bool_),
        moving=none,
        x_m=x_m,
        y_m=y_m,
        segment_distance_m=np.zeros(0),
        distance_m=0.0,
        moving_ms=0,
        paused_ms=0,
        mean_speed_mps=0.0,
        max_speed_mps=0.0,
        drops=tuple(sorted(drops, key=lambda drop: (drop.from_ms, drop.to_ms, drop.reason))),
    )


@dataclass(frozen=True, eq=False, slots=True)
class _Length:
    segment_m: Float64
    moving: Bool
    max_speed_mps: float


def _length(duration_ms: Int64, step_m: Complex128, kept: Bool, rules: Rules) -> _Length:
    """Measure kept segments without the length that noise adds.

    Net displacement over a wide window says whether anything moved at all, over a narrow one
    where a pause is. The speed of a moving segment is the net displacement over a window that
    spans about `length_span_m`: longer when slow, where noise weighs more.
    """
    segment_m = np.zeros(len(kept))
    moving = np.zeros(len(kept), dtype=np.bool_)
    if not kept.any():
        return _Length(segment_m, moving, 0.0)
    path = SplicedPath.of(duration_ms / 1_000.0, step_m, kept)
    wide_s = rules.moving_wide_window_ms / 1_000.0
    narrow_s = rules.moving_narrow_window_ms / 1_000.0
    wide_m, wide_width_s = path.net_m(wide_s)
    narrow_m, narrow_width_s = path.net_m(narrow_s)
    share = wide_width_s / wide_s
    surely = wide_m >= rules.moving_wide_min_m * share
    walked = _runs_holding(wide_m >= rules.moving_weak_min_m * share, surely)
    walked &= narrow_m >= rules.moving_narrow_min_m * narrow_width_s / narrow_s
    rough_mps = np.maximum(wide_m / wide_width_s, 1e-3)
    window_s = np.clip(
        rules.length_span_m / rough_mps,
        rules.length_window_min_ms / 1_000.0,
        rules.length_window_max_ms / 1_000.0,
    )
    speed_mps = np.where(walked, path.centred_speed_mps(window_s), 0.0)
    moving[kept] = walked
    segment_m[kept] = speed_mps * np.diff(path.clock_s)
    return _Length(segment_m, moving, float(speed_mps.max()))


def _runs_holding(weak: Bool, strong: Bool) -> Bool:
    """Keep the runs of `weak` in which at least one element is `strong`."""
    held = np.zeros(len(weak), dtype=np.bool_)
    for start, end in runs(weak):
        held[start:end] = strong[start:end].any()
    return held


def _quantise(degrees: npt.ArrayLike) -> Int32:
    scaled = np.asarray(degrees, dtype=np.float64) * E5
    sound = np.abs(scaled) < _NOWHERE_E5  # False for NaN
    return np.rint(np.where(sound, scaled, _NOWHERE_E5)).astype(np.int32)
