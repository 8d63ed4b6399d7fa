"""The search: finds what was asked, says nothing of anything else, and executes no one's syntax."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sync_server.ai.vet.knowledge.knowledge_base import KnowledgeBase
from sync_server.ai.vet.knowledge.search import BESIDE, FLOOR
from sync_server.ai.vet.knowledge.tokens import MAX_CHARS, tokens
from sync_server.ai.vet.ports import Knowledge
from tests.support.knowledge import HICCUPS, SIX, write_entries

pytestmark = pytest.mark.anyio


@pytest.fixture
async def base(tmp_path: Path) -> AsyncIterator[KnowledgeBase]:
    made = KnowledgeBase(tmp_path / "k.sqlite", write_entries(tmp_path / "entries", *SIX))
    await made.open()
    yield made
    await made.close()


# Tokens ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("구토를", "구토"),
        ("구토해요", "구토"),
        ("눈이", "눈"),
        ("걸렸어요", "걸린"),
        ("노란거품", "노란 거품"),
        ("귀를 긁어요", "귀 긁는"),
        ("Vomiting", "vomited"),
        ("itchy ears", "itching ear"),
        ("ＤＯＧ１２", "dog12"),
    ],
)
def test_forms_of_a_word_share_a_token(one: str, other: str) -> None:
    assert set(tokens(one).different()) & set(tokens(other).different())


def test_composed_and_decomposed_hangul_are_the_same() -> None:
    import unicodedata

    text = "절뚝거려요 발바닥"
    assert tokens(unicodedata.normalize("NFD", text)) == tokens(text)


def test_owner_words_of_both_languages_name_one_concept() -> None:
    assert "_vomit" in tokens("사료를 게워 냈어요").concepts
    assert "_vomit" in tokens("she threw up twice").concepts
    assert "_ear" not in tokens("early in the year").concepts


def test_words_of_any_question_are_no_tokens() -> None:
    assert tokens("우리 강아지 어떡해요 괜찮을까요").words == ()
    assert tokens("what should I do with my dog").words == ()


@pytest.mark.parametrize("text", ["", "   ", "!!!???", "\x00\x01", "🐶🐶", "ㅠㅠㅋㅋ", "\ud800"])
def test_text_without_words_has_no_tokens(text: str) -> None:
    assert tokens(text).different() == []


def test_tokens_hold_nothing_that_fts5_could_read() -> None:
    made = tokens('"NEAR(토해요 OR x*) AND title:^구토 -- \' ; DROP TABLE heads" {a b} + 토함*')
    assert all(one.replace("_", "").isalnum() for one in made.different())


# Finding -----------------------------------------------------------------------------------------


async def test_a_question_finds_its_entry_in_either_language(base: KnowledgeBase) -> None:
    knowledge: Knowledge = base
    korean = await knowledge.search("딸꾹질을 자꾸 해요", "ko")
    english = await knowledge.search("my dog has the hiccups", "en")
    assert korean[0].doc_id == english[0].doc_id == "hiccups"
    assert korean[0].title == "딸꾹질" and english[0].title == "hiccups"
    assert korean[0].chunk_id.endswith(".ko") and english[0].chunk_id.endswith(".en")


async def test_a_question_in_one_language_is_answered_in_the_other(base: KnowledgeBase) -> None:
    found = await base.search("딸꾹질", "en")
    assert found[0].doc_id == "hiccups" and "hiccups" in found[0].text


async def test_scores_fall_and_the_first_lies_above_the_floor(base: KnowledgeBase) -> None:
    found = await base.search("딸꾹질이랑 코골이 때문에 걱정", "ko", 10)
    scores = [one.score for one in found]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] >= FLOOR and all(BESIDE <= score <= 1 for score in scores)
    assert {one.doc_id for one in found} == {"hiccups", "snoring"}


async def test_at_most_two_passages_of_one_document_among_others(base: KnowledgeBase) -> None:
    found = await base.search("딸꾹질이랑 코골이", "ko", 10)
    of_each = [sum(one.doc_id == doc for one in found) for doc in ("hiccups", "snoring")]
    assert max(of_each) == 2


async def test_questions_back_and_search_words_are_no_evidence(base: KnowledgeBase) -> None:
    found = await base.search("딸꾹질은 언제부터인가요 때문에 걱정", "ko", 20)
    assert {one.section for one in found} <= {
        "summary",
        "home_care",
        "see_vet",
        "emergency",
        "avoid",
    }
    assert not any("걱정이에요" in one.text for one in found)


async def test_a_whole_document_comes_in_its_order(base: KnowledgeBase) -> None:
    found = await base.document("hiccups", "ko")
    assert [one.section for one in found] == [
        "summary", "home_care", "see_vet", "emergency", "avoid", "followups",
    ]  # fmt: skip
    assert all(one.score == 1 for one in found)
    assert await base.document("no-such", "ko") == []


@pytest.mark.parametrize(
    "question",
    [
        "오늘 서울 날씨 어때",
        "파이썬으로 크롤러 짜줘",
        "who won the world cup",
        "김치찌개 레시피",
        "hi",
    ],
)
async def test_nothing_is_found_for_something_else(base: KnowledgeBase, question: str) -> None:
    assert await base.search(question, "ko") == []
    assert await base.search(question, "en") == []


async def test_what_is_not_reviewed_is_never_found(tmp_path: Path) -> None:
    draft = {**HICCUPS, "review": {**HICCUPS["review"], "state": "draft"}}
    folder = write_entries(tmp_path / "entries", draft, *SIX[1:])
    base = KnowledgeBase(tmp_path / "k.sqlite", folder)
    await base.open()
    try:
        assert await base.search("딸꾹질", "ko") == []
        assert await base.document("hiccups", "ko") == []
        assert (await base.health())["documents"] == 5
    finally:
        await base.close()


# Hostile questions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "question",
    [
        '"', '""', '"hiccups', "hiccups\"", "NEAR(hiccups snoring, 5)", "title:hiccups", "hicc*",
        "^hiccups", "hiccups AND NOT snoring", "hiccups OR", "(hiccups", "{title asked}: hiccups",
        "-hiccups", "+ + +", "'; DROP TABLE documents; --", "hiccups\x00snoring", "\\", "_vomit",
        "rank MATCH 'bm25(1)'", "heads", "%' OR 1=1", "hiccups\ud800",
    ],
)  # fmt: skip
async def test_query_syntax_in_a_question_is_only_text(base: KnowledgeBase, question: str) -> None:
    found = await base.search(question, "en")
    assert isinstance(found, list)
    assert (await base.health())["documents"] == len(SIX)


async def test_operators_change_nothing(base: KnowledgeBase) -> None:
    plain = await base.search("hiccups", "en")
    assert await base.search('hiccups* AND NOT "hiccups"', "en") == plain


async def test_a_long_hostile_question_is_bounded(base: KnowledgeBase) -> None:
    words = " ".join(f"word{number}" for number in range(200_000))
    before = time.process_time()
    assert await base.search(words, "en") == []
    assert await base.search("토" * 1_000_000, "ko") is not None
    assert await base.search('"' * 1_000_000, "ko") == []
    # Not a timing: what is read is bounded, so a hundred times the text is no more work.
    assert len(tokens(words).words) < MAX_CHARS
    assert time.process_time() - before < 60


async def test_a_long_story_still_finds_what_it_is_about(base: KnowledgeBase) -> None:
    story = (
        "어제 친구네 집에 다녀왔고 저녁에는 공원도 갔어요. " * 5
        + "그런데 딸꾹질을 해요. 딸꾹질이요."
    )
    found = await base.search(story, "ko")
    assert not found or found[0].doc_id == "hiccups"


async def test_no_limit_takes_all(base: KnowledgeBase) -> None:
    assert await base.search("딸꾹질", "ko", 0) == []
    assert await base.search("딸꾹질", "ko", -5) == []
    assert len(await base.search("딸꾹질", "ko", 10_000)) <= 20


# Scores between questions ------------------------------------------------------------------------


async def test_an_exact_question_scores_higher_than_a_vague_one(base: KnowledgeBase) -> None:
    exact = await base.search("햇볕 화상", "ko")
    vague = await base.search("햇볕 좋은 날 저녁에 친구네 정원에서 놀다가 왔는데 궁금합니다", "ko")
    assert exact and (not vague or exact[0].score > vague[0].score)


async def test_a_document_in_one_language_is_not_shown_in_the_other(tmp_path: Path) -> None:
    from sync_server.ai.vet.knowledge.importer import document_of_paper
    from sync_server.ai.vet.knowledge.readers import Paper, Section

    folder = write_entries(tmp_path / "entries", *SIX)
    base = KnowledgeBase(tmp_path / "k.sqlite", folder)
    await base.open()
    try:
        paper = Paper(
            "k", "발톱 무좀", (Section("", "발톱이 부서져요", "발톱 무좀은 오래 걸려요."),)
        )
        document = document_of_paper(paper, tmp_path / "a.json", "", "", 0)
        base.store.add(document, {}, "")
        base.store.review(document.doc_id, "reviewed", "")
        assert (await base.search("발톱 무좀", "ko"))[0].doc_id == document.doc_id
        assert await base.search("발톱 무좀", "en") == []
    finally:
        await base.close()
