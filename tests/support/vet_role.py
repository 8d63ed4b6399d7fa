"""A vet role for tests of the backend: small and real, it speaks the contract as it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace

import anyio

from sync_server.ai.vet.contract import (
    AnswerText,
    ChatAnswer,
    ChatEvent,
    ChatRefused,
    ChatRequest,
    Citation,
    Done,
    Processing,
    Replace,
    SafetyNote,
    Token,
)
from tests.support.app import Server

PIECES = (
    "귀를 긁는 데에는 ",
    "여러 까닭이 있을 수 있습니다. ",
    "냄새가 나면 병원 상담을 권장합니다.",
)
SAFETY = SafetyNote(
    "이 답변은 진단이 아닌 참고용 안내입니다. 증상이 심하거나 악화되면 수의사 진료를 받아 주세요.",
    ["심한 통증 반응", "피/고름 분비물", "고개를 한쪽으로 계속 기울임"],
    "위 신호가 있으면 빠른 시일 내 병원 내원을 권장합니다.",
)
FOLLOWUPS = ["귀에서 냄새나 분비물이 보이나요?", "언제부터 증상이 시작됐나요?"]
CITATION = Citation("ear", "귀 가려움", "ear#1", 0.82, "귀를 자주 긁으면 안쪽을 살펴봅니다.")
Step = str | float | Replace | ChatRefused | Exception | asyncio.Event
Script = Callable[[ChatRequest], list[Step]]


def whole_answer(content: str, model: str = "scripted") -> ChatAnswer:
    """The answer that ends a turn."""
    return ChatAnswer(
        AnswerText(content), SAFETY, FOLLOWUPS, [CITATION], Processing(3, model, rag_used=True)
    )


@dataclass
class ScriptedVetRole:
    """Says the steps of a script: texts, replacements; waits for events or seconds; raises errors.

    With `ChatRequest.partial` it goes on behind it, as the contract has it.
    """

    script: Script = lambda request: list(PIECES)
    requests: list[ChatRequest] = field(default_factory=list)
    running: int = 0
    """Calls under way."""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    ended_early: int = 0
    """Calls that were closed before their end."""
    status: str = "ok"

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """As VetRole.chat."""
        self.requests.append(request)
        await self._runs(1)
        text, ended = request.partial, False
        try:
            for step in self.script(request):
                await asyncio.sleep(0)
                if isinstance(step, asyncio.Event):
                    await step.wait()
                elif isinstance(step, float):
                    await asyncio.sleep(step)
                elif isinstance(step, Exception):
                    ended = True
                    raise step
                elif isinstance(step, Replace):
                    text = step.text
                    yield step
                else:
                    text += step
                    yield Token(step)
            ended = True
            yield Done(whole_answer(text))
        finally:
            self.ended_early += not ended
            with anyio.CancelScope(shield=True):
                await self._runs(-1)

    async def close(self) -> None:
        """Nothing is open."""

    async def _runs(self, more: int) -> None:
        async with self.changed:
            self.running += more
            self.changed.notify_all()

    async def becomes(self, running: int, within_s: float = 10.0) -> None:
        """Wait until so many calls are under way."""
        with anyio.fail_after(within_s):
            async with self.changed:
                await self.changed.wait_for(lambda: self.running == running)

    async def health(self) -> dict[str, object]:
        """As VetRole.health."""
        return {
            "status": self.status, "backend": "scripted", "model": "scripted",
            "knowledge": {"documents": 3, "chunks": 9},
        }  # fmt: skip


def install_vet(server: Server, script: Script | None = None) -> ScriptedVetRole:
    """Give a running server this vet role."""
    role = ScriptedVetRole() if script is None else ScriptedVetRole(script)
    server.app.state.platform = replace(server.platform, vet=role)
    return role


def ask(content: str, conversation_id: str = "", **more: object) -> dict[str, object]:
    """The body of a question."""
    message = {"role": "user", "content": content}
    return {"conversation_id": conversation_id, "message": message, **more}
