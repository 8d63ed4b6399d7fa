"""What the healthcare routes take and answer."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from edge_sdk.gait.trend import MeasureTrend
from edge_sdk.sync.facts import Id
from sync_server.ai.contract import Url
from sync_server.jobs import service as jobs


class GaitRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A walking clip by reference; `video_url`: the key of an own upload, or a URL."""

    video_url: Url
    dog_id: Id | None = None
    captured_at: Annotated[str, Meta(max_length=40)] | None = None


class GaitAccepted(msgspec.Struct, frozen=True):
    """A gait job was taken."""

    job_id: str
    status: str


class GaitStillRuns(msgspec.Struct, frozen=True):
    """A synchronous request whose job takes longer than the wait (202)."""

    job_id: str
    status: str
    next: jobs.Next


class GaitStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of a gait job; `error` only with failed."""

    job_id: str
    status: str
    progress: jobs.StageProgress
    error: jobs.DetailedError | UnsetType = UNSET


class GaitProcessing(msgspec.Struct, frozen=True):
    """How the clip was looked at."""

    analysis_time_ms: int
    video_duration_sec: float
    frames_sampled: int
    fps_used: float


class GaitSummary(msgspec.Struct, frozen=True):
    """The clip in a sentence; the level is null where nothing could be scored."""

    overall_risk_level: str | None
    summary: str


class MetricDoc(msgspec.Struct, frozen=True):
    """One score, 0 to 100; null where it could not be had, the description says why."""

    score: float | None
    description: str


class RiskDoc(msgspec.Struct, frozen=True):
    """The score of the risk signal and its level."""

    level: str | None
    score: float | None
    description: str


class MetricDocs(msgspec.Struct, frozen=True):
    """The five scores."""

    patella_risk_signal: RiskDoc
    gait_balance: MetricDoc
    knee_mobility: MetricDoc
    gait_stability: MetricDoc
    gait_rhythm: MetricDoc


class ArtifactDocs(msgspec.Struct, frozen=True):
    """Pictures of the result: pending, ready or failed; the addresses are signed and expire."""

    status: str
    keypoint_overlay_video_url: str | None
    report_image_url: str | None


class GaitResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """The analysis of a clip. An early warning, no diagnosis."""

    analysis_id: str
    job_id: str
    analyze_at: str
    processing: GaitProcessing
    result: GaitSummary
    metrics: MetricDocs
    artifacts: ArtifactDocs
    model_version: str
    details: dict[str, Any] | UnsetType = UNSET


class GaitHealth(msgspec.Struct, frozen=True):
    """Whether gait analysis works: `ok` or `degraded`, and each part it needs."""

    status: str
    dependencies: dict[str, str]
    queue: dict[str, float]
    models: dict[str, str]


class GaitSession(msgspec.Struct, frozen=True):
    """One analysed clip of a dog; `source` is `server` or `device`."""

    analysis_id: str
    job_id: str | None
    captured_at_ms: int
    overall_risk_level: str | None
    summary: str
    scores: dict[str, float | None]
    source: str
    model_version: str


class GaitTrend(msgspec.Struct, frozen=True):
    """The dog against its own first sessions.

    A measure alerts only where the last two sessions both differ from the baseline by more than
    MDC95 x sqrt 2, on the same side.
    """

    summary: str
    sessions: int
    alerts: list[str]
    measures: list[MeasureTrend]


class GaitHistory(msgspec.Struct, frozen=True):
    """A dog's sessions, newest first, and its trend; null at the end of the pages."""

    dog_id: str
    sessions: list[GaitSession]
    trend: GaitTrend
    next_before_ms: int | None
