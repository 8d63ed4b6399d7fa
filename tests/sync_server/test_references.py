"""Reference stores: criteria without contradictions, edits while running, refusals."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge_sdk.face.emotions import EMOTIONS
from edge_sdk.mission import criteria as device
from edge_sdk.mission.result import MISSIONS_FILE, Mission, MissionReferences
from edge_sdk.references.texts import Text, Texts
from sync_server.ai.references import (
    LOADED,
    REFUSED,
    EmotionReferenceStore,
    MissionReferenceStore,
    contradictions,
)

Edit = Callable[[dict[str, Any]], None]


def _file() -> dict[str, Any]:
    known: dict[str, Any] = json.loads(MISSIONS_FILE.read_text("utf-8"))
    return known


def _write(folder: Path, content: dict[str, Any] | bytes, name: str = "missions.json") -> None:
    """Write as an editor does: aside, then renamed."""
    made = content if isinstance(content, bytes) else json.dumps(content).encode()
    (folder / "aside").write_bytes(made)
    os.replace(folder / "aside", folder / name)


def _count(counter: Any, name: str = "missions.json") -> float:
    value: float = counter.labels(name)._value.get()
    return value


# The program's own file --------------------------------------------------------------------------


def test_the_criteria_contradict_themselves_nowhere() -> None:
    references = MissionReferenceStore().current().value
    assert set(references.missions) == set(Mission)
    assert contradictions(references) == []


def test_the_criteria_ask_for_what_the_device_measures() -> None:
    store = MissionReferenceStore()
    holds_s = {mission: store.criteria(mission).hold_s for mission in Mission}
    assert holds_s == {
        Mission.SIT: device.SIT_HOLD_MS / 1000,
        Mission.DOWN: device.DOWN_HOLD_MS / 1000,
        Mission.PAW: device.PAW_HAND_MS / 1000,
        Mission.TURN: None,
        Mission.JUMP: None,
    }
    turn = store.criteria(Mission.TURN).reference
    assert any(f"{device.TURN_DEG:g} degrees" in line for line in turn.success_criteria.en)
    assert any(f"{device.TURN_DEG:g}도" in line for line in turn.success_criteria.ko)
    note = store.criteria(Mission.PAW).reference.device_note
    assert note is not None
    assert f"{device.PAW_STILL_MS / 1000:g} second" in note.en
    assert f"{device.PAW_STILL_MS / 1000:g}초" in note.ko


def test_no_two_missions_are_told_apart_by_nothing() -> None:
    references = MissionReferenceStore().current().value
    criteria = [own.success_criteria.en for own in references.missions.values()]
    assert len(set(criteria)) == len(criteria)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"fail": Text("2초 동안 앉지 않았습니다.", "Not for 2 seconds.")}, "2 s"),
        (
            {"failure_cases": Texts(("3초보다 짧음",), ("Less than 3 seconds",))},
            "3 s, the criteria do not",
        ),
        (
            {"success_criteria": Texts(("최소 1초 이상",), ("At least 2 seconds",))},
            "differ in their numbers",
        ),
        (
            {"success_criteria": Texts(("최소 90도",), ("At least 90 seconds",))},
            "differ in their numbers",
        ),
        ({"success_criteria": Texts(("가", "나"), ("a",))}, "as many items"),
        ({"mission_type": Mission.DOWN}, "mission_type is DOWN"),
    ],
)
def test_a_contradiction_is_found(changed: dict[str, Any], words: str) -> None:
    references = MissionReferenceStore().current().value
    own = msgspec.structs.replace(references.missions[Mission.SIT], **changed)
    edited: MissionReferences = msgspec.structs.replace(
        references, missions={**references.missions, Mission.SIT: own}
    )
    assert any(words in problem for problem in contradictions(edited))


# Edits while running -----------------------------------------------------------------------------


def test_an_empty_folder_leaves_the_programs_file_in_force(tmp_path: Path) -> None:
    store = MissionReferenceStore(tmp_path)
    assert store.current() == MissionReferenceStore().current()


def test_an_edit_is_in_force_at_the_next_look(tmp_path: Path) -> None:
    edited = _file()
    _write(tmp_path, edited)
    store = MissionReferenceStore(tmp_path)
    before, loads = store.criteria(Mission.SIT), _count(LOADED)
    own = edited["missions"]["SIT"]
    for texts in (own["success_criteria"], own["failure_cases"]):
        texts["ko"] = [text.replace("1초", "3초") for text in texts["ko"]]
        texts["en"] = [text.replace("1 second", "3 seconds") for text in texts["en"]]
    _write(tmp_path, edited)
    after = store.criteria(Mission.SIT)
    assert (before.hold_s, after.hold_s) == (1.0, 3.0)
    assert before.version != after.version
    assert _count(LOADED) == loads + 1
    # Who has begun with the old criteria ends with them.
    assert before.hold_s == 1.0


def test_an_edit_of_the_same_length_within_the_same_tick_is_seen(tmp_path: Path) -> None:
    edited = _file()
    _write(tmp_path, edited)
    path = tmp_path / "missions.json"
    store = MissionReferenceStore(tmp_path)
    state = path.stat()
    content = path.read_bytes()
    # In place, so that the inode stays too.
    path.write_bytes(content.replace(b"Your dog sat down", b"Your dog sat well"))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert "sat well" in store.criteria(Mission.SIT).reference.success.en


def _without_paw(edited: dict[str, Any]) -> None:
    del edited["missions"]["PAW"]


def _unknown_field(edited: dict[str, Any]) -> None:
    edited["missions"]["SIT"]["succes"] = {}


def _one_language(edited: dict[str, Any]) -> None:
    del edited["missions"]["SIT"]["mission_name"]["en"]


def _empty(edited: dict[str, Any]) -> None:
    edited["missions"]["JUMP"]["capture_hint"]["ko"] = "  "


def _contradicting(edited: dict[str, Any]) -> None:
    edited["missions"]["SIT"]["failure_cases"]["ko"][1] = "5초보다 짧게 앉았다 일어남"


@pytest.mark.parametrize(
    "edit", [_without_paw, _unknown_field, _one_language, _empty, _contradicting]
)
def test_an_edit_that_is_not_sound_changes_nothing_but_a_metric(tmp_path: Path, edit: Edit) -> None:
    good = _file()
    good["missions"]["SIT"]["success"]["ko"] = "아주 잘 앉았습니다."
    _write(tmp_path, good)
    store = MissionReferenceStore(tmp_path)
    before, refusals = store.current(), _count(REFUSED)
    broken = json.loads(json.dumps(good))
    edit(broken)
    _write(tmp_path, broken)
    for _ in range(3):
        assert store.current() is before
    assert _count(REFUSED) == refusals + 1, "told once, not at every look"
    _write(tmp_path, good)
    assert store.current().version == before.version


@pytest.mark.parametrize(
    "content", [b"", b'{"version": 2, "missions": {', b"\xff\xfe", b"[" * 50_000]
)
def test_what_is_no_json_is_refused(tmp_path: Path, content: bytes) -> None:
    _write(tmp_path, content)
    refusals = _count(REFUSED)
    store = MissionReferenceStore(tmp_path)
    assert store.current() == MissionReferenceStore().current()
    assert _count(REFUSED) == refusals + 1


def test_a_file_that_vanishes_leaves_the_last_good_one(tmp_path: Path) -> None:
    good = _file()
    good["missions"]["SIT"]["success"]["ko"] = "아주 잘 앉았습니다."
    _write(tmp_path, good)
    store = MissionReferenceStore(tmp_path)
    before = store.current()
    (tmp_path / "missions.json").unlink()
    assert store.current() is before
    assert store.current() is before


def test_readers_never_see_half_of_an_edit(tmp_path: Path) -> None:
    """Every mission carries the number of its edit: a mix of two would show."""
    numbered = _file()

    def write(number: int) -> None:
        for own in numbered["missions"].values():
            own["success"]["en"] = f"edit {number}"
        _write(tmp_path, numbered)

    write(0)
    store = MissionReferenceStore(tmp_path)
    stop, mixed, seen = threading.Event(), [], set()

    def read() -> None:
        while not stop.is_set():
            words = {own.success.en for own in store.current().value.missions.values()}
            seen.update(words)
            if len(words) != 1:
                mixed.append(words)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(1, 60):
        write(number)
        store.current()
    stop.set()
    for reader in readers:
        reader.join(30)
    assert not mixed
    assert store.current().value.missions[Mission.SIT].success.en == "edit 59"
    assert len(seen) > 1


# Emotions ----------------------------------------------------------------------------------------


def test_emotions_are_edited_the_same_way(tmp_path: Path) -> None:
    shipped = EmotionReferenceStore().current()
    assert set(shipped.value.emotions) == set(EMOTIONS)
    edited = json.loads(msgspec.json.encode(shipped.value))
    _write(tmp_path, edited, "emotions.json")
    store = EmotionReferenceStore(tmp_path)
    edited["emotions"]["happy"]["tone"]["en"] = "Cheerful"
    _write(tmp_path, edited, "emotions.json")
    known = store.current()
    assert known.value.emotions["happy"].tone.en == "Cheerful"
    edited["softer_below"] = 0.9
    _write(tmp_path, edited, "emotions.json")
    assert store.current() is known
