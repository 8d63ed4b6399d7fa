"""A real HTTP server on 127.0.0.1 over a folder, with faults to order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# Returns True when it has answered itself.
Fault = Callable[[SimpleHTTPRequestHandler], bool]


class StaticServer:
    """Serves `folder`; `faults` by path go first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.faults: dict[str, Fault] = {}
        self.asked: list[str] = []
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self.http.daemon_threads = True

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}"


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, server: StaticServer, *args: object, **more: object) -> None:
        self.static = server
        super().__init__(*args, directory=str(server.folder), **more)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.static.asked.append(self.path)
        fault = self.static.faults.get(self.path)
        try:
            if fault is None or not fault(self):
                super().do_GET()
        except (BrokenPipeError, ConnectionResetError):
            pass

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[StaticServer]:
    server = StaticServer(folder)
    thread = threading.Thread(target=server.http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()
        thread.join()


def endless(handler: SimpleHTTPRequestHandler) -> bool:
    """Bytes without end, as far as the client takes them."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"A" * 65536)


def dripping(handler: SimpleHTTPRequestHandler) -> bool:
    """One byte every 50 ms: alive for every socket timeout, never done."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(400):
        handler.wfile.write(b"{")
        handler.wfile.flush()
        time.sleep(0.05)
    return True


def cut(handler: SimpleHTTPRequestHandler) -> bool:
    """Promises a length and hangs up in the middle."""
    handler.send_response(200)
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    handler.wfile.write(b"{" * 100)
    handler.close_connection = True
    return True


def zipped(handler: SimpleHTTPRequestHandler) -> bool:
    """Answers compressed though nobody asked."""
    import gzip

    body = gzip.compress(b"0" * 5_000_000)
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
    return True


def redirecting(target: str) -> Fault:
    """Sends the client elsewhere."""

    def answer(handler: SimpleHTTPRequestHandler) -> bool:
        handler.send_response(302)
        handler.send_header("Location", target)
        handler.end_headers()
        return True

    return answer


def failing(handler: SimpleHTTPRequestHandler) -> bool:
    """A server in trouble."""
    handler.send_error(503)
    return True
