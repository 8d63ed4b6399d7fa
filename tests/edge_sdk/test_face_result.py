"""Frame scores, narration, and the product's JSON of the face check."""

import dataclasses
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge_sdk.analyzers.stages import StageTimes
from edge_sdk.errors import NarrationFailed
from edge_sdk.face.emotions import EMOTIONS
from edge_sdk.face.narration import EMOTIONS_FILE, load_references, narrate
from edge_sdk.face.result import (
    FaceAnalysis,
    FaceBox,
    FaceResult,
    Probabilities,
    RepresentativeFace,
)
from edge_sdk.face.scoring import WEIGHTS, area_share, score_frame
from edge_sdk.references.texts import Text
from tests.support.scripted_models import picture

BOX = np.array([100.0, 60.0, 220.0, 180.0])


# --- frame scores ----------------------------------------------------------------------------
def _textured(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(60, 200, (240, 320, 3)).astype(np.uint8)


def _blurred(image: np.ndarray, times: int = 20) -> np.ndarray:
    soft = image.astype(float)
    for _ in range(times):
        soft = (soft + np.roll(soft, 1, 0) + np.roll(soft, 1, 1) + np.roll(soft, -1, 1)) / 4
    return soft.astype(np.uint8)


def test_blur_darkness_and_glare_each_cost_their_part_alone() -> None:
    image = _textured()
    clear = score_frame(image, BOX, 0.9)
    soft = score_frame(_blurred(image), BOX, 0.9)
    dark = score_frame((image * 0.12).astype(np.uint8), BOX, 0.9)
    glare = score_frame(np.clip(image.astype(int) + 110, 0, 255).astype(np.uint8), BOX, 0.9)
    assert soft.sharpness < 0.5 * clear.sharpness
    assert dark.exposure < 0.5 * clear.exposure
    assert glare.exposure < 0.6 * clear.exposure
    assert clear.exposure == pytest.approx(1, abs=0.01)
    assert min(soft.total, dark.total, glare.total) < clear.total


def test_a_larger_surer_and_more_central_face_scores_higher() -> None:
    image = _textured()
    base = score_frame(image, BOX, 0.7)
    assert score_frame(image, BOX, 0.9).total > base.total
    assert score_frame(image, BOX + np.array([-30, -30, 30, 30]), 0.7).size > base.size
    assert score_frame(image, BOX + 55, 0.7).centring < base.centring


def test_parts_stay_within_zero_and_one_and_weights_sum_to_one() -> None:
    assert sum(WEIGHTS.values()) == pytest.approx(1)
    rng = np.random.default_rng(1)
    for seed in range(20):
        corner = rng.uniform(-50, 250, 2)
        box = np.concatenate([corner, corner + rng.uniform(2, 250, 2)])
        image = picture(seed=seed) if seed % 2 else np.full((240, 320, 3), 255, np.uint8)
        score = score_frame(image, box, float(rng.uniform(0, 1)))
        assert all(0 <= value <= 1 for value in score.parts().values())
        assert 0 <= score.total <= 1


def test_what_lies_outside_of_the_frame_is_no_area() -> None:
    assert area_share(np.array([-50.0, 0, 50, 100]), 100, 100) == pytest.approx(0.5)
    assert area_share(np.array([120.0, 0, 150, 100]), 100, 100) == 0


# --- probabilities ---------------------------------------------------------------------------
def test_rounded_probabilities_still_sum_to_one() -> None:
    rng = np.random.default_rng(2)
    for values in rng.dirichlet([0.4] * 4, 500):
        rounded = Probabilities.of(values)
        parts = [getattr(rounded, name) for name in EMOTIONS]
        assert round(sum(round(part * 10_000) for part in parts)) == 10_000
        assert np.abs(np.array(parts) - values).max() < 1.01e-4


def test_probabilities_are_written_in_the_product_s_order() -> None:
    text = msgspec.json.encode(Probabilities.of(np.array([0.7, 0.1, 0.05, 0.15]))).decode()
    assert text == '{"happy":0.7,"relaxed":0.15,"sad":0.1,"angry":0.05}'


# --- narration -------------------------------------------------------------------------------
def _of(**values: float) -> Probabilities:
    return Probabilities(**{**dict.fromkeys(EMOTIONS, 0.0), **values})


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_every_emotion_speaks_as_the_dog_itself_and_softer_when_unsure(emotion: str) -> None:
    other = "sad" if emotion != "sad" else "happy"
    strong = narrate(_of(**{emotion: 0.9, other: 0.1})).narration
    medium = narrate(_of(**{emotion: 0.6, other: 0.4})).narration
    soft = narrate(_of(**{emotion: 0.4, other: 0.2, **_rest(emotion, other, 0.2)})).narration
    assert len({strong.ko, medium.ko, soft.ko}) == 3
    for text in (strong, medium, soft):
        assert re.search(r"(^|\s)(나|내|나한테|나를)(\s|\b)", text.ko), text.ko
        assert re.search(r"\b(I|me|my)\b", text.en, re.IGNORECASE), text.en
    assert re.search(r"같아|몰라|아마|어쩌면", soft.ko)
    assert not re.search(r"아마|어쩌면|몰라", strong.ko)


def _rest(emotion: str, other: str, value: float) -> dict[str, float]:
    return {name: value for name in EMOTIONS if name not in (emotion, other)}


def test_a_close_second_emotion_is_named() -> None:
    mixed = narrate(_of(happy=0.46, relaxed=0.44, sad=0.1)).narration
    assert "편안함" in mixed.ko
    assert "relaxed" in mixed.en
    clear = narrate(_of(happy=0.7, relaxed=0.2, sad=0.1)).narration
    assert "편안함" not in clear.ko


@pytest.mark.parametrize(
    "values",
    [
        {"happy": 0.5},
        {"happy": 0.9, "sad": 0.2},
        {"happy": 1.2, "sad": -0.2},
        {"happy": float("nan")},
    ],
)
def test_probabilities_that_are_none_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(NarrationFailed) as caught:
        narrate(_of(**values))
    assert caught.value.code == "NARRATION_GENERATION_FAILED"


ALARMING = re.compile(r"진단|질병|병원|위험|공격|치료|disease|diagnos|danger|attack|vet\b|aggress")


def test_no_text_diagnoses_or_alarms() -> None:
    references = load_references()
    texts: list[str] = []

    def collect(value: object) -> None:
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, dict):
            for one in value.values():
                collect(one)
        elif isinstance(value, (list, tuple)):
            for one in value:
                collect(one)

    collect(msgspec.to_builtins(references))
    assert len(texts) > 100
    assert [text for text in texts if ALARMING.search(text)] == []


def test_every_list_has_both_languages() -> None:
    for emotion in load_references().emotions.values():
        for texts in (emotion.visual_cues, emotion.interpretation_guideline):
            assert len(texts.ko) == len(texts.en) > 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"angry": {', '"furious": {'),
        ('"softer_below": 0.5', '"softer_below": 0.9'),
        ('"version": 1,', ""),
        ('"version": 1,', '"version": 1, "more": 2,'),
        ('"tone"', '"tune"'),
    ],
)
def test_an_unsound_reference_file_is_refused(tmp_path: Path, old: str, new: str) -> None:
    text = EMOTIONS_FILE.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "emotions.json"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(NarrationFailed):
        load_references(path)


def test_a_missing_reference_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NarrationFailed, match=r"none\.json"):
        load_references(tmp_path / "none.json")


# --- the product's JSON ----------------------------------------------------------------------
# The examples of the product's API document, word for word.
DETECTION = """{
    "analysis_id": "string", "job_id": "string", "analyze_at": "string",
    "processing": {"analysis_time_ms": 320, "frames_sampled": 45, "fps_used": 5},
    "result": {"face": {"frame_id": "string", "frame_score": 0.91, "frame_url": "string",
               "face_crop_url": "string"}}
}"""
EMOTION = """{
    "analysis_id": "string", "job_id": "string", "analyze_at": "string",
    "processing": {"analysis_time_ms": 180, "face_detected": true},
    "result": {"emotion": {"predicted_emotion": "happy", "confidence": 0.91,
        "summary": "반려견이 매우 긍정적이고 즐거운 상태입니다.",
        "emotion_probabilities": {"happy": 0.72, "relaxed": 0.18, "sad": 0.06, "angry": 0.04}}}
}"""
PIPELINE = """{
    "analysis_id": "string", "job_id": "string", "analyze_at": "string",
    "processing": {"analysis_time_ms": 180, "face_detected": true},
    "result": {"emotion": {"predicted_emotion": "happy", "confidence": 0.82,
        "emotion_probabilities": {"happy": 0.72, "relaxed": 0.18, "sad": 0.06, "angry": 0.04}},
        "narration": "string"},
    "model_version": "face_pipeline_v1:emotion_model_v1"
}"""


def _shape(value: object) -> object:
    """Keys in their order, and the JSON types of the values."""
    if isinstance(value, dict):
        return [(key, _shape(one)) for key, one in value.items()]
    return type(value).__name__


def _analysis() -> FaceAnalysis:
    words = narrate(_of(happy=0.72, relaxed=0.18, sad=0.06, angry=0.04))
    best = RepresentativeFace(
        "frame_003", 600.0, 0.91234, {}, FaceBox((1.0, 2.0, 3.0, 4.0), 0.9, 0.2)
    )
    result = FaceResult(
        predicted_emotion="happy", confidence=0.72,
        probabilities=_of(happy=0.72, relaxed=0.18, sad=0.06, angry=0.04),
        narration=words.narration, summary=words.summary, notice=None, representative=best,
        frames_sampled=25, frames_with_face=24, crops_used=8, mean_face_confidence=0.9,
        fps_used=5.0, sampled_by="fps", video_duration_ms=5000.0,
        times=StageTimes(total_ms=320.4), model_version="face_pipeline_v1:a-1:b-1", fallbacks=(),
    )  # fmt: skip
    blank = np.zeros((20, 20, 3), np.uint8)
    return FaceAnalysis(result, blank, blank)


def test_answers_have_exactly_the_product_s_keys_and_types() -> None:
    analysis = _analysis()
    made = (
        analysis.detection_answer("a", "j", "2026-11-21T10:00:00+09:00", "f.jpg", "c.jpg"),
        analysis.emotion_answer("a", "j", "2026-11-21T10:00:00+09:00"),
        analysis.pipeline_answer("a", "j", "2026-11-21T10:00:00+09:00"),
    )
    for answer, example in zip(made, (DETECTION, EMOTION, PIPELINE), strict=True):
        written = msgspec.json.decode(msgspec.json.encode(answer))
        assert _shape(written) == _shape(msgspec.json.decode(example))


def test_answers_carry_the_result() -> None:
    analysis = _analysis()
    detection = analysis.detection_answer("a", "j", "t", "f.jpg", "c.jpg")
    assert detection.processing.analysis_time_ms == 320
    assert detection.result.face.frame_score == 0.91
    doubtful = FaceAnalysis(
        msgspec.structs.replace(analysis.result, notice=Text("불확실해요.", "Uncertain.")),
        analysis.frame, analysis.crop,
    )  # fmt: skip
    assert doubtful.emotion_answer("a", "j", "t").result.emotion.summary.endswith("불확실해요.")


def test_results_cannot_be_changed() -> None:
    analysis = _analysis()
    with pytest.raises(AttributeError):
        analysis.result.confidence = 1.0  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        analysis.result = analysis.result  # type: ignore[misc]
