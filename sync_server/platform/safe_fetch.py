"""Fetch what a client's URL leads to, and nothing else: no private address, no redirect, no flood.

    policy = FetchPolicy(max_bytes=50_000_000, media_types=VIDEO_TYPES)
    fetched = await fetch("https://cdn.example.com/sit.mp4", policy=policy, into=folder / "clip")

The name is resolved once; if any of its addresses is not public, all is refused. The connection
goes to one of these very addresses (a second look-up could answer otherwise), while Host and the
TLS name stay those of the URL, so the certificate is checked as ever. One GET, no cookies, no
proxy of the environment, nothing followed, nothing unpacked.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import h11
import msgspec

from sync_server.platform.media_types import HEAD_BYTES, sniff
from sync_server.platform.public_addresses import is_public
from sync_server.platform.safe_url import FetchRefused, SafeUrl, parse_allow_hosts, parse_url

__all__ = [
    "FetchFailed", "FetchPolicy", "FetchRefused", "Fetched", "fetch", "open_pinned",
    "parse_allow_hosts", "system_resolver",
]  # fmt: skip

_READ_BYTES: Final = 64 * 1024
_WRITE_BYTES: Final = 1024 * 1024
_ADDRESSES_TRIED: Final = 2

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""(host, port) -> its addresses; raises OSError where the name has none."""
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connector = Callable[[str, int, str | None], Awaitable[Streams]]
"""(address, port, name in the certificate or None for plain http) -> a connection."""


class FetchPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What may be fetched, and for how long.

    `total_s` counts from the look-up to the last byte, `idle_s` between two reads (and for the
    connection). `allow_hosts`: see `parse_allow_hosts`.
    """

    max_bytes: int
    media_types: frozenset[str]
    total_s: float = 30.0
    idle_s: float = 5.0
    max_header_bytes: int = 16 * 1024
    allow_hosts: frozenset[str] = frozenset()


class Fetched(msgspec.Struct, frozen=True):
    """A fetched file; `media_type` is what its first bytes say."""

    path: Path
    size_bytes: int
    sha256: str
    media_type: str


class FetchFailed(Exception):
    """The other side did not deliver: no such name, no connection, a status, a cut or slow answer.

    It may be tried again. `timeout` says that it took too long (502 or 504 of the seed).
    `status` is the HTTP status where there was one other than 200.
    """

    def __init__(self, detail: str, *, timeout: bool = False, status: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.timeout = timeout
        self.status = status


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """Ask the operating system for all addresses of a name."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[4][0]) for address in found))


async def open_pinned(
    address: str, port: int, tls_name: str | None, *, context: ssl.SSLContext | None = None
) -> Streams:
    """Connect to an address, with TLS checked for `tls_name`; raises OSError."""
    if tls_name is None:
        return await asyncio.open_connection(address, port, limit=_READ_BYTES)
    return await asyncio.open_connection(
        address, port, ssl=context or _system_trust(), server_hostname=tls_name,
        limit=_READ_BYTES,
    )  # fmt: skip


@lru_cache(maxsize=1)
def _system_trust() -> ssl.SSLContext:
    return ssl.create_default_context()  # reads some hundred certificates: once


async def fetch(
    url: str,
    *,
    policy: FetchPolicy,
    into: Path,
    resolve: Resolver = system_resolver,
    connect: Connector = open_pinned,
) -> Fetched:
    """Stream a URL's body to the file `into`, which appears only when all of it is there.

    Raises FetchRefused (the client's fault; see its codes) and FetchFailed (the other side's).
    OSError only for our own disk.
    """
    target = parse_url(url, policy.allow_hosts)
    scratch = into.with_name(f".{into.name}.{secrets.token_hex(6)}.part")
    try:
        async with asyncio.timeout(policy.total_s):
            addresses = await _addresses(target, resolve)
            reader, writer = await _connect(target, addresses, policy, connect)
            try:
                fetched = await _download(target, policy, reader, writer, scratch)
            finally:
                writer.transport.abort()
        # Outside of the deadline: what is complete is kept.
        scratch.replace(into)
    except TimeoutError:
        raise FetchFailed("the address took too long", timeout=True) from None
    finally:
        scratch.unlink(missing_ok=True)
    return msgspec.structs.replace(fetched, path=into)


async def _addresses(target: SafeUrl, resolve: Resolver) -> list[str]:
    if target.is_address:
        found: Sequence[str] = [target.host]
    else:
        try:
            found = await resolve(target.host, target.port)
        except TimeoutError:
            raise
        except (OSError, UnicodeError):
            raise FetchFailed("the name of the host is not known") from None
    if not found:
        raise FetchFailed("the name of the host is not known")
    # One private address among public ones is how a name is made to lead inside.
    if not target.listed and not all(map(is_public, found)):
        raise FetchRefused("address_not_public", "the host is not on the public internet")
    return list(found)


async def _connect(
    target: SafeUrl, addresses: Sequence[str], policy: FetchPolicy, connect: Connector
) -> Streams:
    tls_name = target.host if target.scheme == "https" else None
    for address in addresses[:_ADDRESSES_TRIED]:
        try:
            async with asyncio.timeout(policy.idle_s):
                return await connect(address, target.port, tls_name)
        except ssl.SSLError:
            raise FetchFailed("the host's certificate or TLS is wrong") from None
        except (OSError, TimeoutError) as error:
            timed_out = isinstance(error, TimeoutError)
    raise FetchFailed("no connection to the host", timeout=timed_out)


async def _download(
    target: SafeUrl,
    policy: FetchPolicy,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    scratch: Path,
) -> Fetched:
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=policy.max_header_bytes)
    request = h11.Request(
        method="GET", target=target.target,
        headers=[
            ("Host", target.host_header), ("User-Agent", "daengdong"),
            ("Accept", ", ".join(sorted(policy.media_types))), ("Accept-Encoding", "identity"),
            ("Connection", "close"),
        ],
    )  # fmt: skip
    answer = _Answer(http, reader, policy)
    try:
        writer.write((http.send(request) or b"") + (http.send(h11.EndOfMessage()) or b""))
        async with asyncio.timeout(policy.idle_s):
            await writer.drain()
        _check_head(await answer.head(), policy)
        return await _save(answer, policy, scratch)
    except TimeoutError:
        raise
    except ssl.SSLError:
        raise FetchFailed("the TLS connection broke") from None
    except (ConnectionError, asyncio.IncompleteReadError):
        raise FetchFailed("the connection broke") from None
    except h11.RemoteProtocolError as error:
        if error.error_status_hint == 431:
            raise FetchRefused("headers_too_large", "the answer's headers are too large") from None
        raise FetchFailed("the answer is no HTTP, or was cut short") from None


class _Answer:
    """The events of one answer, read under the idle limit."""

    def __init__(
        self, http: h11.Connection, reader: asyncio.StreamReader, policy: FetchPolicy
    ) -> None:
        self._http = http
        self._reader = reader
        self._policy = policy

    async def head(self) -> h11.Response:
        """Return the answer's status and headers; interim answers are passed over, a few."""
        for _ in range(4):
            event = await self._next()
            if isinstance(event, h11.Response):
                return event
            if not isinstance(event, h11.InformationalResponse):
                break
        raise FetchFailed("the answer is no HTTP, or was cut short")

    async def part(self) -> bytes:
        """Return the next bytes of the body, b"" at its end."""
        while True:
            event = await self._next()
            if isinstance(event, h11.Data):
                if event.data:
                    return bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return b""
            else:
                raise FetchFailed("the answer is no HTTP, or was cut short")

    async def _next(self) -> Any:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            # Each byte of a slow sender starts this anew; the total limit ends it.
            async with asyncio.timeout(self._policy.idle_s):
                data = await self._reader.read(_READ_BYTES)
            self._http.receive_data(data)


def _check_head(head: h11.Response, policy: FetchPolicy) -> None:
    if 300 <= head.status_code < 400:
        raise FetchRefused("redirected", "the address leads on to another; give the last one")
    if head.status_code != 200:
        raise FetchFailed(f"the host answers {head.status_code}", status=head.status_code)
    lengths = set()
    for name, value in head.headers:
        if name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise FetchRefused("encoded", "the file is sent compressed")
        if name == b"content-length":
            lengths.add(value)
    # h11 has checked that it is one plain number.
    if any(int(value) > policy.max_bytes for value in lengths):
        raise FetchRefused("too_large", f"more than {policy.max_bytes} bytes")


async def _save(answer: _Answer, policy: FetchPolicy, scratch: Path) -> Fetched:
    digest = hashlib.sha256()
    size, media_type, waiting = 0, None, bytearray()

    def write(data: bytes) -> None:
        digest.update(data)
        file.write(data)

    with scratch.open("xb") as file:
        while True:
            part = await answer.part()
            size += len(part)
            if size > policy.max_bytes:
                raise FetchRefused("too_large", f"more than {policy.max_bytes} bytes")
            waiting += part
            if media_type is None and (len(waiting) >= HEAD_BYTES or not part):
                media_type = sniff(bytes(waiting[:HEAD_BYTES]))
                if media_type not in policy.media_types:
                    raise FetchRefused("wrong_type", "the file is not of a type that is taken")
            if len(waiting) >= _WRITE_BYTES or (waiting and not part):
                # Disk and hash beside the event loop, a MiB at a time.
                await asyncio.to_thread(write, bytes(waiting))
                waiting.clear()
            if not part:
                break
    assert media_type is not None  # the loop ends only behind the check
    return Fetched(scratch, size, digest.hexdigest(), media_type)
