"""GAIT_ANALYSIS: scores first, the overlay video and the report picture afterwards.

Stages, percents and sentences are the product's. ARTIFACT_GENERATION runs after COMPLETE; a second
COMPLETE says whether the pictures are ready, and their failure never fails the analysis.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from edge_sdk.analyzers.stages import GAIT_PLAN
from edge_sdk.gait.pipeline import PIPELINE
from sync_server.ai.artifacts import store, url_of
from sync_server.ai.contract import JobRequest
from sync_server.ai.cpu_calls import call_watched
from sync_server.ai.fetching import ensured, fetch_video, in_folder, local_video
from sync_server.ai.refusals import (
    INFERENCE_S,
    MAX_DURATION_S,
    NO_INPUT,
    fetch_timed_out,
    timed_out,
    too_long,
)
from sync_server.ai.results import analysis_id_of, iso_utc
from sync_server.ai.stages import (
    Json,
    PartOutcome,
    Pipeline,
    Stage,
    StageContext,
    StageFunction,
)
from sync_server.platform.settings import Settings

OVERLAY_NAME: Final = "overlay.mp4"
REPORT_NAME: Final = "report.png"
DRAWING_S: Final = 60.0
_CPU: Final = "sync_server.ai.cpu.healthcare"
_EN: Final = {
    "VALIDATING": "Checking the request.",
    "FETCHING_VIDEO": "Fetching the video.",
    "SAMPLING_FRAMES": "Taking frames from the video.",
    "DOG_TRACKING": "Finding and following the dog.",
    "KEYPOINT_ESTIMATION": "Estimating the joints.",
    "METRIC_SCORING": "Working out the scores.",
    "ARTIFACT_GENERATION": "Drawing the report.",
    "FINALIZING": "Putting the result in order.",
}


# --- stages ---------------------------------------------------------------------------------


async def validate(context: StageContext, state: Json) -> Json:
    """Refuse what need not be fetched, and say how the video will be read."""
    policy = context.job.policy
    if policy.max_duration_sec is not None and policy.max_duration_sec > _limit_s():
        raise too_long("healthcare")
    if not context.job.video_url:
        raise NO_INPUT.error()
    sampling: dict[str, Any] = {"max_fps": policy.target_fps or 0.0}
    if policy.max_resolution is not None:
        # "720p" names the shorter side of 16:9.
        sampling["max_side_px"] = round(policy.max_resolution * 16 / 9)
    return {"sampling": sampling}


async def fetch(context: StageContext, state: Json) -> Json:
    """Fetch and check the video."""
    return {"video": await fetch_video(context, "healthcare", context.job.video_url or "")}


async def sample(context: StageContext, state: Json) -> Json:
    """Choose the frames."""
    sampled = await context.services.cpu.call(
        f"{_CPU}:sample_frames", str(await _video(context, state)), state["sampling"],
        _models(context), timeout_s=INFERENCE_S,
    )  # fmt: skip
    return {"sampled": sampled}


async def follow(context: StageContext, state: Json) -> Json:
    """Find the dog in every frame."""
    return {"track": await _follow(context, state)}


async def estimate(context: StageContext, state: Json) -> Json:
    """Estimate the joints in every frame."""
    return {"keypoints": await _estimate(context, state)}


async def score(context: StageContext, state: Json) -> Json:
    """Measure and score."""
    poses = await _poses(context, state)
    report = await context.services.cpu.call(
        f"{_CPU}:score_gait", str(poses), _models(context), timeout_s=INFERENCE_S
    )
    return {"report": report}


async def finalize(context: StageContext, state: Json) -> Json:
    """Nothing is left to be made; the result is put together in `combine`."""
    return {"frames_sampled": state["report"]["processing"]["frames_sampled"]}


async def draw(context: StageContext, state: Json) -> Json:
    """Draw the overlay video and the report picture, and store them."""
    video, poses = await _video(context, state), await _poses(context, state)
    overlay, report = in_folder(context, OVERLAY_NAME), in_folder(context, REPORT_NAME)
    await context.services.cpu.call(
        f"{_CPU}:draw_artifacts", str(video), state["sampling"], str(poses), str(overlay),
        str(report), _models(context), timeout_s=DRAWING_S,
    )  # fmt: skip
    overlay_key = await store(context, OVERLAY_NAME, overlay)
    report_key = await store(context, REPORT_NAME, report)
    artifacts = {
        "status": "ready",
        "keypoint_overlay_video_url": url_of(context, overlay_key),
        "report_image_url": url_of(context, report_key),
    }
    return {"artifacts": artifacts, "keys": {"overlay": overlay_key, "report": report_key}}


# --- what a stage needs of those before it --------------------------------------------------


async def _video(context: StageContext, state: Json) -> Path:
    return await local_video(context, "healthcare", context.job.video_url or "", state["video"])


async def _track(context: StageContext, state: Json) -> Path:
    return await ensured(in_folder(context, "track.npz"), lambda: _follow(context, state))


async def _poses(context: StageContext, state: Json) -> Path:
    return await ensured(in_folder(context, "poses.npz"), lambda: _estimate(context, state))


async def _follow(context: StageContext, state: Json) -> Any:
    return await call_watched(
        context, f"{_CPU}:follow_dog", str(await _video(context, state)), state["sampling"],
        state["sampled"]["frames"], str(in_folder(context, "track.npz")), _models(context),
        timeout_s=INFERENCE_S, watched=in_folder(context, "track.share"),
    )  # fmt: skip


async def _estimate(context: StageContext, state: Json) -> Any:
    track = await _track(context, state)
    return await call_watched(
        context, f"{_CPU}:estimate_keypoints", str(await _video(context, state)),
        state["sampling"], str(track), str(in_folder(context, "poses.npz")), _models(context),
        timeout_s=INFERENCE_S, watched=in_folder(context, "poses.share"),
    )  # fmt: skip


def _models(context: StageContext) -> str:
    models: str = context.services.settings.models_dir
    return models


def _limit_s() -> float:
    return MAX_DURATION_S["healthcare"]


# --- the job --------------------------------------------------------------------------------


def combine(
    job: JobRequest, outcomes: Sequence[PartOutcome], started_ms: int, finished_ms: int
) -> Json:
    """The product's result JSON, with `details` beside it; artifacts are pending."""
    state = outcomes[0].state
    assert state is not None  # a part that fails ends the job
    report: Json = state["report"]
    if job.language == "en":
        report = _in_english(report)
    processing = {**report["processing"], "analysis_time_ms": max(0, finished_ms - started_ms)}
    details = {**report["details"], "keypoints": state["keypoints"], "track": state["track"]}
    return {
        **report,
        "analysis_id": analysis_id_of(job, "gait_"),
        "job_id": job.job_id,
        "analyze_at": iso_utc(finished_ms),
        "processing": processing,
        "artifacts": _artifacts("pending"),
        "details": details,
    }


def _in_english(report: Json) -> Json:
    """The report with its English sentences where the Korean ones stand."""
    details = report["details"]
    metrics = {
        name: {**metric, "description": details["scores"][name]["description_en"]}
        for name, metric in report["metrics"].items()
    }
    result = {**report["result"], "summary": details["summary_en"]}
    return {**report, "result": result, "metrics": metrics}


def recombine(job: JobRequest, first: Json, drawn: PartOutcome) -> Json:
    """The result again, with the pictures, or with the word that there are none."""
    if drawn.failure is not None or drawn.state is None:
        return {**first, "artifacts": _artifacts("failed")}
    details = {**first["details"], "artifact_keys": drawn.state["keys"]}
    return {**first, "artifacts": drawn.state["artifacts"], "details": details}


def _artifacts(status: str) -> Json:
    return {"status": status, "keypoint_overlay_video_url": None, "report_image_url": None}


def _stage(name: str, run: StageFunction, timeout_s: float) -> Stage:
    plan = GAIT_PLAN[name]
    failure = fetch_timed_out("healthcare") if name == "FETCHING_VIDEO" else timed_out("healthcare")
    return Stage(
        name, (plan.start, plan.end), plan.message, _EN[name], run, timeout_s=timeout_s,
        timeout_failure=failure,
    )  # fmt: skip


GAIT_ANALYSIS: Final = Pipeline(
    job_type="GAIT_ANALYSIS",
    version=PIPELINE,
    stages=(
        _stage("VALIDATING", validate, 10),
        _stage("FETCHING_VIDEO", fetch, 45),
        _stage("SAMPLING_FRAMES", sample, 60),
        _stage("DOG_TRACKING", follow, 60),
        _stage("KEYPOINT_ESTIMATION", estimate, 90),
        _stage("METRIC_SCORING", score, 90),
        _stage("FINALIZING", finalize, 15),
    ),
    combine=combine,
    done_word="succeeded",
    afterwards=(_stage("ARTIFACT_GENERATION", draw, 180),),
    recombine=recombine,
    queued_ko="대기열에 등록되었습니다.",
    queued_en="The analysis waits for its turn.",
    extra={"queued_stage": "VALIDATING"},
)


def make_pipelines(settings: Settings) -> Sequence[Pipeline]:
    """The jobs of this area, for the engine's registry."""
    return (GAIT_ANALYSIS,)
