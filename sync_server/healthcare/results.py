"""Reading a gait job's result: the product's JSON, whatever the AI role left out."""

from __future__ import annotations

from typing import Any, Final

from msgspec import UNSET

from edge_sdk.gait.scores import METRICS
from sync_server.healthcare.schemas import (
    ArtifactDocs,
    GaitProcessing,
    GaitResult,
    GaitSummary,
    MetricDoc,
    MetricDocs,
    RiskDoc,
)
from sync_server.jobs import service as jobs
from sync_server.platform.context import Platform

_LEVELS: Final = frozenset({"low", "medium", "high"})


def result_document(platform: Platform, job: jobs.Job, language: str) -> GaitResult:
    """Return the product's result of a done job, in a language; its addresses are signed now."""
    result = jobs.artifacts.signed(platform, job.result or {}, job.job_id)
    details = part(result, "details")
    said = jobs.processing(job, ("video_duration_sec", "frames_sampled", "fps_used"))
    inner = part(result, "result")
    summary = str(inner.get("summary") or "")
    if language == "en" and isinstance(details.get("summary_en"), str):
        summary = details["summary_en"]
    return GaitResult(
        analysis_id=job.analysis_id,
        job_id=job.job_id,
        analyze_at=str(result.get("analyze_at") or ""),
        processing=GaitProcessing(
            round(number(said["analysis_time_ms"]) or 0),
            number(said["video_duration_sec"]) or 0.0,
            round(number(said["frames_sampled"]) or 0),
            number(said["fps_used"]) or 0.0,
        ),
        result=GaitSummary(level(inner.get("overall_risk_level")), summary),
        metrics=_metrics(part(result, "metrics"), details, language),
        artifacts=_artifacts(part(result, "artifacts")),
        model_version=job.model_version or "",
        details=details or UNSET,
    )


def _metrics(metrics: dict[str, Any], details: dict[str, Any], language: str) -> MetricDocs:
    english = part(details, "scores") if language == "en" else {}
    docs: dict[str, Any] = {}
    for name in METRICS:
        metric = part(metrics, name)
        words = part(english, name).get("description_en") or metric.get("description") or ""
        score = number(metric.get("score"))
        if name == "patella_risk_signal":
            docs[name] = RiskDoc(level(metric.get("level")), score, str(words))
        else:
            docs[name] = MetricDoc(score, str(words))
    return MetricDocs(**docs)


def _artifacts(said: dict[str, Any]) -> ArtifactDocs:
    overlay, report = said.get("keypoint_overlay_video_url"), said.get("report_image_url")
    status = said.get("status")
    if status not in ("pending", "ready", "failed"):
        status = "ready" if overlay or report else "pending"
    return ArtifactDocs(status, str(overlay) if overlay else None, str(report) if report else None)


def part(value: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an object inside an object, empty where there is none."""
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def number(value: Any) -> float | None:
    """Return a number, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value


def level(value: Any) -> str | None:
    """Return a risk level, None for anything else."""
    return value if value in _LEVELS else None
