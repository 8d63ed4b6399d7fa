"""The examination of the gait scorer: a kinematic dog that shares nothing with the training one.

Hind limbs follow the pantograph rule (femur and metatarsus stay parallel; Witte et al. 2002,
J. Exp. Biol. 205:1339), swings are minimum-jerk, limb timing comes from an explicit event list, the
camera is a pinhole. Lengths are in withers heights, x forward, y to the dog's left, z up. The
scorer was tuned on `model_export.synth.kinematics`; it is never tuned on this file.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# Limb order of contacts and of `limb` indices.
FL, RL, FR, RR = range(4)
# Keypoint rows of each limb: paw, middle joint, top joint (dog-pose order).
ROWS = {FL: (0, 1, 2), RL: (3, 4, 5), FR: (6, 7, 8), RR: (9, 10, 11)}
TAIL_START, TAIL_END, EAR_L, EAR_R, NOSE, CHIN = 12, 13, 14, 15, 16, 17
TIP_L, TIP_R, EYE_L, EYE_R, WITHERS, THROAT = 18, 19, 20, 21, 22, 23
# Height of the hip over the ground as a share of the stretched hind limb.
HIP_SHARE = 0.92
LEFT = np.array([0, 1, 2, 3, 4, 5, 14, 18, 20])
RIGHT = np.array([6, 7, 8, 9, 10, 11, 15, 19, 21])


@dataclass(frozen=True)
class Dog:
    """Build of one dog, in withers heights."""

    trunk: float = 0.95
    fore: float = 0.52
    femur: float = 0.27
    tibia: float = 0.30
    metatarsus: float = 0.20
    half_width: float = 0.11
    hind_slope: float = 0.0

    @staticmethod
    def random(rng: np.random.Generator) -> Dog:
        """Draw a build between dachshund-like and sighthound-like."""
        short = rng.random() < 0.15
        leg = rng.uniform(0.72, 0.85) if short else rng.uniform(0.92, 1.08)
        return Dog(
            trunk=rng.uniform(1.2, 1.5) if short else rng.uniform(0.82, 1.1),
            fore=0.52 * leg,
            femur=0.27 * leg * rng.uniform(0.95, 1.05),
            tibia=0.30 * leg * rng.uniform(0.95, 1.08),
            metatarsus=0.20 * leg * rng.uniform(0.9, 1.1),
            half_width=rng.uniform(0.08, 0.15),
            hind_slope=rng.uniform(-0.04, 0.03),
        )


@dataclass(frozen=True)
class Gait:
    """How it walks. Asymmetries are fractions: (left - right) / mean."""

    kind: str = "walk"
    stride_hz: float = 1.1
    duty: float = 0.62
    stride_length: float = 0.85
    hind_stance: float = 0.0
    fore_stance: float = 0.0
    hind_reach: float = 0.0
    stiff_left: float = 0.0
    stiff_right: float = 0.0
    skip_rate: float = 0.0
    skip_left: bool = True
    stride_cv: float = 0.02
    limb_jitter: float = 0.01
    unsteady: float = 0.0
    lift: float = 0.11

    @staticmethod
    def sound(rng: np.random.Generator, kind: str | None = None) -> Gait:
        """Draw a sound dog: small natural asymmetry, rhythm within 2-4 % of a stride."""
        kind = kind or ("walk" if rng.random() < 0.7 else "trot")
        walk = kind == "walk"
        return Gait(
            kind=kind,
            stride_hz=rng.uniform(0.85, 1.45) if walk else rng.uniform(1.7, 2.5),
            duty=rng.uniform(0.57, 0.66) if walk else rng.uniform(0.40, 0.47),
            stride_length=rng.uniform(0.72, 0.98) if walk else rng.uniform(0.9, 1.2),
            hind_stance=float(np.clip(rng.normal(0, 0.012), -0.03, 0.03)),
            fore_stance=float(np.clip(rng.normal(0, 0.012), -0.03, 0.03)),
            hind_reach=float(np.clip(rng.normal(0, 0.012), -0.03, 0.03)),
            stiff_left=rng.uniform(0, 0.12),
            stiff_right=rng.uniform(0, 0.12),
            stride_cv=rng.uniform(0.012, 0.035),
            limb_jitter=rng.uniform(0.004, 0.012),
            unsteady=rng.uniform(0, 0.12),
            lift=rng.uniform(0.09, 0.14),
        )

    @staticmethod
    def any(rng: np.random.Generator, kind: str | None = None) -> Gait:
        """Draw a dog from sound to lame, each fault on its own and some of them together."""
        base = Gait.sound(rng, kind)
        side = 1.0 if rng.random() < 0.5 else -1.0
        changes: dict[str, float | bool] = {}
        if rng.random() < 0.6:
            changes["hind_stance"] = side * rng.uniform(0.0, 0.35)
            changes["hind_reach"] = side * rng.uniform(0.0, 0.2)
        if rng.random() < 0.5:
            stiff = rng.uniform(0.1, 0.9)
            changes["stiff_left" if side < 0 else "stiff_right"] = stiff
            if rng.random() < 0.3:
                changes["stiff_right" if side < 0 else "stiff_left"] = stiff * rng.uniform(0.4, 1)
        if rng.random() < 0.35:
            changes["skip_rate"] = rng.uniform(0.05, 0.45)
            changes["skip_left"] = side < 0
        if rng.random() < 0.5:
            changes["stride_cv"] = rng.uniform(0.03, 0.14)
        if rng.random() < 0.5:
            changes["unsteady"] = rng.uniform(0.1, 1.0)
        return replace(base, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class View:
    """Camera and keypoint faults. `noise` is a fraction of the body length."""

    fps: float = 30.0
    seconds: float = 8.0
    yaw_deg: float = 0.0
    elevation_deg: float = 4.0
    distance: float = 6.0
    zoom: float = 0.0
    follow: bool = True
    faces_left: bool = False
    noise: float = 0.01
    far_side: float = 0.6
    dropout: float = 0.0
    swap_rate: float = 0.0
    frame_jitter: float = 0.0
    size_px: float = 220.0

    @staticmethod
    def random(rng: np.random.Generator, fps: float | None = None, hard: bool = True) -> View:
        """Draw a filming; `hard` reaches 3 % noise, 30 % dropouts and some swapped frames."""
        top = 1.0 if hard else 0.4
        return View(
            fps=fps or float(rng.choice([8, 10, 12, 15, 24, 25, 30, 50, 60])),
            seconds=rng.uniform(6.0, 10.0),
            yaw_deg=float(np.clip(rng.normal(0, 7), -15, 15)),
            elevation_deg=rng.uniform(0, 12),
            distance=rng.uniform(4, 9),
            zoom=rng.uniform(-0.3, 0.3) * top,
            follow=rng.random() < 0.7,
            faces_left=rng.random() < 0.5,
            noise=rng.uniform(0.0, 0.03) * top,
            far_side=rng.uniform(0, 1) * top,
            dropout=rng.uniform(0, 0.3) * top if rng.random() < 0.5 else 0.0,
            swap_rate=rng.uniform(0, 0.04) * top if rng.random() < 0.3 else 0.0,
            frame_jitter=rng.uniform(0, 0.15) if rng.random() < 0.3 else 0.0,
            size_px=rng.uniform(90, 420),
        )


@dataclass(frozen=True)
class Truth:
    """What the clip really holds, measured from the event list and the noiseless joints."""

    stride_hz: float
    hind_stance_si: float
    fore_stance_si: float
    stifle_rom_deg: tuple[float, float]
    hock_rom_deg: tuple[float, float]
    skip_rate: float
    stride_cv: float
    unsteady: float
    strides: int
    faults: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Clip:
    """Keypoints (T, 24, 3) as a pose net would give them, their times, and the truth."""

    keypoints: Array
    timestamps_ms: Array
    truth: Truth
    gait: Gait
    view: View
    contacts: Bools


def make_clip(rng: np.random.Generator, gait: Gait, view: View, dog: Dog | None = None) -> Clip:
    """Walk a dog past a camera."""
    dog = dog or Dog.random(rng)
    times = _times(rng, view)
    events = [_events(rng, gait, limb, view.seconds) for limb in range(4)]
    _couple(rng, gait, events)
    points, contacts = _joints(rng, dog, gait, events, times)
    truth = _truth(gait, events, points, times)
    pixels = _film(rng, points, times, dog, gait, view)
    return Clip(_spoil(rng, pixels, dog, view), times * 1000.0, truth, gait, view, contacts)


def _times(rng: np.random.Generator, view: View) -> Array:
    count = round(view.fps * view.seconds)
    times = np.arange(count) / view.fps
    return np.asarray(times + rng.uniform(-0.5, 0.5, count) * view.frame_jitter / view.fps)


@dataclass
class _Strides:
    """Touchdown and lift-off times of one limb, and which stances are carried (skipped)."""

    down_s: Array
    up_s: Array
    carried: Bools


def _events(rng: np.random.Generator, gait: Gait, limb: int, seconds: float) -> _Strides:
    count = int(np.ceil((seconds + 4) * gait.stride_hz)) + 4
    zeros = np.zeros(count)
    return _Strides(zeros.copy(), zeros.copy(), np.zeros(count, dtype=bool))


def _couple(rng: np.random.Generator, gait: Gait, events: list[_Strides]) -> None:
    """Fill the event lists: one rhythm for the dog, a phase and a stance share for each limb."""
    count = len(events[0].down_s)
    period = 1.0 / gait.stride_hz
    durations = period * (1 + gait.stride_cv * np.clip(rng.standard_normal(count), -2.5, 2.5))
    starts = -2 * period + np.concatenate([[0.0], np.cumsum(durations)[:-1]])
    starts -= rng.uniform(0, period)
    phase = {RL: 0.0, FL: 0.77, RR: 0.5, FR: 0.27}
    if gait.kind == "trot":
        phase = {RL: 0.0, FR: 0.01, RR: 0.5, FL: 0.51}
    for limb, strides in enumerate(events):
        sign = 1.0 if limb in (FL, RL) else -1.0
        skew = gait.hind_stance if limb in (RL, RR) else gait.fore_stance
        jitter = rng.standard_normal((2, count)) * gait.limb_jitter * period
        strides.down_s[:] = starts + phase[limb] * durations + jitter[0]
        strides.up_s[:] = strides.down_s + gait.duty * (1 + sign * skew / 2) * durations + jitter[1]
    lame = events[RL if gait.skip_left else RR]
    lame.carried[:] = rng.random(count) < gait.skip_rate
    lame.carried[1:] &= ~lame.carried[:-1]


def _min_jerk(u: Array) -> Array:
    return np.asarray(u**3 * (10 - 15 * u + 6 * u * u))


def _paw(
    gait: Gait, strides: _Strides, times: Array, hip_x: float, reach: float, lift: float
) -> tuple[Array, Array, Bools]:
    """Ground track of one paw: x and z in the world, and contact."""
    speed = gait.stride_length * gait.stride_hz
    middle = (strides.down_s + strides.up_s) / 2
    ground = speed * middle + hip_x + reach
    index = np.clip(np.searchsorted(strides.down_s, times, side="right") - 1, 0, None)
    following = np.minimum(index + 1, len(ground) - 1)
    carried = strides.carried[index]
    stance = (times < strides.up_s[index]) & ~carried
    swing_start = np.where(carried, strides.down_s[index], strides.up_s[index])
    length = np.maximum(strides.down_s[following] - swing_start, 1e-3)
    u = np.clip((times - swing_start) / length, 0, 1)
    x = np.where(
        stance, ground[index], ground[index] + (ground[following] - ground[index]) * _min_jerk(u)
    )
    z = np.where(stance, 0.0, lift * np.sin(np.pi * u) ** 2)
    # A carried paw travels with the body, held up, and comes down for the next stride.
    hold = speed * times + hip_x + reach
    held = _min_jerk(np.clip(4 * u, 0, 1)) * (1 - _min_jerk(np.clip(4 * u - 3, 0, 1)))
    x = np.where(carried, x * (1 - held) + hold * held, x)
    z = np.where(carried, 0.17 * np.sin(np.pi * np.clip(u, 0, 1)) ** 0.5, z)
    return x, z, stance


def _two_links(
    top: Array, end: Array, upper: float, lower: float, bend: float
) -> tuple[Array, Array]:
    """Unit vectors of two links between top and end (T, 2); bend +1 puts the joint forward."""
    gap = end - top
    distance = np.clip(
        np.hypot(gap[:, 0], gap[:, 1]), abs(upper - lower) * 1.03, (upper + lower) * 0.999
    )
    angle = np.arctan2(gap[:, 1], gap[:, 0])
    inner = np.arccos((upper**2 + distance**2 - lower**2) / (2 * upper * distance))
    first = angle + bend * inner
    one = np.stack([np.cos(first), np.sin(first)], axis=1)
    reach = np.stack([np.cos(angle), np.sin(angle)], axis=1) * distance[:, None]
    return one, (reach - upper * one) / lower


def _joints(
    rng: np.random.Generator, dog: Dog, gait: Gait, events: list[_Strides], times: Array
) -> tuple[Array, Bools]:
    count = len(times)
    points = np.zeros((count, 24, 3))
    contacts = np.zeros((count, 4), dtype=bool)
    speed = gait.stride_length * gait.stride_hz
    root = speed * times
    step = 2 * np.pi * gait.stride_hz * (times - events[RL].down_s[2])
    wander = _slow_noise(rng, times, 0.45, 3)
    # An unsteady trunk pitches, drifts up and down, and drops more on one side's step.
    pitch = np.radians(0.5 + 3.5 * gait.unsteady) * (0.6 * np.sin(step + 0.4) + 0.8 * wander[0])
    bob = (
        0.010 * np.cos(2 * step + 0.5)
        + 0.022 * gait.unsteady * np.sin(step)
        + 0.02 * gait.unsteady * wander[1]
    )
    sway = (0.01 + 0.05 * gait.unsteady) * (np.sin(step + 1.0) + 0.7 * wander[2])
    for limb in (RL, RR, FL, FR):
        hind, left = limb in (RL, RR), limb in (FL, RL)
        sign = 1.0 if left else -1.0
        stiff = gait.stiff_left if left else gait.stiff_right
        hip_x = -dog.trunk + 0.08 if hind else 0.0
        reach = (-0.05 + sign * gait.hind_reach * 0.25) if hind else 0.03
        lift = gait.lift * (1 - 0.75 * stiff) if hind else gait.lift
        x, z, stance = _paw(gait, events[limb], times, hip_x, reach, lift)
        contacts[:, limb] = stance
        end = np.stack([x - root, z + 0.03], axis=1)
        side = sign * dog.half_width + sway * (0.6 if hind else 0.4)
        if hind:
            leg = dog.femur + dog.tibia + dog.metatarsus
            top = np.stack(
                [np.full(count, hip_x), leg * HIP_SHARE + bob - dog.trunk * 0.5 * np.sin(pitch)],
                axis=1,
            )
            long, mid = _two_links(top, end, dog.femur + dog.metatarsus, dog.tibia, +1.0)
            stifle, hock, paw = top + dog.femur * long, None, None
            hock = stifle + dog.tibia * mid
            paw = hock + dog.metatarsus * long
            chain = (paw, hock, stifle)
        else:
            swing = 0.10 * np.clip(end[:, 0], -0.4, 0.4)
            top = np.stack(
                [swing - 0.02, np.full(count, dog.fore) + 0.7 * bob + 0.02 * pitch], axis=1
            )
            upper, lower = dog.fore * 0.60, dog.fore * 0.43
            one, two = _two_links(top, end, upper, lower, +1.0)
            carpus = top + upper * one
            chain = (carpus + lower * two, carpus, top)
        for row, joint in zip(ROWS[limb], chain, strict=True):
            points[:, row, 0] = root + joint[:, 0]
            points[:, row, 1] = side
            points[:, row, 2] = joint[:, 1]
    leg = dog.femur + dog.tibia + dog.metatarsus
    _trunk(points, dog, root, bob, pitch, sway, step, leg * HIP_SHARE + 0.20 + dog.hind_slope)
    return points, contacts


def _trunk(
    points: Array,
    dog: Dog,
    root: Array,
    bob: Array,
    pitch: Array,
    sway: Array,
    step: Array,
    hind: float,
) -> None:
    def put(row: int, x: Array | float, y: Array | float, z: Array | float) -> None:
        points[:, row, 0], points[:, row, 1], points[:, row, 2] = root + x, y + 0.5 * sway, z

    top = dog.fore / 0.52
    nod = 0.012 * np.cos(2 * step + 0.9)
    put(WITHERS, 0.0, 0.0, top * 0.97 + 0.6 * bob + 0.4 * dog.trunk * np.sin(pitch))
    put(TAIL_START, -dog.trunk - 0.03, 0.0, hind + bob - 0.55 * dog.trunk * np.sin(pitch))
    put(TAIL_END, -dog.trunk - 0.33, 0.06 * np.sin(0.7 * step), hind + 0.15 + bob)
    head = top * 1.16 + nod + 0.6 * bob
    put(THROAT, 0.20, 0.0, head - 0.16)
    put(NOSE, 0.52, 0.0, head - 0.02)
    put(CHIN, 0.44, 0.0, head - 0.09)
    for row, tip, eye, sign in ((EAR_L, TIP_L, EYE_L, 1), (EAR_R, TIP_R, EYE_R, -1)):
        put(row, 0.20, 0.07 * sign, head + 0.08)
        put(tip, 0.16, 0.09 * sign, head + 0.17)
        put(eye, 0.34, 0.05 * sign, head + 0.03)


def _slow_noise(rng: np.random.Generator, times: Array, low_hz: float, rows: int) -> Array:
    total = np.zeros((rows, len(times)))
    for row in range(rows):
        for hz in rng.uniform(0.25, 1.6, 5) * low_hz / 0.45:
            total[row] += np.sin(2 * np.pi * (hz * times + rng.random())) / np.sqrt(5 / 2)
    return total * 0.7


def _angle_deg(a: Array, b: Array, c: Array) -> Array:
    one, two = a - b, c - b
    cross = one[:, 0] * two[:, 2] - one[:, 2] * two[:, 0]
    return np.degrees(np.abs(np.arctan2(cross, one[:, 0] * two[:, 0] + one[:, 2] * two[:, 2])))


def _range_a_stride(angle_deg: Array, times: Array, starts: Array) -> float:
    """Mean over whole strides of the joint's range, degrees."""
    ranges = [
        np.ptp(angle_deg[inside])
        for a, b in itertools.pairwise(starts)
        if a >= times[0] and b <= times[-1] and (inside := (times >= a) & (times < b)).sum() > 3
    ]
    return float(np.mean(ranges))


def _unsteadiness(points: Array, times: Array, stride_hz: float) -> float:
    """What withers and pelvis do beyond the even bob of two steps a stride: RMS, trunk lengths."""
    trunk = np.median(points[:, WITHERS, 0] - points[:, TAIL_START, 0])
    phase = 4 * np.pi * stride_hz * times
    even = np.stack([np.ones_like(times), np.cos(phase), np.sin(phase)], axis=1)
    heights = points[:, [WITHERS, TAIL_START], 2]
    rest = heights - even @ np.linalg.lstsq(even, heights, rcond=None)[0]
    return float(np.sqrt((rest**2).mean()) / trunk)


def _truth(gait: Gait, events: list[_Strides], points: Array, times: Array) -> Truth:
    def stances(limb: int) -> Array:
        strides = events[limb]
        inside = (strides.down_s >= 0) & (strides.up_s <= times[-1]) & ~strides.carried
        return np.asarray((strides.up_s - strides.down_s)[inside])

    def si(left: int, right: int) -> float:
        a, b = stances(left).mean(), stances(right).mean()
        return float(200 * (a - b) / (a + b))

    inside = (events[RL].down_s >= 0) & (events[RL].down_s <= times[-1])
    durations = np.diff(events[RL].down_s[inside])
    rom = []
    for side in (RL, RR):
        paw, hock, stifle = (points[:, row] for row in ROWS[side])
        stifle_angle = _angle_deg(points[:, TAIL_START], stifle, hock)
        hock_angle = _angle_deg(stifle, hock, paw)
        starts = events[side].down_s
        rom.append(
            (
                _range_a_stride(stifle_angle, times, starts),
                _range_a_stride(hock_angle, times, starts),
            )
        )
    lame = events[RL if gait.skip_left else RR]
    seen = (lame.down_s >= 0) & (lame.down_s <= times[-1])
    # Faults, one number for each score; larger is worse.
    skip = float(lame.carried[seen].mean()) if seen.any() else 0.0
    si_hind = si(RL, RR)
    worst_stiff = max(gait.stiff_left, gait.stiff_right)
    reach = min((stifle + hock) / 2 for stifle, hock in rom)
    cv = float(durations.std(ddof=1) / durations.mean()) if len(durations) > 2 else gait.stride_cv
    faults = {
        "gait_balance": abs(si_hind) + 60 * skip,
        "knee_mobility": -reach,
        "gait_stability": _unsteadiness(points, times, gait.stride_hz),
        "gait_rhythm": cv,
        "patella_risk_signal": skip / 0.25 + abs(si_hind) / 20 + worst_stiff,
    }
    return Truth(
        stride_hz=1 / float(durations.mean()),
        hind_stance_si=si_hind,
        fore_stance_si=si(FL, FR),
        stifle_rom_deg=(rom[0][0], rom[1][0]),
        hock_rom_deg=(rom[0][1], rom[1][1]),
        skip_rate=skip,
        stride_cv=cv,
        unsteady=gait.unsteady,
        strides=len(durations),
        faults=faults,
    )


def _film(
    rng: np.random.Generator, points: Array, times: Array, dog: Dog, gait: Gait, view: View
) -> Array:
    """Project through a pinhole; the camera stands still, or follows and lags a little."""
    speed = gait.stride_length * gait.stride_hz
    u = (times - times[0]) / max(times[-1] - times[0], 1e-9)
    centre = np.stack(
        [speed * times - dog.trunk / 2, np.zeros(len(times)), np.full(len(times), 0.5)], axis=1
    )
    shake = 0.01 * _slow_noise(rng, times, 0.9, 2)
    distance = view.distance
    if not view.follow:
        # A standing camera must hold the whole walk: it stands farther away and does not turn.
        centre[:, 0] = centre[:, 0].mean()
        distance = max(distance, 0.8 * speed * (times[-1] - times[0]))
    yaw = np.radians(view.yaw_deg)
    elevation = np.radians(view.elevation_deg)
    # From -y the dog faces right in the picture and its right side is the near one.
    back = np.array(
        [np.sin(yaw) * np.cos(elevation), -np.cos(yaw) * np.cos(elevation), np.sin(elevation)]
    )
    if view.faces_left:
        back[1] = -back[1]
    forward = -back
    across = np.cross(forward, [0.0, 0.0, 1.0])
    across /= np.linalg.norm(across)
    up = np.cross(across, forward)
    relative = points - (centre + distance * back)[:, None, :]
    depth = relative @ forward
    focal = view.size_px * distance * (1 + view.zoom * (u - 0.5))[:, None]
    x = focal * (relative @ across) / depth
    y = -focal * (relative @ up) / depth
    span = view.size_px * 1.7
    x = x + span + view.size_px * shake[0][:, None]
    y = y + span + view.size_px * shake[1][:, None]
    return np.stack([x, y, depth], axis=2)


def _spoil(rng: np.random.Generator, pixels: Array, dog: Dog, view: View) -> Array:
    """Give the exact points the faults of a pose net."""
    count = len(pixels)
    result = pixels.copy()
    result[:, :, 2] = np.clip(rng.normal(0.9, 0.04, (count, 24)), 0.3, 0.99)
    body = np.median(np.hypot(*(pixels[:, WITHERS, :2] - pixels[:, TAIL_START, :2]).T))
    near_is_left = np.median(pixels[:, LEFT[:6], 2]) < np.median(pixels[:, RIGHT[:6], 2])
    far, near = (RIGHT, LEFT) if near_is_left else (LEFT, RIGHT)
    sigma = np.full(24, float(view.noise))
    sigma[far] *= 1 + view.far_side
    fresh = rng.standard_normal((count, 24, 2))
    slow = np.zeros_like(fresh)
    keep = np.exp(-1 / (0.12 * view.fps))
    for frame in range(1, count):
        slow[frame] = keep * slow[frame - 1] + np.sqrt(1 - keep**2) * rng.standard_normal((24, 2))
    result[:, :, :2] += (0.8 * fresh + 0.6 * slow) * sigma[None, :, None] * body
    # A hidden far leg is drawn towards the near one when they pass each other.
    pull = 0.2 * view.far_side
    gap = pixels[:, near, :2] - pixels[:, far, :2]
    close = np.exp(-((np.hypot(gap[..., 0], gap[..., 1]) / (0.12 * body)) ** 2))
    result[:, far, :2] += pull * close[..., None] * gap
    result[:, far, 2] -= 0.25 * view.far_side * close
    if view.dropout > 0:
        for row in range(24):
            run = max(1, round(0.08 * view.fps))
            starts = rng.random(count) < view.dropout / run
            lost = np.convolve(starts, np.ones(run), mode="full")[:count] > 0
            result[lost, row, :2] = np.nan
            result[lost, row, 2] = 0.0
    if view.swap_rate > 0:
        swapped = rng.random(count) < view.swap_rate
        hind_left, hind_right = np.array(ROWS[RL]), np.array(ROWS[RR])
        both = result[swapped][:, np.concatenate([hind_right, hind_left])]
        frames = np.flatnonzero(swapped)
        result[np.ix_(frames, np.concatenate([hind_left, hind_right]))] = both
    return result
