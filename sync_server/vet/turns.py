"""Beginning a turn: checked, counted, kept; and what the AI role is asked about it."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Request

from edge_sdk.ids import uuid7
from sync_server.ai.vet.contract import (
    RECENT_TURNS,
    ChatRequest,
    DogFacts,
    Language,
    Message,
    PastTurn,
    UserContext,
)
from sync_server.auth import service as auth
from sync_server.dogs import service as dogs
from sync_server.jobs import service as jobs
from sync_server.platform import idempotency, rate_limit
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx
from sync_server.platform.errors import Problem
from sync_server.platform.signed_links import named_key
from sync_server.platform.tokens import CurrentUser
from sync_server.vet import limits, store
from sync_server.vet.dog_facts import day, dog_facts, gaps_of
from sync_server.vet.errors import VetRefused, empty_question
from sync_server.vet.memory import Said, remember
from sync_server.vet.model import WRITER, Conversation, Turn
from sync_server.vet.schemas import ChatBody

TITLE_CHARS: Final = 40
BUSY_RETRY_S: Final = 2.0
BEGIN_MS: Final = 5_000
"""A turn is kept before its answer begins; after so long its request has broken off."""


class _Began(msgspec.Struct, frozen=True):
    turn_id: str


async def begin(
    platform: Platform,
    user: CurrentUser,
    request: Request[Any, Any, Any],
    data: ChatBody,
    language: Language,
) -> str:
    """Keep the turn of a request, once per Idempotency-Key, and return its id.

    Raises VetRefused INVALID_INPUT, DOG_NOT_FOUND, TURN_IN_PROGRESS, CONVERSATION_NOT_FOUND (the
    key's turn was erased), MODEL_SERVICE_UNAVAILABLE; JobRefused IMAGE_FETCH_FAILED; Problem
    rate_limited.
    """
    if platform.vet is None:
        raise VetRefused("MODEL_SERVICE_UNAVAILABLE", retry_after_s=30)
    if not data.message.content.strip():
        raise empty_question()
    async with idempotency.idempotent(platform, user.user_no, request) as once:
        if once.is_first:
            turn = await _new_turn(platform, once.tx, user, data, language)
            once.answer(200, _Began(turn.turn_id))
            return turn.turn_id
        turn_id = msgspec.json.decode(once.stored[1], type=_Began).turn_id
        known = await store.turn(once.tx, user.user_no, turn_id)
        if known is None:
            raise VetRefused("CONVERSATION_NOT_FOUND")
        if known.state != "failed":
            return turn_id
        # What failed leaves no key behind: this is another try.
        await idempotency.forget(once.tx, user.user_no, request)
    return await begin(platform, user, request, data, language)


async def _new_turn(
    platform: Platform, tx: Tx, user: CurrentUser, data: ChatBody, language: Language
) -> Turn:
    user_no, now_ms = user.user_no, platform.clock()
    await rate_limit.limit(platform, tx, limits.USER, str(user_no))
    await rate_limit.limit(platform, tx, limits.DAY, str(user_no))
    await auth.require_alive(tx, user_no)
    if data.dog_id is not None:
        await _own_dog(tx, user_no, data.dog_id)
    conversation_id = data.conversation_id or f"conv_{uuid7(now_ms).replace('-', '')}"
    question = data.message.content
    title = " ".join(question.split())[:TITLE_CHARS]
    held, is_new = await store.open_conversation(tx, user_no, conversation_id, title, now_ms)
    if is_new and data.history:
        await _take_history(tx, held, data.history, language, now_ms)
    await _free(platform, tx, held, now_ms)
    dog_id = data.dog_id or held.dog_id
    if dog_id is not None:
        await rate_limit.limit(platform, tx, limits.DOG, dog_id)
    image = data.image_url or None
    if image is not None:
        await jobs.resolve(platform, tx, user_no, "vet", image)
    turn = Turn(
        turn_id=uuid7(now_ms), conversation_no=held.conversation_no,
        conversation_id=conversation_id, user_no=user_no, turn_no=held.turns + 1,
        language=language, user_text=question, image=image,
        image_key=None if image is None else named_key(platform.settings.public_url, image),
        dog_id=dog_id,
        user_context=UserContext() if data.user_context is None else data.user_context.known(),
        content="", revision=0, state="streaming", answer=None, error=None, writer=WRITER,
        created_ms=now_ms, saved_ms=now_ms, finished_ms=None,
    )  # fmt: skip
    await store.add_turn(tx, turn)
    return turn


async def _own_dog(tx: Tx, user_no: int, dog_id: str) -> None:
    try:
        await dogs.dog_of(tx, user_no, dog_id)
    except Problem:
        raise VetRefused("DOG_NOT_FOUND", details={"field": "dog_id"}) from None


async def _take_history(
    tx: Tx, held: Conversation, history: list[PastTurn], language: Language, now_ms: int
) -> None:
    """Start a conversation that we do not have with what its client remembers of it.

    The last turns stand before our own until those are enough; of the rest the user's words count.
    """
    recent = history[-2 * RECENT_TURNS :]
    said = [Said(day(now_ms), each.content) for each in history if each.role == "user"]
    summary, facts = remember("", [], said, language)
    await store.save_memory(tx, held.conversation_no, summary, facts, 0, recent)


async def _free(platform: Platform, tx: Tx, held: Conversation, now_ms: int) -> None:
    """Refuse a second turn beside one that is being answered; end one whose process is gone."""
    open_turn = await store.streaming_turn(tx, held.conversation_no)
    if open_turn is None:
        return
    begins = open_turn.saved_ms == open_turn.created_ms and now_ms - open_turn.created_ms < BEGIN_MS
    if (
        open_turn.turn_id in platform.texts
        or open_turn.is_written_elsewhere(now_ms)
        or (open_turn.writer == WRITER and begins)
    ):
        raise VetRefused(
            "TURN_IN_PROGRESS",
            details={"turn_id": open_turn.turn_id},
            retry_after_s=BUSY_RETRY_S,
        )
    await store.interrupt(tx, open_turn.turn_id, now_ms)


async def request_of(platform: Platform, turn: Turn) -> ChatRequest:
    """Return what the AI role is asked for a turn: again the same for a turn that goes on.

    Raises JobRefused IMAGE_FETCH_FAILED for a picture that is gone meanwhile, VetRefused
    CONVERSATION_NOT_FOUND.
    """
    image_url = None
    if turn.image is not None:
        async with platform.database.transaction() as tx:
            image_url = await jobs.resolve(platform, tx, turn.user_no, "vet", turn.image)
    async with platform.database.read() as tx:
        held = await store.conversation_by_no(tx, turn.conversation_no)
        if held is None:
            raise VetRefused("CONVERSATION_NOT_FOUND")
        facts = await facts_of(platform, tx, turn.user_no, turn.dog_id, turn.language)
        history = await _history(tx, held, turn)
    return ChatRequest(
        conversation_id=turn.conversation_id,
        message=Message(turn.user_text),
        image_url=image_url,
        history=history,
        user_context=gaps_of(turn.user_context, facts),
        dog=facts,
        memory=held.memory if held.summary or held.facts else None,
        language=turn.language,
        partial=turn.content,
    )


async def facts_of(
    platform: Platform, tx: Tx, user_no: int, dog_id: str | None, language: Language
) -> DogFacts | None:
    """Return the facts of a conversation's dog; None for none, and for one deleted meanwhile."""
    if dog_id is None:
        return None
    try:
        return await dog_facts(tx, user_no, dog_id, language, platform.clock())
    except Problem:
        return None


async def _history(tx: Tx, held: Conversation, turn: Turn) -> list[PastTurn]:
    before = await store.answered_before(tx, held.conversation_no, turn.turn_no, RECENT_TURNS)
    own = [
        past
        for each in before
        for past in (PastTurn("user", each.user_text), PastTurn("assistant", each.content))
    ]
    return (held.brought + own)[-2 * RECENT_TURNS :]


async def fold(tx: Tx, turn: Turn) -> None:
    """After a turn: take into memory what is too old to be read word for word next time."""
    held = await store.conversation_by_no(tx, turn.conversation_no, lock=True)
    if held is None:
        return
    recent = await store.answered_before(tx, held.conversation_no, turn.turn_no + 1, RECENT_TURNS)
    until_no = recent[0].turn_no - 1 if recent else 0
    brought = held.brought if len(recent) < RECENT_TURNS else []
    if until_no <= held.folded_no and brought == held.brought:
        return
    old = await store.turns_between(tx, held.conversation_no, held.folded_no, until_no)
    said = [Said(day(each.created_ms), each.user_text) for each in old]
    summary, facts = remember(held.summary, held.facts, said, turn.language)
    await store.save_memory(
        tx, held.conversation_no, summary, facts, max(until_no, held.folded_no), brought
    )
