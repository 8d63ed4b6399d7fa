"""Errors of smoothing and of the gait analysis from keypoints."""

from __future__ import annotations

from typing import ClassVar

from edge_sdk.errors.base import EdgeError


# --- smoothing -------------------------------------------------------------------------------
class SmoothingError(EdgeError):
    """Base of what the filters refuse."""

    code: ClassVar[str] = "smoothing_error"


class FilterTimeNotRising(SmoothingError):
    """A frame is not later than the one before it; sort the frames or `reset()` the filter."""

    code: ClassVar[str] = "filter_time_not_rising"

    def __init__(self, before_ms: float | None, now_ms: float) -> None:
        """Name both times."""
        super().__init__(
            f"time {now_ms} ms does not come after {before_ms} ms: sort the frames, "
            "or reset() the filter for a new track",
        )
        self.before_ms = before_ms
        self.now_ms = now_ms


class DisplayFilteredInput(SmoothingError):
    """Keypoints smoothed for the screen were given to a measurement; give it the raw ones."""

    code: ClassVar[str] = "display_filtered_input"

    def __init__(self) -> None:
        """Say what to give instead."""
        super().__init__(
            "these keypoints went through a DisplayFilter, which lags and flattens: measure the "
            "raw keypoints, or those of a MeasurementFilter",
        )


# --- gait ------------------------------------------------------------------------------------
class GaitError(EdgeError):
    """Base of what the gait functions refuse."""

    code: ClassVar[str] = "gait_error"


class GaitInputInvalid(GaitError):
    """Keypoints or times of the wrong shape, infinite, or not rising; the message names it."""

    code: ClassVar[str] = "gait_input_invalid"


class TrendInputInvalid(GaitError):
    """Sessions of a trend that are not in the order of their times."""

    code: ClassVar[str] = "trend_input_invalid"
