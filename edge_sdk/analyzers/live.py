"""A bounded queue of live frames with one worker: when it is full, the oldest frame goes."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from edge_sdk.media.frames import Image

Answer = TypeVar("Answer")

_log = logging.getLogger(__name__)


class LiveQueue(Generic[Answer]):
    """Answers frames on a thread of its own, in order; a camera is never made to wait."""

    def __init__(
        self,
        answer: Callable[[Image, float], Answer],
        deliver: Callable[[Answer], None],
        size: int,
    ) -> None:
        """Hold at most `size` frames that wait; start the worker."""
        if size < 1:
            raise ValueError(f"a queue holds at least one frame, not {size}")
        self.dropped = 0
        self._answer = answer
        self._deliver = deliver
        self._size = size
        self._waiting: deque[tuple[Image, float]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._worker = threading.Thread(target=self._run, name="edge-sdk-live", daemon=True)
        self._worker.start()

    def put(self, image: Image, timestamp_ms: float) -> None:
        """Queue a frame; the oldest that waits makes room for it."""
        with self._changed:
            if len(self._waiting) == self._size:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append((image, timestamp_ms))
            self._changed.notify()

    def close(self) -> None:
        """Forget what waits and end the worker after the frame it is at."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify()
        # A callback may close its own analyzer; a thread cannot wait for itself.
        if threading.current_thread() is not self._worker:
            self._worker.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                image, timestamp_ms = self._waiting.popleft()
            answer = self._answer(image, timestamp_ms)
            del image
            try:
                self._deliver(answer)
            except Exception:
                # The application's own callback failed: the stream goes on, its log says so.
                _log.exception("the live callback failed at %s ms", timestamp_ms)
