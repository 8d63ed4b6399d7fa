"""Walks drawn in metres around a place, as fixes."""

import numpy as np
import numpy.typing as npt

from game_engine.track import Fixes

SEOUL = (37.5665, 126.978)
START_MS = 1_790_000_000_000
METRES_PER_DEGREE = 111_195.08


def fixes_of(
    x_m: npt.ArrayLike,
    y_m: npt.ArrayLike,
    *,
    at: tuple[float, float] = SEOUL,
    step_ms: int = 1_000,
    start_ms: int = START_MS,
    accuracy_m: float = 6.0,
) -> Fixes:
    """Fixes every `step_ms` at metres east and north of `at`."""
    x, y = np.asarray(x_m, dtype=np.float64), np.asarray(y_m, dtype=np.float64)
    lng = at[1] + x / (METRES_PER_DEGREE * np.cos(np.radians(at[0])))
    return Fixes.of(
        start_ms + step_ms * np.arange(len(x)),
        at[0] + y / METRES_PER_DEGREE,
        (lng + 180) % 360 - 180,
        np.full(len(x), accuracy_m),
    )


def polyline(*corners_m: tuple[float, float], speed_mps: float = 1.2) -> tuple[np.ndarray, ...]:
    """x, y once a second along straight lines between corners."""
    corners = np.array(corners_m, dtype=np.float64)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(corners, axis=0).T))])
    walked = np.arange(0.0, along[-1], speed_mps)
    return np.interp(walked, along, corners[:, 0]), np.interp(walked, along, corners[:, 1])


def circle(length_m: float, laps: float = 1.0, speed_mps: float = 1.2) -> tuple[np.ndarray, ...]:
    """x, y once a second around a circle, from its east."""
    angle = np.arange(0.0, length_m * laps, speed_mps) / length_m * 2 * np.pi
    radius_m = length_m / (2 * np.pi)
    return radius_m * np.cos(angle), radius_m * np.sin(angle)
