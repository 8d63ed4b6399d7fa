"""A client's URL taken apart strictly: what is not plain is refused before anything is looked up.

Stricter than the WHATWG's URL standard on purpose: two readers of one text must not come to
different hosts, so every spelling that some reader would repair is refused.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final, Literal

import msgspec

MAX_URL_CHARS: Final = 2_048
DEFAULT_PORTS: Final = {"https": 443, "http": 80}

# Printable ASCII without blank, backslash and the characters no URL has.
_PLAIN: Final = re.compile(r"[!-~]+")
_UNSAFE: Final = frozenset('\\"<>^`{|}')
_PARTS: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<rest>.*)"
)
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
# Names that never are hosts of the internet (RFC 6761, 6762, 7686, 8375, ICANN's .internal).
_CLOSED_ZONES: Final = frozenset(
    {"localhost", "localdomain", "local", "internal", "intranet", "lan", "home", "corp", "arpa",
     "onion", "test", "invalid", "alt"}
)  # fmt: skip


class FetchRefused(Exception):
    """The URL, or what it leads to, is not taken; the client can do something about it.

    `code` is stable: url_malformed, url_scheme, url_userinfo, url_port, url_host,
    address_not_public, redirected, encoded, headers_too_large, too_large, wrong_type. `detail`
    never has a word of the answer, nor the addresses behind a name.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class SafeUrl(msgspec.Struct, frozen=True):
    """An address to fetch: `host` is a lower-case name or an IP address without brackets.

    `listed` says that the operator's allow-list names it: it may be private, on any port, and
    by http.
    """

    scheme: Literal["https", "http"]
    host: str
    port: int
    target: str
    is_address: bool
    listed: bool

    @property
    def host_header(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def parse_allow_hosts(text: str) -> frozenset[str]:
    """Split the setting `fetch_allow_hosts`: `host` (any port) or `host:port`, by commas."""
    return frozenset(part.strip().lower() for part in text.split(",") if part.strip())


def parse_url(url: str, allow_hosts: frozenset[str] = frozenset()) -> SafeUrl:
    """Take a URL apart; raise FetchRefused for every form that is not plain."""
    if not 0 < len(url) <= MAX_URL_CHARS:
        raise FetchRefused("url_malformed", f"an address has 1 to {MAX_URL_CHARS} characters")
    if not _PLAIN.fullmatch(url) or _UNSAFE & set(url):
        raise FetchRefused("url_malformed", "an address is plain ASCII, percent-encoded")
    found = _PARTS.fullmatch(url)
    if found is None:
        raise FetchRefused("url_malformed", "an address is https://host/path")
    scheme = found["scheme"].lower()
    if scheme not in DEFAULT_PORTS:
        raise FetchRefused("url_scheme", "only https addresses are taken")
    authority = found["authority"].lower()
    if "@" in authority:
        raise FetchRefused("url_userinfo", "an address without user and password")
    host, port_text = _split_port(authority)
    is_address = _check_host(host)
    port = DEFAULT_PORTS[scheme]
    if port_text is not None:
        if not _PORT.fullmatch(port_text) or int(port_text) > 65_535:
            raise FetchRefused("url_port", "the port is no port")
        port = int(port_text)
    listed = bool(allow_hosts & {host, f"{host}:{port}", f"[{host}]:{port}", f"[{host}]"})
    if not listed:
        if scheme != "https":
            raise FetchRefused("url_scheme", "only https addresses are taken")
        if port != DEFAULT_PORTS[scheme]:
            raise FetchRefused("url_port", "only the usual port is taken")
        labels = host.split(".")
        if not is_address and (len(labels) < 2 or labels[-1] in _CLOSED_ZONES):
            raise FetchRefused("url_host", "the host is no name of the internet")
    target = found["rest"].partition("#")[0]
    if not target.startswith("/"):
        target = "/" + target
    return SafeUrl(
        scheme="https" if scheme == "https" else "http", host=host, port=port, target=target,
        is_address=is_address, listed=listed,
    )  # fmt: skip


def _split_port(authority: str) -> tuple[str, str | None]:
    if authority.startswith("["):
        host, bracket, rest = authority[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise FetchRefused("url_host", "the brackets of the host do not close")
        # In brackets only IPv6: what else stands there is no name either.
        if ":" not in host:
            raise FetchRefused("url_host", "the host is no address")
        return host, rest[1:] if rest else None
    host, colon, port = authority.partition(":")
    return host, port if colon else None


def _check_host(host: str) -> bool:
    """Say whether a host is an IP address; raise FetchRefused unless it is written plainly."""
    if ":" in host:
        try:
            IPv6Address(host)
        except AddressValueError:
            raise FetchRefused("url_host", "the host is no IPv6 address") from None
        if "%" in host:  # a zone id names an interface of ours
            raise FetchRefused("url_host", "the host has a zone id")
        return True
    labels = host.split(".")
    # What ends in a number is an IPv4 address to every browser: then in the plain form only, not
    # decimal, octal, hexadecimal or short.
    if any(_NUMBER.fullmatch(label) for label in labels[-1:]) or _NUMBER.fullmatch(host):
        try:
            plain = str(IPv4Address(host)) == host
        except AddressValueError:
            plain = False
        if not plain:
            raise FetchRefused("url_host", "an IPv4 address is four decimal numbers")
        return True
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise FetchRefused("url_host", "the host is no plain name")
    return False
