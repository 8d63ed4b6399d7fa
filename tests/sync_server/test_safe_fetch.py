"""Fetching a client's URL: hostile URLs with no network at all, hostile servers on 127.0.0.1."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_server.platform.media_types import VIDEO_TYPES, sniff
from sync_server.platform.safe_fetch import (
    Fetched,
    FetchFailed,
    FetchPolicy,
    FetchRefused,
    Streams,
    fetch,
    open_pinned,
    parse_allow_hosts,
)
from sync_server.platform.safe_url import parse_url
from tests.support.hostile_urls import HOSTILE_URLS, PUBLIC, HostileUrl

pytestmark = pytest.mark.anyio
MP4 = b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41" + bytes(range(256)) * 16
POLICY = FetchPolicy(max_bytes=1_000_000, media_types=VIDEO_TYPES)


class Net:
    """A resolver and a connector that only write down what they are asked."""

    def __init__(self, *answers: str) -> None:
        self.answers = answers
        self.resolved: list[tuple[str, int]] = []
        self.connected: list[tuple[str, int, str | None]] = []
        self.streams: Callable[[], Awaitable[Streams]] | None = None

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.resolved.append((host, port))
        return self.answers

    async def connect(self, address: str, port: int, tls_name: str | None) -> Streams:
        self.connected.append((address, port, tls_name))
        if self.streams is None:
            raise ConnectionRefusedError
        return await self.streams()


# URLs: no packet leaves, whatever the code does ------------------------------------------------


@pytest.mark.parametrize("hostile", HOSTILE_URLS, ids=lambda hostile: hostile.url[:60] or "empty")
async def test_a_hostile_url_is_refused_before_anything_is_connected(
    hostile: HostileUrl, tmp_path: Path
) -> None:
    net = Net(*hostile.answers)
    with pytest.raises(FetchRefused) as refused:
        await fetch(hostile.url, policy=POLICY, into=tmp_path / "clip", resolve=net.resolve,
                    connect=net.connect)  # fmt: skip
    assert refused.value.code == hostile.code
    assert net.connected == [] and len(net.resolved) <= 1
    for address in hostile.answers:  # what is behind a name is not told
        assert address not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_the_corpus_is_large_and_every_code_of_the_form_is_in_it() -> None:
    assert len({hostile.url for hostile in HOSTILE_URLS}) >= 60
    assert {hostile.code for hostile in HOSTILE_URLS} == {
        "url_malformed", "url_scheme", "url_userinfo", "url_port", "url_host", "address_not_public",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("url", "host", "port", "target", "host_header"),
    [
        ("https://cdn.example.com/a/b.mp4?x=1&y=%20#t", "cdn.example.com", 443,
         "/a/b.mp4?x=1&y=%20", "cdn.example.com"),
        ("HTTPS://CDN.Example.COM", "cdn.example.com", 443, "/", "cdn.example.com"),
        ("https://cdn.example.com:443?x", "cdn.example.com", 443, "/?x", "cdn.example.com"),
        ("https://93.184.216.34/a@b:c", "93.184.216.34", 443, "/a@b:c", "93.184.216.34"),
        ("https://[2606:2800:220:1::1]/", "2606:2800:220:1::1", 443, "/", "[2606:2800:220:1::1]"),
        ("https://xn--9r2b13phzdq9r.com/", "xn--9r2b13phzdq9r.com", 443, "/",
         "xn--9r2b13phzdq9r.com"),
    ],
)  # fmt: skip
def test_a_plain_url_is_taken_apart(
    url: str, host: str, port: int, target: str, host_header: str
) -> None:
    parsed = parse_url(url)
    assert (parsed.host, parsed.port, parsed.target) == (host, port, target)
    assert parsed.host_header == host_header and not parsed.listed


@given(st.text() | st.builds("https://{}".format, st.text()) | st.from_regex(r"https?://.{1,40}"))
def test_any_text_is_a_plain_url_or_refused(text: str) -> None:
    try:
        parsed = parse_url(text)
    except FetchRefused as refused:
        assert refused.code.startswith("url_")
        return
    assert parsed.scheme == "https" and parsed.port == 443 and parsed.target.startswith("/")
    assert (
        text.isascii() and "@" not in text.partition("://")[2].partition("/")[0].partition("?")[0]
    )


async def test_the_name_is_resolved_once_and_the_connection_goes_to_that_address(
    tmp_path: Path,
) -> None:
    # DNS rebinding: a second question would get a private address.
    net = Net(PUBLIC)
    told = [(PUBLIC,), ("127.0.0.1",)]

    async def rebinding(host: str, port: int) -> Sequence[str]:
        net.resolved.append((host, port))
        return told.pop(0)

    with pytest.raises(FetchFailed):
        await fetch("https://rebind.example.com/a", policy=POLICY, into=tmp_path / "clip",
                    resolve=rebinding, connect=net.connect)  # fmt: skip
    assert net.resolved == [("rebind.example.com", 443)]
    assert net.connected == [(PUBLIC, 443, "rebind.example.com")]


async def test_a_second_public_address_is_tried_when_the_first_does_not_answer(
    tmp_path: Path,
) -> None:
    net = Net(PUBLIC, "2606:2800:220:1::1", "8.8.8.8")
    with pytest.raises(FetchFailed) as failed:
        await fetch("https://cdn.example.com/", policy=POLICY, into=tmp_path / "clip",
                    resolve=net.resolve, connect=net.connect)  # fmt: skip
    assert [address for address, _, _ in net.connected] == [PUBLIC, "2606:2800:220:1::1"]
    assert not failed.value.timeout


async def test_a_name_that_does_not_exist_or_answers_nothing_failed(tmp_path: Path) -> None:
    async def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError("-2: Name or service not known")

    async def nothing(host: str, port: int) -> Sequence[str]:
        return []

    for resolve in (unknown, nothing):
        net = Net()
        with pytest.raises(FetchFailed):
            await fetch("https://cdn.example.com/", policy=POLICY, into=tmp_path / "clip",
                        resolve=resolve, connect=net.connect)  # fmt: skip
        assert net.connected == []


async def test_a_resolver_that_hangs_times_out(tmp_path: Path) -> None:
    async def hanging(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        raise AssertionError

    net = Net()
    with pytest.raises(FetchFailed) as failed:
        await fetch(
            "https://cdn.example.com/", into=tmp_path / "clip", resolve=hanging,
            connect=net.connect,
            policy=FetchPolicy(max_bytes=1, media_types=VIDEO_TYPES, total_s=0.05),
        )  # fmt: skip
    assert failed.value.timeout and net.connected == []


# Servers: on 127.0.0.1, behind the allow-list --------------------------------------------------

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(
    handler: Handler, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that reads a request's head, writes it down, and lets `handler` answer."""
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    try:
        yield listening.sockets[0].getsockname()[1], heads
    finally:
        listening.close()
        await listening.wait_closed()


def saying(*parts: bytes) -> Handler:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()

    return say


def head(*lines: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


async def fetched(
    handler: Handler, into: Path, *, path: str = "/clip.mp4", **policy: Any
) -> Fetched:
    async with server(handler) as (port, _):
        listed = FetchPolicy(**{
            "max_bytes": 1_000_000, "media_types": VIDEO_TYPES, "total_s": 10.0, "idle_s": 5.0,
            "allow_hosts": parse_allow_hosts(f"127.0.0.1:{port}"), **policy,
        })  # fmt: skip
        return await fetch(f"http://127.0.0.1:{port}{path}", policy=listed, into=into)


async def test_a_file_arrives_whole_with_its_hash_and_the_type_of_its_bytes(tmp_path: Path) -> None:
    body = MP4 * 200  # more than a read and less than the limit
    for parts in (
        (head(f"Content-Length: {len(body)}", "Content-Type: text/html"), body),
        (head("Transfer-Encoding: chunked"), b"%x\r\n" % len(body), body, b"\r\n0\r\n\r\n"),
        (head("Connection: close"), body),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", head(f"Content-Length: {len(body)}"), body),
    ):
        got = await fetched(saying(*parts), tmp_path / "clip")
        assert got == Fetched(
            tmp_path / "clip", len(body), hashlib.sha256(body).hexdigest(), "video/mp4"
        )
        assert (tmp_path / "clip").read_bytes() == body
        assert [file.name for file in tmp_path.iterdir()] == ["clip"]


async def test_the_request_asks_plainly_and_carries_nothing_of_ours(tmp_path: Path) -> None:
    async with server(saying(head("Content-Length: 64"), MP4[:64])) as (port, heads):
        await fetch(
            f"http://127.0.0.1:{port}/a.mp4?token=x#part", into=tmp_path / "clip",
            policy=FetchPolicy(max_bytes=64, media_types=VIDEO_TYPES,
                               allow_hosts=frozenset({"127.0.0.1"})),
        )  # fmt: skip
    lines = heads[0].decode().split("\r\n")
    assert lines[0] == "GET /a.mp4?token=x HTTP/1.1"
    names = {line.partition(":")[0].lower(): line.partition(": ")[2] for line in lines[1:] if line}
    assert names == {
        "host": f"127.0.0.1:{port}", "user-agent": "daengdong", "accept-encoding": "identity",
        "accept": "video/mp4, video/quicktime, video/webm", "connection": "close",
    }  # fmt: skip


SECRET_WORDS = b"<html>the secret of the intranet</html>"
REFUSED: dict[str, tuple[str, tuple[bytes, ...]]] = {
    "a redirect to the metadata service": (
        "redirected",
        (head("Location: http://169.254.169.254/latest/", status="302 Found"),),
    ),
    "a permanent redirect": ("redirected", (head("Location: /a.mp4", status="308 Moved"),)),
    "not modified": ("redirected", (head(status="304 Not Modified"),)),
    "a web page as mp4": (
        "wrong_type",
        (head("Content-Type: video/mp4", f"Content-Length: {len(SECRET_WORDS)}"), SECRET_WORDS),
    ),
    "a picture": (
        "wrong_type",
        (head("Content-Length: 64"), b"\x89PNG\r\n\x1a\n" + b"\0" * 56),
    ),
    "an HEIF picture": (
        "wrong_type",
        (head("Content-Length: 64"), b"\0\0\0\x20ftypheic" + b"\0" * 52),
    ),
    "a Matroska file": (
        "wrong_type",
        (head("Content-Length: 64"), b"\x1a\x45\xdf\xa3" + b"matroska" + b"\0" * 52),
    ),
    "nothing": ("wrong_type", (head("Content-Length: 0"),)),
    "a compressed bomb": (
        "encoded",
        (head("Content-Encoding: gzip"), gzip.compress(b"\0" * 5_000_000)),
    ),
    "brotli": ("encoded", (head("Content-Encoding: br"), b"x" * 64)),
    "an announced flood": ("too_large", (head("Content-Length: 99999999999"),)),
    "a chunked flood": (
        "too_large",
        (head("Transfer-Encoding: chunked"), *(b"10000\r\n" + MP4[:64] + b"\0" * 65_472 + b"\r\n",)
         * 40),
    ),
    "header flood in one line": ("headers_too_large", (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 99_999,)),
    "header flood in many lines": (
        "headers_too_large",
        (b"HTTP/1.1 200 OK\r\n", *(f"X-{n}: {'y' * 80}\r\n".encode() for n in range(5_000))),
    ),
}  # fmt: skip
FAILED: dict[str, tuple[bytes, ...]] = {
    "not found": (head("Content-Length: 39", status="404 Not Found"), SECRET_WORDS),
    "an expired link": (head("Content-Length: 0", status="403 Forbidden"),),
    "partial": (head("Content-Length: 64", status="206 Partial Content"), MP4[:64]),
    "a server fault": (head("Content-Length: 0", status="503 Unavailable"),),
    "fewer bytes than announced": (head(f"Content-Length: {len(MP4) + 1}"), MP4),
    "a cut chunk": (head("Transfer-Encoding: chunked"), b"1000\r\n" + MP4[:100]),
    "two lengths": (head("Content-Length: 64", "Content-Length: 65"), MP4[:65]),
    "a length that is none": (head("Content-Length: -1"), MP4),
    "nothing at all": (b"",),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"x" * 100),
    "HTTP/0.9": (MP4,),
    "gzip as transfer encoding": (head("Transfer-Encoding: gzip, chunked"), b"0\r\n\r\n"),
    "interim answers for ever": (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 50,),
    "a switch of protocols": (head("Upgrade: h2c", status="101 Switching Protocols"),),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_hostile_answer_is_refused_and_leaves_no_file(name: str, tmp_path: Path) -> None:
    code, parts = REFUSED[name]
    with pytest.raises(FetchRefused) as refused:
        await fetched(saying(*parts), tmp_path / "clip")
    assert refused.value.code == code
    assert "secret" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", FAILED)
async def test_a_broken_answer_failed_and_leaves_no_file(name: str, tmp_path: Path) -> None:
    with pytest.raises(FetchFailed) as failed:
        await fetched(saying(*FAILED[name]), tmp_path / "clip")
    assert not failed.value.timeout
    assert "secret" not in str(failed.value)
    assert list(tmp_path.iterdir()) == []


async def test_more_bytes_than_announced_are_not_read(tmp_path: Path) -> None:
    got = await fetched(saying(head("Content-Length: 64"), MP4, SECRET_WORDS), tmp_path / "clip")
    assert got.size_bytes == 64


async def test_an_endless_body_ends_at_the_limit(tmp_path: Path) -> None:
    sent = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(head("Connection: close") + MP4)
        while True:
            writer.write(b"\0" * 65_536)
            await writer.drain()
            sent += 65_536

    with pytest.raises(FetchRefused) as refused:
        await fetched(endless, tmp_path / "clip", max_bytes=2_000_000)
    assert refused.value.code == "too_large"
    assert sent < 50_000_000  # the buffers of the sockets are in it
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("pause_s", [0.02, 0.0])
@pytest.mark.parametrize("where", ["head", "body"])
async def test_a_slow_loris_ends_with_the_whole_deadline(
    where: str, pause_s: float, tmp_path: Path
) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if where == "body":
            writer.write(head("Connection: close") + MP4)
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        while True:  # never idle for long
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(pause_s)  # without one, a byte comes with the deadline as well

    with pytest.raises(FetchFailed) as failed:
        await fetched(
            drip, tmp_path / "clip", total_s=0.5, idle_s=5.0, max_bytes=10**9,
            max_header_bytes=10**9,
        )  # fmt: skip
    assert failed.value.timeout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sent", [b"", head("Connection: close"), head("Connection: close") + MP4])
async def test_a_silent_server_ends_with_the_idle_limit(sent: bytes, tmp_path: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await reader.read()  # until the other side goes

    with pytest.raises(FetchFailed) as failed:
        await fetched(silent, tmp_path / "clip", total_s=60.0, idle_s=0.2)
    assert failed.value.timeout
    assert list(tmp_path.iterdir()) == []


async def test_a_host_off_the_list_is_refused_though_it_listens(tmp_path: Path) -> None:
    async with server(saying(head("Content-Length: 64"), MP4[:64])) as (port, heads):
        for listed in ("", f"127.0.0.1:{port + 1}", "cdn.example.com", f"127.0.0.2:{port}"):
            for url in (f"http://127.0.0.1:{port}/", f"https://127.0.0.1:{port}/"):
                with pytest.raises(FetchRefused):
                    await fetch(url, into=tmp_path / "clip", policy=FetchPolicy(
                        max_bytes=64, media_types=VIDEO_TYPES,
                        allow_hosts=parse_allow_hosts(listed)))  # fmt: skip
        assert heads == []


async def test_a_cancelled_fetch_leaves_no_file(tmp_path: Path) -> None:
    started = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head("Connection: close") + MP4 * 300)
        started.set()
        await reader.read()

    task = asyncio.create_task(fetched(silent, tmp_path / "clip", max_bytes=10**7))
    await started.wait()
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(tmp_path.iterdir()) == []


# TLS: the certificate is checked for the name of the URL ---------------------------------------


def made_certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for `name`, and a client's that trusts it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    file = folder / f"{name}.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                          serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )  # fmt: skip
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(file)
    return serving, ssl.create_default_context(cafile=str(file))


async def test_tls_is_checked_for_the_name_though_the_address_is_pinned(tmp_path: Path) -> None:
    certificates, into = tmp_path / "tls", tmp_path / "in"
    certificates.mkdir()
    into.mkdir()
    serving, trusting = made_certificate(certificates, "cdn.example.com")
    seen: list[str | None] = []
    serving.sni_callback = lambda _socket, name, _context: seen.append(name)
    async with server(saying(head("Content-Length: 64"), MP4[:64]), serving) as (port, heads):

        async def here(
            address: str, _port: int, tls_name: str | None, context: ssl.SSLContext | None
        ) -> Streams:
            assert address == PUBLIC  # pinned; the test's server stands in its place
            return await open_pinned("127.0.0.1", port, tls_name, context=context)

        async def get(host: str, context: ssl.SSLContext | None) -> Fetched:
            return await fetch(
                f"https://{host}/a.mp4", policy=POLICY, into=into / "clip",
                resolve=Net(PUBLIC).resolve, connect=partial(here, context=context),
            )  # fmt: skip

        got = await get("cdn.example.com", trusting)
        assert got.size_bytes == 64 and b"Host: cdn.example.com\r\n" in heads[0]
        assert seen == ["cdn.example.com"]
        got.path.unlink()
        for host, context in (("other.example.com", trusting), ("cdn.example.com", None)):
            with pytest.raises(FetchFailed, match="certificate"):
                await get(host, context)
        assert len(heads) == 1  # not a byte of a request to who can't prove the name
    assert list(into.iterdir()) == []


# The first bytes --------------------------------------------------------------------------------


@given(st.binary(max_size=80))
def test_any_first_bytes_get_a_type_or_none(data: bytes) -> None:
    assert sniff(data) is None or "/" in str(sniff(data))


def test_a_public_literal_address_needs_no_resolver() -> None:
    assert parse_url(f"https://{PUBLIC}/").is_address
    assert ip_address(PUBLIC).is_global
