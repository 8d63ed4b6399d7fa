"""A third kinematic dog, made before the scorer was tuned again and looked at only afterwards.

It shares no code and no idea with the two others. Limbs are struts: hip and shoulder ride over the
standing foot (dogs walk with rather stiff limbs: Usherwood, Williams and Wilson, J. Exp. Biol. 210,
2007:533), and stifle and hock, elbow and carpus fold together to fill the strut's length, by a law
of the dog's own. The pelvis leads the withers (Griffin, Main and Farley, J. Exp. Biol. 207, 2004).
Landings are ticks of one clock plus a delay of each limb's own, so that a long stride is followed
by a short one. Walk and trot are parted by the duty factor (Kano et al., BMC Vet. Res. 12, 2016). A
spared hind limb comes with an uneven pelvis, of the order of a hundredth or two of the trunk (Gomez
Alvarez et al., Acta Vet. Scand. 60, 2018). All other numbers are our own choice.

What is true of a clip, in words, decided before the scorer saw one:

- *Balance*: how unevenly the two hind limbs share the ground: the symmetry index of the total time
  that left and right stand between the clip's first and last hind landing. A carried stride has no
  ground time and so counts by itself.
- *Mobility*: the joint angle hip-stifle-hock of the skeleton, in three dimensions and without a
  camera: its range in each stride that is put down, the mean over those, of the limb that bends
  less. The fault is that range with its sign turned.
- *Stability*: what the heights of withers and pelvis do that the two halves of a stride do not have
  in common: the mean course over half a stride is taken out by the landings of both hind limbs, and
  the root mean square of what remains counts, in trunk lengths.
- *Rhythm*: standard deviation of the stride times over their mean, without their linear trend, the
  mean over the four limbs.
- *Signal*: the sum of three shares, each 1 for a clear case: carried strides of the worse hind limb
  over 25 %, balance of the strides that stand over 25 %, and left-right difference of the stifles'
  ranges over 40 % of their mean.

Lengths are in trunk lengths, x ahead, y to the dog's left, z up; times in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

FORE_LEFT, HIND_LEFT, FORE_RIGHT, HIND_RIGHT = range(4)
GRID_HZ = 240.0


@dataclass(frozen=True)
class Build:
    """Segments of one dog. `fold_hind`, `fold_fore`: degrees the lower joint folds per degree."""

    leg: float = 0.95
    thigh: float = 0.38
    shank: float = 0.39
    foot: float = 0.31
    arm: float = 0.40
    forearm: float = 0.44
    hand: float = 0.20
    narrow: float = 0.12
    fold_hind: float = 0.9
    fold_fore: float = 1.3

    @staticmethod
    def draw(rng: np.random.Generator) -> Build:
        """From dachshund (a leg of half a trunk) to sighthound."""
        leg = rng.uniform(0.5, 0.62) if rng.random() < 0.12 else rng.uniform(0.8, 1.12)

        def part(mean: float) -> float:
            return float(leg * mean * rng.uniform(0.94, 1.06))

        return Build(
            leg=leg,
            thigh=part(0.40),
            shank=part(0.41),
            foot=part(0.32),
            arm=part(0.42),
            forearm=part(0.46),
            hand=part(0.21),
            narrow=float(rng.uniform(0.08, 0.15)),
            fold_hind=float(rng.uniform(0.7, 1.1)),
            fold_fore=float(rng.uniform(1.0, 1.7)),
        )


@dataclass(frozen=True)
class Walk:
    """How a dog goes. `spares`, `short` and `stiff` are signed or by side: left first.

    `spares` symmetry of hind stance, (left - right) / mean; `short` symmetry of where the hind
    paws land; `stiff` share of the fold that is lost (left, right); `carries` share of strides in
    which the limb `carried_left` is not put down; `wobble` of the trunk in trunk lengths.
    """

    gait: Literal["walk", "trot"] = "walk"
    stride_s: float = 0.9
    duty: float = 0.62
    reach: float = 0.95
    spares: float = 0.0
    fore_spares: float = 0.0
    short: float = 0.0
    stiff: tuple[float, float] = (0.05, 0.05)
    carries: float = 0.0
    carried_left: bool = True
    clock: float = 0.02
    delay: float = 0.008
    hurry: float = 0.0
    wobble: float = 0.003
    swing: tuple[float, float] = (2.3, 2.6)
    lift: float = 0.13
    uneven: float = 0.05

    @staticmethod
    def sound(rng: np.random.Generator) -> Walk:
        """Draw a sound dog at a walk or a trot."""
        walk = rng.random() < 0.65

        def near_even() -> float:
            return float(np.clip(rng.normal(0.0, 0.013), -0.03, 0.03))

        return Walk(
            gait="walk" if walk else "trot",
            stride_s=float(rng.uniform(0.72, 1.2) if walk else rng.uniform(0.4, 0.62)),
            duty=float(rng.uniform(0.58, 0.68) if walk else rng.uniform(0.38, 0.48)),
            reach=float(rng.uniform(0.8, 1.1) if walk else rng.uniform(1.0, 1.35)),
            spares=near_even(),
            fore_spares=near_even(),
            short=near_even(),
            stiff=(float(rng.uniform(0.0, 0.1)), float(rng.uniform(0.0, 0.1))),
            clock=float(rng.uniform(0.01, 0.03)),
            delay=float(rng.uniform(0.003, 0.012)),
            hurry=float(rng.uniform(-0.02, 0.02)),
            wobble=float(rng.uniform(0.001, 0.005)),
            swing=(float(rng.uniform(2.0, 2.8)), float(rng.uniform(2.1, 3.0))),
            lift=float(rng.uniform(0.10, 0.17)),
        )

    @staticmethod
    def any(rng: np.random.Generator) -> Walk:
        """Draw a dog from sound to lame, with none, one or several faults."""
        walk = Walk.sound(rng)
        left = rng.random() < 0.5
        sign = -1.0 if left else 1.0
        if rng.random() < 0.55:
            walk = replace(
                walk,
                spares=float(sign * rng.uniform(0.02, 0.4)),
                short=float(sign * rng.uniform(0.0, 0.25)),
            )
        if rng.random() < 0.5:
            one, two = float(rng.uniform(0.15, 0.85)), float(rng.uniform(0.0, 0.15))
            if rng.random() < 0.35:
                two = one * float(rng.uniform(0.5, 1.0))
            walk = replace(walk, stiff=(one, two) if left else (two, one))
        if rng.random() < 0.3:
            walk = replace(walk, carries=float(rng.uniform(0.08, 0.4)), carried_left=left)
        if rng.random() < 0.5:
            walk = replace(walk, clock=float(rng.uniform(0.03, 0.12)))
        if rng.random() < 0.5:
            walk = replace(walk, wobble=float(rng.uniform(0.005, 0.035)))
        return walk

    def within(self, build: Build) -> Walk:
        """Return the same walk with a stride that these limbs can reach."""
        return replace(self, reach=min(self.reach, 1.1 * build.leg / self.duty))


@dataclass(frozen=True, eq=False)
class Steps:
    """Landings and lift-offs of one limb, and the strides in which it is carried."""

    down_s: Array
    up_s: Array
    carried: Flags


@dataclass(frozen=True)
class Truth:
    """What the clip holds; `faults` by score, larger is worse."""

    stride_hz: float
    hind_stance_si: float
    stifle_range_deg: tuple[float, float]
    faults: dict[str, float]


@dataclass(frozen=True, eq=False)
class Motion:
    """Points (T, 24, 3) of the skeleton at times (T,), hips (T, 2, 3), steps and truth."""

    points: Array
    steps: tuple[Steps, ...]
    truth: Truth


# Rows of the keypoints: paw, middle, top of each limb; then tail, ears, head, eyes, trunk.
ROWS = {FORE_LEFT: (0, 1, 2), HIND_LEFT: (3, 4, 5), FORE_RIGHT: (6, 7, 8), HIND_RIGHT: (9, 10, 11)}
TAIL, TAIL_TIP, EAR_LEFT, EAR_RIGHT, NOSE, CHIN, EAR_TIP_LEFT, EAR_TIP_RIGHT = range(12, 20)
EYE_LEFT, EYE_RIGHT, WITHERS, THROAT = range(20, 24)


def move(rng: np.random.Generator, build: Build, walk: Walk, times_s: Array) -> Motion:
    """Let a dog go straight ahead and look at it at rising times (T,)."""
    steps = _steps(rng, walk, float(times_s[-1]))
    phase = _phase(steps[HIND_LEFT], times_s)
    waves = _wobble(rng, times_s, float(times_s[-1]), 5)
    speed = walk.reach / walk.stride_s
    # The trunk brakes and pushes twice a stride; the spine bends a little with it.
    ahead = speed * times_s + 0.003 * np.sin(4 * np.pi * phase + 0.6)
    stretch = 0.008 * np.cos(4 * np.pi * phase + 1.1) + 0.004 * waves[4]
    trot = walk.gait == "trot"
    # Vaulting over the strut: highest in mid-stance of a walk, lowest of a trot.
    vault = (-1.0 if trot else 1.0) * (0.014 if trot else 0.010)
    mid = walk.duty / 2
    even_rear = vault * np.cos(4 * np.pi * (phase - mid))
    lead = 0.0 if trot else 0.15
    even_front = 0.9 * vault * np.cos(4 * np.pi * (phase - mid - lead))
    limp = walk.uneven * walk.spares * np.cos(2 * np.pi * (phase - mid))
    pelvis = even_rear - limp + walk.wobble * waves[0]
    withers = even_front + 0.3 * limp + walk.wobble * (0.5 * waves[0] + 0.87 * waves[1])
    sideways = 0.02 * np.sin(2 * np.pi * phase + 0.7) + 0.8 * walk.wobble * waves[2]
    points = np.zeros((len(times_s), 24, 3))
    hips = np.zeros((len(times_s), 2, 3))
    for limb in range(4):
        hind, left = limb in (HIND_LEFT, HIND_RIGHT), limb in (FORE_LEFT, HIND_LEFT)
        side = 1.0 if left else -1.0
        lost = walk.stiff[0 if left else 1] if hind else 0.0
        short = side * walk.short * 0.22 if hind else 0.0
        lift = walk.lift * build.leg * (1.0 - 0.85 * lost) * (1.0 if hind else 0.9)
        base = -0.86 if hind else -0.06
        foot = _foot(walk, steps[limb], times_s, speed, base + short, lift)
        turn = 0.012 * np.sin(2 * np.pi * phase) * side
        joint = np.stack(
            [
                ahead + base + (stretch if hind else 0.0) + turn,
                side * build.narrow * 0.8 + 0.5 * sideways,
                (0.86 * build.leg + pelvis) if hind else (0.86 * build.leg + withers),
            ],
            axis=1,
        )
        end = np.stack([foot[:, 0], side * build.narrow + 0.2 * sideways, foot[:, 1]], axis=1)
        chain = _fill(build, joint, end, hind)
        if hind:
            hips[:, 0 if left else 1] = joint
        for row, at in zip(ROWS[limb], chain, strict=True):
            points[:, row] = at
    _trunk(points, rng, build, ahead, stretch, pelvis, withers, sideways, phase, waves[3])
    return Motion(points, steps, _truth(points, hips, steps, times_s))


def _steps(rng: np.random.Generator, walk: Walk, seconds: float) -> tuple[Steps, ...]:
    count = int(np.ceil(seconds / walk.stride_s * 1.2)) + 8
    trend = 1.0 + walk.hurry * np.linspace(-1.0, 1.0, count)
    ticks = np.cumsum(walk.stride_s * trend * (1 + walk.clock * _bounded(rng, count)))
    ticks += -3.0 * walk.stride_s - rng.uniform(0, walk.stride_s)
    after = 0.49 if walk.gait == "trot" else float(rng.uniform(0.16, 0.26))
    late = {HIND_LEFT: 0.0, FORE_LEFT: after, HIND_RIGHT: 0.5, FORE_RIGHT: (after + 0.5) % 1.0}
    made = []
    for limb in range(4):
        hind, left = limb in (HIND_LEFT, HIND_RIGHT), limb in (FORE_LEFT, HIND_LEFT)
        side = 1.0 if left else -1.0
        stride = np.append(np.diff(ticks), walk.stride_s)
        down = ticks + late[limb] * stride + walk.delay * walk.stride_s * _bounded(rng, count)
        duty = walk.duty + (0.0 if hind else 0.015)
        # A spared limb stands shorter, its partner longer, not by the same.
        uneven = walk.spares if hind else walk.fore_spares - 0.1 * walk.spares
        share = 0.6 if uneven * side < 0 else 0.4
        up = down + duty * (1 + share * side * uneven) * stride
        up += 0.5 * walk.delay * walk.stride_s * _bounded(rng, count)
        carried = np.zeros(count, bool)
        if hind and left == walk.carried_left and walk.carries > 0:
            carried = rng.random(count) < walk.carries
            carried[1:] &= ~carried[:-1]
        made.append(Steps(down, up, carried))
    return tuple(made)


def _bounded(rng: np.random.Generator, count: int) -> Array:
    """Normal numbers of unit variance without the far tails."""
    return np.asarray(np.clip(rng.standard_normal(count), -2.3, 2.3) / 0.976)


def _phase(steps: Steps, times_s: Array) -> Array:
    return np.asarray(np.interp(times_s, steps.down_s, np.arange(len(steps.down_s), dtype=float)))


def _wobble(rng: np.random.Generator, times_s: Array, seconds: float, rows: int) -> Array:
    """Resonances pushed by noise: unit variance, between about half and two hertz."""
    count = int((seconds + 4.0) * GRID_HZ)
    waves = np.empty((rows, len(times_s)))
    for row in range(rows):
        hz, damped = rng.uniform(0.6, 1.7), 0.35
        pole = np.exp((-damped + 1j * np.sqrt(1 - damped**2)) * 2 * np.pi * hz / GRID_HZ)
        pushed = rng.standard_normal(count)
        state, course = 0j, np.empty(count)
        for at in range(count):
            state = pole * state + pushed[at]
            course[at] = state.real
        course -= course.mean()
        own = np.arange(count) / GRID_HZ - 3.0
        waves[row] = np.interp(times_s, own, course / course.std())
    return waves


def _bell(u: Array, power: tuple[float, float]) -> Array:
    """Share of the way at share `u` of the swing: the beta distribution of these powers."""
    grid = np.linspace(0.0, 1.0, 401)
    middle = (grid[1:] + grid[:-1]) / 2
    speed = middle ** (power[0] - 1) * (1 - middle) ** (power[1] - 1)
    return np.asarray(np.interp(u, grid, np.r_[0.0, np.cumsum(speed)] / speed.sum()))


def _foot(
    walk: Walk, steps: Steps, times_s: Array, speed: float, place: float, lift: float
) -> Array:
    """Where the paw is, x and z (T, 2): it stands still, rolls off, swings, or is carried."""
    stands = np.flatnonzero(~steps.carried)
    down, up = steps.down_s[stands], steps.up_s[stands]
    prints = speed * (down + up) / 2 + place
    at = np.clip(np.searchsorted(down, times_s, side="right") - 1, 0, len(down) - 2)
    stood = np.clip((times_s - down[at]) / (up[at] - down[at]), 0.0, 1.0)
    swing = down[at + 1] - up[at]
    u = np.clip((times_s - up[at]) / swing, 0.0, 1.0)
    gone = _bell(u, walk.swing)
    roll = np.clip((stood - 0.85) / 0.15, 0.0, 1.0) ** 2
    x = prints[at] + (prints[at + 1] - prints[at]) * gone + 0.012 * roll * (1 - gone)
    top = u**0.8
    z = lift * np.sin(np.pi * top) ** 1.6 + 0.012 * roll * (1 - u) ** 2
    # A carried paw hangs under its joint for the strides it misses.
    missed = stands[at + 1] > stands[at] + 1
    usual = walk.stride_s * (1 - walk.duty)
    near = np.minimum(times_s - up[at], down[at + 1] - times_s) / (0.6 * usual)
    hung = np.where(missed, _bell(np.clip(near, 0.0, 1.0), (2.2, 2.2)), 0.0)
    x = (1 - hung) * x + hung * (speed * times_s + place + 0.04)
    z = (1 - hung) * z + hung * 1.25 * walk.lift
    return np.stack([x, z], axis=1)


def _fill(build: Build, joint: Array, end: Array, hind: bool) -> tuple[Array, Array, Array]:
    """Fold three segments between joint and paw (T, 3); returns paw, middle and top joint.

    One fold rules both joints; the table of lengths over the fold is turned round.
    """
    if hind:
        one, two, three, ratio, straight = (
            build.thigh, build.shank, build.foot, build.fold_hind, (12.0, 14.0)
        )  # fmt: skip
    else:
        one, two, three, ratio, straight = (
            build.arm, build.forearm, build.hand, build.fold_fore, (22.0, -6.0)
        )  # fmt: skip
    fold = np.radians(np.linspace(0.0, 110.0, 240))
    upper, lower = np.radians(straight[0]) + fold, np.radians(straight[1]) + ratio * fold
    if not hind:
        # The wrist gives way only when the elbow has begun to.
        lower = np.radians(straight[1]) + ratio * np.maximum(fold - np.radians(25.0), 0.0)
    # Hind: forwards, backwards, forwards; fore: backwards, forwards, backwards when folded.
    sign = 1.0 if hind else -1.0
    first = np.zeros_like(fold)
    second = first - sign * upper
    third = second + sign * lower
    tip_x = one * np.sin(first) + two * np.sin(second) + three * np.sin(third)
    tip_z = -(one * np.cos(first) + two * np.cos(second) + three * np.cos(third))
    length, lean = np.hypot(tip_x, tip_z), np.arctan2(tip_x, -tip_z)
    falling = np.minimum.accumulate(length)
    gap = end - joint
    # The limb swings in its own plane: sideways is shared out along it.
    want = np.hypot(gap[:, 0], gap[:, 2])
    now = np.interp(-want, -falling, fold)
    turn = np.arctan2(gap[:, 0], -gap[:, 2]) - np.interp(now, fold, lean)
    angles = [np.interp(now, fold, a) + turn for a in (first, second, third)]
    spots, place = [], joint[:, [0, 2]]
    total = one + two + three
    passed = 0.0
    for size, angle in zip((one, two, three), angles, strict=True):
        place = place + size * np.stack([np.sin(angle), -np.cos(angle)], axis=1)
        passed += size / total
        across = joint[:, 1] + passed * gap[:, 1]
        spots.append(np.stack([place[:, 0], across, place[:, 1]], axis=1))
    return spots[2], spots[1], spots[0]


def _trunk(
    points: Array,
    rng: np.random.Generator,
    build: Build,
    ahead: Array,
    stretch: Array,
    pelvis: Array,
    withers: Array,
    sideways: Array,
    phase: Array,
    nodding: Array,
) -> None:
    high = 0.86 * build.leg

    def put(row: int, x: Array | float, y: Array | float, z: Array | float) -> None:
        points[:, row] = np.stack(np.broadcast_arrays(ahead + x, y + 0.6 * sideways, z), axis=1)

    croup = float(rng.uniform(0.14, 0.2))
    put(WITHERS, 0.0, 0.0, high + 0.16 + withers)
    put(TAIL, -1.0 + stretch, 0.0, high + croup + pelvis)
    put(TAIL_TIP, -1.32, 0.08 * np.sin(2 * np.pi * phase + 1.0), high + croup + 0.1 + pelvis)
    nod = 0.015 * np.cos(4 * np.pi * phase + 2.0) + 0.006 * nodding
    head = high + 0.42 + 0.8 * withers + nod
    put(THROAT, 0.2, 0.0, head - 0.2)
    put(NOSE, 0.55, 0.0, head - 0.03)
    put(CHIN, 0.46, 0.0, head - 0.1)
    for row, tip, eye, side in (
        (EAR_LEFT, EAR_TIP_LEFT, EYE_LEFT, 1.0),
        (EAR_RIGHT, EAR_TIP_RIGHT, EYE_RIGHT, -1.0),
    ):
        put(row, 0.22, 0.06 * side, head + 0.06)
        put(tip, 0.18, 0.09 * side, head + 0.15)
        put(eye, 0.38, 0.05 * side, head + 0.02)


def _truth(points: Array, hips: Array, steps: tuple[Steps, ...], times_s: Array) -> Truth:
    last = float(times_s[-1])
    stood, mean_stand, skipped, bends = [], [], [], []
    for side, limb in enumerate((HIND_LEFT, HIND_RIGHT)):
        down, up, carried = steps[limb].down_s, steps[limb].up_s, steps[limb].carried
        inside = (down >= times_s[0]) & (np.append(down[1:], np.inf) <= last)
        stood.append(float((up - down)[inside & ~carried].sum() / max(inside.sum(), 1)))
        mean_stand.append(float((up - down)[inside & ~carried].mean()))
        skipped.append(float(carried[inside].mean()))
        _, hock, stifle = (points[:, row] for row in ROWS[limb])
        angle = _angle_deg(hips[:, side], stifle, hock)
        spans = [
            float(np.ptp(angle[(times_s >= a) & (times_s < b)]))
            for a, b, hung in zip(down[:-1], down[1:], carried[:-1] | carried[1:], strict=True)
            if a >= times_s[0] and b <= last and not hung
        ]
        bends.append(float(np.mean(spans)) if spans else float("nan"))
    spreads, hertz = [], []
    for limb in range(4):
        landed = steps[limb].down_s
        strides = np.diff(landed[(landed >= times_s[0]) & (landed <= last)])
        order = np.arange(len(strides))
        rest = strides - np.polyval(np.polyfit(order, strides, 1), order)
        spreads.append(float(np.sqrt((rest**2).sum() / max(len(rest) - 2, 1)) / strides.mean()))
        hertz.append(1.0 / float(strides.mean()))
    standing = _index(*mean_stand)
    return Truth(
        stride_hz=float(np.mean(hertz)),
        hind_stance_si=standing,
        stifle_range_deg=(bends[0], bends[1]),
        faults={
            "gait_balance": abs(_index(*stood)),
            "knee_mobility": -float(np.nanmin(bends)),
            "gait_stability": _restless(points, steps, times_s),
            "gait_rhythm": float(np.mean(spreads)),
            "patella_risk_signal": max(skipped) / 0.25
            + abs(standing) / 25.0
            + float(np.nan_to_num(abs(_index(*bends)))) / 40.0,
        },
    )


def _index(left: float, right: float) -> float:
    return 200.0 * (left - right) / (left + right)


def _angle_deg(a: Array, b: Array, c: Array) -> Array:
    one, two = a - b, c - b
    along = (one * two).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(two, axis=1)
    return np.asarray(np.degrees(np.arccos(np.clip(along, -1.0, 1.0))))


def _restless(points: Array, steps: tuple[Steps, ...], times_s: Array) -> float:
    """RMS of withers' and pelvis' heights without the course both halves of a stride share."""
    landings = np.sort(np.r_[steps[HIND_LEFT].down_s, steps[HIND_RIGHT].down_s])
    halves = np.interp(times_s, landings, np.arange(len(landings), dtype=float)) % 1.0
    bins = np.minimum((halves * 16).astype(int), 15)
    squares = []
    for row in (WITHERS, TAIL):
        height = points[:, row, 2] - points[:, row, 2].mean()
        held = np.bincount(bins, minlength=16)
        mean = np.bincount(bins, height, 16) / np.maximum(held, 1)
        squares.append(float(((height - mean[bins]) ** 2).mean()))
    return float(np.sqrt(np.mean(squares)))
