"""A model at an address answers: OpenAI's and Gemini's chat by their SDKs, guarded.

Retries with jitter happen before the first text (`llm/guard.py`). What breaks later (a stall, an
end without a finish reason, a broken chunk) or comes empty is made good once: the model is asked to
go on from what it has said, within the same limits, and a repetition at the seam is dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from sync_server.ai.vet.context import going_on
from sync_server.ai.vet.ports import Ask, Prompt, Usage
from sync_server.platform.llm.errors import (
    LlmAnswerBroken,
    LlmError,
    LlmTimeout,
    LlmUnavailable,
)
from sync_server.platform.llm.guard import CallPolicy, Tally
from sync_server.platform.llm.guarded_stream import StreamDesk, StreamPolicy, guarded
from sync_server.platform.llm.metrics import LLM_TOKENS
from sync_server.platform.llm.talk import Ended, Talk

STALL_S: Final = 5.0
WHOLE: Final = 2.0
"""A whole stream may take so many times the deadline of its first text."""
_SEAM_CHARS: Final = 160
_SHORTEST_SEAM: Final = 6


def stream_policy(deadline_s: float) -> StreamPolicy:
    """First text within the deadline in up to three tries, then no pause of 5 s."""
    call = CallPolicy(deadline_s, attempt_s=deadline_s * 0.6, attempts=3, first_wait_s=0.3)
    return StreamPolicy(call, min(STALL_S, deadline_s), deadline_s * WHOLE)


@dataclass(frozen=True)
class RemoteBackend:
    """`Backend` over a streaming desk. `vision_model` empty: the chat's own model sees."""

    desk: StreamDesk
    policy: StreamPolicy
    vision_model: str = ""
    sees: bool = True

    @property
    def name(self) -> str:
        """For example `openai/gpt-4o-mini`."""
        return f"{self.desk.model.provider}/{self.desk.model.model}"

    async def answer(self, ask: Ask, usage: Usage) -> AsyncGenerator[str, None]:
        """Yield the model's text; see `Backend`. `ask.said` is what to go on from."""
        started_s, tally = asyncio.get_running_loop().time(), Tally()
        usage.model = self._model(ask) or self.desk.model.model
        said, mended = ask.said, False
        while True:
            try:
                async with aclosing(self._once(ask, said, started_s, tally, usage)) as texts:
                    async for text in texts:
                        said += text
                        yield text
                return
            except LlmError as error:
                if mended or not _mendable(error, said != ask.said):
                    raise
                mended = True

    async def close(self) -> None:
        """Close the model's connections."""
        await self.desk.close()

    async def _once(
        self, ask: Ask, said: str, started_s: float, tally: Tally, usage: Usage
    ) -> AsyncGenerator[str, None]:
        seam = Seam(said)
        talk = self._talk(ask.prompt, said, self._model(ask))
        async with aclosing(guarded(self.desk, talk, self.policy, started_s, tally)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Ended):
                    self._count(piece, usage)
                    text = seam.rest()
                else:
                    text = seam.feed(piece.text)
                if text:
                    yield text

    def _model(self, ask: Ask) -> str:
        return self.vision_model if ask.prompt.picture is not None else ""

    def _talk(self, prompt: Prompt, said: str, model: str) -> Talk:
        return Talk(
            prompt.version,
            prompt.system,
            going_on(prompt.turns, said) if said else prompt.turns,
            None if prompt.picture is None else prompt.picture.jpeg,
            prompt.max_tokens,
            prompt.temperature,
            model,
        )

    def _count(self, ended: Ended, usage: Usage) -> None:
        usage.model, usage.cut = ended.model, ended.cut
        for name, count in (("input", ended.input_tokens), ("output", ended.output_tokens)):
            if count is not None:
                LLM_TOKENS.labels(self.desk.model.provider, name).inc(count)
        if ended.input_tokens is not None:
            usage.tokens_in = (usage.tokens_in or 0) + ended.input_tokens
        if ended.output_tokens is not None:
            usage.tokens_out = (usage.tokens_out or 0) + ended.output_tokens


def _mendable(error: LlmError, has_said: bool) -> bool:
    if isinstance(error, LlmAnswerBroken):
        return True
    return has_said and isinstance(error, LlmTimeout | LlmUnavailable)


class Seam:
    """Where a continued answer joins what was said: models like to repeat the last words.

    Holds text back only until it is clear whether it repeats; then it lets everything pass.
    """

    def __init__(self, said: str) -> None:
        self._tail = said[-_SEAM_CHARS:]
        self._held = ""
        self._open = not said

    def feed(self, text: str) -> str:
        """Take more text, return what may pass."""
        if self._open:
            return text
        self._held += text
        if len(self._held) < len(self._tail) and self._held.lstrip() in self._tail:
            return ""
        return self.rest()

    def rest(self) -> str:
        """Return what is held, without the repetition."""
        held, self._held = self._held, ""
        if self._open or not held:
            return held
        self._open = True
        start = held.lstrip()
        for length in range(min(len(start), len(self._tail)), _SHORTEST_SEAM - 1, -1):
            if self._tail.endswith(start[:length]):
                return start[length:]
        return held
