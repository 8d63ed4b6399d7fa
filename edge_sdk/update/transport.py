"""Fetching files of a repository: bounded in bytes and in time, whatever the server does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from edge_sdk.errors import MissingExtra
from edge_sdk.update.errors import DownloadTooLong, NotPublished, RepositoryUnreachable


class Fetcher(Protocol):
    """Gets one file of a repository."""

    def fetch(self, path: str, max_bytes: int) -> bytes:
        """Return the file's bytes; raise NotPublished, DownloadTooLong, RepositoryUnreachable."""
        ...


class HttpFetcher:
    """`Fetcher` over HTTP: no redirects, no compression, a deadline for the whole file."""

    def __init__(
        self,
        base_url: str,
        *,
        timeout_s: float = 30.0,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Fetch below `base_url`; `timeout_s` bounds each file from first to last byte."""
        self._base = base_url.rstrip("/")
        self._timeout_s = timeout_s
        self._clock_s = clock_s

    def fetch(self, path: str, max_bytes: int) -> bytes:
        """Return the file at `path`, at most `max_bytes` long."""
        try:
            import httpx
        except ImportError:
            raise MissingExtra("httpx", "sync") from None
        deadline = self._clock_s() + self._timeout_s
        parts: list[bytes] = []
        size = 0
        # A compressed answer could be small on the wire and endless in memory.
        headers = {"Accept-Encoding": "identity"}
        wait = httpx.Timeout(min(self._timeout_s, 10.0))
        try:
            with httpx.stream(
                "GET", f"{self._base}/{path}", headers=headers, timeout=wait, follow_redirects=False
            ) as answer:
                if answer.status_code in (403, 404, 410):
                    raise NotPublished(f"{path} is not in the repository")
                if answer.status_code != 200:
                    raise RepositoryUnreachable(f"{path}: status {answer.status_code}")
                if answer.headers.get("content-encoding", "identity") != "identity":
                    raise RepositoryUnreachable(f"{path}: compressed without being asked")
                for part in answer.iter_raw():
                    size += len(part)
                    if size > max_bytes:
                        raise DownloadTooLong(f"{path} has more than {max_bytes} bytes")
                    if self._clock_s() > deadline:
                        raise RepositoryUnreachable(f"{path}: not whole after {self._timeout_s} s")
                    parts.append(part)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise RepositoryUnreachable(f"{path}: {type(error).__name__} {error}") from None
        return b"".join(parts)
