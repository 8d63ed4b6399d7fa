"""Faces from video to words: the product's JSON, its codes, its sentences."""

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from edge_sdk.bundle.loader import ModelBundle
from edge_sdk.face.analyzer import FaceAnalyzer
from edge_sdk.face.result import Probabilities
from sync_server.ai.contract import JobRequest, Policy, RequestMeta
from sync_server.ai.cpu.bundles import SHIPPED
from sync_server.ai.face.narrator import TemplateNarrator, Told
from sync_server.ai.face.pipeline import EMOTION_INFERENCE, FACE_ANALYSIS, FACE_DETECTION
from sync_server.ai.stages import StageFailed
from tests.support.clips import FACE, WALK, no_dog, web_page
from tests.support.run_pipeline import NOW_MS, OneWorker, bench
from tests.support.steady_bundles import steady_faces
from tests.support.videos import grey_pictures, write_sound, write_video

pytestmark = pytest.mark.anyio
PROBABILITIES = {"happy", "relaxed", "sad", "angry"}
START_AND_END = [
    ("VALIDATING", 0, "입력 정보를 검증하고 있습니다."),
    ("VALIDATING", 10, "입력 검증이 완료되었습니다."),
    ("FETCHING_VIDEO", 10, "영상을 불러오고 있습니다."),
    ("FETCHING_VIDEO", 25, "영상 접근 확인이 완료되었습니다."),
    ("FACE_DETECTION", 25, "반려견 얼굴을 탐지하고 있습니다."),
    ("FACE_DETECTION", 45, "반려견 얼굴 탐지가 완료되었습니다."),
    ("FRAME_SELECTION", 45, "대표 프레임을 선택하고 있습니다."),
    ("FRAME_SELECTION", 60, "대표 프레임 선택이 완료되었습니다."),
    ("EMOTION_INFERENCE", 60, "감정을 분석하고 있습니다."),
    ("EMOTION_INFERENCE", 80, "감정 분석이 완료되었습니다."),
    ("NARRATION_GENERATOR", 80, "반려견의 마음을 말로 표현하고 있습니다."),
    ("NARRATION_GENERATOR", 88, "나레이션 생성이 완료되었습니다."),
    ("RESULT_PARSING", 88, "결과를 정리하고 있습니다."),
    ("RESULT_PARSING", 95, "결과 정리가 완료되었습니다."),
    ("FINALIZING", 95, "결과를 저장하고 있습니다."),
]


def failure(ran: object) -> tuple[str, str, int | None]:
    """Code, stage and percent of a job that failed."""
    outcome = ran.outcomes[0].failure  # type: ignore[attr-defined]
    return outcome["code"], outcome["stage"], outcome["percent"]


@pytest.fixture
def steady(tmp_path: Path) -> Path:
    """A video with nothing special in it, for models that always see the same."""
    return write_video(tmp_path / "any.mp4", grey_pictures(30, 320, 240), fps=10, keyint=10)


async def test_a_face_becomes_the_products_result(tmp_path: Path, cpu: OneWorker) -> None:
    async with bench(tmp_path, cpu) as made:
        request = JobRequest(
            "j1", video_url=await made.put_media(FACE), meta=RequestMeta(analysis_id="analysis_001")
        )
        ran = await made.run(FACE_ANALYSIS, request, twice=True)
        pictures = {key for key in made.stored() if key.startswith("artifacts/")}
        frame = Image.open(made.store_folder / "artifacts/j1/face-frame.jpg")
        crop = Image.open(made.store_folder / "artifacts/j1/face-crop.jpg")
        assert crop.width < frame.width and min(crop.size) > 20
    result = ran.done
    assert set(result) == {
        "analysis_id", "job_id", "analyze_at", "processing", "result", "model_version", "details",
    }  # fmt: skip
    assert result["analysis_id"] == "analysis_001"
    assert result["processing"] == {"analysis_time_ms": 1_000, "face_detected": True}
    emotion = result["result"]["emotion"]
    assert set(emotion["emotion_probabilities"]) == PROBABILITIES
    assert sum(emotion["emotion_probabilities"].values()) == pytest.approx(1, abs=1e-6)
    assert emotion["confidence"] == max(emotion["emotion_probabilities"].values())
    assert result["result"]["narration"] == result["details"]["narration"]["ko"]
    assert result["model_version"].startswith("face_pipeline_v1:dog-face-")
    assert pictures == {"artifacts/j1/face-frame.jpg", "artifacts/j1/face-crop.jpg"}
    assert "/api/artifacts/j1/face-frame.jpg?expires=" in result["result"]["face"]["frame_url"]
    ran.check_progress(FACE_ANALYSIS)
    ends = {(stage, percent) for stage, percent, _ in START_AND_END}
    told = [(one.stage, one.percent, one.message) for one in ran.told]
    assert [one for one in told if one[:2] in ends] == START_AND_END


async def test_the_stages_find_what_the_phone_finds(tmp_path: Path, cpu: OneWorker) -> None:
    async with bench(tmp_path, cpu) as made:
        ran = await made.run(FACE_ANALYSIS, JobRequest("j1", video_url=await made.put_media(FACE)))
    with (
        ModelBundle.load(SHIPPED / "dog-face") as faces,
        ModelBundle.load(SHIPPED / "dog-emotion") as emotions,
        FaceAnalyzer(faces, emotions) as phone,
    ):
        there = phone.analyze(FACE).result
    here = ran.done["result"]
    assert here["emotion"]["predicted_emotion"] == there.predicted_emotion
    for name, value in msgspec.to_builtins(there.probabilities).items():
        assert here["emotion"]["emotion_probabilities"][name] == pytest.approx(value, abs=2e-3)
    assert here["face"]["frame_id"] == there.representative.frame_id
    assert here["narration"] == there.narration.ko


async def test_detection_then_emotion_are_two_jobs(tmp_path: Path, cpu: OneWorker) -> None:
    async with bench(tmp_path, cpu) as made:
        video = await made.put_media(FACE)
        first = await made.run(FACE_DETECTION, JobRequest("j1", video_url=video), twice=True)
        face = first.done["result"]["face"]
        second = await made.run(
            EMOTION_INFERENCE,
            JobRequest("j2", frame_id=face["frame_id"], frame_url=face["frame_url"]),
            twice=True,
        )
    assert set(face) == {"frame_id", "frame_score", "frame_url", "face_crop_url"}
    processing = first.done["processing"]
    assert set(processing) == {"analysis_time_ms", "frames_sampled", "fps_used"}
    assert isinstance(processing["fps_used"], int)
    emotion = second.done["result"]["emotion"]
    assert set(emotion) == {
        "predicted_emotion", "confidence", "summary", "emotion_probabilities",
    }  # fmt: skip
    assert second.done["processing"]["face_detected"] is True
    for ran, pipeline in ((first, FACE_DETECTION), (second, EMOTION_INFERENCE)):
        ran.check_progress(pipeline)
    names = [stage.name for stage in EMOTION_INFERENCE.stages]
    assert names == [
        "VALIDATING", "FETCHING_VIDEO", "EMOTION_INFERENCE", "NARRATION_GENERATOR",
        "RESULT_PARSING", "FINALIZING",
    ]  # fmt: skip


async def test_a_video_without_a_face_is_told_so(tmp_path: Path, cpu: OneWorker) -> None:
    async with bench(tmp_path, cpu) as made:
        empty = await made.put_media(no_dog(tmp_path / "empty.mp4"))
        ran = await made.run(FACE_ANALYSIS, JobRequest("j1", video_url=empty))
    assert failure(ran) == ("FACE_NOT_DETECTED", "FACE_DETECTION", 40)
    assert ran.failed.ko == "영상에서 반려견 얼굴을 검출하지 못했습니다."
    guide = ran.failed.details["guide"]["ko"]
    assert guide == "반려견의 얼굴이 정면으로 보이게 다시 촬영해주세요."


@pytest.mark.parametrize(
    ("models", "code"),
    [
        ({"side_px": 12.0}, "FACE_TOO_SMALL"),
        ({"score": 0.42}, "LOW_QUALITY_FACE"),
    ],
)
async def test_a_face_that_is_no_use_is_refused(
    tmp_path: Path, cpu: OneWorker, steady: Path, models: dict[str, float], code: str
) -> None:
    folder = steady_faces(tmp_path / "models", **models)
    async with bench(tmp_path, cpu, models_dir=str(folder)) as made:
        video = await made.put_media(steady)
        ran = await made.run(FACE_ANALYSIS, JobRequest("j1", video_url=video))
    assert failure(ran) == (code, "FRAME_SELECTION", 55)
    if code == "LOW_QUALITY_FACE":
        assert ran.failed.ko == "대표 프레임을 선택할 수 없습니다."


async def test_an_unsure_reading_comes_with_a_notice(
    tmp_path: Path, cpu: OneWorker, steady: Path
) -> None:
    folder = steady_faces(tmp_path / "models", logits=(0.2, 0.0, 0.0, 0.0))
    async with bench(tmp_path, cpu, models_dir=str(folder)) as made:
        video = await made.put_media(steady)
        ran = await made.run(FACE_ANALYSIS, JobRequest("j1", video_url=video))
    emotion = ran.done["result"]["emotion"]
    assert emotion["predicted_emotion"] == "happy" and emotion["confidence"] < 0.4
    notice = ran.done["details"]["notice"]["ko"]
    assert notice and emotion["summary"].endswith(notice)


async def test_a_model_that_answers_nonsense_is_the_systems_fault(
    tmp_path: Path, cpu: OneWorker, steady: Path
) -> None:
    folder = steady_faces(tmp_path / "models")
    other = folder / "dog-emotion" / "net.onnx"
    other.write_bytes(other.read_bytes()[:-8])
    async with bench(tmp_path, cpu, models_dir=str(folder)) as made:
        video = await made.put_media(steady)
        ran = await made.run(FACE_ANALYSIS, JobRequest("j1", video_url=video))
    assert ran.failed.code == "EMOTION_INFERENCE_FAILED" and ran.failed.system
    assert ran.failed.ko == "감정 분석 모델 추론 중 오류가 발생했습니다."
    assert ran.attempts["", "FACE_DETECTION"] == 3


@pytest.mark.parametrize(
    ("make", "code", "stage"),
    [
        (lambda folder: web_page(folder / "page.mp4"), "UNSUPPORTED_MEDIA_FORMAT", 15),
        (lambda folder: write_sound(folder / "sound.mp4"), "UNSUPPORTED_MEDIA_FORMAT", 15),
        (lambda folder: WALK, "VIDEO_TOO_LONG", 15),
    ],
)
async def test_a_file_that_is_no_such_video_is_refused(
    tmp_path: Path, cpu: OneWorker, make: object, code: str, stage: int
) -> None:
    async with bench(tmp_path, cpu) as made:
        video = await made.put_media(make(tmp_path))  # type: ignore[operator]
        ran = await made.run(FACE_ANALYSIS, JobRequest("j1", video_url=video))
    assert failure(ran) == (code, "FETCHING_VIDEO", stage)
    assert not ran.failed.system


async def test_requests_that_lack_their_media_are_refused(tmp_path: Path, cpu: OneWorker) -> None:
    async with bench(tmp_path, cpu) as made:
        no_video = await made.run(FACE_ANALYSIS, JobRequest("j1"))
        no_frame = await made.run(EMOTION_INFERENCE, JobRequest("j2"))
        wide = await made.run(
            FACE_DETECTION, JobRequest("j3", video_url="https://a.example/b", policy=Policy(5.5))
        )
        refused = await made.run(FACE_ANALYSIS, JobRequest("j4", video_url="ftp://a.example/b"))
        gone = await made.run(FACE_ANALYSIS, JobRequest("j5", video_url=made.link("g" * 32)))
    assert failure(no_video) == ("INVALID_MEDIA_URL", "VALIDATING", 3)
    assert no_video.failed.ko == "video_url이 비어 있습니다."
    assert failure(no_frame) == ("INVALID_MEDIA_URL", "VALIDATING", 3)
    assert failure(wide) == ("VIDEO_TOO_LONG", "VALIDATING", 2)
    assert wide.failed.details == {"max_duration_sec": 5}
    assert failure(refused) == ("INVALID_MEDIA_URL", "FETCHING_VIDEO", 15)
    assert refused.failed.ko == "표정분석 영상을 불러올 수 없습니다." and not refused.failed.system
    assert gone.failed.code == "INVALID_MEDIA_URL" and gone.failed.system


async def test_pictures_that_are_none_are_refused(tmp_path: Path, cpu: OneWorker) -> None:
    async with bench(tmp_path, cpu) as made:
        cut = tmp_path / "cut.jpg"
        Image.fromarray(np.full((200, 200, 3), 90, np.uint8)).save(cut)
        cut.write_bytes(cut.read_bytes()[:300])
        wide = tmp_path / "wide.png"
        Image.new("1", (8_000, 8_000)).save(wide)
        blank = tmp_path / "blank.png"
        Image.new("RGB", (320, 240), (90, 90, 90)).save(blank)
        codes = [
            failure(
                await made.run(
                    EMOTION_INFERENCE,
                    JobRequest(f"j{at}", frame_url=await made.put_media(path)),
                )
            )[:2]
            for at, path in enumerate((cut, wide, FACE, blank))
        ]
    assert codes == [
        ("UNSUPPORTED_MEDIA_FORMAT", "EMOTION_INFERENCE"),
        ("UNSUPPORTED_MEDIA_FORMAT", "EMOTION_INFERENCE"),
        ("UNSUPPORTED_MEDIA_FORMAT", "FETCHING_VIDEO"),
        ("FACE_NOT_DETECTED", "EMOTION_INFERENCE"),
    ]


async def test_a_stage_on_another_machine_makes_anew_what_it_needs(
    tmp_path: Path, cpu: OneWorker
) -> None:
    def lose_all(stage: str, folder: Path) -> None:
        for path in folder.iterdir():
            path.unlink()

    async with bench(tmp_path, cpu) as made:
        video = await made.put_media(FACE)
        kept = await made.run(FACE_ANALYSIS, JobRequest("j1", video_url=video))
        lost = await made.run(FACE_ANALYSIS, JobRequest("j2", video_url=video), before=lose_all)
    assert lost.done["result"]["emotion"] == kept.done["result"]["emotion"]
    assert lost.done["details"]["score_parts"] == kept.done["details"]["score_parts"]


async def test_a_slow_machine_is_told_as_such(tmp_path: Path, steady: Path) -> None:
    hurried = OneWorker(patience=1e-5)
    try:
        async with bench(tmp_path, hurried) as made:
            video = await made.put_media(steady)
            ran = await made.run(FACE_DETECTION, JobRequest("j1", video_url=video))
    finally:
        hurried.close()
    assert ran.failed.code == "MODEL_SERVICE_UNAVAILABLE" and ran.failed.system
    assert ran.attempts["", "FACE_DETECTION"] == 3


class NoWords(TemplateNarrator):
    """A template whose references lack the emotion."""

    async def tell(self, probabilities: Probabilities) -> Told:
        return await super().tell(Probabilities(0.9, 0.9, 0.9, 0.9))


async def test_a_template_that_fits_nothing_fails_the_narration(
    tmp_path: Path, cpu: OneWorker, steady: Path
) -> None:
    folder = steady_faces(tmp_path / "models")
    async with bench(tmp_path, cpu, models_dir=str(folder)) as made:
        narrator = NoWords(made.services.emotion_references)
        made.services = replace(made.services, narrator=narrator)
        video = await made.put_media(steady)
        ran = await made.run(FACE_ANALYSIS, JobRequest("j1", video_url=video))
    assert failure(ran)[:2] == ("NARRATION_GENERATION_FAILED", "NARRATION_GENERATOR")


def test_a_reading_that_does_not_add_up_is_refused() -> None:
    from sync_server.ai.face.results import checked

    sound = {
        "predicted_emotion": "happy", "confidence": 0.7, "uncertain": False, "model_version": "m",
        "emotion_probabilities": {"happy": 0.7, "relaxed": 0.1, "sad": 0.1, "angry": 0.1},
    }  # fmt: skip
    assert checked(sound).predicted_emotion == "happy"
    for wrong in (
        {"predicted_emotion": "sad"}, {"predicted_emotion": "bored"}, {"confidence": 0.5},
        {"emotion_probabilities": {"happy": 0.7, "relaxed": 0.7, "sad": 0.1, "angry": 0.1}},
        {"emotion_probabilities": {"happy": 1.0}},
    ):  # fmt: skip
        with pytest.raises(StageFailed) as refused:
            checked({**sound, **wrong})
        assert refused.value.code == "INVALID_FACE_INPUT" and refused.value.percent == 90


def test_links_last_seven_days() -> None:
    from sync_server.platform.artifact_links import artifact_key, artifact_url
    from sync_server.platform.tokens import TokenSigner

    signer = TokenSigner("k" * 32, 900, lambda: NOW_MS)
    key = artifact_key("job_1", "face-frame.jpg")
    url = artifact_url(signer, "https://walk.example/", key, NOW_MS)
    assert url.startswith("https://walk.example/api/artifacts/job_1/face-frame.jpg?expires=")
    assert f"expires={NOW_MS + 7 * 86_400_000}&" in url
    for job_id, name in (("..", "a.jpg"), ("a/b", "a.jpg"), ("a", "../b.jpg"), ("a", ".jpg")):
        with pytest.raises(ValueError, match="no key"):
            artifact_key(job_id, name)
