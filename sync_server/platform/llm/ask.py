"""`ask`: from a question to a value of a type, checked here whatever the service promised."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec
import structlog

from sync_server.platform.llm.contract import Answered, AnswerModel, Question, RawAnswer
from sync_server.platform.llm.errors import LlmAnswerBroken, LlmError
from sync_server.platform.llm.guard import CallPolicy, Guard, Tally
from sync_server.platform.llm.metrics import LLM_QUESTIONS, LLM_TOKENS

log = structlog.get_logger(__name__)
Value = TypeVar("Value")
_FENCED: Final = re.compile(r"\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*", re.DOTALL)


@dataclass(frozen=True)
class Desk:
    """A model with the guard before it."""

    model: AnswerModel
    guard: Guard

    async def close(self) -> None:
        """Close the model's connections."""
        await self.model.close()


async def ask(
    desk: Desk,
    question: Question,
    kind: type[Value],
    policy: CallPolicy,
    check: Callable[[Value], str | None] = lambda value: None,
) -> Answered[Value]:
    """Ask and return the answer as `kind`.

    `check` says in English what is wrong with a value, or None. An answer that is cut, empty, not
    of the schema or not sound is asked for once more, with what was wrong, inside the same
    deadline. Raises an `LlmError`.
    """
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    seen = _Seen(Tally())
    outcome = "cancelled"
    try:
        value = await _value(desk, question, kind, policy, check, started_s, seen)
        outcome = "ok"
    except LlmError as error:
        outcome = error.code
        log.warning(
            "llm_failed", provider=desk.model.provider, model=desk.model.model, code=error.code,
            prompt_version=question.prompt_version, calls=seen.tally.calls, detail=error.detail,
        )  # fmt: skip
        raise
    finally:
        LLM_QUESTIONS.labels(desk.model.provider, outcome).observe(loop.time() - started_s)
    answered = Answered(
        value, desk.model.provider, seen.model, question.prompt_version, seen.tally.calls,
        seen.repaired, seen.input_tokens, seen.output_tokens,
    )  # fmt: skip
    log.info(
        "llm_answered", provider=answered.provider, model=answered.model, calls=answered.calls,
        prompt_version=answered.prompt_version, repaired=answered.repaired,
        input_units=answered.input_tokens, output_units=answered.output_tokens,
        ms=round((loop.time() - started_s) * 1000),
    )  # fmt: skip
    return answered


@dataclass
class _Seen:
    tally: Tally
    model: str = ""
    repaired: bool = False
    input_tokens: int | None = None
    output_tokens: int | None = None

    def add(self, provider: str, raw: RawAnswer) -> None:
        self.model = raw.model
        if raw.input_tokens is not None:
            self.input_tokens = (self.input_tokens or 0) + raw.input_tokens
            LLM_TOKENS.labels(provider, "input").inc(raw.input_tokens)
        if raw.output_tokens is not None:
            self.output_tokens = (self.output_tokens or 0) + raw.output_tokens
            LLM_TOKENS.labels(provider, "output").inc(raw.output_tokens)


async def _value(
    desk: Desk,
    question: Question,
    kind: type[Value],
    policy: CallPolicy,
    check: Callable[[Value], str | None],
    started_s: float,
    seen: _Seen,
) -> Value:
    ends_at = started_s + policy.deadline_s

    async def once(asked: Question) -> Value:
        raw = await desk.guard.run(lambda: desk.model.answer(asked), policy, ends_at, seen.tally)
        seen.add(desk.model.provider, raw)
        return _decoded(raw.text, kind, check)

    try:
        return await once(question)
    except LlmAnswerBroken as broken:
        seen.repaired = True
        return await once(question.again(broken.detail))


def _decoded(text: str, kind: type[Value], check: Callable[[Value], str | None]) -> Value:
    fenced = _FENCED.fullmatch(text)
    try:
        value = msgspec.json.decode((fenced[1] if fenced else text).encode(), type=kind)
    except msgspec.ValidationError as error:
        # Its messages name fields and types; a wrong enum value at most.
        raise LlmAnswerBroken(f"it is not of the schema: {error}"[:200]) from None
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise LlmAnswerBroken("it is not complete JSON") from None
    problem = check(value)
    if problem is not None:
        raise LlmAnswerBroken(problem)
    return value
