"""Embeddings over the true wires: batches, faults, and a search that goes on without them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sync_server.ai.vet.knowledge.embedding import (
    BATCH,
    MAX_CHARS,
    POLICY,
    QUESTION_POLICY,
    Embedder,
    GeminiEmbedding,
    OpenAiEmbedding,
    ServiceEmbedder,
    embedder_of,
)
from sync_server.ai.vet.knowledge.knowledge_base import WORDS_ONLY, KnowledgeBase
from sync_server.platform.llm.breaker import Breaker
from sync_server.platform.llm.budget import DailyBudget
from sync_server.platform.llm.errors import LlmError, LlmTimeout
from sync_server.platform.llm.guard import Guard
from sync_server.platform.settings import Settings, SettingsInvalid
from tests.support.embeddings import (
    DIMENSIONS,
    GEMINI_KEY,
    GEMINI_MODEL,
    OPENAI_KEY,
    OPENAI_MODEL,
    GeminiEmbeddings,
    OpenAiEmbeddings,
    vector_of,
)
from tests.support.knowledge import SIX, entry, write_entries

pytestmark = pytest.mark.anyio
Service = OpenAiEmbeddings | GeminiEmbeddings
QUICK = replace(POLICY, first_wait_s=0.01, attempt_s=5.0)


@pytest.fixture(params=["openai", "gemini"])
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    made: Service = OpenAiEmbeddings() if request.param == "openai" else GeminiEmbeddings()
    made.retry_after = "0"
    with made:
        yield made


def guard_of(folder: Path, provider: str, calls: int = 1_000) -> Guard:
    budget = DailyBudget(folder / "calls.sqlite", calls, lambda: 1_795_910_400_000)
    return Guard(provider, budget, Breaker(provider, failures_to_open=1_000))


def embedder_at(service: Service, folder: Path, model: str = "", calls: int = 1_000) -> Embedder:
    if isinstance(service, OpenAiEmbeddings):
        openai = OpenAiEmbedding(OPENAI_KEY, model, f"{service.url}/v1")
        return ServiceEmbedder(openai, guard_of(folder, "openai", calls), QUICK)
    gemini = GeminiEmbedding(GEMINI_KEY, model, service.url)
    return ServiceEmbedder(gemini, guard_of(folder, "gemini", calls), QUICK)


@asynccontextmanager
async def embedding(service: Service, folder: Path, **kind: int) -> AsyncIterator[Embedder]:
    made = embedder_at(service, folder, **kind)
    try:
        yield made
    finally:
        await made.close()


async def test_vectors_are_of_their_texts_and_of_length_one(
    service: Service, tmp_path: Path
) -> None:
    async with embedding(service, tmp_path) as embedder:
        rows = await embedder.embed(["구토해요", "ear infection", "구토해요"])
        assert rows.shape == (3, DIMENSIONS) and rows.dtype == np.float32
        assert np.allclose(np.linalg.norm(rows, axis=1), 1)
        wanted = np.array(vector_of("ear infection"))
        assert np.allclose(rows[1], wanted / np.linalg.norm(wanted), atol=1e-6)
        assert np.array_equal(rows[0], rows[2]) and not np.allclose(rows[0], rows[1])
        assert (await embedder.embed([])).shape[0] == 0


async def test_many_texts_go_in_batches_and_long_ones_are_cut(
    service: Service, tmp_path: Path
) -> None:
    texts = [f"text {number}" for number in range(BATCH * 2 + 1)]
    async with embedding(service, tmp_path) as embedder:
        rows = await embedder.embed(texts)
        assert len(service.paid_calls()) == 3 and service.texts() == texts
        assert rows.shape[0] == len(texts)
        await embedder.embed(["가" * (MAX_CHARS * 3)])
        assert service.texts()[-1] == "가" * MAX_CHARS


async def test_gemini_is_told_documents_from_questions(tmp_path: Path) -> None:
    with GeminiEmbeddings() as service:
        async with embedding(service, tmp_path) as embedder:
            await embedder.embed(["one", "two"])
            assert (await embedder.embed_question("what?")).shape == (DIMENSIONS,)
        assert service.tasks() == ["RETRIEVAL_DOCUMENT"] * 2 + ["RETRIEVAL_QUERY"]


async def test_names_tell_models_apart(service: Service, tmp_path: Path) -> None:
    default, other = embedder_at(service, tmp_path), embedder_at(service, tmp_path, "other-model")
    assert default.name.endswith((OPENAI_MODEL, GEMINI_MODEL))
    assert other.name.endswith("other-model") and other.name != default.name
    await default.close()
    await other.close()


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("500", "llm_unavailable"), ("503", "llm_unavailable"), ("429", "llm_rate_limited"),
        ("drop", "llm_unavailable"), ("cut", "llm_unavailable"), ("401", "llm_not_configured"),
        ("400", "llm_refused"), ("504", "llm_timeout"), ("fewer", "llm_answer_broken"),
        ("unlike", "llm_answer_broken"), ("zeros", "llm_answer_broken"),
        ("none", "llm_answer_broken"), ("not_json", "llm_answer_broken"),
        ("html", "llm_answer_broken"),
    ],
)  # fmt: skip
async def test_a_fault_that_stays_ends_in_its_error(
    service: Service, tmp_path: Path, fault: str, code: str
) -> None:
    service.always = fault
    async with embedding(service, tmp_path) as embedder:
        with pytest.raises(LlmError) as caught:
            await embedder.embed(["one", "two"])
    assert caught.value.code == code
    assert "two" not in str(caught.value)


async def test_a_fault_that_passes_is_not_seen(service: Service, tmp_path: Path) -> None:
    service.faults.extend(["503", "429"])
    async with embedding(service, tmp_path) as embedder:
        assert (await embedder.embed(["one"])).shape == (1, DIMENSIONS)
    assert len(service.paid_calls()) == 3


async def test_a_question_does_not_wait_for_a_service_that_hangs(
    service: Service, tmp_path: Path
) -> None:
    service.always = "hang"
    async with embedding(service, tmp_path) as embedder:
        started = asyncio.get_running_loop().time()
        with pytest.raises(LlmTimeout):
            await embedder.embed_question("what?")
        assert asyncio.get_running_loop().time() - started < QUESTION_POLICY.deadline_s + 5
    assert service.hung_up.wait(10)


def test_an_embedder_without_its_key_is_refused_at_the_start(tmp_path: Path) -> None:
    budget = DailyBudget(tmp_path / "calls.sqlite", 10, lambda: 0)
    assert embedder_of(Settings(), budget) is None
    for name in ("openai", "gemini"):
        with pytest.raises(SettingsInvalid, match=f"DAENGDONG_{name.upper()}_API_KEY"):
            embedder_of(Settings(vet_embedding=name), budget)  # type: ignore[arg-type]


# In the search -----------------------------------------------------------------------------------


async def _filled(base: KnowledgeBase, count: int) -> None:
    async with asyncio.timeout(30):
        while (await base.health())["vectors"] < count:  # noqa: ASYNC110 - in its own thread
            await asyncio.sleep(0.02)


async def test_entries_are_indexed_with_their_vectors(service: Service, tmp_path: Path) -> None:
    folder = write_entries(tmp_path / "entries", *SIX)
    base = KnowledgeBase(tmp_path / "k.sqlite", folder, embedder_at(service, tmp_path))
    await base.open()
    counts = await base.health()
    assert counts["vectors"] > counts["chunks"] > 0
    found = await base.search("딸꾹질", "ko")
    assert found[0].doc_id == "hiccups" and 0 < found[0].score <= 1
    await base.close()


async def test_only_changed_entries_are_embedded_again(service: Service, tmp_path: Path) -> None:
    folder = write_entries(tmp_path / "entries", *SIX)
    clock = [0.0]
    base = KnowledgeBase(
        tmp_path / "k.sqlite", folder, embedder_at(service, tmp_path), lambda: clock[0]
    )
    await base.open()
    before = len(service.texts())
    write_entries(folder, entry("hiccups", "딸꾹질과 트림", "hiccups and burps"))
    clock[0] += 2
    await base.search("트림", "ko")
    again = service.texts()[before:]
    assert again and all("snoring" not in text and "코골이" not in text for text in again)
    await base.close()


async def test_another_model_embeds_anew(tmp_path: Path) -> None:
    folder = write_entries(tmp_path / "entries", *SIX)
    with OpenAiEmbeddings() as service:
        first = KnowledgeBase(tmp_path / "k.sqlite", folder, embedder_at(service, tmp_path))
        await first.open()
        count = (await first.health())["vectors"]
        await first.close()
    with OpenAiEmbeddings(model="newer") as service:
        embedder = embedder_at(service, tmp_path, "newer")
        second = KnowledgeBase(tmp_path / "k.sqlite", folder, embedder)
        await second.open()
        assert (await second.search("딸꾹질", "ko"))[0].doc_id == "hiccups"
        async with asyncio.timeout(30):
            while second.store.without_vector(embedder.name, 1):
                await asyncio.sleep(0.02)
                await second.search("딸꾹질", "ko")
        assert (await second.health())["vectors"] == count
        await second.close()


async def test_a_service_that_is_away_costs_the_vectors_not_the_search(
    service: Service, tmp_path: Path
) -> None:
    service.always = "500"
    folder = write_entries(tmp_path / "entries", *SIX)
    clock = [0.0]
    base = KnowledgeBase(
        tmp_path / "k.sqlite", folder, embedder_at(service, tmp_path), lambda: clock[0]
    )
    await base.open()
    before = WORDS_ONLY.labels("llm_unavailable")._value.get()
    assert (await base.search("딸꾹질", "ko"))[0].doc_id == "hiccups"
    assert WORDS_ONLY.labels("llm_unavailable")._value.get() == before + 1
    assert (await base.health())["vectors"] == 0
    service.always = None
    clock[0] += 120
    await base.search("딸꾹질", "ko")
    await _filled(base, 1)
    await base.close()


async def test_a_spent_budget_leaves_the_words(service: Service, tmp_path: Path) -> None:
    folder = write_entries(tmp_path / "entries", *SIX)
    embedder = embedder_at(service, tmp_path, calls=0)
    base = KnowledgeBase(tmp_path / "k.sqlite", folder, embedder)
    await base.open()
    assert (await base.search("딸꾹질", "ko"))[0].doc_id == "hiccups"
    assert service.paid_calls() == []
    await base.close()
