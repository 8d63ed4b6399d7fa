"""Streams of the vet chat: how late is the first piece, does the event loop stay free, how soon
does the model's service see that a client has left?

    python benchmarks/vet_stream.py [--streams 200] [--turns 50]

Three processes: a model's service that speaks OpenAI's wire, the real server (role `all`, SQLite,
its own safety checks and knowledge) with a probe of its event loop, and the clients (here). The
first piece is a whole sentence, which the checks let pass at once; times are of one clock.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx
import msgspec
import uvicorn

from edge_sdk.ids import uuid7
from sync_server.app import create_app
from sync_server.platform.settings import load_settings
from tests.support.openai_chat import API_KEY, MODEL
from tests.support.postgres import free_port

REPOSITORY = Path(__file__).resolve().parents[1]
GOALS = {"first_p95_ms": 50.0, "lag_p99_ms": 50.0, "left_p95_ms": 200.0}
SENTENCES = tuple(
    f"{number}번째로, 조용한 곳에서 편안히 쉬게 하며 지켜봐 주세요. " for number in range(1, 13)
)
PACE_S = 0.25
PROBE_S = 0.005
_NUMBER = re.compile(r"질문 (\d+)번")


# --- the model's service --------------------------------------------------------------------


class Upstream:
    """`POST /v1/chat/completions` as a stream; `GET /times` tells when it wrote and was left."""

    def __init__(self) -> None:
        self.first: dict[int, float] = {}
        self.left: dict[int, float] = {}

    async def serve(self, port: int) -> None:
        server = await asyncio.start_server(self._answer, "127.0.0.1", port, limit=2**20)
        async with server:
            await server.serve_forever()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                if head.startswith("GET"):
                    await self._tell(writer)
                    continue
                found = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(found[1]) if found else 0)
                await self._stream(reader, writer, body)
        writer.close()

    async def _tell(self, writer: asyncio.StreamWriter) -> None:
        body = json.dumps({"first": self.first, "left": self.left}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()

    async def _stream(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes
    ) -> None:
        asked = [each for each in json.loads(body)["messages"] if each["role"] == "user"][-1]
        numbers = _NUMBER.findall(json.dumps(asked["content"], ensure_ascii=False))
        number = int(numbers[-1]) if numbers else -1
        leaving = asyncio.ensure_future(reader.read(1))
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for at, sentence in enumerate(SENTENCES):
            if at == 0:
                self.first[number] = time.monotonic()
            writer.write(_chunked(_event({"content": sentence}, None)))
            await writer.drain()
            done, _ = await asyncio.wait({leaving}, timeout=PACE_S)
            if done:
                self.left[number] = time.monotonic()
                raise ConnectionResetError
        writer.write(_chunked(_event({}, "stop")) + _chunked(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        await writer.drain()
        leaving.cancel()
        with suppress(asyncio.CancelledError):
            await leaving


def _event(delta: dict[str, str], finish: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    value = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1795910400,
             "model": MODEL, "choices": [choice], "usage": None}  # fmt: skip
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def _chunked(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


# --- the server -----------------------------------------------------------------------------


async def serve(port: int, lags: Path) -> None:
    """The server in this process; SIGUSR1 begins to measure the event loop's lags, SIGUSR2 ends it.

    They go into the file `lags`: uvicorn does not return from the signal that stops it.
    """
    config = uvicorn.Config(
        create_app(load_settings()),  # type: ignore[arg-type]
        host="127.0.0.1", port=port, log_level="error", timeout_graceful_shutdown=2,
    )  # fmt: skip
    server = uvicorn.Server(config)
    measured: list[float] = []

    def write() -> None:
        lags.with_suffix(".part").write_bytes(msgspec.json.encode(measured))
        lags.with_suffix(".part").rename(lags)

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, measured.clear)
    loop.add_signal_handler(signal.SIGUSR2, write)

    async def probe() -> None:
        while True:
            due = time.perf_counter() + PROBE_S
            await asyncio.sleep(PROBE_S)
            measured.append(1_000 * (time.perf_counter() - due))

    probing = asyncio.create_task(probe())
    await server.serve()
    probing.cancel()


# --- the clients ----------------------------------------------------------------------------


async def _events(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str, Any]]:
    name = ""
    async for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, msgspec.json.decode(line.removeprefix("data: "))


async def _sign_in(client: httpx.AsyncClient) -> dict[str, str]:
    body = {"client_id": uuid7(), "device_name": "bench"}
    answer = (await client.post("/api/auth/guest", json=body)).json()
    return {"Authorization": f"Bearer {answer['access_token']}"}


def _question(number: int) -> dict[str, Any]:
    text = f"질문 {number}번: 산책 뒤에 조금 지쳐 보여요. 어떻게 쉬게 할까요?"
    return {"conversation_id": "", "message": {"role": "user", "content": text}}


async def one_stream(
    client: httpx.AsyncClient, headers: dict[str, str], number: int, leave_after: int = 0
) -> tuple[float, float, bool]:
    """Ask; return when the first piece came, when it was left (or ended), and whether it is right.

    `leave_after`: leave after so many pieces; 0: hear it to the end.
    """
    first, shown, pieces, final = 0.0, "", 0, None
    async with client.stream(
        "POST", "/api/vet/chat/stream", json=_question(number), headers=headers
    ) as answer:
        assert answer.status_code == 200, await answer.aread()
        async for name, data in _events(answer.aiter_lines()):
            if name in ("token", "replace"):
                first = first or time.monotonic()
                shown = data["text"] if name == "replace" else shown + data["text"]
                pieces += 1
            elif name == "final":
                final = data
            elif name == "error":
                print(data)
            if leave_after and pieces >= leave_after:
                break
        left = time.monotonic()
    whole = "".join(SENTENCES).strip()
    right = final is not None and final["answer"]["content"] == shown and whole in shown
    return first, left, right


async def measure(address: str, upstream: str, streams: int, turns: int, server: int) -> Any:
    """Return all figures."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=50)
    async with httpx.AsyncClient(base_url=address, timeout=120, limits=limits) as client:
        headers = await _sign_in(client)
        await one_stream(client, headers, 0)
        firsts, lefts = {}, {}
        for number in range(1, turns + 1):
            came, left, _ = await one_stream(client, headers, number, leave_after=1)
            firsts[number], lefts[number] = came, left
            await asyncio.sleep(0.05)
        users = [await _sign_in(client) for _ in range(20)]
        os.kill(server, signal.SIGUSR1)
        began = time.monotonic()
        crowd = await asyncio.gather(
            *(one_stream(client, users[n % 20], 1_000 + n) for n in range(streams))
        )
        took_s = time.monotonic() - began
        os.kill(server, signal.SIGUSR2)
        await asyncio.sleep(1)
        times = (await client.get(f"{upstream}/times")).json()
    wrote = {int(number): at for number, at in times["first"].items()}
    seen = {int(number): at for number, at in times["left"].items()}
    many = [1_000 * (came - wrote[1_000 + n]) for n, (came, _, _) in enumerate(crowd)]
    return {
        "first_ms": [1_000 * (firsts[n] - wrote[n]) for n in firsts],
        "left_ms": [1_000 * (seen[n] - lefts[n]) for n in lefts if n in seen],
        "never_left": sum(n not in seen for n in lefts),
        "first_of_many_ms": many,
        "right": sum(right for _, _, right in crowd),
        "took_s": took_s,
    }


def _p(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def _spread(values: Sequence[float]) -> str:
    return f"p50 {_p(values, 0.5):6.1f}  p95 {_p(values, 0.95):6.1f}  max {max(values):6.1f} ms"


def _child(*words: str, **settings: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, __file__, *words],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **settings},
    )


async def _ready(address: str) -> None:
    async with httpx.AsyncClient() as client:
        for _ in range(600):
            with suppress(httpx.TransportError):
                if (await client.get(address)).status_code == 200:
                    return
            await asyncio.sleep(0.1)
    raise SystemExit(f"nobody answers at {address}")


async def main(streams: int, turns: int) -> bool:
    """Start everything, measure, print; return whether the goals are met."""
    port, upstream_port = free_port(), free_port()
    upstream = f"http://127.0.0.1:{upstream_port}"
    with tempfile.TemporaryDirectory() as folder:
        lags_file = Path(folder) / "lags.json"
        children = [_child("--upstream", str(upstream_port))]
        children.append(_child(
            "--serve", str(port), "--lags", str(lags_file),
            DAENGDONG_DATA_DIR=folder, DAENGDONG_LOG_LEVEL="error", DAENGDONG_RATE_LIMITS="off",
            DAENGDONG_VET_BACKEND="openai", DAENGDONG_OPENAI_API_KEY=API_KEY,
            DAENGDONG_OPENAI_BASE_URL=f"{upstream}/v1", DAENGDONG_OPENAI_MODEL=MODEL,
            DAENGDONG_VET_DEADLINE_S="60",
        ))  # fmt: skip
        try:
            await _ready(f"{upstream}/times")
            await _ready(f"http://127.0.0.1:{port}/readyz")
            found = await measure(
                f"http://127.0.0.1:{port}", upstream, streams, turns, children[1].pid
            )
        finally:
            for child in reversed(children):
                child.terminate()
                child.wait(20)
        lags = msgspec.json.decode(lags_file.read_bytes(), type=list[float])
    lag_p99 = _p(lags, 0.99)
    print(f"first piece, alone:        {_spread(found['first_ms'])}   (goal p95 50 ms)")
    print(f"first piece, {streams} at once: {_spread(found['first_of_many_ms'])}")
    print(f"left, seen upstream:       {_spread(found['left_ms'])}   (goal p95 200 ms), "
          f"{found['never_left']} never")  # fmt: skip
    print(
        f"{streams} streams at once: {found['right']} whole and right in {found['took_s']:.1f} s "
        f"(the model takes {PACE_S * len(SENTENCES):.1f} s)"
    )
    print(
        f"event loop lag meanwhile:  p50 {_p(lags, 0.5):.1f} p99 {lag_p99:.1f} "
        f"max {max(lags):.1f} ms (goal p99 50)"
    )
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    return (
        found["right"] == streams
        and not found["never_left"]
        and _p(found["first_ms"], 0.95) <= GOALS["first_p95_ms"]
        and _p(found["left_ms"], 0.95) <= GOALS["left_p95_ms"]
        and lag_p99 <= GOALS["lag_p99_ms"]
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--turns", type=int, default=50)
    parser.add_argument("--upstream", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--serve", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--lags", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.upstream:
        with suppress(KeyboardInterrupt):
            asyncio.run(Upstream().serve(given.upstream))
    elif given.serve:
        asyncio.run(serve(given.serve, given.lags))
    else:
        sys.exit(0 if asyncio.run(main(given.streams, given.turns)) else 1)
