"""A pinhole camera that looks at a point of the dog's world."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model_export.synth.vectors import cross

FloatArray = NDArray[np.float64]

NEAREST_DEPTH = 1e-2
"""Points nearer than this (body units) are projected as if they were there."""


@dataclass(frozen=True)
class Camera:
    """Where the camera stands and how it looks.

    World: x forward and y left of the dog, z up from the ground, in body units (the height of the
    withers is 1). The camera stands `distance` away from `target_xyz` in the direction
    (`azimuth_rad`, `elevation_rad`): azimuth 0 = in front of the dog, +pi/2 = on its left,
    -pi/2 = on its right (the dog faces image right). `focal_px` in pixels; `target_xyz` is seen at
    `centre_px`; `roll_rad` turns the picture clockwise. Pixel coordinates are continuous, the
    centre of the top left pixel is (.5, .5).
    """

    azimuth_rad: float
    elevation_rad: float
    distance: float
    focal_px: float
    centre_px: tuple[float, float]
    target_xyz: tuple[float, float, float] = (0.0, 0.0, 0.5)
    roll_rad: float = 0.0

    @cached_property
    def rotation(self) -> FloatArray:
        """World to camera, (3, 3); rows: right, down, towards the viewer."""
        ca, sa = math.cos(self.azimuth_rad), math.sin(self.azimuth_rad)
        ce, se = math.cos(self.elevation_rad), math.sin(self.elevation_rad)
        back = np.array((ce * ca, ce * sa, se))
        right = np.array((-sa, ca, 0.0))
        up = cross(back, right)
        c, s = math.cos(self.roll_rad), math.sin(self.roll_rad)
        rows: FloatArray = np.array((c * right - s * up, -(s * right + c * up), back))
        return rows

    @cached_property
    def position(self) -> FloatArray:
        """Where the camera stands in the world, (3,)."""
        return np.asarray(np.asarray(self.target_xyz) + self.distance * self.rotation[2])

    @property
    def scale_px(self) -> float:
        """Pixels per body unit at the target."""
        return self.focal_px / self.distance

    @property
    def heading_rad(self) -> float:
        """Heading of a dog that looks along world x, 0 = faces image right, pi/2 = us."""
        return math.remainder(self.azimuth_rad + math.pi / 2, 2 * math.pi)

    @property
    def horizon_px(self) -> float:
        """Row of the horizon under the picture's centre column (roll ignored)."""
        return self.centre_px[1] - self.focal_px * math.tan(self.elevation_rad)

    def project(self, points: ArrayLike) -> FloatArray:
        """(..., 3) world points as (..., 3): x px, y px, depth in body units."""
        relative = (np.asarray(points, np.float64) - self.position) @ self.rotation.T
        depth = np.maximum(-relative[..., 2], NEAREST_DEPTH)
        scale = self.focal_px / depth
        return np.stack(
            (
                self.centre_px[0] + scale * relative[..., 0],
                self.centre_px[1] + scale * relative[..., 1],
                depth,
            ),
            axis=-1,
        )

    def resized(self, factor: float) -> Camera:
        """The same view at `factor` times the resolution."""
        return Camera(
            self.azimuth_rad, self.elevation_rad, self.distance, self.focal_px * factor,
            (self.centre_px[0] * factor, self.centre_px[1] * factor), self.target_xyz,
            self.roll_rad,
        )  # fmt: skip
