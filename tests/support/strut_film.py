"""Films the third dog (`strut_dog`) and spoils its keypoints as a pose net would.

The camera is carried along by somebody who walks (it bounces twice a step and leans a little), or
turns on its spot from far away. Errors of a keypoint have heavy tails, last over frames in part,
come on top of a fixed offset, and slide along the back more than across it where the picture has
no edge (withers and tail base). Frames come at uneven times, and some are lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tests.support.strut_dog import (
    HIND_LEFT,
    HIND_RIGHT,
    ROWS,
    TAIL,
    WITHERS,
    Build,
    Truth,
    Walk,
    move,
)

Array = npt.NDArray[np.float64]

OF_LEFT = (0, 1, 2, 3, 4, 5, 14, 18, 20)
OF_RIGHT = (6, 7, 8, 9, 10, 11, 15, 19, 21)
LASTING_SHARE, LASTING_S = 0.3, 0.1
ALONG_BACK, ACROSS_BACK = 1.2, 0.85


@dataclass(frozen=True)
class Filming:
    """How a clip is made. `noise` is a share of the trunk's length; angles in degrees."""

    fps: float = 30.0
    seconds: float = 8.0
    yaw_deg: float = 0.0
    above_deg: float = 5.0
    away: float = 9.0
    nearer: float = 0.0
    carried_along: bool = True
    from_left: bool = False
    noise: float = 0.01
    far_worse: float = 0.5
    missing: float = 0.0
    swapped: float = 0.0
    uneven_times: float = 0.0
    lost_frames: float = 0.0
    trunk_px: float = 200.0

    @staticmethod
    def draw(rng: np.random.Generator, fps: float, hard: bool = True) -> Filming:
        """Draw a filming; hard ones reach 3 % noise and 30 % missing points."""
        most = 1.0 if hard else 0.4
        return Filming(
            fps=fps,
            seconds=float(rng.uniform(6.0, 10.0)),
            yaw_deg=float(rng.uniform(-13.0, 13.0)),
            above_deg=float(rng.uniform(0.0, 12.0)),
            away=float(rng.uniform(5.0, 12.0)),
            nearer=float(most * rng.uniform(-0.3, 0.3)),
            carried_along=bool(rng.random() < 0.6),
            from_left=bool(rng.random() < 0.5),
            noise=float(most * rng.uniform(0.0, 0.03)),
            far_worse=float(most * rng.uniform(0.0, 1.0)),
            missing=float(most * rng.uniform(0.0, 0.3)) if rng.random() < 0.5 else 0.0,
            swapped=float(most * rng.uniform(0.0, 0.04)) if rng.random() < 0.3 else 0.0,
            uneven_times=float(rng.uniform(0.0, 0.2)) if rng.random() < 0.4 else 0.0,
            lost_frames=float(rng.uniform(0.0, 0.03)) if rng.random() < 0.4 else 0.0,
            trunk_px=float(rng.uniform(80.0, 420.0)),
        )


@dataclass(frozen=True, eq=False)
class StrutClip:
    """Keypoints (T, 24, 3) as a net would give them, their times, and the truth."""

    keypoints: Array
    timestamps_ms: Array
    truth: Truth
    walk: Walk
    filming: Filming


def film(
    rng: np.random.Generator, walk: Walk, filming: Filming, build: Build | None = None
) -> StrutClip:
    """Let a dog walk and film it."""
    build = build or Build.draw(rng)
    walk = walk.within(build)
    count = round(filming.fps * filming.seconds)
    times_s = np.arange(count) / filming.fps
    times_s += rng.uniform(-0.5, 0.5, count) * filming.uneven_times / filming.fps
    kept = rng.random(count) >= filming.lost_frames
    times_s = times_s[kept] - times_s[kept][0]
    motion = move(rng, build, walk, times_s)
    picture, depth = _look(rng, motion.points, times_s, walk, filming)
    points = _net(rng, picture, depth, times_s, filming)
    return StrutClip(points, times_s * 1000.0, motion.truth, walk, filming)


def _look(
    rng: np.random.Generator, points: Array, times_s: Array, walk: Walk, filming: Filming
) -> tuple[Array, Array]:
    """Pixels (T, 24, 2) and depths (T, 24)."""
    way = walk.reach / walk.stride_s * times_s
    along = way - way.mean()
    side = 1.0 if filming.from_left else -1.0
    half = float(np.ptp(way)) / 2
    away = filming.away if filming.carried_along else max(filming.away, 3.4 * half)
    yaw, above = np.radians(filming.yaw_deg), np.radians(filming.above_deg)
    stand = np.stack(
        [
            np.full_like(way, away * np.cos(above) * np.sin(yaw)),
            np.full_like(way, side * away * np.cos(above) * np.cos(yaw)),
            np.full_like(way, 0.5 + away * np.sin(above)),
        ],
        axis=1,
    )
    centre = np.stack([way - 0.5, np.zeros_like(way), np.full_like(way, 0.5)], axis=1)
    if filming.carried_along:
        # The one who carries it lags and catches up, and bounces with each of his own steps.
        lag = 0.15 * np.sin(2 * np.pi * (0.2 * times_s + rng.random()))
        stand[:, 0] += way - 0.5 + lag
        stand[:, 2] += 0.02 * np.sin(2 * np.pi * (rng.uniform(1.6, 2.0) * times_s + rng.random()))
    else:
        stand[:, 0] += way.mean() - 0.5
    shake = [
        0.006 * np.sin(2 * np.pi * (hz * times_s + rng.random()))
        for hz in (*rng.uniform(0.3, 2.2, 3), *rng.uniform(0.3, 2.2, 3))
    ]
    view = centre - stand
    view /= np.linalg.norm(view, axis=1, keepdims=True)
    right = np.stack([view[:, 1], -view[:, 0], np.zeros(len(view))], axis=1)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    upward = np.cross(right, view)
    rel = points - stand[:, None]
    depth = np.einsum("tkc,tc->tk", rel, view)
    grow = np.exp(filming.nearer * along / max(2 * half, 1e-9))
    size = (filming.trunk_px * away * grow)[:, None] / depth
    x = size * np.einsum("tkc,tc->tk", rel, right)
    y = -size * np.einsum("tkc,tc->tk", rel, upward)
    lean = np.radians(rng.uniform(-1.5, 1.5) + 0.25 * np.sin(2 * np.pi * 0.4 * times_s))[:, None]
    turned = np.stack([np.cos(lean) * x - np.sin(lean) * y, np.sin(lean) * x + np.cos(lean) * y], 2)
    moved = np.stack([sum(shake[:3]), sum(shake[3:])], axis=1)[:, None] * filming.trunk_px
    return turned + moved + 2.0 * filming.trunk_px, depth


def _net(
    rng: np.random.Generator, picture: Array, depth: Array, times_s: Array, filming: Filming
) -> Array:
    count = len(picture)
    back = picture[:, WITHERS] - picture[:, TAIL]
    trunk_px = float(np.median(np.hypot(back[:, 0], back[:, 1])))
    left_near = depth[:, list(OF_LEFT)].mean() < depth[:, list(OF_RIGHT)].mean()
    far, near = (OF_RIGHT, OF_LEFT) if left_near else (OF_LEFT, OF_RIGHT)
    sigma = np.full(24, filming.noise * trunk_px)
    sigma[list(far)] *= 1.0 + filming.far_worse
    single = np.clip(rng.standard_t(4, (count, 24, 2)) / np.sqrt(2.0), -6.0, 6.0)
    lasting = np.empty_like(single)
    lasting[0] = rng.standard_normal((24, 2))
    for at in range(1, count):
        keep = np.exp(-(times_s[at] - times_s[at - 1]) / LASTING_S)
        fresh = rng.standard_normal((24, 2))
        lasting[at] = keep * lasting[at - 1] + np.sqrt(1 - keep**2) * fresh
    error = np.sqrt(1 - LASTING_SHARE) * single + np.sqrt(LASTING_SHARE) * lasting
    for row in (WITHERS, TAIL):
        error[:, row] *= (ALONG_BACK, ACROSS_BACK)
    fixed = 0.5 * rng.standard_normal((24, 2))
    points = np.empty((count, 24, 3))
    points[:, :, :2] = picture + (error + fixed) * sigma[None, :, None]
    sure = np.clip(rng.normal(0.86, 0.05, (count, 24)), 0.35, 0.99)
    sure[:, list(far)] -= 0.15 * filming.far_worse
    points[:, :, 2] = np.clip(sure, 0.25, 0.99)
    # A far leg behind the near one is missed more often.
    behind = np.zeros((count, 24), bool)
    gap = np.linalg.norm(picture[:, list(far)] - picture[:, list(near)], axis=2) / trunk_px
    behind[:, list(far)] = gap < 0.06
    odds = np.where(behind, 2.0, 1.0) * filming.missing
    step_s = float(np.median(np.diff(times_s)))
    length = max(1.0, 0.1 / step_s)
    gone = np.zeros((count, 24), bool)
    for row in range(24):
        left = 0
        for at in range(count):
            if left == 0 and rng.random() < odds[at, row] / length:
                left = int(rng.geometric(1.0 / length))
            gone[at, row] = left > 0
            left = max(left - 1, 0)
    if filming.swapped > 0:
        run = max(1, round(0.15 / step_s))
        one, two = list(ROWS[HIND_LEFT]), list(ROWS[HIND_RIGHT])
        for at in np.flatnonzero(rng.random(count) < filming.swapped / run):
            points[at : at + run, one + two] = points[at : at + run, two + one]
    points[gone, :2] = np.nan
    points[gone, 2] = 0.0
    return points
