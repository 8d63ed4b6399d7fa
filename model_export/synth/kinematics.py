"""From a gait to the moving dog: landings, paw paths, trunk; pure NumPy, all moments at once.

The gait's numbers and their sources are in `gait`; a paw on the ground does not move, by
construction: its place is drawn once per stance and everything else follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from model_export.synth.gait import GaitParams, duties, limb_phases, random_gait
from model_export.synth.morphology import Morphology
from model_export.synth.posture import (
    FL,
    FR,
    HIND,
    PAW_HEIGHT,
    RL,
    RR,
    SIDE,
    BoolArray,
    FloatArray,
    Pose,
    Skeleton,
    neutral_paws,
    solve,
    standing,
)


@dataclass(frozen=True, eq=False)
class LimbEvents:
    """Strides of one limb: when the paw lands and leaves (s), where on the ground, and skips.

    `ground` (N, 2) world x, y of the middle of the paw; `carried` strides have no stance.
    """

    down_s: FloatArray
    up_s: FloatArray
    ground: FloatArray
    carried: BoolArray


@dataclass(frozen=True, eq=False)
class Motion:
    """T moments of a dog that moves over the ground.

    `times_s` (T,); `skeleton` in the body frame; `root_xy` (T, 2) and `root_yaw_rad` (T,) of that
    frame in the world; `contacts` (T, 4) FL, RL, FR, RR; `events` per limb (empty for actions).
    """

    times_s: FloatArray
    pose: Pose
    skeleton: Skeleton
    root_xy: FloatArray
    root_yaw_rad: FloatArray
    contacts: BoolArray
    events: tuple[LimbEvents, ...] = ()

    def to_world(self, points: FloatArray) -> FloatArray:
        """Body-frame points (T, ..., 3) in the world."""
        c, s = np.cos(self.root_yaw_rad), np.sin(self.root_yaw_rad)
        shape = (len(c),) + (1,) * (points.ndim - 2)
        c, s = c.reshape(shape), s.reshape(shape)
        x, y = points[..., 0], points[..., 1]
        return np.stack(
            (
                self.root_xy[:, 0].reshape(shape) + c * x - s * y,
                self.root_xy[:, 1].reshape(shape) + s * x + c * y,
                points[..., 2],
            ),
            -1,
        )


class RootPath(Protocol):
    """Where the body frame is in the world."""

    def at(self, times_s: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Place (T, 2) and yaw (T,) at these times."""


@dataclass(frozen=True)
class Straight:
    """Along world x at a steady speed, body units per second."""

    speed: float

    def at(self, times_s: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Place (T, 2) and yaw (T,) at these times."""
        return np.stack((self.speed * times_s, 0 * times_s), -1), np.zeros_like(times_s)


@dataclass(frozen=True)
class TurnInPlace:
    """A turn by `angle_rad` (left positive) about the middle of the trunk, from start to end."""

    angle_rad: float
    start_s: float
    end_s: float
    pivot_x: float

    def at(self, times_s: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Place (T, 2) and yaw (T,) at these times."""
        u = np.clip((times_s - self.start_s) / (self.end_s - self.start_s), 0.0, 1.0)
        yaw = self.angle_rad * (0.6 * u + 0.4 * smooth(u))
        place = self.pivot_x * np.stack((1.0 - np.cos(yaw), -np.sin(yaw)), -1)
        return place, yaw


def stride_events(
    rng: np.random.Generator, g: GaitParams, body: Morphology, seconds: float, path: RootPath
) -> tuple[LimbEvents, ...]:
    """Landing and leaving of every limb from two strides before 0 until two after `seconds`."""
    period = 1.0 / g.stride_hz
    count = int(np.ceil(seconds / period * 1.15)) + 7
    # Stride times wander a little: half of a deviation carries over to the next stride.
    noise = np.clip(rng.standard_normal(count), -2.2, 2.2)
    for i in range(1, count):
        noise[i] = 0.5 * noise[i - 1] + np.sqrt(0.75) * noise[i]
    lengths = period * (1.0 + g.stride_cv * noise)
    starts = -(2.0 + g.start_phase) * period + np.concatenate(([0.0], np.cumsum(lengths)[:-1]))
    neutral = neutral_paws(body)
    step_shift = g.step_length_si / 200.0 * 0.25 * g.stride_length
    events = []
    for limb, (phase, duty) in enumerate(zip(limb_phases(g), duties(g), strict=True)):
        jitter = np.clip(rng.standard_normal((2, count)), -2.2, 2.2) * g.limb_jitter * period
        down = starts + phase * lengths + jitter[0]
        up = down + duty * lengths + 0.7 * jitter[1]
        scatter = np.clip(rng.standard_normal((2, count)), -2.2, 2.2) * g.step_cv
        ahead = neutral[limb, 0] + 0.5 * scatter[0] * max(g.stride_length, 0.2)
        if limb in HIND:
            ahead = ahead - 0.02 + SIDE[limb] * step_shift
        aside = 0.92 * neutral[limb, 1] + 0.3 * scatter[1]
        # Where a stance of usual length would be centred: a longer one reaches farther back.
        place, yaw = path.at(down + 0.5 * g.duty * lengths)
        c, s = np.cos(yaw), np.sin(yaw)
        ground = place + np.stack((c * ahead - s * aside, s * ahead + c * aside), -1)
        carried = np.zeros(count, bool)
        if limb == (RL if g.skip_left else RR) and g.skip_rate > 0.0:
            carried = rng.random(count) < g.skip_rate
            carried[1:] &= ~carried[:-1]
        events.append(LimbEvents(down, up, ground, carried))
    return tuple(events)


def smooth(u: NDArray[Any]) -> FloatArray:
    """0 to 1 with level ends (smoothstep)."""
    u = np.clip(u, 0.0, 1.0)
    return np.asarray(u * u * (3.0 - 2.0 * u))


@dataclass(frozen=True, eq=False)
class GaitPlan:
    """A walk that is decided in full and can be looked at at any times."""

    gait: GaitParams
    body: Morphology
    path: RootPath
    events: tuple[LimbEvents, ...]
    wander_hz: FloatArray
    wander_turn: FloatArray

    @staticmethod
    def draw(
        rng: np.random.Generator, gait: GaitParams, body: Morphology, seconds: float,
        path: RootPath | None = None,
    ) -> GaitPlan:  # fmt: skip
        """Draw strides and wandering for the times 0 .. `seconds`; default straight ahead."""
        root = path or Straight(gait.speed)
        events = stride_events(rng, gait, body, seconds, root)
        hz, turn = rng.uniform(0.08, 0.8, (5, 6, 1)), rng.uniform(0, 2 * np.pi, (5, 6, 1))
        # From a stream of its own: what came later has these, and every other draw stays.
        own = rng.spawn(1)[0]
        hz = np.concatenate((hz, own.uniform(0.08, 0.8, (2, 6, 1))))
        turn = np.concatenate((turn, own.uniform(0, 2 * np.pi, (2, 6, 1))))
        return GaitPlan(gait, body, root, events, hz, turn)

    def at(self, times_s: FloatArray) -> Motion:
        """The dog at these times (T,); a paw on the ground does not move."""
        times = np.asarray(times_s, np.float64)
        pose, place, yaw, contacts = self.pose_at(times)
        return Motion(times, pose, solve(self.body, pose), place, yaw, contacts, self.events)

    def pose_at(self, times: FloatArray) -> tuple[Pose, FloatArray, FloatArray, BoolArray]:
        """The pose at these times, root place (T, 2) and yaw (T,), and contacts (T, 4)."""
        count, g, body = len(times), self.gait, self.body
        place, yaw = self.path.at(times)
        landings = self.events[RL].down_s
        # 2 pi at each landing of the left hind limb, between them in proportion.
        cycle = 2 * np.pi * np.interp(times, landings, np.arange(len(landings), dtype=float))
        # Smooth wandering of about unit variance, slower than 0.8 Hz.
        wander = np.sin(2 * np.pi * self.wander_hz * times + self.wander_turn).sum(1) / np.sqrt(3.0)
        paws, pastern = np.empty((count, 4, 3)), np.empty((count, 4))
        contacts = np.empty((count, 4), bool)
        c, s = np.cos(yaw), np.sin(yaw)
        for limb in range(4):
            world, contacts[:, limb], pastern[:, limb] = _paw_path(
                g, body, limb, self.events[limb], times, place, yaw
            )
            dx, dy = world[:, 0] - place[:, 0], world[:, 1] - place[:, 1]
            paws[:, limb] = np.stack((c * dx + s * dy, c * dy - s * dx, world[:, 2]), -1)
        splay = 0.06 * np.sin(cycle[:, None] + np.pi * (np.arange(4) % 2)) + 0.02
        pose = _trunk_motion(g, body, cycle, wander, count).with_(
            paws=paws, pastern=pastern, splay=splay
        )
        return pose, place, yaw, contacts


def walk(
    rng: np.random.Generator, gait: GaitParams, body: Morphology, times_s: FloatArray
) -> Motion:
    """A dog going straight ahead along world x, seen at `times_s` (T,) rising from about 0."""
    return GaitPlan.draw(rng, gait, body, float(np.max(times_s))).at(times_s)


def _trunk_motion(
    g: GaitParams, body: Morphology, cycle: FloatArray, wander: FloatArray, count: int
) -> Pose:
    pose = standing(body).repeated(count)
    # Walking dogs carry the hips about 2 % lower than standing ones, so that the limb can reach.
    low = 0.02 + 0.02 * (g.gait == "trot")
    double = np.cos(2 * cycle + (0.9 if g.gait == "walk" else 2.2))
    pelvis_z = g.bob * double + g.bob_uneven * np.cos(cycle - 0.8) + 0.002 * wander[0]
    thorax_z = 0.8 * g.bob * np.cos(2 * cycle - 0.6) + 0.25 * g.bob_uneven * np.cos(cycle - 2.0)
    pitch = np.radians(g.pitch_deg) * np.sin(2 * cycle + 0.3)
    # An unsteady trunk drifts up and down, each end for itself, and drops at one side's step.
    # It is carried lower, so that the limbs still reach.
    drop = g.unsteady * np.cos(cycle + 1.0)
    pelvis_z += 0.02 * g.unsteady * wander[5] + 0.016 * drop
    thorax_z += 0.02 * g.unsteady * wander[6] - 0.006 * drop
    low += 0.02 * g.unsteady
    thorax = pose.thorax + np.stack((0 * cycle, thorax_z - low, pitch), -1)
    pelvis = pose.pelvis + np.stack(
        (0.006 * np.sin(2 * cycle), pelvis_z - low, -0.8 * pitch + 0.02 * wander[1]), -1
    )
    sway = g.sway * np.stack((np.sin(cycle + 2.2), np.sin(cycle + 0.6)), -1)
    sway += 0.25 * g.sway * wander[2][:, None]
    roll = np.radians(2.0 + 60 * g.sway) * np.stack((np.sin(cycle + 1.2), np.sin(cycle - 0.4)), -1)
    nod = g.head_bob * np.cos(2 * cycle + 0.4) + g.head_bob_uneven * np.cos(cycle + 2.4)
    nod += 0.006 * wander[3]
    neck = pose.neck + nod / max(body.neck_length, 0.15)
    head = pose.head + np.stack((0.05 * wander[4], 0.05 * wander[3] - 0.6 * nod, 0 * nod), -1)
    tail = pose.tail.copy()
    tail[:, 2] = g.wag * np.sin(cycle + 0.5) + 0.1 * wander[2]
    tail[:, 0] += 0.08 * wander[3]
    return pose.with_(
        thorax=thorax, pelvis=pelvis, sway=sway, roll=roll, neck=neck, head=head, tail=tail
    )


_FORE_STANCE, _HIND_STANCE = np.radians((-22.0, 30.0)), np.radians((-24.0, 32.0))
"""Lean of the pasterns when the paw lands and when it leaves."""
_FORE_FOLD, _HIND_FOLD = np.radians(74.0), np.radians(-15.0)
"""What a swinging limb adds to it: the carpus folds back, the hock folds forward with the stifle.

A hock cannot stretch beyond some 164 degrees (goniometry of Labradors: Jaegger, Marcellin-Little
and Levine, Am. J. Vet. Res. 63, 2002:979); with these it goes from 120 to 155 in a sound walk.
"""
_CARRIED = np.radians(-8.0)
"""Lean of the pastern of a hind limb that is carried through a stride; fore limbs never are."""


def _paw_path(
    g: GaitParams, body: Morphology, limb: int, e: LimbEvents, times: FloatArray,
    place: FloatArray, yaw: FloatArray,
) -> tuple[FloatArray, BoolArray, FloatArray]:  # fmt: skip
    """World path (T, 3) of a paw, contact (T,) and lean of its pastern (T,)."""
    hind = limb in HIND
    side = 0 if SIDE[limb] > 0 else 1
    fold = (g.fold_hind if hind else g.fold_fore)[side]
    lift = (g.lift[1] if hind else g.lift[0]) * (0.35 + 0.65 * fold)
    land, leave = _HIND_STANCE if hind else _FORE_STANCE
    # A stiff limb rolls less over its paw, too.
    sweep = np.clip(g.stride_length * g.duty / 0.62, 0.3, 1.1) * (0.45 + 0.55 * min(fold, 1.15))
    land, leave = land * sweep, leave * sweep
    stands = np.flatnonzero(~e.carried)
    down, up, ground = e.down_s[stands], e.up_s[stands], e.ground[stands]
    at = np.clip(np.searchsorted(down, times, side="right") - 1, 0, len(down) - 2)
    contact = (times >= down[at]) & (times < up[at])
    s = np.clip((times - down[at]) / (up[at] - down[at]), 0.0, 1.0)
    swing = down[at + 1] - up[at]
    u = np.clip((times - up[at]) / swing, 0.0, 1.0)
    usual = (1.0 - g.duty) / g.stride_hz
    skipped = stands[at + 1] > stands[at] + 1
    # A carried paw comes up, rides along under the dog and comes down: times count, not shares.
    ahead = np.where(skipped, (times - up[at]) / (0.55 * usual), 2.0)
    behind = np.where(skipped, (down[at + 1] - times) / (0.55 * usual), 0.0)
    hold = np.where(skipped, smooth(ahead) * smooth(behind), 0.0)
    progress = smooth(u)
    xy = ground[at] + (ground[at + 1] - ground[at]) * progress[:, None]
    height = lift * np.sin(np.pi * u**0.85) ** 1.25
    lean = np.where(
        contact,
        land + (leave - land) * (0.25 * s + 0.75 * smooth(s)),
        leave + (land - leave) * smooth(np.clip(1.25 * u - 0.25, 0, 1))
        + (_HIND_FOLD if hind else _FORE_FOLD) * fold * np.sin(np.pi * u**0.8) ** 1.4,
    )  # fmt: skip
    if skipped.any():
        ahead, aside, _ = neutral_paws(body)[limb]
        c, q = np.cos(yaw), np.sin(yaw)
        under = place + np.stack(
            (c * (ahead + 0.12) - q * aside, q * (ahead + 0.12) + c * aside), -1
        )
        xy += hold[:, None] * (under - xy)
        height = np.where(skipped, 0.2 * hold + 0.3 * height * (1 - hold), height)
        lean = np.where(skipped, lean + hold * (_CARRIED - lean), lean)
    height = np.where(contact, 0.0, height)
    xy = np.where(contact[:, None], ground[at], xy)
    return np.column_stack((xy, PAW_HEIGHT + height)), contact, lean


__all__ = [
    "FL", "FR", "RL", "RR", "GaitParams", "GaitPlan", "LimbEvents", "Motion", "RootPath",
    "Straight", "TurnInPlace", "random_gait", "smooth", "stride_events", "walk",
]  # fmt: skip
