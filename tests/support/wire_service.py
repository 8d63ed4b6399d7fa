"""Local services that speak the true wire of a vendor, with scripted faults.

`faults` are used up one a call of the paid endpoint; `always` stays. Calls are kept as they came.
"""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

Reply = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True)
class Streamed:
    """An answer in parts: bytes, a pause (s), `hang` until the other side goes, or `lost`.

    A pause, too, ends when the other side goes; after the last step the answer ends as it should.
    """

    steps: tuple[bytes | float | str, ...]
    media_type: str = "text/event-stream"


@dataclass(frozen=True)
class Call:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at_s: float
    """When it came, on the monotonic clock."""

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class WireService:
    """The server's state; a vendor's service says what `respond` and `faulty` do."""

    faults: deque[str] = field(default_factory=deque)
    always: str | None = None
    retry_after: str = "1"
    calls: list[Call] = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)
    hung_up_s: float = 0.0
    """When the other side was seen to go, on the monotonic clock."""
    pieces: tuple[str, ...] = ()
    """What a stream says, a part each."""
    pace_s: float = 0.0
    """The pause after each part of a stream."""
    streamed: Callable[[], None] = lambda: None
    """Called before each part of a stream is sent."""
    said: Callable[[Any], Any] | None = None
    """Makes the value that the model answers from the request's body."""
    _stopped: threading.Event = field(default_factory=threading.Event)
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        service = self

        class Handler(_Handler):
            owner = service

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def next_fault(self) -> str | None:
        return self.faults.popleft() if self.faults else self.always

    def is_paid(self, call: Call) -> bool:
        """Whether a call is one that faults are scripted for."""
        raise NotImplementedError

    def respond(self, call: Call) -> Reply | Streamed:
        raise NotImplementedError

    def faulty(self, fault: str, call: Call) -> Reply | Streamed:
        """The answer to a paid call with a fault of the vendor's own."""
        raise NotImplementedError

    def error(self, status: int) -> Reply:
        """An error in the vendor's JSON."""
        raise NotImplementedError

    def paid_calls(self) -> list[Call]:
        return [call for call in self.calls if self.is_paid(call)]


class _Handler(BaseHTTPRequestHandler):
    owner: WireService
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        size = int(self.headers.get("Content-Length", "0"))
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            body = self._chunks()
        else:
            body = self.rfile.read(size)
        headers = {name.lower(): value for name, value in self.headers.items()}
        call = Call(self.command, urlsplit(self.path).path, headers, body, time.monotonic())
        self.owner.calls.append(call)
        fault = self.owner.next_fault() if self.owner.is_paid(call) else None
        if fault is None:
            self._reply(self.owner.respond(call))
        elif fault == "hang":
            self._hang()
        elif fault == "drop":
            self.close_connection = True
        elif fault == "cut":
            made = self.owner.respond(call)
            assert not isinstance(made, Streamed), "a stream is cut by faults of its own"
            status, _, whole = made
            self._send(status, {"Content-Type": "application/json"}, whole[: len(whole) // 2],
                       told=len(whole))  # fmt: skip
            self.close_connection = True
        elif fault == "not_json":
            self._send(200, {"Content-Type": "application/json"}, b'{"candidates": [')
        elif fault == "html":
            self._send(200, {"Content-Type": "text/html"}, b"<html>Sign in to the network</html>")
        elif fault == "429":
            status, headers_out, content = self.owner.error(429)
            self._send(status, {**headers_out, "Retry-After": self.owner.retry_after}, content)
        elif fault == "redirect":
            self._send(307, {"Location": f"{self.owner.url}/elsewhere"}, b"")
        elif fault.isdigit():
            self._send(*self.owner.error(int(fault)))
        else:
            self._reply(self.owner.faulty(fault, call))

    do_GET = do_POST = do_DELETE = _handle

    def _chunks(self) -> bytes:
        body = bytearray()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(body)

    def _hang(self) -> None:
        """Say nothing until the other side closes, and note when it does."""
        self.close_connection = True
        self._gone_within(3_600.0)

    def _gone_within(self, seconds: float) -> bool:
        """Wait; return early, and True, when the other side closes."""
        until = time.monotonic() + seconds
        while not self.owner._stopped.is_set() and time.monotonic() < until:
            readable, _, _ = select.select(
                [self.connection], [], [], max(0.0, min(0.02, until - time.monotonic()))
            )
            if readable:
                try:
                    closed = self.connection.recv(1, socket.MSG_PEEK) == b""
                except OSError:
                    closed = True
                if closed:
                    self.owner.hung_up_s = time.monotonic()
                    self.owner.hung_up.set()
                    return True
                # The next request came before this answer ended: no client of ours does that.
                return False
        return False

    def _reply(self, reply: Reply | Streamed) -> None:
        if isinstance(reply, Streamed):
            self._stream(reply)
        else:
            self._send(*reply)

    def _stream(self, reply: Streamed) -> None:
        try:
            self.send_response(200)
            self.send_header("Content-Type", reply.media_type)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for step in reply.steps:
                if isinstance(step, bytes):
                    self.owner.streamed()
                    self.wfile.write(f"{len(step):x}\r\n".encode() + step + b"\r\n")
                    self.wfile.flush()
                elif step == "lost" or (isinstance(step, float) and self._gone_within(step)):
                    self.close_connection = True
                    return
                elif step == "hang":
                    self._hang()
                    return
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.owner.hung_up_s = time.monotonic()
            self.owner.hung_up.set()
            self.close_connection = True

    def _send(
        self, status: int, headers: dict[str, str], body: bytes, told: int | None = None
    ) -> None:
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) if told is None else told))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def as_json(status: int, value: Any, headers: dict[str, str] | None = None) -> Reply:
    """A JSON answer."""
    content = json.dumps(value, ensure_ascii=False).encode()
    return status, {"Content-Type": "application/json; charset=UTF-8", **(headers or {})}, content
