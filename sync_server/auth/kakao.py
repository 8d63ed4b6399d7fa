"""Kakao Login over its REST API: authorization code flow with PKCE.

Wire format: developers.kakao.com, Kakao Login, REST API. Every fault of the other side is one
of two exceptions; none of them carries what Kakao said, because its descriptions repeat the code.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import ssl
from base64 import urlsafe_b64encode
from functools import lru_cache
from urllib.parse import urlencode

import httpx
import msgspec
import structlog

from sync_server.platform.settings import Settings

log = structlog.get_logger(__name__)
MAX_ANSWER_BYTES = 64 * 1024
CONNECT_TIMEOUT_S = 3.0
_ERROR_CODE = re.compile(r"KOE\d{1,4}|-?\d{1,5}")


class KakaoFailed(Exception):
    """Kakao did not answer as it should; the sign-in may be started again."""


class KakaoRefusedCode(Exception):
    """The authorization code is used, expired, or of another sign-in."""


class KakaoProfile(msgspec.Struct, frozen=True):
    """Who signed in at Kakao; `nickname` is empty without the user's agreement."""

    kakao_id: str
    nickname: str


class _Token(msgspec.Struct, frozen=True):
    access_token: str


class _TokenError(msgspec.Struct, frozen=True):
    error: str
    error_code: str = ""


class _Nickname(msgspec.Struct, frozen=True):
    nickname: str = ""


class _Account(msgspec.Struct, frozen=True):
    profile: _Nickname = _Nickname()


class _Me(msgspec.Struct, frozen=True):
    id: int
    kakao_account: _Account = _Account()


def code_challenge(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636, section 4.2)."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def redirect_uris(settings: Settings) -> frozenset[str]:
    """Return the addresses that a sign-in may come back to."""
    parts = (part.strip() for part in settings.kakao_redirect_uris.split(","))
    return frozenset(part for part in parts if part)


def is_configured(settings: Settings) -> bool:
    """Say whether this server can sign in with Kakao."""
    return bool(settings.kakao_client_id and redirect_uris(settings))


def authorize_url(settings: Settings, redirect_uri: str, state: str, verifier: str) -> str:
    """Return where to send the user."""
    query = urlencode(
        {
            "response_type": "code",
            "client_id": settings.kakao_client_id,
            "redirect_uri": redirect_uri,
            "state": state,
            "code_challenge": code_challenge(verifier),
            "code_challenge_method": "S256",
        }
    )
    return f"{settings.kakao_auth_url}/oauth/authorize?{query}"


async def profile_of_code(
    settings: Settings, code: str, verifier: str, redirect_uri: str
) -> KakaoProfile:
    """Trade an authorization code for who signed in; raise KakaoFailed or KakaoRefusedCode.

    Kakao's own tokens are used once and kept nowhere.
    """
    form = {
        "grant_type": "authorization_code",
        "client_id": settings.kakao_client_id,
        "redirect_uri": redirect_uri,
        "code": code,
        "code_verifier": verifier,
    }
    if settings.kakao_client_secret:
        form["client_secret"] = settings.kakao_client_secret
    try:
        # One deadline over both calls: httpx's timeouts restart with every byte.
        async with (
            asyncio.timeout(settings.kakao_timeout_s),
            httpx.AsyncClient(
                timeout=httpx.Timeout(settings.kakao_timeout_s, connect=CONNECT_TIMEOUT_S),
                follow_redirects=False,
                verify=_tls(),
            ) as client,
        ):
            token = _read_token(
                *await _send(client, "POST", f"{settings.kakao_auth_url}/oauth/token", data=form)
            )
            status, body = await _send(
                client,
                "GET",
                f"{settings.kakao_api_url}/v2/user/me",
                headers={"Authorization": f"Bearer {token}"},
            )
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        log.warning("kakao_failed", step="request", kind=type(error).__name__)
        raise KakaoFailed from None
    if status != 200:
        log.warning("kakao_failed", step="profile", status=status)
        raise KakaoFailed
    try:
        me = msgspec.json.decode(body, type=_Me)
    except (msgspec.DecodeError, UnicodeDecodeError):
        log.warning("kakao_failed", step="profile", kind="not the documented JSON")
        raise KakaoFailed from None
    return KakaoProfile(str(me.id), me.kakao_account.profile.nickname)


def _read_token(status: int, body: bytes) -> str:
    try:
        if status == 200:
            return msgspec.json.decode(body, type=_Token).access_token
        failure = msgspec.json.decode(body, type=_TokenError)
    except (msgspec.DecodeError, UnicodeDecodeError):
        log.warning("kakao_failed", step="exchange", status=status, kind="not the documented JSON")
        raise KakaoFailed from None
    if status == 400 and failure.error == "invalid_grant":
        raise KakaoRefusedCode
    shown = failure.error_code if _ERROR_CODE.fullmatch(failure.error_code) else ""
    log.warning("kakao_failed", step="exchange", status=status, error_code=shown)
    raise KakaoFailed


async def _send(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    data: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, bytes]:
    async with client.stream(method, url, data=data, headers=headers) as answer:
        body = bytearray()
        async for part in answer.aiter_bytes():
            body += part
            if len(body) > MAX_ANSWER_BYTES:
                log.warning("kakao_failed", step="request", kind="answer too large")
                raise KakaoFailed
        return answer.status_code, bytes(body)


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    # Building one reads the whole certificate store: about 20 ms that every sign-in would pay.
    return httpx.create_ssl_context()
