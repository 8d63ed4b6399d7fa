"""What results of all areas have in common: ids and times."""

from __future__ import annotations

from datetime import UTC, datetime

from sync_server.ai.contract import JobRequest


def analysis_id_of(job: JobRequest, prefix: str = "") -> str:
    """The analysis that a job belongs to; without one it is named after the job."""
    return job.meta.analysis_id or f"{prefix}{job.job_id}"


def iso_utc(at_ms: int) -> str:
    """UTC milliseconds as ISO 8601, to the second."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).isoformat(timespec="seconds")
