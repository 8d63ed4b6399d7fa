"""`VetChat`: a turn through its nine stages, each timed; the answer streamed as it is checked.

How failures end:

- empty or too long a question: INVALID_INPUT. A picture that cannot be had: IMAGE_FETCH_FAILED,
  but in an emergency the answer goes on without it and says so.
- the search fails or is slow: no citations, a notice, and on.
- before the model's first text: no answer within the deadline: LLM_TIMEOUT; 429 (after what waiting
  its Retry-After and the deadline allow): RATE_LIMITED with Retry-After; 5xx, an open breaker, a
  broken answer after one repair, a safety block, a spent budget, a wrong key: the embedded answer
  takes over, `notice` says so and `model_used` names who really answered.
- after text came (stall, end without a finish reason, broken chunk, lost connection): the backend
  is asked once to go on (`backends/remote.py`); if that fails too, what was said is checked as it
  stands, a closing sentence is added and `notice` says so. A safety block voids it all: the
  embedded answer replaces it.
- the check after the model trips or fails: `Replace` by its text, or by the safe template.
- in an emergency the urgent opening is shown before any model is asked, and whatever fails behind
  it the embedded answer follows: such a turn never ends in an error of a model.

Answers to ordinary questions are cached (`cache.py`). The key has all that an answer depends on:
the question, language, options, the dog and the client's words on it (where they count at all),
the passages found (so that an edited entry counts at once), backend and prompt version.

Whatever answers, a model, an imported document or our own entries, goes through the check after it.
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Final, Literal

import msgspec
import structlog

from sync_server.ai.vet.answering import Answerer, State
from sync_server.ai.vet.cache import AnswerCache, key_of, normalised
from sync_server.ai.vet.context import PROMPT_VERSION
from sync_server.ai.vet.contract import (
    MAX_MESSAGE_CHARS,
    TIMEOUT_MS,
    AnswerText,
    ChatAnswer,
    ChatEvent,
    ChatRefused,
    ChatRequest,
    Done,
    Memory,
    Message,
)
from sync_server.ai.vet.emitter import Emitter
from sync_server.ai.vet.notices import notice, too_long
from sync_server.ai.vet.pictures import PictureReader
from sync_server.ai.vet.ports import (
    Backend,
    Knowledge,
    Notes,
    Passage,
    Picture,
    PostSafety,
    PreSafety,
    SafetyFlags,
    Usage,
)
from sync_server.ai.vet.routing import (
    choose_route,
    leaning_query,
    may_lean,
    query_of,
    read_question,
)
from sync_server.ai.vet.structuring import followups, pieces_of, used_passages
from sync_server.ai.vet.turn import Turn, place_of

log = structlog.get_logger(__name__)
SEARCH_S: Final = 3.0
SURE: Final = 0.85
"""A short question whose best passage has less is searched for with the one before it."""
_DEFAULT_WAIT_S: Final = 5.0
_CONTROLS: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


class VetChat:
    """`VetRole` in this process, put together from its parts (`assembly.py`).

    `backend` answers; `embedded` answers where that fails (it may be the same).
    """

    def __init__(
        self,
        *,
        backend: Backend,
        embedded: Backend,
        pre: PreSafety,
        post: PostSafety,
        notes: Notes,
        knowledge: Knowledge,
        pictures: PictureReader,
        deadline_s: float = TIMEOUT_MS / 1000,
        cache: AnswerCache | None = None,
    ) -> None:
        self._backend, self._embedded = backend, embedded
        self._pre, self._notes = pre, notes
        self._knowledge, self._pictures = knowledge, pictures
        self._deadline_s = deadline_s
        self._answerer = Answerer(embedded, post, notes, deadline_s)
        self._cache = cache or AnswerCache()

    async def health(self) -> dict[str, object]:
        """Say how it is; see `VetRole`."""
        try:
            known = dict(await self._knowledge.health())
            status = "ok"
        except Exception as error:
            log.warning("vet_knowledge_ill", kind=type(error).__name__)
            known, status = {}, "degraded"
        return {
            "status": status, "backend": self._backend.name, "model": self._backend.name,
            "prompt_version": PROMPT_VERSION, "knowledge": known,
        }  # fmt: skip

    async def close(self) -> None:
        """Close the backends."""
        await self._backend.close()
        if self._embedded is not self._backend:
            await self._embedded.close()

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """Answer a turn; see `VetRole`."""
        turn = Turn(self._backend.name)
        outcome = "left"
        try:
            async with aclosing(self._served(request, turn)) as events:
                async for event in events:
                    turn.shows()
                    yield event
            outcome = "limited" if turn.notices else "ok"
        except ChatRefused as refused:
            outcome = turn.error_code = refused.code
            raise
        except Exception as error:
            log.error("vet_turn_failed", kind=type(error).__name__, at=place_of(error))
            outcome = turn.error_code = "INTERNAL_ERROR"
            raise ChatRefused("INTERNAL_ERROR") from None
        finally:
            turn.ended(outcome)

    # stages ---------------------------------------------------------------------------------

    async def _served(self, request: ChatRequest, turn: Turn) -> AsyncGenerator[ChatEvent, None]:
        with turn.stage("validating"):
            request = validated(request)
        with turn.stage("safety_pre"):
            flags = self._pre.screen(request)
            turn.emergency = flags.emergency
        with turn.stage("context"):
            wanted = read_question(request)
        state = State(request, turn, flags, wanted, Emitter(request.partial))
        with turn.stage("safety_pre"):
            opening = self._notes.opening(state.flags, request.language).strip()
            declined = self._notes.decline_text(state.flags, request.language).strip()
            if state.flags.owner_crisis:
                declined = ""  # whoever despairs is not told off
            state.prefix = "\n\n".join(part for part in (opening, declined) if part)
        if state.presses:
            # Before a picture, a search or a model can fail.
            for shown in state.emit.add(opening):
                yield shown
        with turn.stage("image_pre"):
            state.picture = await self._picture(state)
        with turn.stage("routing"):
            turn.route = choose_route(state.wanted, state.picture is not None, self._backend.sees)
            if state.picture is not None and turn.route == "text_only":
                if state.wanted.looks:
                    turn.note("cannot_see")
                state.picture = None
        backend = self._embedded if state.by_rule else self._backend
        if not state.by_rule and (request.options.use_rag or backend is self._embedded):
            await self._retrieve(state)
        key = self._cache_key(state)
        if key is None:
            async with aclosing(self._made(state, backend)) as events:
                async for event in events:
                    yield event
            return
        async with self._cache.flight(key, self._deadline_s):
            known = self._cache.get(key)
            made = self._replayed(state, known) if known else self._made(state, backend)
            async with aclosing(made) as events:
                async for event in events:
                    if isinstance(event, Done) and known is None and not turn.notices:
                        self._cache.put(key, event.answer)
                    yield event

    async def _made(self, state: State, backend: Backend) -> AsyncGenerator[ChatEvent, None]:
        turn, request = state.turn, state.request
        answering = self._answerer.answered(state, backend, self._retrieve)
        async with aclosing(answering) as events:
            async for event in events:
                yield event
        with turn.stage("post_safety"):
            answer = self._structured(state)
        with turn.stage("finalizing"):
            said = " ".join(notice(code, request.language) for code in turn.notices)
            whole = msgspec.structs.replace(answer, processing=turn.processing(said))
        yield Done(whole)

    async def _picture(self, state: State) -> Picture | None:
        if state.request.image_url is None:
            return None
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._pictures.read(state.request.image_url)
        except (ChatRefused, TimeoutError) as error:
            if state.presses:
                state.turn.note("picture_failed")
                return None
            if isinstance(error, ChatRefused):
                raise
            raise ChatRefused("IMAGE_FETCH_FAILED", details={"reason": "fetch_timeout"}) from None

    async def _retrieve(self, state: State) -> None:
        """Find passages, and all of the best one's document; nothing that fails here goes on."""
        state.searched = True
        if not state.wanted.knowledge:
            return
        language = state.request.language
        with state.turn.stage("retrieval"):
            try:
                async with asyncio.timeout(SEARCH_S):
                    query = query_of(state.request, state.flags)
                    found = await self._knowledge.search(query, language)
                    unsure = not found or found[0].score < SURE
                    if unsure and not state.flags.pressing and may_lean(state.request):
                        found = await self._knowledge.search(leaning_query(state.request), language)
                    if found:
                        best = found[0]
                        whole = await self._knowledge.document(best.doc_id, language)
                        state.document = [replace(one, score=best.score) for one in whole]
                    state.passages = found
            except Exception as error:
                log.warning("vet_search_failed", kind=type(error).__name__)
                state.turn.note("no_knowledge")

    # the whole ------------------------------------------------------------------------------

    def _structured(self, state: State) -> ChatAnswer:
        turn, language = state.turn, state.request.language
        used = state.usage.used
        if used is None:
            used = used_passages(state.told(), state.emit.made)
        turn.rag_used = bool(state.passages) and not state.by_rule
        turn.tokens_in, turn.tokens_out = state.usage.tokens_in, state.usage.tokens_out
        turn.model_used = self._model_used(turn, state.usage)
        return ChatAnswer(
            AnswerText(state.emit.made, _tone(state)),
            self._notes.safety_note(state.flags, state.document, language),
            followups(state.flags, state.wanted.kind, state.document, language),
            [passage.citation() for passage in used if self._may_be_shown(passage, state)],
            turn.processing(""),
        )

    def _may_be_shown(self, passage: Passage, state: State) -> bool:
        """Whether the wording of an imported document may stand beside the answer."""
        if passage.section:
            return True
        check = self._answerer.post.check(state.request, state.flags)
        check.feed(passage.text)
        return not check.finish().reasons

    def _model_used(self, turn: Turn, usage: Usage) -> str:
        if turn.backend == self._embedded.name:
            return self._embedded.name
        provider = self._backend.name.partition("/")[0]
        return f"{provider}/{usage.model}/{PROMPT_VERSION}"

    def _cache_key(self, state: State) -> str | None:
        request = state.request
        ordinary = state.flags == SafetyFlags() and request.memory in (None, Memory())
        alone = not (request.history or request.image_url or request.partial)
        if not (ordinary and alone) or state.turn.notices:
            return None
        of_dog = (request.dog, request.user_context) if state.wanted.dog else None
        known = [(one.chunk_id, one.text) for one in (*state.passages, *state.document)]
        return key_of(
            normalised(request.message.content), request.language, request.options, of_dog,
            self._backend.name, PROMPT_VERSION, known,
        )  # fmt: skip

    async def _replayed(self, state: State, known: ChatAnswer) -> AsyncGenerator[ChatEvent, None]:
        """A kept answer, in pieces, with this turn's own times."""
        turn = state.turn
        turn.cached, turn.model_used = True, known.processing.model_used
        turn.rag_used, turn.route = known.processing.rag_used, known.processing.route
        for piece in pieces_of(known.answer.content):
            for event in state.emit.add(piece):
                yield event
            await asyncio.sleep(0)
        yield Done(msgspec.structs.replace(known, processing=turn.processing("")))


def validated(request: ChatRequest) -> ChatRequest:
    """The request with its question in plain form; raises ChatRefused INVALID_INPUT."""
    text = _CONTROLS.sub("", unicodedata.normalize("NFC", request.message.content)).strip()
    where = {"field": "message.content"}
    if not text:
        raise ChatRefused("INVALID_INPUT", details=where)
    if len(text) > MAX_MESSAGE_CHARS:
        said = too_long(MAX_MESSAGE_CHARS, request.language)
        details = {**where, "max_chars": MAX_MESSAGE_CHARS}
        raise ChatRefused("INVALID_INPUT", details=details, message=said)
    return msgspec.structs.replace(request, message=Message(text))


def _tone(state: State) -> Literal["informative", "urgent", "supportive"]:
    if state.flags.emergency:
        return "urgent"
    gentle = state.flags.owner_crisis or state.wanted.kind in ("greeting", "thanks")
    return "supportive" if gentle else "informative"
