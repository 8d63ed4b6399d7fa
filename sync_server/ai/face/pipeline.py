"""FACE_ANALYSIS, FACE_DETECTION and EMOTION_INFERENCE: one set of stages, three jobs.

Stages, percents and sentences are the product's: what it says when a stage starts stands in
`Stage`, what it says when it has ended is reported as the stage's last progress.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

from edge_sdk.errors import NarrationFailed
from sync_server.ai.artifacts import store, url_of
from sync_server.ai.cpu_calls import call_watched
from sync_server.ai.face import results
from sync_server.ai.face.results import Emotion
from sync_server.ai.fetching import ensured, fetch_picture, fetch_video, in_folder, local_video
from sync_server.ai.refusals import (
    INFERENCE_S,
    MAX_DURATION_S,
    NO_FACE_PICTURE,
    NO_FACE_VIDEO,
    fetch_timed_out,
    refused,
    timed_out,
    too_long,
)
from sync_server.ai.stages import Json, Pipeline, Stage, StageContext, StageFunction
from sync_server.platform.media_types import PICTURE_TYPES
from sync_server.platform.settings import Settings

MAX_PICTURE_BYTES: Final = 20 * 1024 * 1024
FRAME_NAME: Final = "face-frame.jpg"
CROP_NAME: Final = "face-crop.jpg"
_CPU: Final = "sync_server.ai.cpu.face"


def ending(ko: str, en: str) -> Callable[[StageFunction], StageFunction]:
    """Report the sentence of a stage's end when its work is done."""

    def wrap(run: StageFunction) -> StageFunction:
        async def ended(context: StageContext, state: Json) -> Json:
            made = await run(context, state)
            await context.progress(1.0, en if context.job.language == "en" else ko)
            return made

        return ended

    return wrap


# --- stages ---------------------------------------------------------------------------------


@ending("입력 검증이 완료되었습니다.", "The request is in order.")
async def validate(context: StageContext, state: Json) -> Json:
    """Refuse what need not be fetched."""
    asked_s = context.job.policy.max_duration_sec
    if asked_s is not None and asked_s > MAX_DURATION_S["face"]:
        raise too_long("face")
    if not context.job.video_url:
        raise NO_FACE_VIDEO.error()
    return {}


@ending("입력 검증이 완료되었습니다.", "The request is in order.")
async def validate_frame(context: StageContext, state: Json) -> Json:
    """Refuse a request of EMOTION_INFERENCE that names no picture."""
    if not context.job.frame_url:
        raise NO_FACE_PICTURE.error()
    return {}


@ending("영상 접근 확인이 완료되었습니다.", "The video is here.")
async def fetch(context: StageContext, state: Json) -> Json:
    """Fetch and check the video."""
    return {"video": await fetch_video(context, "face", context.job.video_url or "")}


@ending("영상 접근 확인이 완료되었습니다.", "The picture is here.")
async def fetch_frame(context: StageContext, state: Json) -> Json:
    """Fetch the picture of EMOTION_INFERENCE."""
    return {"picture": await _fetch_frame(context)}


@ending("반려견 얼굴 탐지가 완료되었습니다.", "The dog's face is found.")
async def detect(context: StageContext, state: Json) -> Json:
    """Find the faces of the video."""
    return {"detection": await _detect(context, state)}


@ending("대표 프레임 선택이 완료되었습니다.", "The best frame is chosen.")
async def select(context: StageContext, state: Json) -> Json:
    """Choose the frame that shows the face best, and store it with the face cut out."""
    found = await _found(context, state)
    frame, crop = in_folder(context, FRAME_NAME), in_folder(context, CROP_NAME)
    chosen = await context.services.cpu.call(
        f"{_CPU}:select_frame", str(found), str(frame), str(crop), _models(context),
        timeout_s=INFERENCE_S,
    )  # fmt: skip
    keys = {
        "frame_key": await store(context, FRAME_NAME, frame),
        "face_crop_key": await store(context, CROP_NAME, crop),
    }
    return {"chosen": {**chosen, **keys}}


@ending("감정 분석이 완료되었습니다.", "The emotion is read.")
async def infer(context: StageContext, state: Json) -> Json:
    """Classify the faces that were found."""
    found = await _found(context, state)
    emotion = await context.services.cpu.call(
        f"{_CPU}:read_emotion", str(found), _models(context), timeout_s=INFERENCE_S
    )
    return {"emotion": emotion}


@ending("감정 분석이 완료되었습니다.", "The emotion is read.")
async def infer_frame(context: StageContext, state: Json) -> Json:
    """Find the face of the picture and classify it."""
    picture = await ensured(in_folder(context, "picture"), lambda: _fetch_frame(context))
    emotion = await context.services.cpu.call(
        f"{_CPU}:read_picture", str(picture), _models(context), timeout_s=INFERENCE_S
    )
    return {"emotion": emotion}


@ending("나레이션 생성이 완료되었습니다.", "The narration is written.")
async def put_into_words(context: StageContext, state: Json) -> Json:
    """Let the dog speak; a service that fails leaves it to the template."""
    try:
        emotion = results.emotion_of(state["emotion"])
        words = await context.services.narrator.tell(emotion.emotion_probabilities)
    except NarrationFailed as error:
        raise refused("face", error) from None
    return {"words": results.to_json(words)}


@ending("결과 정리가 완료되었습니다.", "The result is in order.")
async def parse(context: StageContext, state: Json) -> Json:
    """Hold the reading to what the product promises of it."""
    emotion: Emotion = results.checked(state["emotion"])
    references = context.services.emotion_references.current().value
    notice = references.low_confidence_notice
    return {
        "emotion": results.to_json(emotion),
        "notice": results.to_json(notice) if emotion.uncertain else None,
    }


async def finalize(context: StageContext, state: Json) -> Json:
    """Sign the addresses of the stored pictures."""
    if "chosen" not in state:
        return {}
    chosen = state["chosen"]
    face = {
        "frame_id": chosen["frame_id"],
        "frame_score": round(chosen["frame_score"], 2),
        "frame_url": url_of(context, chosen["frame_key"]),
        "face_crop_url": url_of(context, chosen["face_crop_key"]),
    }
    return {"face": face}


# --- what a stage needs of those before it --------------------------------------------------


async def _fetch_frame(context: StageContext) -> Json:
    url = context.job.frame_url or ""
    return await fetch_picture(context, "face", url, PICTURE_TYPES, MAX_PICTURE_BYTES)


async def _found(context: StageContext, state: Json) -> Path:
    path = in_folder(context, "faces.npz")
    return await ensured(path, lambda: _detect(context, state))


async def _detect(context: StageContext, state: Json) -> Any:
    url = context.job.video_url or ""
    video = await local_video(context, "face", url, state["video"])
    return await call_watched(
        context, f"{_CPU}:find_faces", str(video), context.job.policy.target_fps or 0.0,
        str(in_folder(context, "faces.npz")), _models(context),
        timeout_s=INFERENCE_S, watched=in_folder(context, "faces.share"),
    )  # fmt: skip


def _models(context: StageContext) -> str:
    models: str = context.services.settings.models_dir
    return models


# --- the jobs -------------------------------------------------------------------------------


def _stage(
    name: str,
    percents: tuple[int, int],
    words: tuple[str, str],
    run: Callable[[StageContext, Json], Awaitable[Json]],
    timeout_s: float,
) -> Stage:
    failure = fetch_timed_out("face") if name == "FETCHING_VIDEO" else timed_out("face")
    return Stage(
        name, percents, words[0], words[1], run, timeout_s=timeout_s, timeout_failure=failure
    )


VALIDATING: Final = _stage(
    "VALIDATING", (0, 10),
    ("입력 정보를 검증하고 있습니다.", "Checking the request."), validate, 10,
)  # fmt: skip
VALIDATING_FRAME: Final = _stage(
    "VALIDATING", (0, 10),
    ("입력 정보를 검증하고 있습니다.", "Checking the request."), validate_frame, 10,
)  # fmt: skip
FETCHING_VIDEO: Final = _stage(
    "FETCHING_VIDEO", (10, 25),
    ("영상을 불러오고 있습니다.", "Fetching the video."), fetch, 45,
)  # fmt: skip
FETCHING_FRAME: Final = _stage(
    "FETCHING_VIDEO", (10, 25),
    ("영상을 불러오고 있습니다.", "Fetching the picture."), fetch_frame, 45,
)  # fmt: skip
FACE_DETECTION_STAGE: Final = _stage(
    "FACE_DETECTION", (25, 45),
    ("반려견 얼굴을 탐지하고 있습니다.", "Looking for the dog's face."), detect, 60,
)  # fmt: skip
FRAME_SELECTION: Final = _stage(
    "FRAME_SELECTION", (45, 60),
    ("대표 프레임을 선택하고 있습니다.", "Choosing the best frame."), select, 60,
)  # fmt: skip
EMOTION_STAGE: Final = _stage(
    "EMOTION_INFERENCE", (60, 80),
    ("감정을 분석하고 있습니다.", "Reading the dog's feelings."), infer, 60,
)  # fmt: skip
EMOTION_OF_FRAME: Final = _stage(
    "EMOTION_INFERENCE", (60, 80),
    ("감정을 분석하고 있습니다.", "Reading the dog's feelings."), infer_frame, 60,
)  # fmt: skip
NARRATION_GENERATOR: Final = _stage(
    "NARRATION_GENERATOR", (80, 88),
    ("반려견의 마음을 말로 표현하고 있습니다.", "Putting the dog's heart into words."),
    put_into_words, 60,
)  # fmt: skip
RESULT_PARSING: Final = _stage(
    "RESULT_PARSING", (88, 95),
    ("결과를 정리하고 있습니다.", "Putting the result in order."), parse, 15,
)  # fmt: skip
FINALIZING: Final = _stage(
    "FINALIZING", (95, 100),
    ("결과를 저장하고 있습니다.", "Storing the result."), finalize, 15,
)  # fmt: skip

_QUEUED: Final[dict[str, Any]] = {
    "done_word": "succeeded",
    "version": results.VERSION,
    "queued_ko": "표정 분석 대기열에 등록되었습니다.",
    "queued_en": "The face waits for its turn.",
    "extra": {"queued_stage": "QUEUED"},
}
FACE_ANALYSIS: Final = Pipeline(
    job_type="FACE_ANALYSIS",
    stages=(
        VALIDATING, FETCHING_VIDEO, FACE_DETECTION_STAGE, FRAME_SELECTION, EMOTION_STAGE,
        NARRATION_GENERATOR, RESULT_PARSING, FINALIZING,
    ),
    combine=results.analysis,
    **_QUEUED,
)  # fmt: skip
FACE_DETECTION: Final = Pipeline(
    job_type="FACE_DETECTION",
    stages=(VALIDATING, FETCHING_VIDEO, FACE_DETECTION_STAGE, FRAME_SELECTION, FINALIZING),
    combine=results.detection,
    **_QUEUED,
)
EMOTION_INFERENCE: Final = Pipeline(
    job_type="EMOTION_INFERENCE",
    stages=(
        VALIDATING_FRAME, FETCHING_FRAME, EMOTION_OF_FRAME, NARRATION_GENERATOR, RESULT_PARSING,
        FINALIZING,
    ),
    combine=results.emotion,
    **_QUEUED,
)  # fmt: skip


def make_pipelines(settings: Settings) -> Sequence[Pipeline]:
    """The jobs of this area, for the engine's registry."""
    return (FACE_ANALYSIS, FACE_DETECTION, EMOTION_INFERENCE)
