"""Measures a planned walk: its events and its joints at 120 Hz give the GaitTruth. Pure NumPy."""

from __future__ import annotations

import numpy as np

from model_export.synth.kinematics import FL, FR, RL, RR, GaitPlan, LimbEvents
from model_export.synth.posture import BoolArray, FloatArray
from model_export.synth.truth import GaitTruth

SAMPLE_HZ = 120.0


def measure(plan: GaitPlan, seconds: float) -> GaitTruth:
    """What holds in the clip 0 .. `seconds`: strides, stances and steps that lie inside it.

    With less than a whole stride inside, the strides about the clip count too.
    """
    g = plan.gait
    events = plan.events
    stances = [_stances(e, seconds) for e in events]
    strides = [_strides(e, seconds) for e in events]
    hind = np.concatenate((strides[RL], strides[RR]))
    period = float(hind.mean())
    times: FloatArray = np.arange(0.0, seconds, 1.0 / SAMPLE_HZ, dtype=np.float64)
    motion = plan.at(times)
    skeleton = motion.skeleton
    limbs = skeleton.limbs
    tail = skeleton.tail[:, 0]
    rom = {}
    for limb in (RL, RR):
        _, hip, stifle, hock, paw = (limbs[:, limb, joint] for joint in range(5))
        cycles = _cycle_index(events[limb], times)
        rom[limb] = (
            _range(angle_deg(hip, stifle, hock), cycles),
            _range(angle_deg(stifle, hock, paw), cycles),
            _range(angle_deg(tail, stifle, hock), cycles),
        )
    lame = events[RL if g.skip_left else RR]
    seen = (lame.down_s >= 0) & (lame.down_s <= seconds)
    skip = float(lame.carried[seen].mean()) if seen.any() else 0.0
    pelvis_z = skeleton.pelvis_xyz[:, 2]
    even, uneven = _harmonics(pelvis_z, times, 1.0 / period)
    cvs = [s.std(ddof=1) / s.mean() for s in (strides[RL], strides[RR]) if len(s) > 2]
    left_steps, right_steps = _steps(events[RL], events[RR], seconds)
    return GaitTruth(
        gait=g.gait,
        stride_hz=1.0 / period,
        duty=tuple(float(s.mean() / period) for s in stances),  # type: ignore[arg-type]
        hind_stance_si=symmetry_index(stances[RL].mean(), stances[RR].mean()),
        fore_stance_si=symmetry_index(stances[FL].mean(), stances[FR].mean()),
        step_length_si=symmetry_index(left_steps, right_steps),
        stifle_rom_deg=(rom[RL][0], rom[RR][0]),
        hock_rom_deg=(rom[RL][1], rom[RR][1]),
        stifle_proxy_rom_deg=(rom[RL][2], rom[RR][2]),
        skip_rate=skip,
        skip_left=g.skip_left if skip > 0 else None,
        bob=float(np.ptp(pelvis_z)),
        bob_asymmetry=float(uneven / max(even + uneven, 1e-9)),
        head_bob=float(np.ptp(skeleton.head_xyz[:, 2])),
        sway=float(np.ptp(skeleton.pelvis_xyz[:, 1])),
        stride_time_cv=float(np.mean(cvs)) if cvs else g.stride_cv,
        speed=g.speed,
        strides=min(len(strides[RL]), len(strides[RR])),
        sound=g.severity == 0.0,
        severity=g.severity,
        lame_left=g.lame_left,
    )


def symmetry_index(left: float, right: float) -> float:
    """200 (L - R) / (L + R) in percent."""
    return float(200.0 * (left - right) / (left + right))


def angle_deg(a: FloatArray, b: FloatArray, c: FloatArray) -> FloatArray:
    """Angle at b between a and c, (T,) degrees; points (T, 3)."""
    one, two = a - b, c - b
    dot = (one * two).sum(-1) / np.linalg.norm(one, axis=-1) / np.linalg.norm(two, axis=-1)
    return np.asarray(np.degrees(np.arccos(np.clip(dot, -1.0, 1.0))))


def _inside(e: LimbEvents, seconds: float) -> BoolArray:
    inside = (e.down_s >= 0) & (e.up_s <= seconds) & ~e.carried
    return inside if inside.any() else ~e.carried


def _stances(e: LimbEvents, seconds: float) -> FloatArray:
    inside = _inside(e, seconds)
    return np.asarray((e.up_s - e.down_s)[inside])


def _strides(e: LimbEvents, seconds: float) -> FloatArray:
    """Times between landings of one limb; a carried stride ends at its planned landing."""
    within = (e.down_s[:-1] >= 0) & (e.down_s[1:] <= seconds)
    lengths = np.diff(e.down_s)
    return lengths[within] if within.any() else lengths


def _steps(left: LimbEvents, right: LimbEvents, seconds: float) -> tuple[float, float]:
    """Mean step length of each hind limb: from the other paw's place to its own, along x."""
    lengths: tuple[list[float], list[float]] = ([], [])
    for which, (mine, other) in enumerate(((left, right), (right, left))):
        for i in np.flatnonzero(_inside(mine, seconds)):
            j = int(np.searchsorted(other.down_s, mine.down_s[i])) - 1
            if j >= 0 and not other.carried[j]:
                lengths[which].append(float(mine.ground[i, 0] - other.ground[j, 0]))
    return float(np.mean(lengths[0] or [1.0])), float(np.mean(lengths[1] or [1.0]))


def _cycle_index(e: LimbEvents, times: FloatArray) -> FloatArray:
    return np.asarray(np.searchsorted(e.down_s, times, side="right"), np.float64)


def _range(angles: FloatArray, cycles: FloatArray) -> float:
    """Median over whole strides of the largest less the smallest angle."""
    names, counts = np.unique(cycles, return_counts=True)
    whole = names[1:-1] if len(names) > 3 else names[counts >= 0.5 * counts.max()]
    return float(np.median([np.ptp(angles[cycles == name]) for name in whole]))


def _harmonics(values: FloatArray, times: FloatArray, hz: float) -> tuple[float, float]:
    """Amplitudes at twice and once the stride frequency."""
    centred = values - values.mean()
    twice, once = (
        2.0 * abs(np.mean(centred * np.exp(-2j * np.pi * k * hz * times))) for k in (2, 1)
    )
    return float(twice), float(once)
