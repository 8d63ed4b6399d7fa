"""The inference of a turn and the check of what it says: from pieces of a backend to events.

How its failures end is told in `pipeline.py`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

import msgspec
import structlog

from sync_server.ai.vet.context import build_prompt, within_budget
from sync_server.ai.vet.contract import (
    ChatRefused,
    ChatRequest,
    Replace,
    Token,
    UserContext,
)
from sync_server.ai.vet.emitter import Emitter
from sync_server.ai.vet.notices import NoticeCode, closing
from sync_server.ai.vet.ports import (
    Ask,
    Backend,
    Notes,
    Passage,
    Picture,
    PostSafety,
    SafetyFlags,
    StreamCheck,
    Usage,
)
from sync_server.ai.vet.routing import Wanted
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
_DEFAULT_WAIT_S: Final = 5.0


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
class State:
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
        return not self.flags.pressing and (
            self.wanted.kind in ("greeting", "thanks") or nothing_left or self.flags.owner_crisis
        )


@dataclass(frozen=True)
class Answerer:
    """Asks a backend, and the embedded one where that fails."""

    embedded: Backend
    post: PostSafety
    notes: Notes
    deadline_s: float

    async def answered(
        self, state: State, backend: Backend, retrieve: Callable[[State], Awaitable[None]]
    ) -> AsyncGenerator[Token | Replace, None]:
        """Yield the answer's text by `backend`, or by the embedded one where that fails.

        `retrieve` searches for the embedded one, where nothing was searched for the model. Raises
        ChatRefused.
        """
        if backend is not self.embedded:
            body = _Body(self.post.check(_whole(state.request), state.flags), state.prefix)
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
                await retrieve(state)
        state.turn.backend = self.embedded.name
        async with aclosing(self._embedded_answer(state)) as events:
            async for event in events:
                yield event

    def _taken_over(self, state: State, error: LlmError | _AnswerVoid) -> NoticeCode:
        """Say in which words the embedded answer takes over; raises what is the user's to know."""
        if not state.presses and isinstance(error, LlmTimeout):
            details = {"timeout_ms": round(self.deadline_s * 1000)}
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

    async def _embedded_answer(self, state: State) -> AsyncGenerator[Token | Replace, None]:
        """The knowledge's own text; the safe template if even that fails or is found unfit."""
        check = self.post.check(_whole(state.request), state.flags)
        state.usage, body = Usage(), _Body(check, state.prefix)
        try:
            async with aclosing(self._said(state, self.embedded, body)) as events:
                async for event in events:
                    yield event
        except Exception as error:
            log.error("vet_embedded_failed", kind=type(error).__name__, at=place_of(error))
            state.turn.note("answer_broken")
            template = self.notes.safe_template(state.request, state.flags, state.request.language)
            for event in state.emit.replace(template.strip()):
                yield event

    async def _said(
        self, state: State, backend: Backend, body: _Body
    ) -> AsyncGenerator[Token | Replace, None]:
        """A backend's text, piece by piece, as far as the check lets it pass; then the verdict."""
        turn = state.turn
        # What is shown already (an opening, a broken answer) is passed over where it comes again.
        state.emit = Emitter(state.emit.shown)
        partial = "" if backend is self.embedded else body.of_partial(state.request.partial)
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

    def _judged(self, state: State, body: _Body, ending: str = "") -> list[Token | Replace]:
        """Take the verdict on the whole: show what is left of it, or put it in place of all."""
        if not body.fed:
            # There was nothing to say but the prefix (or nothing at all, which is no answer).
            if state.flags.owner_crisis:
                template = self.notes.safe_template(
                    state.request, state.flags, state.request.language
                )
                return state.emit.replace(template.strip())
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

    def _ask(self, state: State, backend: Backend, said: str) -> Ask:
        request = state.request
        if not state.wanted.dog:
            request = msgspec.structs.replace(request, dog=None, user_context=UserContext())
        to_model = backend is not self.embedded
        rules = self.notes.system_rules(request.language) if to_model else ""
        prompt = build_prompt(
            request, state.wanted, rules, passages=state.told(), picture=state.picture,
            shown=state.prefix,
        )  # fmt: skip
        return Ask(
            request, state.flags, state.turn.route, state.passages, prompt, said,
            state.wanted.kind, state.document,
        )  # fmt: skip


def _whole(request: ChatRequest) -> ChatRequest:
    """The request for a check that is fed an answer from its beginning, also what was shown."""
    return msgspec.structs.replace(request, partial="")


def _as_known(error: Exception) -> LlmError | _AnswerVoid:
    if isinstance(error, LlmError | _AnswerVoid):
        return error
    # A fault of ours in an adapter or in the check: the user gets the embedded answer.
    log.error("vet_answer_failed", kind=type(error).__name__, at=place_of(error))
    return _AnswerVoid()
