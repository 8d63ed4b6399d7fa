"""Smoothing for the screen: causal, so it may lag, and marked so that no metric takes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from edge_sdk.smoothing.one_euro import OneEuroFilter

Array = npt.NDArray[np.float64]

# Calm at rest, open at a trot: a paw swings at 3 to 5 body lengths a second.
DISPLAY_MIN_CUTOFF_HZ: Final = 1.5
DISPLAY_BETA: Final = 3.0


class CausalFilter(Protocol):
    """A filter of one frame at a time that knows its own gain and lag."""

    def __call__(
        self,
        values: npt.ArrayLike,
        timestamp_ms: float,
        *,
        confidence: npt.ArrayLike | None = None,
    ) -> Array:
        """Filter one frame."""
        ...

    def reset(self) -> None:
        """Forget the track."""
        ...

    def gain(self, frequency_hz: float, rate_hz: float = 30.0) -> float:
        """What is kept of a sine."""
        ...

    def lag_s(self, rate_hz: float = 30.0) -> float:
        """How late it is."""
        ...


@dataclass(frozen=True, slots=True)
class DisplayFrame:
    """Keypoints smoothed for the screen: (K, 3) x, y in px and confidence.

    Metrics refuse it (`DisplayFilteredInput`): its filter lags and flattens.
    """

    points: Array
    timestamp_ms: float


def _one_euro() -> CausalFilter:
    return OneEuroFilter(min_cutoff_hz=DISPLAY_MIN_CUTOFF_HZ, beta=DISPLAY_BETA)


@dataclass(slots=True)
class DisplayFilter:
    """Smooths the keypoints of one dog, frame by frame, for drawing them.

    `causal` is a One Euro filter unless another is given. A new `track_id` starts anew. The size of
    the dog on the screen scales its speed, so a far dog is not smoothed harder than a near one.
    """

    causal: CausalFilter = field(default_factory=_one_euro)
    min_confidence: float = 0.2
    _track: object = field(default=None, init=False, repr=False)

    def __call__(
        self, keypoints: npt.ArrayLike, timestamp_ms: float, *, track_id: object = 0
    ) -> DisplayFrame:
        """Smooth (K, 3) keypoints; NaN and low confidence keep their last place.

        Raises `FilterTimeNotRising` within a track.
        """
        k = np.asarray(keypoints, dtype=np.float64)
        if k.ndim != 2 or k.shape[1] != 3:
            raise ValueError(f"keypoints must be (K, 3), not {k.shape}")
        if track_id != self._track:
            self.reset()
            self._track = track_id
        sure = np.isfinite(k[:, :2]).all(1) & (k[:, 2] >= self.min_confidence)
        xy = np.where(sure[:, None], k[:, :2], np.nan)
        if isinstance(self.causal, OneEuroFilter):
            size = float(np.hypot(*np.ptp(xy[sure], axis=0))) if sure.any() else None
            smooth = self.causal(xy, timestamp_ms, object_size=size)
        else:
            smooth = self.causal(xy, timestamp_ms)
        return DisplayFrame(np.column_stack([smooth, k[:, 2]]), float(timestamp_ms))

    def reset(self) -> None:
        """Forget the dog."""
        self.causal.reset()

    def gain(self, frequency_hz: float, rate_hz: float = 30.0) -> float:
        """What is kept of a sine of `frequency_hz` by a dog at rest, 0 to 1."""
        return self.causal.gain(frequency_hz, rate_hz)

    def lag_s(self, rate_hz: float = 30.0) -> float:
        """How late the drawing is, at most, in seconds."""
        return self.causal.lag_s(rate_hz)
