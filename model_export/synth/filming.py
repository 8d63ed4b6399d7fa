"""Where the camera is in every frame of a clip. Pure geometry on top of `camera`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from model_export.synth.camera import Camera
from model_export.synth.kinematics import Motion

FloatArray = NDArray[np.float64]
CameraMode = Literal["follow", "lag", "static"]

_PROBE_FRAMES = 16


@dataclass(frozen=True)
class Filming:
    """How a dog is filmed; angles against the dog's first heading.

    `mode`: "follow" keeps the dog centred, "lag" lets it drift about the picture as a hand does
    that pans after it, "static" stands still while the dog passes. The camera moves alongside and
    does not turn, so that the ground passes by as the dog's speed says. `shake` and `zoom`:
    deviations as share of the picture's height and of the scale; `exposure` share of the frame time
    during which the shutter is open (0 = frozen); `fill` share of the picture's tighter side that
    the dog, or where it gets to, takes.
    """

    azimuth_rad: float
    elevation_rad: float = 0.06
    distance: float = 6.0
    fill: float = 0.7
    mode: CameraMode = "follow"
    shake: float = 0.003
    zoom: float = 0.0
    exposure: float = 0.0
    roll_rad: float = 0.0
    drift_rad: float = 0.0

    @staticmethod
    def random(rng: np.random.Generator, side_view: bool) -> Filming:
        """Side views within 20 degrees, or any view."""
        side = math.pi / 2 if rng.random() < 0.5 else -math.pi / 2
        spread = math.radians(20) if side_view else math.pi
        return Filming(
            azimuth_rad=side + float(rng.uniform(-spread, spread)),
            elevation_rad=math.radians(float(np.clip(rng.normal(7, 6), -3, 28))),
            distance=float(rng.uniform(3.5, 10.0)),
            fill=float(rng.uniform(0.5, 0.95)),
            mode="follow" if rng.random() < 0.55 else "lag",
            shake=float(rng.uniform(0.0, 0.006)),
            zoom=float(rng.uniform(0.0, 0.04)) if rng.random() < 0.4 else 0.0,
            exposure=float(rng.uniform(0.15, 0.5)) if rng.random() < 0.25 else 0.0,
            roll_rad=float(rng.normal(0, 0.02)),
            drift_rad=math.radians(float(rng.uniform(0, 2.0))),
        )


@dataclass(frozen=True, eq=False)
class CameraPath:
    """The camera of every moment in the dog's body frame, and how far the ground has passed.

    `scroll_px` (T,): the ground under the dog has moved left by that much since the first moment.
    """

    cameras: tuple[Camera, ...]
    scroll_px: FloatArray


def plan_cameras(
    rng: np.random.Generator, filming: Filming, motion: Motion, trunk: float,
    size: tuple[int, int], extents: FloatArray,
) -> CameraPath:  # fmt: skip
    """Choose the scale so that the dog stays in the picture, and move the camera.

    `extents` (K, 3): points of the dog in the body frame that must be seen, at any moment.
    """
    times = motion.times_s
    width, height = size
    cos, sin = np.cos(motion.root_yaw_rad), np.sin(motion.root_yaw_rad)
    middle = motion.root_xy - 0.45 * trunk * np.stack((cos, sin), -1)
    noise = _wander(rng, times, 6)
    looked_at = middle.copy()
    if filming.mode == "static":
        looked_at[:] = 0.5 * (middle.min(0) + middle.max(0))
    elif filming.mode == "lag":
        looked_at += 0.16 * np.stack((noise[0], 0.3 * noise[1]), -1)
    azimuth = filming.azimuth_rad + filming.drift_rad * noise[2]
    dx, dy = (looked_at - motion.root_xy).T
    targets = np.stack((cos * dx + sin * dy, cos * dy - sin * dx, np.full(len(times), 0.5)), -1)

    def camera(frame: int, focal: float, centre: tuple[float, float]) -> Camera:
        return Camera(
            float(azimuth[frame] - motion.root_yaw_rad[frame]), filming.elevation_rad,
            filming.distance, focal, centre, tuple(targets[frame]), filming.roll_rad,
        )  # fmt: skip

    seen = np.concatenate([
        camera(int(frame), 1000.0, (0.0, 0.0)).project(extents)[:, :2]
        for frame in np.unique(np.linspace(0, len(times) - 1, _PROBE_FRAMES).astype(int))
    ])  # fmt: skip
    low, high = seen.min(0), seen.max(0)
    focal = (
        1000.0 * filming.fill / float(max((high[0] - low[0]) / width, (high[1] - low[1]) / height))
    )
    k = focal / 1000.0
    free = np.array((width, height)) - k * (high - low)
    base = free * np.clip(rng.normal(0.5, 0.12, 2), 0.15, 0.85) - k * low
    jitter = (
        filming.shake * height * (0.8 * noise[3:5] + 0.35 * rng.standard_normal((2, len(times))))
    )
    focals = focal * (1.0 + filming.zoom * noise[5])
    cameras = tuple(
        camera(f, float(focals[f]), (float(base[0] + jitter[0, f]), float(base[1] + jitter[1, f])))
        for f in range(len(times))
    )
    right = np.stack((-np.sin(azimuth), np.cos(azimuth)), -1)
    ground_depth = filming.distance + 0.5 * math.sin(filming.elevation_rad)
    travelled = ((looked_at - looked_at[0]) * right).sum(1) * focals / ground_depth
    return CameraPath(cameras, np.asarray(travelled - (jitter[0] - jitter[0, 0])))


def _wander(rng: np.random.Generator, times: FloatArray, rows: int) -> FloatArray:
    """(rows, T) smooth noise of about unit variance, slower than 0.7 Hz."""
    hz = rng.uniform(0.05, 0.7, (rows, 6, 1))
    turn = rng.uniform(0, 2 * np.pi, (rows, 6, 1))
    return np.asarray(np.sin(2 * np.pi * hz * times + turn).sum(1) / np.sqrt(3.0))


def reach_points(motion: Motion) -> FloatArray:
    """(K, 3) corners of a box around all joints of all moments, in the body frame."""
    s = motion.skeleton
    joints = np.concatenate([
        s.limbs.reshape(-1, 3), s.tail.reshape(-1, 3), s.toes.reshape(-1, 3), s.thorax_xyz,
        s.head_xyz + s.head_rot @ np.array((0.3, 0.0, 0.05)),
        s.head_xyz + np.array((0.0, 0.0, 0.2)),
        s.thorax_xyz + np.array((0.0, 0.0, 0.3)),
    ])  # fmt: skip
    low, high = joints.min(0) - 0.04, joints.max(0) + 0.04
    grid = np.array(np.meshgrid((0, 1), (0, 1), (0, 1))).reshape(3, -1).T
    return np.asarray(low + grid * (high - low))
