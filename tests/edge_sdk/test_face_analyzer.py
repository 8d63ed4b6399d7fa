"""The face check from pixels to sentence: sampling, selection, weighting, refusals."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.analyzers.modes import LiveResult, RunningMode
from edge_sdk.analyzers.stages import FACE_PLAN, Progress
from edge_sdk.errors import (
    AnalyzerClosed,
    EmotionInferenceFailed,
    FaceNotDetected,
    FaceTooSmall,
    InsufficientFrames,
    LowQualityFace,
    UnsupportedMedia,
    VideoTooLong,
    WrongRunningMode,
)
from edge_sdk.face.analyzer import FaceAnalyzer
from edge_sdk.face.policy import FacePolicy
from edge_sdk.face.result import FaceReading
from tests.support.scripted_models import (
    Picture,
    ScriptedBundle,
    emotion_bundle,
    face_bundle,
    paint_face,
    picture,
)
from tests.support.videos import open_files, write_video

BOX = (90, 60, 210, 200)


def _clip(
    count: int = 15, box: tuple[int, int, int, int] = BOX, **face: object
) -> list[tuple[float, Picture]]:
    return [
        (200.0 * i, paint_face(picture(seed=i), box, **face))  # type: ignore[arg-type]
        for i in range(count)
    ]


def _analyzer(**more: object) -> FaceAnalyzer:
    return FaceAnalyzer(face_bundle(), emotion_bundle(), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("emotion", ["happy", "sad", "angry", "relaxed"])
def test_a_clear_face_gives_its_emotion(emotion: str) -> None:
    with _analyzer() as face:
        analysis = face.analyze(_clip(emotion=emotion))
    result = analysis.result
    assert result.predicted_emotion == emotion
    assert result.confidence == pytest.approx(np.exp(3) / (np.exp(3) + 3), abs=1e-3)
    ranked = result.probabilities.ranked()
    assert sum(value for _, value in ranked) == pytest.approx(1, abs=1e-12)
    assert result.notice is None
    assert (result.frames_sampled, result.frames_with_face) == (15, 15)
    assert result.model_version == "face_pipeline_v1:dog-face-2026.11.1:dog-emotion-2026.11.1"


def test_the_box_comes_back_in_pixels_of_the_frame() -> None:
    with _analyzer() as face:
        best = face.analyze(_clip()).result.representative
    assert best.face.box_xyxy_px == pytest.approx(BOX, abs=4)
    assert best.face.area_share == pytest.approx(120 * 140 / (320 * 240), abs=0.02)
    assert best.face.confidence == pytest.approx(0.9, abs=0.02)


def test_the_representative_frame_is_the_best_one_and_comes_with_its_crop() -> None:
    clip = _clip(confidence=0.6)
    clip[7] = (1400.0, paint_face(picture(seed=7), (80, 40, 240, 210), confidence=0.95))
    with _analyzer() as face:
        analysis = face.analyze(clip)
    best = analysis.result.representative
    assert (best.frame_id, best.timestamp_ms) == ("frame_008", 1400.0)
    assert np.array_equal(analysis.frame, clip[7][1])
    height, width = analysis.crop.shape[:2]
    assert (width, height) == (pytest.approx(160 * 1.2, abs=12), pytest.approx(170 * 1.2, abs=12))
    assert set(best.parts) == {"confidence", "size", "centring", "sharpness", "exposure"}


def test_crops_are_weighted_by_their_detection_confidence() -> None:
    mixed = _clip(2, confidence=0.9, emotion="happy") + [
        (400.0 + at, image) for at, image in _clip(2, confidence=0.5, emotion="sad")
    ]
    with _analyzer() as face:
        result = face.analyze(mixed).result
    one, rest = np.exp(3) / (np.exp(3) + 3), 1 / (np.exp(3) + 3)
    expected = (0.9 * one + 0.5 * rest) / 1.4
    assert result.probabilities.happy == pytest.approx(expected, abs=5e-3)


def test_the_most_confident_of_two_faces_is_taken() -> None:
    clip = [
        (at, paint_face(image, (230, 20, 310, 120), confidence=0.6, second=True))
        for at, image in _clip(box=(30, 60, 150, 200))
    ]
    with _analyzer() as face:
        best = face.analyze(clip).result.representative
    assert best.face.box_xyxy_px[0] == pytest.approx(30, abs=4)


def test_at_most_eight_crops_are_classified() -> None:
    emotions = emotion_bundle()
    with FaceAnalyzer(face_bundle(), emotions) as face:
        result = face.analyze(_clip(25)).result
    assert result.crops_used == 8
    assert emotions.stage("classifier").pictures == 8


def test_detection_runs_in_batches_and_holds_few_frames() -> None:
    faces = face_bundle()
    alive: list[int] = []

    def camera() -> Iterator[tuple[float, Picture]]:
        import weakref

        given: list[weakref.ref[Picture]] = []
        for at, image in _clip(24):
            # Arrays cannot be weakly referenced before they are wrapped.
            view = image.view(_Watched)
            given.append(weakref.ref(view))
            yield at, view
            del view, image
            alive.append(sum(ref() is not None for ref in given))

    with FaceAnalyzer(faces, emotion_bundle(), policy=FacePolicy(batch=4)) as face:
        face.analyze(camera())
    assert faces.stage("detector").calls == 6
    # One batch, the best frame until now, and the frame at hand.
    assert max(alive) <= 4 + 2


class _Watched(np.ndarray):  # type: ignore[type-arg]
    """An array that a weak reference can watch."""


# --- files -----------------------------------------------------------------------------------
def _file(path: Path, seconds: float = 2.0, keyint: int = 250, **face: object) -> Path:
    frames = [
        paint_face(picture(seed=1), BOX, **face)  # type: ignore[arg-type]
        for _ in range(int(seconds * 30))
    ]
    return write_video(path, frames, fps=30, keyint=keyint, options={"sc_threshold": "0"})


def test_a_file_with_enough_key_frames_is_sampled_by_them(tmp_path: Path) -> None:
    with _analyzer() as face:
        result = face.analyze(_file(tmp_path / "a.mp4", keyint=5)).result
    assert (result.sampled_by, result.frames_sampled) == ("key_frames", 8)
    assert result.predicted_emotion == "happy"


def test_a_file_with_few_key_frames_is_sampled_at_five_a_second(tmp_path: Path) -> None:
    with _analyzer() as face:
        result = face.analyze(_file(tmp_path / "a.mp4")).result
    assert (result.sampled_by, result.frames_sampled) == ("fps", 10)
    assert result.fps_used == pytest.approx(5, abs=0.01)
    assert result.video_duration_ms == pytest.approx(2000, abs=2)
    assert result.times.decode_ms > 0
    assert result.times.inference_ms > 0


def test_progress_goes_through_every_stage(tmp_path: Path) -> None:
    told: list[Progress] = []
    with _analyzer() as face:
        face.analyze(_file(tmp_path / "a.mp4"), on_progress=told.append)
    assert list(dict.fromkeys(one.stage for one in told)) == list(FACE_PLAN)
    assert told[-1].percent == 100


def test_the_same_clip_gives_the_same_result(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.mp4")
    with _analyzer() as face:
        one, two = (face.analyze(path).result for _ in range(2))
    assert one.probabilities == two.probabilities
    assert one.narration == two.narration
    assert one.representative == two.representative


# --- refusals --------------------------------------------------------------------------------
@pytest.mark.parametrize(("faces", "refused"), [(8, True), (9, False)])
def test_a_face_in_less_than_six_tenths_of_the_frames_is_not_detected(
    faces: int, refused: bool
) -> None:
    clip = _clip(faces) + [(200.0 * i, picture(seed=i)) for i in range(faces, 15)]
    with _analyzer() as face:
        if not refused:
            assert face.analyze(clip).result.frames_with_face == 9
            return
        with pytest.raises(FaceNotDetected) as caught:
            face.analyze(clip)
    assert caught.value.code == "FACE_NOT_DETECTED"
    assert caught.value.stage == "FACE_DETECTION"
    assert caught.value.details == {"frames_sampled": 15, "frames_with_face": 8}


def test_no_face_at_all_is_not_detected_and_never_relaxed() -> None:
    with _analyzer() as face, pytest.raises(FaceNotDetected):
        face.analyze([(200.0 * i, picture(seed=i)) for i in range(10)])


@pytest.mark.parametrize(("side", "refused"), [(54, True), (72, False)])
def test_a_face_under_a_twentieth_of_the_picture_is_too_small(side: int, refused: bool) -> None:
    clip = _clip(box=(100, 80, 100 + side, 80 + side))
    with _analyzer() as face:
        if not refused:
            assert face.analyze(clip).result.crops_used == 8
            return
        with pytest.raises(FaceTooSmall) as caught:
            face.analyze(clip)
    assert (caught.value.code, caught.value.stage) == ("FACE_TOO_SMALL", "FRAME_SELECTION")


def test_a_low_mean_confidence_is_a_low_quality_face() -> None:
    with _analyzer() as face, pytest.raises(LowQualityFace) as caught:
        face.analyze(_clip(confidence=0.42))
    assert (caught.value.code, caught.value.stage) == ("LOW_QUALITY_FACE", "FRAME_SELECTION")


def test_a_doubtful_emotion_comes_with_a_notice_and_softer_words() -> None:
    flat = emotion_bundle(head=lambda image: np.array([0.3, 0.0, 0.0, 0.0], np.float32))
    with FaceAnalyzer(face_bundle(), flat) as face:
        result = face.analyze(_clip()).result
    assert result.confidence < 0.4
    assert result.notice is not None
    assert "신뢰도가 낮" in result.notice.ko
    assert "같아" in result.narration.ko


def test_a_classifier_of_other_classes_is_refused_at_once() -> None:
    with pytest.raises(EmotionInferenceFailed, match="classes"):
        FaceAnalyzer(face_bundle(), emotion_bundle(classes=("happy", "sad", "angry", "bored")))


def test_classes_in_another_order_are_put_right() -> None:
    turned = emotion_bundle(
        classes=("relaxed", "angry", "sad", "happy"),
        head=lambda image: np.array([5.0, 0.0, 0.0, 0.0], np.float32),
    )
    with FaceAnalyzer(face_bundle(), turned) as face:
        assert face.analyze(_clip()).result.predicted_emotion == "relaxed"


def test_a_model_that_answers_nonsense_fails_with_its_stage() -> None:
    broken = emotion_bundle(head=lambda image: np.full(4, np.nan, np.float32))
    with FaceAnalyzer(face_bundle(), broken) as face, pytest.raises(EmotionInferenceFailed) as one:
        face.analyze(_clip())
    assert one.value.stage == "EMOTION_INFERENCE"


def test_bad_files_end_in_validation_with_the_product_s_codes(tmp_path: Path) -> None:
    html = tmp_path / "a.mp4"
    html.write_bytes(b"<html>no</html>" * 50)
    long = write_video(tmp_path / "b.mp4", [picture()] * 56, fps=5)
    before = open_files()
    with _analyzer() as face:
        with pytest.raises(UnsupportedMedia) as wrong:
            face.analyze(html)
        with pytest.raises(VideoTooLong) as too_long:
            face.analyze(long)
        with pytest.raises(InsufficientFrames):
            face.analyze([])
    assert (wrong.value.code, wrong.value.stage) == ("UNSUPPORTED_MEDIA_FORMAT", "VALIDATING")
    assert (too_long.value.code, too_long.value.stage) == ("VIDEO_TOO_LONG", "VALIDATING")
    assert open_files() == before


# --- modes -----------------------------------------------------------------------------------
def test_image_mode_reads_one_picture_and_only_that() -> None:
    image = paint_face(picture(), BOX, emotion="sad")
    with _analyzer(running_mode=RunningMode.IMAGE) as face:
        reading = face.detect(image)
        assert reading.probabilities is not None
        assert reading.probabilities.ranked()[0][0] == "sad"
        assert len(reading.faces) == 1
        empty = face.detect(picture())
        assert (empty.faces, empty.probabilities) == ((), None)
        with pytest.raises(WrongRunningMode):
            face.analyze(_clip())
    with pytest.raises(AnalyzerClosed):
        face.detect(image)


def test_video_mode_follows_a_change_of_mood_smoothly() -> None:
    with _analyzer() as face:
        for i in range(5):
            face.detect_for_video(paint_face(picture(), BOX, emotion="happy"), 100.0 * i)
        turning = [
            face.detect_for_video(paint_face(picture(), BOX, emotion="sad"), 500.0 + 100 * i)
            for i in range(12)
        ]
        sad = [one.probabilities.sad for one in turning if one.probabilities is not None]
        assert np.all(np.diff(sad) > 0)
        assert sad[0] < 0.35
        assert sad[-1] > 0.75
        face.reset()
        fresh = face.detect_for_video(paint_face(picture(), BOX, emotion="angry"), 0)
        assert fresh.probabilities is not None
        assert fresh.probabilities.angry > 0.8


def test_live_mode_answers_through_the_callback() -> None:
    results: list[LiveResult[FaceReading]] = []
    done = threading.Event()

    def take(result: LiveResult[FaceReading]) -> None:
        results.append(result)
        if result.timestamp_ms == 40:
            done.set()

    face = FaceAnalyzer(
        face_bundle(), emotion_bundle(), running_mode=RunningMode.LIVE_STREAM, on_result=take
    )
    with face:
        face.detect_async(paint_face(picture(), BOX), 0)
        face.detect_async(picture(), 40)
        assert done.wait(20)
    assert results[-1].reading is not None
    assert results[-1].reading.faces == ()
    assert all(result.error is None for result in results)


def test_several_threads_may_share_an_analyzer() -> None:
    answers: list[str] = []
    bundle: ScriptedBundle = face_bundle()
    with FaceAnalyzer(bundle, emotion_bundle()) as face:

        def work(emotion: str) -> None:
            answers.append(face.analyze(_clip(5, emotion=emotion)).result.predicted_emotion)

        threads = [threading.Thread(target=work, args=(name,)) for name in ("sad", "angry")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(answers) == ["angry", "sad"]
