"""Watches everything that the server writes, and every secret that passes by."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import httpx
import structlog

_SECRET_FIELDS = ("access_token", "refresh_token", "guest_secret", "code", "state")


class LogWatch:
    """What was written (structlog, logging, stderr, stdout) and what must not be in it."""

    def __init__(self) -> None:
        self.written = io.StringIO()
        self.secrets: set[str] = set()

    def watch(self, client: httpx.AsyncClient) -> None:
        """Note the secrets in every request and answer of a client."""
        client.event_hooks = {"request": [self._request], "response": [self._response]}

    async def _request(self, request: httpx.Request) -> None:
        _, _, bearer = request.headers.get("authorization", "").partition(" ")
        self._note(bearer)
        self._note_fields(request.content)

    async def _response(self, response: httpx.Response) -> None:
        self._note_fields(await response.aread())

    def _note_fields(self, body: bytes) -> None:
        try:
            decoded = json.loads(body)
        except (ValueError, RecursionError):
            return
        if isinstance(decoded, dict):
            for name in _SECRET_FIELDS:
                self._note(decoded.get(name))

    def _note(self, value: Any) -> None:
        if isinstance(value, str) and len(value) >= 20:
            self.secrets.add(value)

    def leaks(self) -> list[str]:
        """Return the secrets that were written."""
        text = self.written.getvalue()
        return [secret for secret in self.secrets if secret in text]


@contextmanager
def watching() -> Iterator[LogWatch]:
    """Collect every log line from `debug` on, of loggers that exist already too."""
    watch = LogWatch()
    configure = structlog.configure
    root, level = logging.getLogger(), logging.getLogger().level
    handler = logging.StreamHandler(watch.written)

    def configured(**options: Any) -> None:
        options["logger_factory"] = structlog.PrintLoggerFactory(file=watch.written)
        options["cache_logger_on_first_use"] = False
        options["wrapper_class"] = structlog.make_filtering_bound_logger(logging.DEBUG)
        configure(**options)

    structlog.configure = configured  # type: ignore[assignment]
    _forget_bound_loggers()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with redirect_stderr(watch.written), redirect_stdout(watch.written):
            yield watch
    finally:
        structlog.configure = configure
        root.removeHandler(handler)
        root.setLevel(level)
        _forget_bound_loggers()


def _forget_bound_loggers() -> None:
    for name, module in list(sys.modules.items()):
        if name.startswith("sync_server."):
            for value in vars(module).values():
                if type(value).__name__ == "BoundLoggerLazyProxy":
                    vars(value).pop("bind", None)
