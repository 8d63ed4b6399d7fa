"""Reports as jobs: of a conversation and a dog; no word of them in the AI role's stores."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sync_server.ai.folders import job_folder
from sync_server.ai.vet.contract import (
    AnswerText,
    ChatAnswer,
    ChatRefused,
    Citation,
    DogFacts,
    Memory,
    Processing,
)
from sync_server.ai.vet.report import report_of
from sync_server.ai.vet.report_contract import Asked, ReportMaterial
from sync_server.platform.artifact_links import artifact_key
from sync_server.vet.reports import FILES
from tests.support.ai_role import install
from tests.support.app import running
from tests.support.vet_role import PIECES, SAFETY, ScriptedVetRole, install_vet, whole_answer
from tests.sync_server.vet.conftest import Talk

pytestmark = pytest.mark.anyio
SECRETS = ("우리 보리가 밤마다 기침을 해요", "비밀 알레르기가 있어요")
JOBS = "/api/vet/jobs"


async def test_a_job_names_its_material_and_says_no_word_of_it(talk: Talk) -> None:
    role = install(talk.server)
    install_vet(talk.server)
    dog_id = await talk.dog(weight_kg=4.6)
    await talk.answer(SECRETS[0], "r1", dog_id=dog_id)
    made = await talk.send("POST", JOBS, json={"conversation_id": "r1"})
    assert made.status_code == 202
    assert made.json()["status"] == "queued"
    job_id = made.json()["job_id"]
    await talk.server.platform.tasks.settle()
    request = role.requests[job_id]
    assert request.job_type == "VET_REPORT" and request.document_url is not None
    assert f"/api/artifacts/{job_id}/{FILES[0]}?expires=" in request.document_url
    assert SECRETS[0] not in msgspec.json.encode(request).decode()
    data = await talk.server.platform.objects.get(artifact_key(job_id, FILES[0]))
    material = msgspec.json.decode(data or b"", type=ReportMaterial)
    assert [each.text for each in material.asked] == [SECRETS[0]]
    assert material.dog is not None and material.dog.weight_kg == 4.6
    status = (await talk.send("GET", f"{JOBS}/{job_id}")).json()
    assert status["status"] == "queued" and status["progress"]["stage"] == "VALIDATING"
    early = await talk.send("GET", f"{JOBS}/{job_id}/result")
    assert early.status_code == 409
    assert early.json()["error"]["code"] == "JOB_NOT_FINISHED"


async def test_what_a_report_is_about_must_be_named_and_ones_own(talk: Talk) -> None:
    install(talk.server)
    install_vet(talk.server)
    nothing = await talk.send("POST", JOBS, json={})
    assert nothing.status_code == 400
    assert nothing.json()["error"]["details"] == {"field": "conversation_id"}
    unknown = await talk.send("POST", JOBS, json={"conversation_id": "nobody's"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "CONVERSATION_NOT_FOUND")
    folder = [key async for key, _ in talk.server.platform.objects.keys("artifacts/")]
    assert folder == []


async def test_the_same_key_orders_one_report(talk: Talk) -> None:
    role = install(talk.server)
    install_vet(talk.server)
    await talk.answer(SECRETS[0], "r2")
    made = [
        (await talk.send("POST", JOBS, json={"conversation_id": "r2"},
                         headers={"Idempotency-Key": "k"})).json()["job_id"]
        for _ in range(2)
    ]  # fmt: skip
    assert made[0] == made[1] and list(role.requests) == made[:1]
    keys = [key async for key, _ in talk.server.platform.objects.keys("artifacts/")]
    assert keys == [artifact_key(made[0], FILES[0])]


# --- with the real engine ------------------------------------------------------------------


@pytest.fixture
async def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Talk]:
    """A server with its own AI role: engine, stores and pipelines are real, the words scripted."""
    rooms: Any = importlib.import_module("sync_server.ai.services")
    make, role = rooms.make_services, ScriptedVetRole()
    monkeypatch.setattr(rooms, "make_services", lambda *parts: replace(make(*parts), vet=role))
    url = f"sqlite:///{tmp_path / 'test.sqlite'}"
    async with running(url, tmp_path, rate_limits="off", worker_processes="1") as server:
        server.app.state.platform = replace(server.platform, vet=role)
        yield Talk(server, await server.guest(), role)


async def _ended(talk: Talk, job_id: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            with talk.server.platform.wakes.waiting(job_id) as woken:
                answer = await talk.send("GET", f"{JOBS}/{job_id}")
                status: dict[str, Any] = answer.json()
                if status["status"] in ("succeeded", "failed"):
                    return status
                await asyncio.wait_for(woken.wait(), 30)


def _stores(folder: Path) -> bytes:
    """All that the AI role keeps on disk beside the objects."""
    files = [*folder.glob("ai.sqlite*"), *folder.glob("engine.sqlite*")]
    assert len(files) >= 2
    return b"".join(path.read_bytes() for path in files)


async def _scratch_is_cleared(folder: Path, job_id: str) -> None:
    """The engine's last step, after the job has ended."""
    for _ in range(600):
        if not job_folder(folder, job_id).exists():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the scratch folder is still there")


async def test_a_report_of_a_conversation_and_its_dog(alone: Talk, tmp_path: Path) -> None:
    dog_id = await alone.dog(weight_kg=4.6)
    await alone.answer(SECRETS[0], "r3", dog_id=dog_id)
    await alone.answer(SECRETS[1], "r3")
    made = await alone.send("POST", JOBS, json={"conversation_id": "r3"})
    job_id = made.json()["job_id"]
    status = await _ended(alone, job_id)
    assert status["status"] == "succeeded" and status["progress"]["percent"] == 100
    result = (await alone.send("GET", f"{JOBS}/{job_id}/result")).json()
    sections = {each["section"]: each for each in result["sections"]}
    assert list(sections) == ["told", "records", "guidance", "warning_signs", "questions"]
    assert any(SECRETS[0] in text for text in sections["told"]["paragraphs"])
    assert any(text.startswith("증상: 기침") for text in sections["told"]["paragraphs"])
    assert "".join(PIECES) in sections["guidance"]["paragraphs"]
    assert sections["guidance"]["citations"][0]["doc_id"] == "ear"
    assert SAFETY.urgent_signals[0] in sections["warning_signs"]["paragraphs"]
    assert result["disclaimer"] == SAFETY.disclaimer
    assert result["conversation_id"] == "r3" and result["dog_id"] == dog_id
    assert "scripted" in result["model_version"]
    asked = alone.role.requests[-1]
    assert asked.dog is not None and asked.dog.weight_kg == 4.6
    await _scratch_is_cleared(tmp_path, job_id)
    # Not a word in the AI role's stores, the engine's checkpoints, or the events.
    platform = alone.server.platform
    async with platform.database.read() as tx:
        events = await tx.fetch_tuples("SELECT snapshot FROM job_event")
        kept = await tx.fetch_tuples("SELECT request, result FROM analysis_job")
    told = _stores(tmp_path) + repr((events, kept)).encode()
    for words in (*SECRETS, "".join(PIECES), "보리", SAFETY.urgent_signals[0]):
        assert words.encode() not in told
        assert msgspec.json.encode(words)[1:-1] not in told
    # The material has gone with the end of the job, the report goes with the conversation.
    await platform.tasks.settle()
    assert await platform.objects.size(artifact_key(job_id, FILES[0])) is None
    assert await platform.objects.size(artifact_key(job_id, FILES[1])) is not None
    await alone.send("DELETE", "/api/vet/conversations/r3")
    assert await platform.objects.size(artifact_key(job_id, FILES[1])) is None
    gone = await alone.send("GET", f"{JOBS}/{job_id}/result")
    assert gone.status_code == 404


async def test_a_report_of_a_dog_alone_asks_a_general_question(alone: Talk) -> None:
    dog_id = await alone.dog()
    made = await alone.send(
        "POST", JOBS, json={"dog_id": dog_id}, headers={"Accept-Language": "en"}
    )
    job_id = made.json()["job_id"]
    assert (await _ended(alone, job_id))["status"] == "succeeded"
    result = (await alone.send("GET", f"{JOBS}/{job_id}/result")).json()
    assert [each["section"] for each in result["sections"]] == [
        "records", "guidance", "warning_signs", "questions",
    ]  # fmt: skip
    assert result["sections"][0]["paragraphs"] == [
        "There is no record of walks, gait or face of this dog yet."
    ]


async def test_a_report_whose_chat_refuses_fails_in_the_products_words(alone: Talk) -> None:
    dog_id = await alone.dog()
    alone.role.script = lambda request: [ChatRefused("INVALID_INPUT")]
    made = await alone.send("POST", JOBS, json={"dog_id": dog_id})
    job_id = made.json()["job_id"]
    status = await _ended(alone, job_id)
    assert status["status"] == "failed"
    assert status["error"]["message"] == "상담 리포트 작성에 실패했습니다."
    result = await alone.send("GET", f"{JOBS}/{job_id}/result")
    assert result.status_code == 400 and result.json()["error"]["code"] == "INVALID_INPUT"


# --- the report itself ---------------------------------------------------------------------


def test_an_urgent_report_begins_with_the_warning_signs_and_cites_each_passage_once() -> None:
    material = ReportMaterial(
        "ko", [Asked("2026-11-18", "초콜릿을 먹었어요"), Asked("2026-11-18", "숨을 헐떡여요")],
        Memory("", ["체중: 4.6 kg (2026-11-01)"]),
        dog=DogFacts(name="보리", gait="2026-11-17 보행 분석: 위험 수준 중간."),
    )  # fmt: skip
    cited = Citation("toxic", "초콜릿", "toxic#1", 0.9, "…")
    answers = [
        ChatAnswer(AnswerText("바로 병원으로 가세요.", "urgent"), SAFETY, ["언제 먹었나요?"],
                   [cited], Processing(1, "a")),
        ChatAnswer(AnswerText("지켜보세요."), SAFETY, ["언제 먹었나요?"],
                   [cited], Processing(1, "b")),
    ]  # fmt: skip
    report = report_of(material, ["초콜릿을 먹었어요", "숨을 헐떡여요"], answers)
    assert [each.section for each in report.sections] == [
        "warning_signs", "told", "records", "guidance", "questions",
    ]  # fmt: skip
    assert report.sections[1].paragraphs[0] == "체중: 4.6 kg (2026-11-01)"
    assert report.sections[3].citations == [cited]
    assert report.model_used == "a+b"
    asked = report.sections[4].paragraphs
    assert sum("언제 먹었나요?" in text for text in asked) == 1
    assert any("보행 분석" in text for text in asked)


def test_guidance_without_a_document_says_so() -> None:
    answer = msgspec.structs.replace(whole_answer("쉬게 하세요."), citations=[])
    report = report_of(ReportMaterial("en"), ["Is he well?"], [answer])
    guidance = next(each for each in report.sections if each.section == "guidance")
    assert guidance.paragraphs[-1] == "No document was found that this guidance rests on."
