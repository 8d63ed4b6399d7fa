"""Filters: causal ones for the screen, zero-phase ones for measuring; each knows gain and lag."""

from edge_sdk.smoothing.display import DisplayFilter, DisplayFrame
from edge_sdk.smoothing.ema import EmaFilter
from edge_sdk.smoothing.gaps import FilledTrack, fill_gaps
from edge_sdk.smoothing.measurement import MeasurementFilter, MeasurementTrack
from edge_sdk.smoothing.one_euro import OneEuroFilter
from edge_sdk.smoothing.savitzky_golay import SavitzkyGolayFilter

__all__ = [
    "DisplayFilter",
    "DisplayFrame",
    "EmaFilter",
    "FilledTrack",
    "MeasurementFilter",
    "MeasurementTrack",
    "OneEuroFilter",
    "SavitzkyGolayFilter",
    "fill_gaps",
]
