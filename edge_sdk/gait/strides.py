"""Each limb's strides one by one: contact times finer than the frames, and carried strides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edge_sdk.gait.cycle_fit import CycleFit
from edge_sdk.gait.limb_cycle import CENTRE, DUTY, TOUCHDOWN
from edge_sdk.smoothing.medians import median

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# How far one stride may differ from the clip's mean cycle (standard deviations): place in trunk
# lengths, touchdown and stance in strides. Wide against the 2 to 5 % a sound dog varies, so that
# they hold a poorly seen stride without flattening a well seen one.
PLACE_SCATTER: Final = 0.05
TIME_SCATTER: Final = 0.08
STANCE_SCATTER: Final = 0.06

# A stride counts when this share of its frames shows the paw, and both ends are in the clip.
LEAST_SEEN: Final = 0.5

# A stride is carried when the paw makes less than CARRIED_PATH of its usual way to and fro, or less
# than LIKELY_PATH while it hangs, where it should stand, at LIKELY_HEIGHT of its mid-swing height.
CARRIED_PATH: Final = 0.4
LIKELY_PATH: Final = 0.75
LIKELY_HEIGHT: Final = 0.5
# Either sign must stand out of its own error by so many standard errors.
SURE: Final = 3.0
# Neighbouring frames share their noise: errors of means are this much larger than by counting.
SHARED_NOISE: Final = 1.5
# Rank of the stride, from the lowest, whose mid-stance height is taken for the ground.
GROUND_RANK: Final = 0.35
# Heights below this, in trunk lengths, are noise or a bobbing trunk.
LEAST_HEIGHT: Final = 0.035


@dataclass(frozen=True, slots=True)
class LimbStrides:
    """Strides of one limb in order; every array is (n,).

    `touchdown_s` and `liftoff_s` from the first frame; their standard errors `touchdown_se_s`;
    `path` how much of the usual forward-and-back path was made (1 = as usual), `height` of the paw
    in mid-stance in shares of its swing height; `carried`, `complete` (enough of it was seen).
    """

    touchdown_s: Array
    liftoff_s: Array
    touchdown_se_s: Array
    path: Array
    height: Array
    carried: Flags
    complete: Flags

    @property
    def count(self) -> int:
        """Strides seen well enough."""
        return int(self.complete.sum())

    @property
    def skips(self) -> int:
        """Complete strides in which the paw was carried."""
        return int((self.carried & self.complete).sum())


def limb_strides(
    fit: CycleFit, limb: int, position: Array, up: Array, weight: Array, time_s: Array
) -> tuple[LimbStrides, Flags]:
    """Cut one limb's frames into strides, touchdown to touchdown.

    `position` and `up` (T,) of the paw in the dog's frame, `weight` (T,) 0 where missing. Returns
    the strides, and the frames (T,) that lie in a carried one or in the swing into it.
    """
    touchdown, duty = fit.cycle.limbs[limb, TOUCHDOWN], fit.cycle.limbs[limb, DUTY]
    number = np.floor(fit.phase - touchdown).astype(int)
    first, last = int(number.min()), int(number.max())
    order = number - first
    strides = last - first + 1
    member = (order[:, None] == np.arange(strides)[None, :]).astype(np.float64)
    seen = (weight > 0).astype(np.float64)
    w = weight / fit.noise[limb] ** 2
    share = (seen @ member) / np.maximum(member.sum(0), 1.0)
    since = fit.curve.since[limb]
    # Phases of this stride that lie inside the clip: a cut stride has no full contact.
    inside = (first + np.arange(strides) + touchdown >= fit.phase[0]) & (
        first + np.arange(strides) + 1 + touchdown <= fit.phase[-1]
    )
    complete = inside & (share >= LEAST_SEEN)
    path, path_error = _path(fit, limb, position, w, member)
    height, height_error = _height(up, seen, since, duty, member)
    short = 1.0 - path > SURE * path_error
    high = (height > LIKELY_HEIGHT) & (height > SURE * height_error)
    carried = short & ((path < CARRIED_PATH) | ((path < LIKELY_PATH) & high))
    carried &= share >= LEAST_SEEN
    moved, error = _moved(fit, limb, position, w, member)
    at = first + np.arange(strides) + touchdown + moved[1]
    stride_s = float(time_s[-1] / max(fit.phase[-1] - fit.phase[0], 1e-9))
    rising = np.maximum.accumulate(fit.phase)
    strides_of_limb = LimbStrides(
        touchdown_s=_time_at(at, rising, time_s, stride_s),
        liftoff_s=_time_at(at + duty + moved[2], rising, time_s, stride_s),
        touchdown_se_s=error * stride_s,
        path=path,
        height=height,
        carried=carried,
        complete=complete,
    )
    # The paw does not swing as usual on its way into a carried stride either.
    into = np.append(carried[1:], False)[order] & (since > duty)
    return strides_of_limb, carried[order] | into


def _path(
    fit: CycleFit, limb: int, position: Array, w: Array, member: Array
) -> tuple[Array, Array]:
    """Regression of each stride's positions on the usual ones, about the centre; its error."""
    centre = fit.cycle.limbs[limb, CENTRE]
    usual, seen = fit.curve.position[limb] - centre, position - centre
    weighted = w * usual
    grip = np.maximum((weighted * usual) @ member, 1e-9)
    return (weighted * seen) @ member / grip, SHARED_NOISE / np.sqrt(grip)


def _height(
    up: Array, seen: Array, since: Array, duty: float, member: Array
) -> tuple[Array, Array]:
    """Height of the paw where it should stand, in shares of its height in mid-swing; its error."""
    standing = seen * (since > 0.2 * duty) * (since < 0.8 * duty)
    swinging = seen * (since > duty + 0.25 * (1 - duty)) * (since < duty + 0.75 * (1 - duty))
    counts = standing @ member
    nothing = np.zeros(member.shape[1])
    if not standing.any() or not swinging.any():
        return nothing, nothing
    total = (standing * up) @ member
    level = total / np.maximum(counts, 1.0)
    # The lower strides show the ground, whatever the higher ones do.
    known = np.sort(level[counts > 0])
    ground = float(known[int(GROUND_RANK * (len(known) - 1))])
    lift = max(median(up[swinging > 0]) - ground, 2 * LEAST_HEIGHT)
    scatter = np.abs(up - member @ level)[standing > 0]
    noise = 1.4826 * median(scatter)
    height = np.where(counts > 0, level - ground, 0.0)
    error = SHARED_NOISE * noise / np.sqrt(np.maximum(counts, 1.0))
    return np.where(height > LEAST_HEIGHT, height / lift, 0.0), error / lift


def _moved(
    fit: CycleFit, limb: int, position: Array, w: Array, member: Array
) -> tuple[Array, Array]:
    """Shift of place, touchdown and stance (3, n) of each stride, and the touchdown's error."""
    slopes = fit.curve.slopes[limb, :3]
    products = (slopes[:, None, :] * slopes[None, :, :] * w) @ member
    pulls = (slopes * (w * (position - fit.curve.position[limb]))) @ member
    prior = np.diag([PLACE_SCATTER**-2, TIME_SCATTER**-2, STANCE_SCATTER**-2])
    matrix = products.transpose(2, 0, 1) + prior
    inverse = np.linalg.inv(matrix)
    moved = (inverse @ pulls.T[:, :, None])[:, :, 0].T
    return moved, np.sqrt(inverse[:, 1, 1])


def _time_at(phase: Array, rising: Array, time_s: Array, stride_s: float) -> Array:
    """Time of given phases; outside the clip at the mean stride."""
    inner = np.interp(phase, rising, time_s)
    before = time_s[0] + (phase - rising[0]) * stride_s
    after = time_s[-1] + (phase - rising[-1]) * stride_s
    return np.where(phase < rising[0], before, np.where(phase > rising[-1], after, inner))
