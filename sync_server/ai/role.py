"""The AI role as the backend sees it: in this process, or behind HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, runtime_checkable

from sync_server.ai.contract import Accepted, Area, Event, JobRequest

EventSink = Callable[[str, Event], Awaitable[None]]
"""(job_id, event): takes an event of a job once, whatever comes twice or late; the backend's.

Raises only for faults that pass (the caller tries again); an unknown job is taken and dropped.
"""


class JobConflict(Exception):
    """The job id is known with other content."""


class TooBusy(Exception):
    """The queue is older than its limit; try again after `retry_after_s`."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"try again in {retry_after_s:.0f} s")
        self.retry_after_s = retry_after_s


class RoleUnavailable(Exception):
    """The AI role does not answer, or refuses for a reason of its own."""


@runtime_checkable
class AiRole(Protocol):
    """Submit and cancel jobs."""

    async def submit(self, area: Area, request: JobRequest) -> Accepted:
        """Hand a job over; again the same for the same request.

        Raises JobConflict, TooBusy, RoleUnavailable.
        """
        ...

    async def cancel(self, job_id: str) -> bool:
        """Ask a job to stop; False when it is unknown or has ended."""
        ...

    async def health(self) -> dict[str, object]:
        """Say how the role is: {"status", "queue_length", "queue_age_s", "models": {...}}."""
        ...
