"""The three running modes of every analyzer, and the one validator behind them.

As in MediaPipe Tasks: IMAGE takes single pictures, VIDEO decoded frames with their times,
LIVE_STREAM a camera's frames, answered through a callback.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import StrEnum
from types import TracebackType
from typing import Generic, Self, TypeVar

from edge_sdk.analyzers.live import LiveQueue
from edge_sdk.errors import AnalyzerClosed, TimestampsNotRising, WrongRunningMode
from edge_sdk.media.frames import Image, check_image

Reading = TypeVar("Reading")


class RunningMode(StrEnum):
    """How an analyzer is fed."""

    IMAGE = "IMAGE"
    VIDEO = "VIDEO"
    LIVE_STREAM = "LIVE_STREAM"


class LiveResult(Generic[Reading]):
    """One answer of a live stream: the reading, or the error that took its place."""

    __slots__ = ("error", "reading", "timestamp_ms")

    def __init__(
        self, timestamp_ms: float, reading: Reading | None, error: Exception | None
    ) -> None:
        """Hold exactly one of reading and error."""
        self.timestamp_ms = timestamp_ms
        self.reading = reading
        self.error = error


class ModeGate(Generic[Reading]):
    """Validates every call of an analyzer and serialises the work behind it.

    Thread-safe: calls from several threads run one after another; in VIDEO and LIVE_STREAM the
    timestamps must rise in the order in which the calls arrive. The callback runs on the gate's
    own thread, one call at a time, in the order of the timestamps.
    """

    def __init__(
        self,
        mode: RunningMode,
        read: Callable[[Image, float | None], Reading],
        on_result: Callable[[LiveResult[Reading]], None] | None = None,
        queue_size: int = 2,
    ) -> None:
        """Run `read(image, timestamp_ms)` for each frame; None as time for single pictures.

        Raises `WrongRunningMode` when a callback is given without LIVE_STREAM or missing with it.
        """
        self.mode = RunningMode(mode)
        if (on_result is not None) != (self.mode is RunningMode.LIVE_STREAM):
            need = "needs" if on_result is None else "takes no"
            raise WrongRunningMode(f"{self.mode} {need} on_result callback")
        self._read = read
        # Two locks, so that a camera which queues a frame never waits for a net.
        self._lock = threading.RLock()
        self._work = threading.RLock()
        self._last_ms: float | None = None
        self._closed = False
        self._live: LiveQueue[LiveResult[Reading]] | None = None
        if on_result is not None:
            self._live = LiveQueue(self._answer, on_result, queue_size)

    @property
    def dropped(self) -> int:
        """Live frames that newer ones pushed out of the queue."""
        return self._live.dropped if self._live is not None else 0

    def image(self, image: Image) -> Reading:
        """Read one picture in IMAGE."""
        with self._work:
            with self._lock:
                self._admit(RunningMode.IMAGE, "detect")
            return self._read(check_image(image), None)

    def video(self, image: Image, timestamp_ms: float) -> Reading:
        """Read the next frame in VIDEO."""
        with self._work:
            with self._lock:
                self._admit(RunningMode.VIDEO, "detect_for_video")
                checked = check_image(image)
                self._advance(timestamp_ms)
            return self._read(checked, timestamp_ms)

    def live(self, image: Image, timestamp_ms: float) -> None:
        """Queue the next frame in LIVE_STREAM and return at once; a full queue drops its oldest.

        The picture is not copied: do not write into it until its answer came.
        """
        with self._lock:
            self._admit(RunningMode.LIVE_STREAM, "detect_async")
            checked = check_image(image)
            self._advance(timestamp_ms)
            if self._live is not None:
                self._live.put(checked, timestamp_ms)

    def clip(self) -> threading.RLock:
        """Admit a whole clip in VIDEO and return the lock to hold while it is read."""
        with self._lock:
            self._admit(RunningMode.VIDEO, "analyze")
        return self._work

    def held(self) -> threading.RLock:
        """The lock to hold while what frames have left behind is read or reset."""
        if self._closed:
            raise AnalyzerClosed("the analyzer was closed; make a new one")
        return self._work

    def restart(self) -> None:
        """Forget the last timestamp: the next frame begins a new video."""
        with self._lock:
            self._last_ms = None

    def close(self) -> None:
        """Drop what waits, let the running frame end, and refuse further calls; twice is fine."""
        # The worker answers outside this lock, so that closing from its callback cannot deadlock.
        with self._lock:
            self._closed = True
            live, self._live = self._live, None
        if live is not None:
            live.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _admit(self, mode: RunningMode, method: str) -> None:
        if self._closed:
            raise AnalyzerClosed(f"{method}: the analyzer was closed; make a new one")
        if mode is not self.mode:
            raise WrongRunningMode(
                f"{method} belongs to running mode {mode}; this analyzer runs in {self.mode}"
            )

    def _advance(self, timestamp_ms: float) -> None:
        # `not >` also refuses NaN; a first timestamp of 0 is a time like any other.
        if timestamp_ms != timestamp_ms or (
            self._last_ms is not None and not timestamp_ms > self._last_ms
        ):
            raise TimestampsNotRising(f"{timestamp_ms} ms comes after {self._last_ms} ms")
        self._last_ms = timestamp_ms

    def _answer(self, image: Image, timestamp_ms: float) -> LiveResult[Reading]:
        try:
            with self._work:
                return LiveResult(timestamp_ms, self._read(image, timestamp_ms), None)
        except Exception as error:
            return LiveResult(timestamp_ms, None, error)
