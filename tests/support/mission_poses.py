"""A jointed stick dog that sits, lies, gives its paw, turns and jumps: keypoints over time.

Independent of the dog that the models are trained on. Lengths in withers heights, x forward, y to
the dog's left, z up; seen by an orthographic camera from the side that looks down by `pitch_deg`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Points = dict[str, Array]

from edge_sdk.vision.keypoints import KEYPOINT_NAMES  # noqa: E402

HALF_WIDTH = 0.11


@dataclass(frozen=True)
class Build:
    """Proportions of a dog; the defaults are those of a middling one."""

    trunk: float = 0.95
    leg: float = 0.52


SHORT_LEGS = Build(trunk=1.35, leg=0.34)


@dataclass(frozen=True)
class Stance:
    """Where the trunk's ends and the limbs are."""

    withers_z: float = 1.0
    tail_z: float = 0.95
    tail_x: float = -0.95
    elbow: float = 1.0
    paw_lift: tuple[float, float] = (0.0, 0.0)
    paw_forward: float = 0.0
    hind_x: float = -0.9
    hock: float = 1.0
    up: float = 0.0
    nose_down: float = 0.0

    def towards(self, other: Stance, part: float) -> Stance:
        """The stance on the way to another."""
        mixed = {
            name: np.array(getattr(self, name)) * (1 - part) + np.array(getattr(other, name)) * part
            for name in self.__dataclass_fields__
        }
        lift = tuple(float(value) for value in mixed.pop("paw_lift"))
        return Stance(paw_lift=lift, **{k: float(v) for k, v in mixed.items()})  # type: ignore[arg-type]


def stand(build: Build) -> Stance:
    return Stance(tail_x=-build.trunk, hind_x=-build.trunk + 0.05)


def sit(build: Build) -> Stance:
    return replace(
        stand(build), withers_z=1.0, tail_z=0.2, tail_x=-0.72 * build.trunk,
        hind_x=-0.55 * build.trunk, hock=0.1,
    )  # fmt: skip


def lie(build: Build) -> Stance:
    return Stance(
        withers_z=1.0 - build.leg * 0.9, tail_z=0.95 - build.leg * 0.95, tail_x=-build.trunk,
        elbow=0.1, paw_forward=0.9 * build.leg, hind_x=-0.75 * build.trunk, hock=0.1,
    )  # fmt: skip


def bow(build: Build) -> Stance:
    return replace(lie(build), tail_z=0.95, hind_x=-build.trunk + 0.05, hock=1.0)


def begging_paw(build: Build, lift: float = 0.4, side: int = 0) -> Stance:
    lifts = (lift, 0.0) if side == 0 else (0.0, lift)
    return replace(sit(build), paw_lift=lifts)


def points_of(stance: Stance, build: Build) -> Array:
    """The 24 points (24, 3) of a stance in the body frame."""
    p: dict[str, tuple[float, float, float]] = {}
    for name, side, y in (("left", 0, HALF_WIDTH), ("right", 1, -HALF_WIDTH)):
        lift = stance.paw_lift[side]
        elbow_z = build.leg * max(stance.elbow, 0.05) if lift == 0 else build.leg * 0.95
        elbow_x = -0.05
        paw_x = stance.paw_forward + (0.55 * build.leg if lift else 0.0)
        paw_z = lift
        carpus = ((elbow_x + 2 * paw_x) / 3, (elbow_z + 2 * paw_z) / 3)
        p[f"front_{name}_paw"] = (paw_x, y, paw_z)
        p[f"front_{name}_knee"] = (carpus[0], y, carpus[1])
        p[f"front_{name}_elbow"] = (elbow_x, y, elbow_z)
        hock_z = 0.25 * build.leg / 0.52 * max(stance.hock, 0.05)
        p[f"rear_{name}_paw"] = (stance.hind_x, y, 0.0)
        p[f"rear_{name}_knee"] = (stance.hind_x - 0.12, y, hock_z)
        p[f"rear_{name}_elbow"] = (
            stance.tail_x + 0.25, y, 0.55 * stance.tail_z + 0.1
        )  # fmt: skip
        p[f"{name}_ear_base"] = (0.35, 0.07 * (1 - 2 * side), stance.withers_z + 0.42)
        p[f"{name}_ear_tip"] = (0.30, 0.1 * (1 - 2 * side), stance.withers_z + 0.5)
        p[f"{name}_eye"] = (0.45, 0.05 * (1 - 2 * side), stance.withers_z + 0.35)
    p["withers"] = (0.0, 0.0, stance.withers_z)
    p["tail_start"] = (stance.tail_x, 0.0, stance.tail_z)
    p["tail_end"] = (stance.tail_x - 0.3, 0.0, stance.tail_z + 0.1)
    p["nose"] = (0.62, 0.0, stance.withers_z + 0.25)
    p["chin"] = (0.52, 0.0, stance.withers_z + 0.15)
    p["throat"] = (0.22, 0.0, stance.withers_z - 0.1)
    points = np.array([p[name] for name in KEYPOINT_NAMES], np.float64)
    points[:, 2] += stance.up
    return points


@dataclass(frozen=True)
class Filmed:
    """Poses over time as a model would give them; fields as `edge_sdk.mission.check` takes them."""

    keypoints: Array
    headings_rad: Array
    timestamps_ms: Array
    boxes_xyxy_px: Array
    hands: Array = field(default_factory=lambda: np.zeros((0, 4)))


def film(
    stance_at: Callable[[float], Stance],
    seconds: float,
    *,
    build: Build | None = None,
    fps: float = 12.0,
    yaw_rad: Callable[[float], float] | float = 0.0,
    camera: Callable[[float], tuple[float, float]] = lambda t: (0.0, 0.0),
    pitch_deg: float = 12.0,
    height_px: float = 200.0,
    noise: float = 0.01,
    missing: float = 0.0,
    hidden: tuple[str, ...] = (),
    seed: int = 7,
) -> Filmed:
    """Film a dog; yaw is the contract's heading (0 faces right, pi/2 towards the camera).

    `noise` and `camera` are in withers heights, `missing` is the share of points lost at random,
    `hidden` names points that are never seen.
    """
    build = build or Build()
    rng = np.random.default_rng(seed)
    times = np.arange(0.0, seconds, 1.0 / fps)
    tilt = np.radians(pitch_deg)
    frames, headings = [], []
    for t in times:
        yaw = yaw_rad(t) if callable(yaw_rad) else yaw_rad
        body = points_of(stance_at(float(t)), build)
        # x right, y towards the camera, z up; the dog's left is away from the camera at yaw 0.
        x = body[:, 0] * np.cos(yaw) + body[:, 1] * np.sin(yaw)
        near = body[:, 0] * np.sin(yaw) - body[:, 1] * np.cos(yaw)
        y = -body[:, 2] * np.cos(tilt) + near * np.sin(tilt)
        dx, dy = camera(float(t))
        frames.append(np.stack([x + dx, y + dy], axis=1))
        headings.append(yaw)
    xy = np.array(frames) + rng.normal(0, noise, (len(times), 24, 2))
    xy = xy * height_px + 500.0
    confidence = np.full(xy.shape[:2], 0.9)
    lost = rng.random(confidence.shape) < missing
    for name in hidden:
        lost[:, KEYPOINT_NAMES.index(name)] = True
    confidence[lost] = 0.05
    keypoints = np.concatenate([xy, confidence[..., None]], axis=2)
    boxes = np.concatenate([xy.min(axis=1), xy.max(axis=1)], axis=1)
    wrapped = np.angle(np.exp(1j * (np.array(headings) + rng.normal(0, 0.08, len(times)))))
    return Filmed(keypoints, wrapped, times * 1000.0, boxes)


def between_stances(
    rest: Stance, action: Stance, start_s: float, end_s: float, change_s: float = 0.3
) -> Callable[[float], Stance]:
    """Rest, change into the action by `start_s`, hold it until `end_s`, and change back."""

    def at(t: float) -> Stance:
        into = np.clip((t - start_s + change_s) / change_s, 0, 1)
        out = np.clip((t - end_s) / change_s, 0, 1)
        return rest.towards(action, float(min(into, 1 - out)))

    return at


def jumping(
    build: Build, start_s: float, height: float = 0.5, gravity: float = 18.0
) -> Callable[[float], Stance]:
    """A jump of a height in withers heights; gravity in withers heights a second squared."""
    flight_s = 2 * np.sqrt(2 * height / gravity)

    def at(t: float) -> Stance:
        u = t - start_s
        up = u * (gravity * flight_s / 2) - gravity * u * u / 2 if 0 <= u <= flight_s else 0.0
        return replace(stand(build), up=max(float(up), 0.0))

    return at
