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
the knowledge, backend and prompt version.
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import msgspec
import structlog

from sync_server.ai.vet.cache import AnswerCache, key_of, normalised
from sync_server.ai.vet.context import PROMPT_VERSION, build_prompt, within_budget
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
    Replace,
    Token,
    UserContext,
)
from sync_server.ai.vet.emitter import Emitter
from sync_server.ai.vet.notices import NoticeCode, closing, notice, too_long
from sync_server.ai.vet.pictures import PictureReader
from sync_server.ai.vet.ports import (
    Ask,
    Backend,
    Knowledge,
    Notes,
    Passage,
    Picture,
    PostSafety,
    PreSafety,
    SafetyFlags,
    StreamCheck,
    Usage,
)
from sync_server.ai.vet.routing import Wanted, choose_route, query_of, read_question
from sync_server.ai.vet.structuring import followups, pieces_of, used_passages
from sync_server.ai.vet.turn import VET_CORRECTIONS, Turn, place_of
from sync_server.platform.llm.errors import (
    LlmAnswerBroken,
    LlmBlocked,
    LlmBudgetSpent,
    LlmError,
    LlmRateLimited,
    LlmTimeout,
)

log = structlog.get_logger(__name__)
SEARCH_S: Final = 3.0
_DEFAULT_WAIT_S: Final = 5.0
_CONTROLS: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


class _AnswerVoid(Exception):
    """There is no answer in what a backend said."""


@dataclass
class _Body:
    """The checked text of one backend, behind the prefix."""

    check: StreamCheck
    prefix: str
    fed: bool = False
    released: str = ""
    _blanks: str = ""

    def feed(self, text: str) -> str:
        """Take text, return what may be shown: without blanks at the start and (yet) at the end."""
        self.fed = True
        made = self._blanks + self.check.feed(text)
        if not self.released:
            made = made.lstrip()
        shown = made.rstrip()
        self._blanks = made[len(shown) :]
        if not shown:
            return ""
        first, self.released = not self.released, self.released + shown
        return self.whole(shown) if first else shown

    def whole(self, content: str) -> str:
        """Content behind the prefix."""
        return f"{self.prefix}\n\n{content}" if self.prefix else content

    def of_partial(self, partial: str) -> str:
        """What of a broken answer was its body."""
        start = self.whole("")
        return partial.removeprefix(start) if partial.startswith(start) else ""


@dataclass
class _State:
    """A turn on its way."""

    request: ChatRequest
    turn: Turn
    flags: SafetyFlags
    wanted: Wanted
    emit: Emitter
    prefix: str = ""
    passages: Sequence[Passage] = ()
    document: Sequence[Passage] = ()
    searched: bool = False
    picture: Picture | None = None
    usage: Usage = field(default_factory=Usage)

    def told(self) -> list[Passage]:
        """What a model is told of: the best document, then the best of the others."""
        known = {one.doc_id for one in self.document}
        told = [*self.document, *(one for one in self.passages if one.doc_id not in known)]
        return within_budget([one for one in told if one.section != "followups"])

    @property
    def presses(self) -> bool:
        """Whether there is an opening: before any model, and no failure may lose the answer."""
        return bool(self.flags.signs) or self.flags.owner_crisis

    @property
    def by_rule(self) -> bool:
        """Whether no model is asked: small talk, and what has nothing to be asked for."""
        declined = self.flags.declined
        nothing_left = bool(declined) and declined <= {"off_topic", "illegal"}
        return not self.flags.signs and (
            self.wanted.kind in ("greeting", "thanks") or nothing_left or self.flags.owner_crisis
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
        knowledge_version: Callable[[], str] = lambda: "",
    ) -> None:
        self._backend, self._embedded = backend, embedded
        self._pre, self._post, self._notes = pre, post, notes
        self._knowledge, self._pictures = knowledge, pictures
        self._deadline_s = deadline_s
        self._cache = cache or AnswerCache()
        self._knowledge_version = knowledge_version

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
            key = self._cache_key(request, flags, wanted)
        state = _State(request, turn, flags, wanted, Emitter(request.partial))
        if key is None:
            async with aclosing(self._made(state)) as events:
                async for event in events:
                    yield event
            return
        async with self._cache.flight(key, self._deadline_s):
            known = self._cache.get(key)
            events = self._made(state) if known is None else self._replayed(state, known)
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, Done) and known is None and not turn.notices:
                        self._cache.put(key, event.answer)
                    yield event

    async def _made(self, state: _State) -> AsyncGenerator[ChatEvent, None]:
        turn, request = state.turn, state.request
        with turn.stage("safety_pre"):
            opening = self._notes.opening(state.flags, request.language).strip()
            declined = self._notes.decline_text(state.flags, request.language).strip()
            if state.flags.owner_crisis:
                declined = ""  # whoever despairs is not told off
            state.prefix = "\n\n".join(part for part in (opening, declined) if part)
        if state.presses:
            # Before a picture, a search or a model can fail.
            for event in state.emit.add(opening):
                yield event
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
        async with aclosing(self._answered(state, backend)) as events:
            async for event in events:
                yield event
        with turn.stage("post_safety"):
            answer = self._structured(state)
        with turn.stage("finalizing"):
            said = " ".join(notice(code, request.language) for code in turn.notices)
            whole = msgspec.structs.replace(answer, processing=turn.processing(said))
        yield Done(whole)

    async def _picture(self, state: _State) -> Picture | None:
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

    async def _retrieve(self, state: _State) -> None:
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
                    if found:
                        best = found[0]
                        whole = await self._knowledge.document(best.doc_id, language)
                        state.document = [replace(one, score=best.score) for one in whole]
                    state.passages = found
            except Exception as error:
                log.warning("vet_search_failed", kind=type(error).__name__)
                state.turn.note("no_knowledge")

    # inference and the check of it ------------------------------------------------------------

    async def _answered(
        self, state: _State, backend: Backend
    ) -> AsyncGenerator[Token | Replace, None]:
        """Yield the answer's text by `backend`, or by the embedded one where that fails."""
        if backend is not self._embedded:
            body = self._body(state)
            try:
                async with aclosing(self._said(state, backend, body)) as events:
                    async for event in events:
                        yield event
                return
            except Exception as error:
                failed = _as_known(error)
                if body.released and not isinstance(failed, LlmBlocked | _AnswerVoid):
                    state.turn.note("broke_off")
                    for event in self._judged(state, body, closing(state.request.language)):
                        yield event
                    return
                code = self._taken_over(state, failed)
            state.turn.note(code)
            if not state.searched:
                await self._retrieve(state)
        state.turn.backend = self._embedded.name
        async with aclosing(self._embedded_answer(state)) as events:
            async for event in events:
                yield event

    def _taken_over(self, state: _State, error: LlmError | _AnswerVoid) -> NoticeCode:
        """Say in which words the embedded answer takes over; raises what is the user's to know."""
        if not state.presses and isinstance(error, LlmTimeout):
            details = {"timeout_ms": round(self._deadline_s * 1000)}
            raise ChatRefused("LLM_TIMEOUT", details=details) from None
        if not state.presses and isinstance(error, LlmRateLimited):
            wait_s = error.retry_after_s or _DEFAULT_WAIT_S
            raise ChatRefused("RATE_LIMITED", retry_after_s=wait_s) from None
        log.warning("vet_taken_over", code=getattr(error, "code", "answer_void"))
        if isinstance(error, LlmBlocked):
            return "model_blocked"
        if isinstance(error, LlmBudgetSpent):
            return "budget_spent"
        broken = isinstance(error, LlmAnswerBroken | _AnswerVoid)
        return "answer_broken" if broken else "model_unavailable"

    async def _embedded_answer(self, state: _State) -> AsyncGenerator[Token | Replace, None]:
        """The knowledge's own text; the safe template if even that fails or is found unfit."""
        state.usage, body = Usage(), self._body(state)
        try:
            async with aclosing(self._said(state, self._embedded, body)) as events:
                async for event in events:
                    yield event
        except Exception as error:
            log.error("vet_embedded_failed", kind=type(error).__name__, at=place_of(error))
            state.turn.note("answer_broken")
            template = self._notes.safe_template(state.request, state.flags, state.request.language)
            for event in state.emit.replace(template.strip()):
                yield event

    async def _said(
        self, state: _State, backend: Backend, body: _Body
    ) -> AsyncGenerator[Token | Replace, None]:
        """A backend's text, piece by piece, as far as the check lets it pass; then the verdict."""
        turn = state.turn
        # What is shown already (an opening, a broken answer) is passed over where it comes again.
        state.emit = Emitter(state.emit.shown)
        partial = "" if backend is self._embedded else body.of_partial(state.request.partial)
        with turn.stage("context"):
            ask = self._ask(state, backend, partial)
        if partial:
            with turn.stage("post_safety"):
                made = body.feed(partial)
            for event in state.emit.add(made):
                yield event
        async with aclosing(backend.answer(ask, state.usage)) as texts:
            while not body.check.tripped:
                with turn.stage("infer"):
                    text = await anext(texts, None)
                if text is None:
                    break
                with turn.stage("post_safety"):
                    made = body.feed(text)
                for event in state.emit.add(made):
                    yield event
        for event in self._judged(state, body):
            yield event

    def _judged(self, state: _State, body: _Body, ending: str = "") -> list[Token | Replace]:
        """Take the verdict on the whole: show what is left of it, or put it in place of all."""
        if not body.fed:
            # There was nothing to say but the prefix (or nothing at all, which is no answer).
            if not state.prefix:
                raise _AnswerVoid
            return state.emit.replace(state.prefix)
        with state.turn.stage("post_safety"):
            verdict = body.check.finish()
            content = verdict.content.strip()
            if not content:
                raise _AnswerVoid
            for reason in verdict.reasons:
                VET_CORRECTIONS.labels(reason).inc()
            if verdict.replaced:
                state.turn.replaced = True
                state.usage.used = []
                return state.emit.replace(content)
            if state.usage.cut:
                state.turn.note("cut")
            if ending:
                content = f"{content}\n\n{ending}"
            return state.emit.replace(body.whole(content))

    def _body(self, state: _State) -> _Body:
        # What an earlier stream has shown is fed like all else: the check starts at its beginning.
        request = msgspec.structs.replace(state.request, partial="")
        return _Body(self._post.check(request, state.flags), state.prefix)

    def _ask(self, state: _State, backend: Backend, said: str) -> Ask:
        request = state.request
        if not state.wanted.dog:
            request = msgspec.structs.replace(request, dog=None, user_context=UserContext())
        to_model = backend is not self._embedded
        rules = self._notes.system_rules(request.language) if to_model else ""
        prompt = build_prompt(
            request, state.wanted, rules, passages=state.told(), picture=state.picture,
            shown=state.prefix,
        )  # fmt: skip
        return Ask(
            request, state.flags, state.turn.route, state.passages, prompt, said,
            state.wanted.kind, state.document,
        )  # fmt: skip

    # the whole ------------------------------------------------------------------------------

    def _structured(self, state: _State) -> ChatAnswer:
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
            [passage.citation() for passage in used],
            turn.processing(""),
        )

    def _model_used(self, turn: Turn, usage: Usage) -> str:
        if turn.backend == self._embedded.name:
            return self._embedded.name
        provider = self._backend.name.partition("/")[0]
        return f"{provider}/{usage.model}/{PROMPT_VERSION}"

    def _cache_key(self, request: ChatRequest, flags: SafetyFlags, wanted: Wanted) -> str | None:
        ordinary = flags == SafetyFlags() and request.memory in (None, Memory())
        alone = not (request.history or request.image_url or request.partial)
        if not (ordinary and alone):
            return None
        of_dog = (request.dog, request.user_context) if wanted.dog else None
        return key_of(
            normalised(request.message.content), request.language, request.options, of_dog,
            self._backend.name, PROMPT_VERSION, self._knowledge_version(),
        )  # fmt: skip

    async def _replayed(self, state: _State, known: ChatAnswer) -> AsyncGenerator[ChatEvent, None]:
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


def _tone(state: _State) -> Literal["informative", "urgent", "supportive"]:
    if state.flags.emergency:
        return "urgent"
    gentle = state.flags.owner_crisis or state.wanted.kind in ("greeting", "thanks")
    return "supportive" if gentle else "informative"


def _as_known(error: Exception) -> LlmError | _AnswerVoid:
    if isinstance(error, LlmError | _AnswerVoid):
        return error
    # A fault of ours in an adapter or in the check: the user gets the embedded answer.
    log.error("vet_answer_failed", kind=type(error).__name__, at=place_of(error))
    return _AnswerVoid()
