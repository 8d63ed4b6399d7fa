"""The chat as the settings put it together: the product's own safety, knowledge and backends."""

from __future__ import annotations

from pathlib import Path

import pytest

from sync_server.ai.vet.contract import DogFacts, Replace
from sync_server.ai.vet.local_role import LocalVetRole
from sync_server.platform.clock import system_clock
from sync_server.platform.settings import Settings
from tests.support import gemini, openai_chat
from tests.support.vet_parts import asking, told

pytestmark = pytest.mark.anyio


def settings_for(folder: Path, **more: str) -> Settings:
    return Settings(data_dir=str(folder), secret_key="k" * 40, **more)  # type: ignore[arg-type]


async def test_the_demo_answers_from_the_reviewed_entries(tmp_path: Path) -> None:
    role = LocalVetRole(settings_for(tmp_path), system_clock)
    try:
        for text, doc_id in (
            ("귀를 자꾸 긁는데 진드기일까요?", "itchy-ears"),
            ("강아지가 한 번 토했어요", "vomiting"),
            ("다리를 절어요", "limping"),
        ):
            events, answer = await told(role, asking(text))
            assert {one.doc_id for one in answer.citations} == {doc_id}
            assert len(answer.answer.content) > 200 and answer.followups
            assert not any(isinstance(event, Replace) for event in events)
            assert answer.processing.model_used == "embedded-knowledge/1"
        dog = DogFacts(name="보리", age_years=13)
        _, old = await told(role, asking("노견인데 밤에 자꾸 짖고 서성여요", dog=dog))
        assert "보리 기준으로 보면, 13살이라" in old.answer.content
        _, urgent = await told(role, asking("강아지가 경련을 해요"))
        assert urgent.answer.tone == "urgent" and "응급" in urgent.answer.content[:40]
        _, english = await told(role, asking("Can dogs eat grapes?", language="en"))
        assert english.citations and not any("가" <= c <= "힣" for c in english.answer.content)
        said = await role.health()
        assert said["status"] == "ok" and said["backend"] == "embedded-knowledge/1"
        known = said["knowledge"]
        assert isinstance(known, dict) and known["documents"] >= 60
    finally:
        await role.close()


async def test_the_settings_choose_the_model(tmp_path: Path) -> None:
    said = ("물을 조금씩 나누어 주세요. ", "하루에 여러 번 토하면 병원에 가세요.")
    with openai_chat.OpenAi() as openai, gemini.Gemini() as google:
        openai.pieces = google.pieces = said
        chosen = {
            "openai": {"openai_api_key": openai_chat.API_KEY, "openai_base_url": openai.base_url},
            "gemini": {"gemini_api_key": gemini.API_KEY, "gemini_base_url": google.url},
        }
        for backend, more in chosen.items():
            settings = settings_for(tmp_path / backend, vet_backend=backend, **more)
            role = LocalVetRole(settings, system_clock)
            try:
                _, answer = await told(role, asking("강아지가 한 번 토했어요"))
            finally:
                await role.close()
            assert answer.answer.content == "".join(said)
            assert answer.processing.model_used.startswith(f"{backend}/")
