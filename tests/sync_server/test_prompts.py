"""The prompts: filled wholly from the stores, no contradictions, versioned by their content."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from edge_sdk.face.result import Probabilities
from edge_sdk.mission.criteria import AIRBORNE_MS
from edge_sdk.mission.result import Mission
from sync_server.ai.face import prompts as face
from sync_server.ai.missions import prompts as missions
from sync_server.ai.references import EmotionReferenceStore, MissionReferenceStore
from sync_server.platform.llm.contract import Question, Video

STORE = MissionReferenceStore()
#: keywords that Gemini, OpenAI's strict mode and TwelveLabs all take
PLAIN = {"type", "enum", "items", "anyOf", "properties", "required"}


def _question(mission: Mission) -> Question:
    return missions.judge_question(STORE.criteria(mission), Video(Path("v.mp4"), "video/mp4", 4.0))


def _section(text: str, title: str) -> list[str]:
    found = re.search(rf"\[{title}\]\n(.*?)\n\n", text, re.DOTALL)
    assert found is not None, title
    return found[1].splitlines()


@pytest.mark.parametrize("mission", list(Mission))
def test_a_judges_prompt_is_the_store_and_nothing_of_other_missions(mission: Mission) -> None:
    text = _question(mission).text
    own = STORE.criteria(mission).reference
    assert _section(text, "Success Criteria") == [f"- {one}" for one in own.success_criteria.en]
    assert _section(text, "Failure Examples") == [f"- {one}" for one in own.failure_cases.en]
    assert len(_section(text, "Confidence Guideline")) == 3
    assert f"- Mission Name: {own.mission_name.ko} ({own.mission_name.en})" in text
    for other in set(Mission) - {mission}:
        assert other.value not in text
    assert not re.search(r"\{\w+\}|\{\{", text), "a placeholder was left"


@pytest.mark.parametrize("mission", list(Mission))
def test_a_judges_prompt_says_what_to_do_with_what_is_not_seen(mission: Mission) -> None:
    text = _question(mission).text
    # A failure example may say "unclear": the rules have to say which of the two it is.
    assert "Do NOT guess" in text and "return UNCERTAIN; so also where a failure example" in text
    assert "FAIL: it is clearly seen" in text


def test_enough_frames_are_looked_at_for_what_is_to_be_seen() -> None:
    assert set(missions.FRAMES_PER_SECOND) == {one.value for one in Mission}
    hold_s = STORE.criteria(Mission.PAW).hold_s
    assert hold_s is not None
    assert missions.FRAMES_PER_SECOND["PAW"] * hold_s >= 3
    assert missions.FRAMES_PER_SECOND["JUMP"] * AIRBORNE_MS[0] / 1000 >= 0.9


@pytest.mark.parametrize("name", ["happy", "sad", "angry", "relaxed"])
@pytest.mark.parametrize(("confidence", "level"), [(0.4, "low"), (0.6, "medium"), (0.9, "high")])
def test_a_narrators_prompt_is_the_store(name: str, confidence: float, level: str) -> None:
    known = EmotionReferenceStore().current().value
    rest = dict.fromkeys(known.emotions, (1 - confidence) / 3)
    question = face.narrator_question(Probabilities(**{**rest, name: confidence}), known)
    own = known.emotions[name]
    assert _section(question.text, "Visual Cues") == [f"- {one}" for one in own.visual_cues.en]
    assert f"- Emotion Type: {own.emotion_type}\n" in question.text
    assert _section(question.text, "Confidence Guideline")[0].startswith(f"- {level}: ")
    assert not re.search(r"\{\w+\}|\{\{", question.text), "a placeholder was left"


@pytest.mark.parametrize(
    "schema", [_question(Mission.SIT).schema, face.plain_schema(face.NarratorReply)]
)
def test_the_schemas_use_only_what_every_service_takes(schema: dict[str, Any]) -> None:
    def check(node: dict[str, Any]) -> None:
        assert set(node) <= PLAIN
        if node.get("type") == "object":
            assert node["required"] == list(node["properties"])
        for one in (*node.get("properties", {}).values(), *node.get("anyOf", [])):
            check(one)
        if "items" in node:
            check(node["items"])

    check(schema)


def test_a_changed_prompt_has_a_new_version() -> None:
    """Raise the version with the text, then write the new hash here: results name the version."""

    def digest(*parts: Any) -> str:
        return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:12]

    judge = digest(missions.SYSTEM, missions.TEMPLATE, _question(Mission.SIT).schema)
    narrator = digest(face.SYSTEM, face.TEMPLATE, face.plain_schema(face.NarratorReply))
    assert {missions.PROMPT_VERSION: judge, face.PROMPT_VERSION: narrator} == {
        "mission-judge-1": "67cecf48a046",
        "face-narrator-1": "09e7947f42d8",
    }
