"""Face jobs: what is analysed, the product's results, and what they leave on walk and diary."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from litestar import Request
from msgspec import UNSET

from edge_sdk.face.emotions import EMOTIONS
from edge_sdk.ids import uuid7
from edge_sdk.sync.facts import AnalysisAdd
from sync_server.ai.contract import JobType, Policy
from sync_server.diary import service as diary
from sync_server.dogs import service as dogs
from sync_server.face.schemas import (
    BestFrame,
    DetectProcessing,
    DetectRequest,
    DetectResult,
    Emotion,
    EmotionFound,
    EmotionProcessing,
    EmotionRequest,
    EmotionResult,
    FaceFound,
)
from sync_server.jobs import service as jobs
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx
from sync_server.platform.errors import Problem
from sync_server.platform.tokens import CurrentUser
from sync_server.walks import service as walks

POLICY = Policy(max_duration_sec=5, target_fps=5, max_resolution=720)
"""Limits of a face video, as the product has them."""


async def begin(
    platform: Platform,
    user: CurrentUser,
    request: Request[Any, Any, Any],
    job_type: JobType,
    data: DetectRequest | EmotionRequest,
    language: Literal["ko", "en"],
    priority: int,
) -> str:
    """Make a face job and return its id; see `jobs.service.begin`.

    Raises JobRefused DOG_NOT_FOUND, WALK_NOT_FOUND, INVALID_MEDIA_URL.
    """

    async def build(tx: Tx, now_ms: int) -> jobs.NewJob:
        try:
            await _check_owner(tx, user.user_no, data.dog_id, data.walk_id)
            said = data.video_url if isinstance(data, DetectRequest) else data.frame_url
            url = await jobs.resolve(platform, tx, user.user_no, "face", said)
        except jobs.JobRefused as refused:
            refused.analysis_id = data.analysis_id
            raise
        whole = isinstance(data, DetectRequest)
        return jobs.NewJob(
            job_type=job_type,
            user_id=user.user_id,
            analysis_id=data.analysis_id,
            # Signatures of our own addresses differ each time; the file does not.
            said=said.partition("?")[0].encode() if "/api/" in said else said.encode(),
            walk_id=data.walk_id,
            dog_id=data.dog_id,
            video_url=url if whole else None,
            frame_id=data.frame_id if isinstance(data, EmotionRequest) else None,
            frame_url=None if whole else url,
            policy=POLICY,
            priority=priority,
            language=language,
        )

    return await jobs.begin(platform, user, request, build)


async def _check_owner(tx: Tx, user_no: int, dog_id: str | None, walk_id: str | None) -> None:
    if dog_id is not None and not await dogs.owned_dogs(tx, user_no, [dog_id]):
        raise jobs.JobRefused("DOG_NOT_FOUND")
    if walk_id is not None:
        try:
            await walks.own_walk(tx, user_no, walk_id)
        except Problem:
            raise jobs.JobRefused("WALK_NOT_FOUND") from None


# --- results -------------------------------------------------------------------------------


def detect_result(platform: Platform, job: jobs.Job) -> DetectResult:
    """Return the product's result of a detection; its addresses are signed now."""
    result = jobs.artifacts.signed(platform, job.result or {}, job.job_id)
    said = jobs.processing(job, ("frames_sampled", "fps_used"))
    processing = DetectProcessing(
        _int(said["analysis_time_ms"]), _int(said["frames_sampled"]), _number(said["fps_used"])
    )
    found = _face(jobs.inner(result))
    return DetectResult(
        job.analysis_id, job.job_id, _at(result), processing,
        FaceFound(found or BestFrame("", 0.0, "", "")), job.model_version or "",
    )  # fmt: skip


def emotion_result(platform: Platform, job: jobs.Job) -> EmotionResult:
    """Return the product's result of an emotion; its addresses are signed now."""
    result = jobs.artifacts.signed(platform, job.result or {}, job.job_id)
    inner = jobs.inner(result)
    said = jobs.processing(job, ())
    processing = EmotionProcessing(
        _int(said["analysis_time_ms"]), bool(said.get("face_detected", True))
    )
    narration = inner.get("narration")
    face = _face(inner)
    return EmotionResult(
        job.analysis_id, job.job_id, _at(result), processing,
        EmotionFound(
            _emotion(inner), narration if isinstance(narration, str) else UNSET,
            UNSET if face is None else face,
        ),
        job.model_version or "",
    )  # fmt: skip


def _face(inner: dict[str, Any]) -> BestFrame | None:
    face = inner.get("face")
    if not isinstance(face, dict):
        return None
    return BestFrame(
        str(face.get("frame_id", "")), _number(face.get("frame_score")),
        str(face.get("frame_url", "")), str(face.get("face_crop_url", "")),
    )  # fmt: skip


def _emotion(inner: dict[str, Any]) -> Emotion:
    said = inner.get("emotion")
    said = said if isinstance(said, dict) else {}
    known = said.get("emotion_probabilities")
    known = known if isinstance(known, dict) else {}
    summary = said.get("summary") or inner.get("narration") or ""
    return Emotion(
        str(said.get("predicted_emotion", "")), _number(said.get("confidence")), str(summary),
        {str(name): _number(value) for name, value in known.items()},
    )  # fmt: skip


def _at(result: dict[str, Any]) -> str:
    return str(result.get("analyze_at") or result.get("analyzed_at") or "")


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _int(value: Any) -> int:
    return int(value) if isinstance(value, int | float) else 0


# --- what a result leaves ------------------------------------------------------------------


async def job_ended(platform: Platform, tx: Tx, job: jobs.Job, now_ms: int) -> None:
    """Keep an emotion for its dog, and show it with its walk and the diary of that walk."""
    if job.state != "done" or job.job_type == "FACE_DETECTION" or job.result is None:
        return
    emotion = _emotion(jobs.inner(job.result))
    if not emotion.predicted_emotion:
        return
    known = await walks.analysis_of_job(tx, job.user_no, job.job_id)
    plain: dict[str, Any] = msgspec.to_builtins(emotion)
    result = {
        "analysis_id": job.analysis_id,
        "analyze_at": _at(job.result),
        "emotion": plain,
        "face": jobs.inner(job.result).get("face"),
        "model_version": job.model_version,
    }
    fact = AnalysisAdd(
        analysis_id=known or uuid7(now_ms), kind="face", dog_id=job.dog_id or "",
        walk_id=job.walk_id, at_ms=job.captured_ms or job.created_ms, result=result,
    )  # fmt: skip
    await walks.add_analysis(tx, job.user_no, fact, job.dog_id, job.job_id, now_ms)
    if job.walk_id is not None:
        await walks.set_emotion(tx, job.user_no, job.walk_id, emotion.predicted_emotion, now_ms)
        await diary.show_emotion(tx, job.user_no, job.walk_id, plain, now_ms)


# --- for other domains ---------------------------------------------------------------------


class SeenEmotion(msgspec.Struct, frozen=True):
    """An emotion that phone or server saw: happy, relaxed, sad or angry, and how surely (0..1)."""

    emotion: str
    confidence: float
    at_ms: int


async def last_emotion(tx: Tx, user_no: int, dog_id: str) -> SeenEmotion | None:
    """Return a dog's newest emotion; None without one."""
    rows = await tx.fetch_all(
        """SELECT at_ms, result FROM analysis WHERE dog_id = ? AND user_no = ? AND kind = 'face'
           ORDER BY at_ms DESC, analysis_id DESC LIMIT 5""",
        dog_id, user_no,
    )  # fmt: skip
    for row in rows:
        found = _emotion(jobs.inner(msgspec.json.decode(row["result"])))
        if found.predicted_emotion in EMOTIONS:
            return SeenEmotion(found.predicted_emotion, found.confidence, row["at_ms"])
    return None
