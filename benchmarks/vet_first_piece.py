"""How much later than the upstream's first piece ours is shown, in this process.

    python benchmarks/vet_first_piece.py

A local service speaks the true wire of OpenAI and Gemini; the time is taken before its first piece
is written to the socket, and when the pipeline yields its own (which the check lets pass at once:
it is a whole sentence). Goal of the product, over HTTP: 50 ms.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sync_server.ai.vet.backends.remote import RemoteBackend, stream_policy
from sync_server.platform.llm.breaker import Breaker
from sync_server.platform.llm.budget import DailyBudget
from sync_server.platform.llm.gemini import GeminiModel
from sync_server.platform.llm.guard import Guard
from sync_server.platform.llm.guarded_stream import StreamDesk
from sync_server.platform.llm.openai_chat import OpenAiModel
from sync_server.platform.logs import configure_logs
from tests.support import gemini, openai_chat
from tests.support.vet_parts import asking, make_chat
from tests.support.wire_service import WireService

TURNS = 100
PIECES = ("물을 조금씩 나누어 주세요. ", "하루에 여러 번 토하면 ", "병원에 가세요.")


async def delays_ms(service: WireService, model: OpenAiModel | GeminiModel) -> list[float]:
    """The delay of each turn, milliseconds."""
    made = []
    with tempfile.TemporaryDirectory() as folder:
        budget = DailyBudget(Path(folder) / "calls.sqlite", 10_000, lambda: 0)
        guard = Guard(model.provider, budget, Breaker(model.provider))
        chat = make_chat(RemoteBackend(StreamDesk(model, guard), stream_policy(15.0)))
        for turn in range(TURNS):
            sent: list[float] = []
            service.streamed = lambda sent=sent: sent.append(time.perf_counter())
            events = chat.chat(asking(f"강아지가 토해요 {turn}"))
            await anext(events)
            shown_s = time.perf_counter()
            await events.aclose()
            # OpenAI's first part has a role and no text: its second is the first piece.
            first = sent[1] if isinstance(service, openai_chat.OpenAi) else sent[0]
            made.append((shown_s - first) * 1000)
        await chat.close()
    return made


async def main() -> None:
    """Measure both services and print the table."""
    configure_logs("error")
    print(f"{'service':<8} {'p50 ms':>7} {'p99 ms':>7} {'max ms':>7}  of {TURNS} turns")
    for name, service in (("openai", openai_chat.OpenAi()), ("gemini", gemini.Gemini())):
        service.pieces, service.pace_s = PIECES, 0.2
        with service:
            model: OpenAiModel | GeminiModel
            if isinstance(service, openai_chat.OpenAi):
                model = OpenAiModel(openai_chat.API_KEY, openai_chat.MODEL, service.base_url)
            else:
                model = GeminiModel(gemini.API_KEY, gemini.MODEL, service.url)
            took = sorted(await delays_ms(service, model))
        p99 = took[min(len(took) - 1, round(0.99 * len(took)))]
        print(f"{name:<8} {statistics.median(took):>7.2f} {p99:>7.2f} {took[-1]:>7.2f}")


if __name__ == "__main__":
    asyncio.run(main())
