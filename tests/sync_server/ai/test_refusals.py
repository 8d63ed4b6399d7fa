"""Every error that the kernels can raise has one of the product's codes, and crosses processes."""

import pickle

import pytest

from edge_sdk import errors
from sync_server.ai.contract import VIDEO_AREAS, VideoArea
from sync_server.ai.refusals import not_fetched, refused, timed_out, too_long, unreadable
from sync_server.ai.stages import StageFailed, StageUnavailable

CODES = {
    "mission": {
        "VIDEO_TOO_LONG", "INVALID_MISSION_TYPE", "VIDEO_FETCH_FAILED", "MULTIMODAL_API_TIMEOUT",
        "MISSION_INFERENCE_FAILED", "MISSION_VIDEO_INVALID",
    },
    "face": {
        "VIDEO_TOO_LONG", "INVALID_MEDIA_URL", "UNSUPPORTED_MEDIA_FORMAT", "FACE_NOT_DETECTED",
        "FACE_TOO_SMALL", "LOW_QUALITY_FACE", "EMOTION_INFERENCE_FAILED",
        "NARRATION_GENERATION_FAILED", "MODEL_SERVICE_UNAVAILABLE",
    },
    "healthcare": {
        "INVALID_FILE_TYPE", "VIDEO_TOO_LONG", "VIDEO_FETCH_FAILED", "INSUFFICIENT_FRAMES",
        "DOG_NOT_TRACKED", "INFERENCE_TIMEOUT", "INTERNAL_ERROR",
    },
}  # fmt: skip
OF_AREA: dict[str, list[type[errors.EdgeError]]] = {
    "mission": [
        errors.InvalidMissionType, errors.MissionVideoInvalid, errors.VideoTooLong,
        errors.InferenceTimeout, errors.InsufficientFrames,
    ],
    "face": [
        errors.FaceNotDetected, errors.FaceTooSmall, errors.LowQualityFace, errors.VideoTooLong,
        errors.EmotionInferenceFailed, errors.NarrationFailed, errors.UnsupportedMedia,
        errors.EmptyMedia, errors.MediaTooLarge, errors.InsufficientFrames,
    ],
    "healthcare": [
        errors.InvalidFileType, errors.VideoTooLong, errors.InsufficientFrames,
        errors.DogNotTracked, errors.InferenceTimeout, errors.UndecodableMedia,
    ],
}  # fmt: skip
OURS = [errors.BundleNotFound, errors.InferenceFailed, errors.ModelUnreadable]


@pytest.mark.parametrize("area", VIDEO_AREAS)
def test_every_refusal_has_a_code_of_its_area(area: VideoArea) -> None:
    made = [refused(area, kind("what happened")) for kind in (*OF_AREA[area], *OURS)]
    made += [
        too_long(area), unreadable(area, "broken"), timed_out(area),
        not_fetched(area, "no", system=True),
    ]  # fmt: skip
    assert {failure.code for failure in made} <= CODES[area]
    assert all(failure.ko and failure.en for failure in made)


@pytest.mark.parametrize("area", VIDEO_AREAS)
def test_only_what_an_owner_cannot_change_is_the_systems_fault(area: VideoArea) -> None:
    assert all(refused(area, kind("broken")).system for kind in OURS)
    assert timed_out(area).system
    assert not too_long(area).system and not unreadable(area, "broken").system


@pytest.mark.parametrize("area", VIDEO_AREAS)
def test_refusals_cross_processes_whole(area: VideoArea) -> None:
    for failure in (
        too_long(area), timed_out(area), not_fetched(area, "gone", system=True, timeout=True),
        StageUnavailable("A", "가", "a", reason="R", retry_after_s=1.5, again=False),
    ):  # fmt: skip
        again = pickle.loads(pickle.dumps(failure))
        assert type(again) is type(failure)
        assert vars(again) == vars(failure)
        assert str(again) == str(failure)


def test_the_details_are_the_products() -> None:
    assert too_long("mission").details == {"max_duration_sec": 5}
    assert too_long("healthcare").details == {"max_duration_sec": 10}
    assert unreadable("healthcare", "html").details["allowed"] == ["video/mp4"]
    short = refused("healthcare", errors.InsufficientFrames("few", min_frames=60))
    assert isinstance(short, StageFailed) and short.details == {"min_frames": 60}
    assert timed_out("healthcare").details == {"timeout_ms": 15_000}
