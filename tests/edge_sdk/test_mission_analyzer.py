"""The mission check from pixels to verdict, its JSON and its references."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge_sdk.analyzers.modes import RunningMode
from edge_sdk.analyzers.stages import MISSION_PLAN, Progress
from edge_sdk.errors import (
    DogNotTracked,
    InsufficientFrames,
    InvalidMissionType,
    MissionVideoInvalid,
    WrongRunningMode,
)
from edge_sdk.mission.analyzer import MissionChecker, MissionPolicy
from edge_sdk.mission.result import (
    Mission,
    MissionVerdict,
    Verdict,
    judge_answer,
    load_references,
    mission_answer,
)
from tests.support.dotted_dogs import dog_bundle, filmed
from tests.support.mission_poses import Build, Filmed, between_stances, film, jumping, sit, stand

SIZE = (640, 560)
# The kinematic dog is drawn around (500, 500); this puts it into the picture.
SHIFT = np.array([-170.0, -150.0, 0.0])


def _frames(poses: Filmed) -> object:
    return filmed(poses.keypoints + SHIFT, poses.timestamps_ms, *SIZE)


def _checker() -> MissionChecker:
    # Machines that run tests are busy.
    return MissionChecker(dog_bundle(), policy=MissionPolicy(timeout_ms=None))


def _sitting(end: float = 3.0) -> Filmed:
    action = between_stances(stand(Build()), sit(Build()), 1.0, end)
    return film(action, 3.6, fps=12, noise=0.0, height_px=190)


def test_a_sitting_dog_is_judged_from_pixels() -> None:
    told: list[Progress] = []
    with _checker() as checker:
        analysis = checker.analyze("SIT", _frames(_sitting()), on_progress=told.append)  # type: ignore[arg-type]
    assert analysis.verdict.verdict is Verdict.SUCCESS
    assert analysis.verdict.hold_duration_sec is not None
    assert 1.0 <= analysis.verdict.hold_duration_sec <= 2.4
    assert analysis.model_version == "mission_pipeline_v1:dog-pose-2026.11.1"
    assert list(dict.fromkeys(one.stage for one in told)) == list(MISSION_PLAN)


def test_a_jump_is_judged_from_pixels() -> None:
    poses = film(jumping(Build(), 1.0, 0.5), 2.4, fps=24, noise=0.0, height_px=170)
    with _checker() as checker:
        jumped = checker.analyze("JUMP", _frames(poses)).verdict  # type: ignore[arg-type]
        sat = checker.analyze("SIT", _frames(poses)).verdict  # type: ignore[arg-type]
    assert (jumped.verdict, sat.verdict) == (Verdict.SUCCESS, Verdict.FAIL)


def test_frames_can_be_judged_as_they_come() -> None:
    with _checker() as checker:
        with pytest.raises(InsufficientFrames):
            checker.verdict("SIT")
        verdicts = []
        for at_ms, image in _frames(_sitting()):  # type: ignore[attr-defined]
            checker.detect_for_video(image, at_ms)
            if at_ms > 900:
                verdicts.append(checker.verdict("SIT").verdict)
        assert verdicts[0] is Verdict.FAIL
        assert verdicts[-1] is Verdict.SUCCESS
        checker.reset()
        with pytest.raises(InsufficientFrames):
            checker.verdict("SIT")


def test_one_picture_is_no_mission() -> None:
    _, image = next(iter(_frames(_sitting())))  # type: ignore[call-overload]
    with MissionChecker(dog_bundle(), running_mode=RunningMode.IMAGE) as checker:
        assert checker.detect(image).keypoints is not None
        with pytest.raises(WrongRunningMode):
            checker.analyze("SIT", [(0.0, image)])


def test_refusals_have_the_product_s_codes_and_stages(tmp_path: Path) -> None:
    html = tmp_path / "a.mp4"
    html.write_bytes(b"<html>no</html>" * 50)
    empty = [(80.0 * i, np.full((64, 64, 3), 60, np.uint8)) for i in range(20)]
    with _checker() as checker:
        with pytest.raises(InvalidMissionType) as kind:
            checker.analyze("ROLL", empty)
        with pytest.raises(MissionVideoInvalid) as file:
            checker.analyze("SIT", html)
        with pytest.raises(DogNotTracked) as lost:
            checker.analyze("SIT", empty)
        with pytest.raises(InsufficientFrames):
            checker.analyze("SIT", empty[:3])
    assert (kind.value.code, kind.value.stage) == ("INVALID_MISSION_TYPE", "VALIDATING")
    assert kind.value.details == {"mission_type": "ROLL"}
    assert (file.value.code, file.value.stage) == ("MISSION_VIDEO_INVALID", "FETCHING_VIDEO")
    assert lost.value.stage == "MISSION_INFERENCE"


# --- JSON and references ---------------------------------------------------------------------
# The examples of the product's API document.
ANSWER = """{"mission_id": "string", "mission_type": "SIT", "success": true,
             "confidence": 0.92, "summary": "string"}"""
JUDGE = """{"mission": "SIT", "verdict": "SUCCESS", "hold_duration_sec": 1.2,
            "evidence": [{"time_sec": 0.5, "description": "string"}], "confidence": 0.9}"""


def _shape(value: object) -> object:
    if isinstance(value, dict):
        return [(key, _shape(one)) for key, one in value.items()]
    if isinstance(value, list):
        return [_shape(value[0])]
    return type(value).__name__


def _verdict() -> MissionVerdict:
    with _checker() as checker:
        return checker.analyze("SIT", _frames(_sitting())).verdict  # type: ignore[arg-type]


def test_answers_have_exactly_the_product_s_keys_and_types() -> None:
    verdict = _verdict()
    for answer, example in (
        (mission_answer(verdict, "m1"), ANSWER),
        (judge_answer(verdict), JUDGE),
    ):
        written = msgspec.json.decode(msgspec.json.encode(answer))
        assert _shape(written) == _shape(msgspec.json.decode(example))


def test_what_cannot_be_confirmed_is_no_success() -> None:
    for verdict in Verdict:
        one = msgspec.structs.replace(_verdict_of(verdict), verdict=verdict)
        assert mission_answer(one, "m").success is (verdict is Verdict.SUCCESS)


def _verdict_of(verdict: Verdict) -> MissionVerdict:
    words = load_references().uncertain
    return MissionVerdict(Mission.SIT, verdict, None, (), 0.5, words)


def test_references_know_every_mission_in_both_languages() -> None:
    references = load_references()
    for mission, own in references.missions.items():
        assert own.mission_type is mission
        for texts in (own.success_criteria, own.failure_cases):
            assert len(texts.ko) == len(texts.en) > 0
    assert set(references.missions) == set(Mission)


def test_references_without_a_mission_are_refused(tmp_path: Path) -> None:
    from edge_sdk.mission.result import MISSIONS_FILE

    known = msgspec.json.decode(MISSIONS_FILE.read_bytes())
    del known["missions"]["PAW"]
    path = tmp_path / "missions.json"
    path.write_bytes(msgspec.json.encode(known))
    with pytest.raises(ValueError, match="PAW"):
        load_references(path)
