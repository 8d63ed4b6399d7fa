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
JOB_STAGES = Histogram(
    "daengdong_job_stage_seconds",
    "Time of one attempt of a stage of an AI job",
    ("job_type", "stage", "outcome"),
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 12, 20, 30, 60, 120),
)
AI_JOBS = Counter(
    "daengdong_ai_jobs_total", "Jobs that ended in the AI role", ("job_type", "status", "code")
)
JOBS_REFUSED = Counter("daengdong_jobs_refused_total", "AI jobs not taken", ("code",))
JOBS_WAITING = Gauge("daengdong_jobs_waiting", "AI jobs that wait for a worker")
JOBS_WAITING_AGE = Gauge("daengdong_jobs_waiting_age_seconds", "Age of the oldest waiting AI job")
JOB_DELIVERIES = Counter(
    "daengdong_job_deliveries_total", "Events of AI jobs delivered, or not", ("way", "outcome")
)
JOB_CRASHES = Counter("daengdong_job_takeovers_total", "Executors whose jobs were taken over")
STREAMS = Gauge("daengdong_event_streams", "Open 'pull now' streams")
JOBS = Counter("daengdong_jobs_ended_total", "Jobs ended", ("area", "state", "code", "version"))
JOB_STREAMS = Gauge("daengdong_job_streams", "Open live streams of jobs")
VET_STREAMS = Gauge("daengdong_vet_streams", "Open streams of the vet chat")
VET_KEPT = Counter(
    "daengdong_vet_turns_kept_total", "Turns of the vet chat, as they were kept", ("state", "code")
)
registry = REGISTRY


@contextmanager
def stage(work: str, name: str) -> Iterator[None]:
    """Time one stage of a piece of work."""
    start = perf_counter()
    try:
        yield
    finally:
        STAGES.labels(work, name).observe(perf_counter() - start)
