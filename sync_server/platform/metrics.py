"""What /metrics shows (Prometheus)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import REGISTRY, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

REQUESTS = Histogram(
    "daengdong_request_seconds", "Time to answer", ("method", "route", "status"), buckets=_SECONDS
)
STAGES = Histogram(
    "daengdong_stage_seconds", "Time of a stage of work", ("work", "stage"), buckets=_SECONDS
)
FACTS = Counter("daengdong_sync_facts_total", "Facts handled", ("type", "status", "code"))
SYNC_FAULTS = Counter("daengdong_sync_faults_total", "Pushes and pulls refused", ("code",))
WALKS = Counter("daengdong_walks_judged_total", "Walks judged", ("counted",))
CELLS = Counter("daengdong_captures_total", "Capture events written", ())
STREAMS = Gauge("daengdong_event_streams", "Open 'pull now' streams")
JOBS = Counter("daengdong_jobs_ended_total", "Jobs ended", ("area", "state", "code", "version"))
JOB_STREAMS = Gauge("daengdong_job_streams", "Open live streams of jobs")
registry = REGISTRY


@contextmanager
def stage(work: str, name: str) -> Iterator[None]:
    """Time one stage of a piece of work."""
    start = perf_counter()
    try:
        yield
    finally:
        STAGES.labels(work, name).observe(perf_counter() - start)
