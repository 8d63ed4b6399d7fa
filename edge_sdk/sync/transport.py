"""How bytes get to the server: a Protocol, and the one over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Final, Protocol, Self

import msgspec

from edge_sdk.errors import MissingExtra, Unreachable

if TYPE_CHECKING:
    import httpx

MAX_ANSWER_BYTES: Final = 64_000_000


class HttpAnswer(msgspec.Struct, frozen=True):
    """Status, headers (names in lower case) and body of an answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Transport(Protocol):
    """Sends requests; knows nothing of tokens, attempts or the protocol."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """Send one request; raise `Unreachable` where no whole answer comes back."""
        ...

    def events(self, path: str, *, headers: Mapping[str, str] | None = None) -> AsyncIterator[str]:
        """Yield the names of server-sent events until the stream ends; raise `Unreachable`.

        A status other than 200 is yielded as its number (`"401"`) and ends the stream.
        """
        ...


class HttpTransport:
    """`Transport` over httpx; also takes a ready client, for example one over ASGI."""

    def __init__(
        self,
        base_url: str,
        *,
        timeout_s: float = 20.0,
        language: str = "ko",
        client: httpx.AsyncClient | None = None,
    ) -> None:
        """Talk to `base_url`; raise `MissingExtra` without httpx."""
        try:
            import httpx
        except ImportError:
            raise MissingExtra("httpx", "sync") from None
        self._httpx = httpx
        self._language = language
        self._client = client or httpx.AsyncClient(
            base_url=base_url,
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, 10.0)),
            follow_redirects=False,
        )
        self._owned = client is None

    async def close(self) -> None:
        """Close the connections, unless the client was passed in."""
        if self._owned:
            await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """Send one request; raise `Unreachable` where no whole answer comes back."""
        sent = {"Accept-Language": self._language, **(headers or {})}
        if body is not None:
            sent["Content-Type"] = "application/json"
        try:
            async with self._client.stream(
                method, path, params=query, content=body, headers=sent
            ) as answer:
                parts: list[bytes] = []
                size = 0
                async for part in answer.aiter_bytes():
                    size += len(part)
                    if size > MAX_ANSWER_BYTES:
                        raise Unreachable(f"{method} {path}: the answer is past 64 MB")
                    parts.append(part)
                kept = {name.lower(): value for name, value in answer.headers.items()}
                return HttpAnswer(answer.status_code, kept, b"".join(parts))
        except (self._httpx.HTTPError, self._httpx.StreamError) as error:
            raise Unreachable(f"{method} {path}: {type(error).__name__} {error}") from error

    async def events(
        self, path: str, *, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[str]:
        """Yield the names of server-sent events until the stream ends; raise `Unreachable`."""
        sent = {"Accept": "text/event-stream", **(headers or {})}
        # The server sends a comment every 15 s; a minute of silence is a dead connection.
        timeout = self._httpx.Timeout(60.0, connect=10.0)
        try:
            async with self._client.stream("GET", path, headers=sent, timeout=timeout) as answer:
                if answer.status_code != 200:
                    yield str(answer.status_code)
                    return
                async for line in answer.aiter_lines():
                    name, _, value = line.partition(":")
                    if name == "event":
                        yield value.strip()
        except (self._httpx.HTTPError, self._httpx.StreamError) as error:
            raise Unreachable(f"GET {path}: {type(error).__name__} {error}") from error
