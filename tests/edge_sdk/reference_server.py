"""The rules of push and pull in one process and a dict, over real HTTP, with scripted faults.

It follows docs/sync-protocol.md and nothing else, so that the client is tested against the
protocol and not against one server's habits.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from edge_sdk.ids import uuid7
from edge_sdk.sync.hashes import fact_hash, row_checksum


@dataclass
class Client:
    """What the server knows of one device."""

    facts: dict[int, tuple[str, dict[str, Any]]] = field(default_factory=dict)

    @property
    def last(self) -> int:
        return max(self.facts, default=0)


@dataclass
class State:
    """All that a backup of the server holds."""

    epoch: str = "e1"
    rev: int = 0
    clients: dict[str, Client] = field(default_factory=dict)
    rows: dict[tuple[str, str], tuple[int, bool, str]] = field(default_factory=dict)
    applied: list[tuple[str, str]] = field(default_factory=list)
    """Type and payload of every fact applied, in order: what must be there exactly once."""


@dataclass
class Fault:
    """What happens to the next request of a path; `kind` is one of those in `_faulty`."""

    kind: str
    path: str = "/api/sync/"
    retry_after: str | None = None
    status: int = 500


class ReferenceServer:
    """One user's server."""

    def __init__(self) -> None:
        self.state = State()
        self.faults: deque[Fault] = deque()
        self.requests: list[str] = []
        self.access_tokens: set[str] = set()
        self.refresh_tokens: set[str] = set()
        self.guest_secrets: set[str] = set()
        self.refused_secrets: set[str] = set()
        self.foreign_clients: set[str] = set()
        self._serial = 1
        self.user_id = uuid7()
        self.refuse_dogs: set[str] = set()
        self.corrupt_checksums = 0
        self.page_rows = 500
        self.now_ms = 1_795_000_000_000
        self.poke = asyncio.Event()
        self.url = ""

    # --- for tests -------------------------------------------------------------------------------
    def put(self, collection: str, row_id: str, doc: Any) -> None:
        self.state.rev += 1
        text = "" if doc is None else json.dumps(doc, ensure_ascii=False)
        self.state.rows[collection, row_id] = (self.state.rev, doc is None, text)
        self.poke.set()

    def backup(self) -> State:
        return deepcopy(self.state)

    def restore(self, state: State) -> None:
        self.state = deepcopy(state)
        self._serial += 1
        self.state.epoch = f"e{self._serial}"

    # --- protocol --------------------------------------------------------------------------------
    def answer(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, Any]:
        path = urlsplit(target).path
        query = {k: v[0] for k, v in parse_qs(urlsplit(target).query).items()}
        data = json.loads(body) if body else {}
        if path == "/api/auth/guest":
            if data.get("guest_secret") in self.refused_secrets:
                return 401, {"code": "unauthorized"}
            if data["client_id"] in self.foreign_clients:
                return 409, {"code": "client_bound"}
            self.guest_secrets.add(data["guest_secret"])
            self.state.clients.setdefault(data["client_id"], Client())
            return 201, self._tokens() | {"user_id": self.user_id}
        if path == "/api/auth/refresh":
            if data["refresh_token"] not in self.refresh_tokens:
                return 401, {"code": "refresh_refused"}
            self.refresh_tokens.remove(data["refresh_token"])
            return 200, self._tokens()
        if headers.get("authorization", "").removeprefix("Bearer ") not in self.access_tokens:
            return 401, {"code": "token_expired"}
        if path == "/api/auth/clients":
            self.state.clients.setdefault(data["client_id"], Client())
            return 201, {"client_id": data["client_id"]}
        if path == "/api/sync/push":
            return self._push(data)
        if path == "/api/sync/pull":
            return self._pull(query.get("cursor"), int(query["limit"]))
        return 404, {"code": "not_found"}

    def _tokens(self) -> dict[str, Any]:
        self._serial += 1
        access, refresh = f"access-{self._serial}", f"refresh-{self._serial}"
        self.access_tokens.add(access)
        self.refresh_tokens.add(refresh)
        return {
            "access_token": access,
            "refresh_token": refresh,
            "expires_in": 900,
            "user_id": self.user_id,
        }

    def _push(self, data: dict[str, Any]) -> tuple[int, Any]:
        if data["client_id"] not in self.state.clients:
            return 404, {"code": "unknown_client"}
        if len(data["facts"]) > 100 or len(json.dumps(data)) > 300_000:
            return 413, {"code": "too_large"}
        # The whole push is one transaction: an error answer leaves nothing behind.
        before = self.backup()
        client = self.state.clients[data["client_id"]]
        results = []
        for fact in data["facts"]:
            seq = fact["seq"]
            if seq <= client.last:
                known_hash, result = client.facts[seq]
                if known_hash != fact["hash"]:
                    self.state = before
                    return 409, {"code": "seq_reused"}
            elif seq > client.last + 1:
                last = client.last
                self.state = before
                return 409, {"code": "gap", "last": last}
            else:
                result = {"seq": seq, "code": "ok", "detail": "", "data": {}} | self._apply(fact)
                client.facts[seq] = (fact["hash"], result)
            results.append(result)
        return 200, {
            "last": client.last,
            "results": results,
            "server_time_ms": self.now_ms,
            "epoch": self.state.epoch,
        }

    def _apply(self, fact: dict[str, Any]) -> dict[str, Any]:
        if fact_hash(fact["type"], fact["payload"]) != fact["hash"]:
            return {"status": "refused", "code": "hash_mismatch"}
        body = json.loads(fact["payload"])
        if self.refuse_dogs & set(body.get("dog_ids", [])):
            return {"status": "refused", "code": "not_your_dog"}
        self.state.applied.append((fact["type"], fact["payload"]))
        if fact["type"] == "walk.start":
            self.put("walks", body["walk_id"], body | {"state": "open", "client_id": ""})
        elif fact["type"] == "diary.set":
            self.put("diary", body["entry_id"], body)
        return {"status": "applied"}

    def _pull(self, cursor: str | None, limit: int) -> tuple[int, Any]:
        since = 0
        if cursor is not None:
            epoch, _, rev = cursor.partition(":")
            if epoch != self.state.epoch:
                return 410, {"code": "resync"}
            since = int(rev)
        limit = min(limit, self.page_rows)
        rows = sorted(
            (rev, collection, row_id, gone, doc)
            for (collection, row_id), (rev, gone, doc) in self.state.rows.items()
            if rev > since and not (gone and cursor is None)
        )
        page, more = rows[:limit], len(rows) > limit
        changes: dict[str, list[Any]] = {}
        for revision, collection, row_id, gone, doc in page:
            change = {"id": row_id, "rev": revision, "deleted": gone, "doc": doc}
            changes.setdefault(collection, []).append(change)
        upto = page[-1][0] if more else self.state.rev
        return 200, {
            "cursor": f"{self.state.epoch}:{upto}",
            "more": more,
            "epoch": self.state.epoch,
            "changes": changes,
            "clients": {name: client.last for name, client in self.state.clients.items()},
            "checksums": None if more else self._checksums(),
            "territory_version": 7,
            "server_time_ms": self.now_ms,
        }

    def _checksums(self) -> dict[str, Any]:
        sums = {"walks": {"count": 0, "sum": 0}}
        for (collection, row_id), row in self.state.rows.items():
            _, gone, doc = row
            if not gone:
                entry = sums.setdefault(collection, {"count": 0, "sum": 0})
                entry["count"] += 1
                entry["sum"] += row_checksum(collection, row_id, doc)
        if self.corrupt_checksums:
            self.corrupt_checksums -= 1
            sums["walks"]["sum"] += 1
            sums["walks"]["count"] += 1
        return sums

    # --- HTTP ------------------------------------------------------------------------------------
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                first, *lines = head.decode().split("\r\n")
                method, target, _ = first.split(" ")
                headers = {
                    name.lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in lines if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.requests.append(f"{method} {target}")
                if target == "/api/sync/events":
                    await self._stream(writer)
                    return
                if not await self._faulty(writer, method, target, headers, body):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _stream(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        writer.write(b"event: pull\r\ndata: \r\n\r\n: ping\r\n\r\n")
        await writer.drain()
        self.poke.clear()
        await self.poke.wait()
        writer.write(b"event: pull\r\ndata: \r\n\r\n")
        await writer.drain()

    async def _faulty(
        self,
        writer: asyncio.StreamWriter,
        method: str,
        target: str,
        headers: dict[str, str],
        body: bytes,
    ) -> bool:
        fault = None
        if self.faults and target.startswith(self.faults[0].path):
            fault = self.faults.popleft()
        match fault.kind if fault else "":
            case "request lost":
                return False
            case "response lost":
                self.answer(method, target, headers, body)
                return False
            case "response cut":
                status, answer = self.answer(method, target, headers, body)
                _write(writer, status, json.dumps(answer).encode(), cut=True)
                return False
            case "duplicate":
                self.answer(method, target, headers, body)
            case "nonsense":
                _write(writer, 200, b'{"last": "many"}')
                return True
            case "error":
                assert fault is not None
                extra = f"Retry-After: {fault.retry_after}\r\n" if fault.retry_after else ""
                _write(writer, fault.status, b"<html>proxy</html>", extra)
                return True
        status, answer = self.answer(method, target, headers, body)
        _write(writer, status, json.dumps(answer).encode())
        return True


def _write(
    writer: asyncio.StreamWriter, status: int, body: bytes, extra: str = "", cut: bool = False
) -> None:
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode()
    writer.write(head + (body[: len(body) // 2] if cut else body))


@asynccontextmanager
async def reference_server() -> AsyncIterator[ReferenceServer]:
    """Serve on a free port."""
    server = ReferenceServer()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, limit=1_000_000)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        server.poke.set()
        listener.close()
