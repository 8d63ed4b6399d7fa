"""All measures of a clip, each with formula, unit, error and the reason when it is missing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from edge_sdk.gait import cycle_measures as formulas
from edge_sdk.gait.analysis import MOST_CARRIED, ClipAnalysis
from edge_sdk.gait.anatomy import FORE, HIND, TOPS
from edge_sdk.gait.joints import swept
from edge_sdk.gait.measures import Measure, Spec, abstained, jackknife_error, measured
from edge_sdk.gait.refusal import Reason
from edge_sdk.gait.strides import LimbStrides

Array = npt.NDArray[np.float64]
Pair = tuple[int, int]

# From generated clips with known stride times: the scatter that error adds is about half of what
# the fit claims for it.
NOISE_SHARE: Final = 0.5

# What no number of strides takes from a range of motion: the net draws a joint towards its usual
# place, most where the other limb hides it. Scatter of the readings on filmed walks of validation
# breeds, 4.3 degrees on the side towards the camera and 5.1 on the far one, less their own error.
NEAR_RANGE_ERROR_DEG: Final = 4.0
FAR_RANGE_ERROR_DEG: Final = 5.0

_RANGE = partial(
    Spec, unit="deg", floor=NEAR_RANGE_ERROR_DEG, poor_error=12.0, inflation=1.1, lowest=0.0
)

SPECS: Final[dict[str, Spec]] = {
    spec.name: spec
    for spec in (
        Spec("hind_stance_si", "%", floor=1.5, poor_error=12.0),
        Spec("fore_stance_si", "%", floor=1.5, poor_error=12.0),
        Spec("hind_step_si", "%", floor=2.0, poor_error=15.0),
        Spec("fore_step_si", "%", floor=2.0, poor_error=15.0),
        Spec("hind_retraction_si", "%", floor=3.0, poor_error=25.0),
        Spec("fore_retraction_si", "%", floor=3.0, poor_error=25.0),
        _RANGE("left_stifle_rom"),
        _RANGE("right_stifle_rom"),
        _RANGE("left_hock_rom"),
        _RANGE("right_hock_rom"),
        Spec("pelvic_bob", "% trunk", floor=0.2, poor_error=3.0, lowest=0.0),
        Spec("pelvic_bob_asymmetry", "% trunk", floor=0.2, poor_error=3.0),
        Spec("trunk_pitch", "% trunk", floor=0.2, poor_error=3.0, lowest=0.0),
        Spec("trunk_sway", "% trunk", floor=0.1, poor_error=3.0, lowest=0.0),
        Spec("stride_time_cv", "%", floor=0.3, poor_error=8.0, lowest=0.0),
        Spec("limb_timing_sd", "% stride", floor=0.3, poor_error=8.0, lowest=0.0),
        Spec("left_skip_rate", "%", floor=0.5, poor_error=40.0, inflation=1.0, lowest=0.0),
        Spec("right_skip_rate", "%", floor=0.5, poor_error=40.0, inflation=1.0, lowest=0.0),
        Spec("cadence", "strides/min", floor=0.3, poor_error=10.0, lowest=0.0),
        Spec("hind_duty_factor", "1", floor=0.01, poor_error=0.1, lowest=0.0),
        Spec("fore_duty_factor", "1", floor=0.01, poor_error=0.1, lowest=0.0),
        Spec("stride_length", "trunk", floor=0.02, poor_error=0.3, lowest=0.0),
    )
}
"""Every measure, in the order of the report. `%` of an index, `% trunk` of the trunk's length."""


def clip_measures(clip: ClipAnalysis) -> dict[str, Measure]:
    """Measure a clip that passed the gates."""
    found: dict[str, Measure] = {}
    for name, pair in (("hind", HIND), ("fore", FORE)):
        offset = _view_offset(clip, pair)
        for what, formula in (
            ("stance_si", partial(formulas.stance_index, pair=pair)),
            ("step_si", partial(formulas.step_index, pair=pair, view_offset=offset)),
            ("retraction_si", partial(formulas.retraction_index, pair=pair, view_offset=offset)),
            ("duty_factor", partial(formulas.duty_factor, pair=pair)),
        ):
            found[f"{name}_{what}"] = _of_cycle(clip, f"{name}_{what}", pair, formula)
    found["stride_length"] = _of_cycle(clip, "stride_length", HIND + FORE, formulas.travel)
    found |= _joints(clip) | _trunk(clip) | _timing(clip) | _skips(clip)
    return {name: found[name] for name in SPECS}


def absent_measures(reason: Reason) -> dict[str, Measure]:
    """All measures of a clip that was refused."""
    return {name: abstained(spec, reason) for name, spec in SPECS.items()}


def _of_cycle(
    clip: ClipAnalysis, name: str, limbs: tuple[int, ...], formula: Callable[[Array], Array]
) -> Measure:
    spec = SPECS[name]
    seen = [(clip.strides[limb].count, clip.strides[limb].skips) for limb in limbs]
    kept = min(count - skips for count, skips in seen)
    if any(count and skips / count > MOST_CARRIED for count, skips in seen):
        return abstained(spec, Reason.LIMB_CARRIED, kept)
    values = formula(clip.fit.jackknife)
    estimate = float(values[0])
    return measured(spec, estimate, jackknife_error(estimate, values[1:]), kept)


def _view_offset(clip: ClipAnalysis, pair: Pair) -> float:
    """Left less right of a girdle's legs as the view alone makes it, in trunk lengths.

    From the upper joints of the pair: an oblique view and the nearness of one side shift the whole
    leg, a limb that steps short shifts mostly its paw.
    """
    left, right = TOPS[pair[0]], TOPS[pair[1]]
    both = (clip.track.weight[:, left] > 0) & (clip.track.weight[:, right] > 0)
    both &= ~(clip.carried[pair[0]] | clip.carried[pair[1]])
    if not both.any():
        return 0.0
    return float(np.mean(clip.track.forward[both, left] - clip.track.forward[both, right]))


def _joints(clip: ClipAnalysis) -> dict[str, Measure]:
    found = {}
    near = "right" if clip.track.facing > 0 else "left"
    for side, limb, joint in (("left", HIND[0], 0), ("right", HIND[1], 1)):
        curves = clip.joints[joint]
        strides = clip.strides[limb]
        for name, angle in (("stifle", curves.stifle), ("hock", curves.hock)):
            spec = SPECS[f"{side}_{name}_rom"]
            if side != near:
                spec = msgspec.structs.replace(spec, floor=FAR_RANGE_ERROR_DEG)
            kept = strides.count - strides.skips
            found[spec.name] = (
                measured(spec, *swept(angle), kept)
                if curves.seen
                else abstained(spec, Reason.JOINT_NOT_SEEN, kept)
            )
    return found


def _trunk(clip: ClipAnalysis) -> dict[str, Measure]:
    strides = int(clip.fit.phase[-1] - clip.fit.phase[0])
    trunk = clip.trunk
    found = {}
    for name, values in (
        ("pelvic_bob", trunk.bob),
        ("pelvic_bob_asymmetry", trunk.uneven),
        ("trunk_pitch", trunk.pitch),
    ):
        percent = 100.0 * values
        error = jackknife_error(float(percent[0]), percent[1:])
        found[name] = measured(SPECS[name], float(percent[0]), error, strides)
    found["trunk_sway"] = measured(
        SPECS["trunk_sway"], 100.0 * trunk.sway, 100.0 * trunk.sway_error, strides
    )
    return found


def _timing(clip: ClipAnalysis) -> dict[str, Measure]:
    stride_s = 1.0 / clip.stride_hz
    variances, noises, counts = [], [], []
    for strides in clip.strides:
        steps, noise = _intervals(strides)
        if len(steps) >= 3:
            variances.append(_about_line(steps))
            noises.append(max(float(noise.mean()), 1e-9))
            counts.append(len(steps))
    found = {}
    spec = SPECS["stride_time_cv"]
    n = max(counts, default=0) + 1
    if counts:
        found["stride_time_cv"] = _scatter(spec, variances, noises, counts, stride_s)
    else:
        found["stride_time_cv"] = abstained(spec, Reason.TOO_FEW_STRIDES, n)
    variances, noises, counts = [], [], []
    for left, right in (HIND, FORE):
        # Either side after the other: the measure must not change in a mirror.
        both = [
            _lags(clip.strides[one], clip.strides[other], stride_s)
            for one, other in ((left, right), (right, left))
        ]
        if min(len(lag) for lag, _ in both) >= 3:
            variances.append(sum(_about_line(lag) for lag, _ in both) / 2)
            noises.append(max(sum(float(noise.mean()) for _, noise in both) / 2, 1e-9))
            counts.append(min(len(lag) for lag, _ in both))
    spec = SPECS["limb_timing_sd"]
    if counts:
        found["limb_timing_sd"] = _scatter(spec, variances, noises, counts, stride_s)
    else:
        found["limb_timing_sd"] = abstained(spec, Reason.TOO_FEW_STRIDES, n)
    spec = SPECS["cadence"]
    whole = int(clip.fit.phase[-1] - clip.fit.phase[0])
    cv = found["stride_time_cv"].value or 3.0
    cadence = 60.0 * clip.stride_hz
    found["cadence"] = measured(spec, cadence, cadence * cv / 100 / np.sqrt(max(whole, 1)), whole)
    return found


def _scatter(
    spec: Spec, variances: list[float], noises: list[float], counts: list[int], stride_s: float
) -> Measure:
    """Standard deviation in percent of the stride over limbs, the error of timing taken out.

    Limbs weigh by how well they are timed. The fit's own error of a touchdown is an upper bound, as
    the strides share their template: NOISE_SHARE of it shows between touchdowns.
    """
    weight = 1.0 / np.array(noises)
    weight /= weight.sum()
    seen, noise = float(weight @ variances), float(weight @ noises)
    true, n = max(seen - NOISE_SHARE * noise, 0.05 * seen), max(counts)
    percent, spread = 100.0 * np.sqrt(true) / stride_s, 100.0 * np.sqrt(seen) / stride_s
    # Error of a variance is seen * sqrt(2 / n); of its root half of that over the root.
    error = spread**2 * np.sqrt(2.0 / n) / (2.0 * max(percent, 0.5 * spread, 1e-6))
    return measured(spec, float(percent), float(error), n + 1)


def _intervals(strides: LimbStrides) -> tuple[Array, Array]:
    good = strides.complete & ~strides.carried
    pair = good[:-1] & good[1:]
    steps = np.diff(strides.touchdown_s)[pair]
    error = strides.touchdown_se_s**2
    return steps, (error[:-1] + error[1:])[pair]


def _lags(left: LimbStrides, right: LimbStrides, stride_s: float) -> tuple[Array, Array]:
    """Time of each touchdown of one limb after the other's last, and its error variance."""
    a, b = left.complete & ~left.carried, right.complete & ~right.carried
    if not a.any() or not b.any():
        return np.zeros(0), np.zeros(0)
    after = left.touchdown_s[a][:, None] - right.touchdown_s[b][None, :]
    after = np.where((after > 0) & (after < stride_s), after, np.inf)
    nearest = after.argmin(1)
    lag = after[np.arange(len(after)), nearest]
    found = np.isfinite(lag)
    error = left.touchdown_se_s[a] ** 2 + right.touchdown_se_s[b][nearest] ** 2
    return lag[found], error[found]


def _about_line(values: Array) -> float:
    """Variance about a straight line: a dog that slowly speeds up is not irregular."""
    along = np.arange(len(values)) - (len(values) - 1) / 2
    slope = float(along @ values / (along @ along))
    rest = values - values.mean() - slope * along
    return float(rest @ rest / max(len(values) - 2, 1))


def _skips(clip: ClipAnalysis) -> dict[str, Measure]:
    found = {}
    for side, limb in (("left", HIND[0]), ("right", HIND[1])):
        spec = SPECS[f"{side}_skip_rate"]
        n, skips = clip.strides[limb].count, clip.strides[limb].skips
        share = skips / n if n else 0.0
        # Two strides more of each kind: an error of zero for "never seen" would be a lie
        # (Agresti and Coull, The American Statistician 52, 1998).
        near = (skips + 2) / (n + 4)
        error = 100 * float(np.sqrt(near * (1 - near) / (n + 4)))
        found[spec.name] = measured(spec, 100.0 * share, error, n)
    return found
