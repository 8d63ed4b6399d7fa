"""The guard of the routes that only signed calls may reach (`webhooks.py` has the signatures)."""

from __future__ import annotations

from typing import Any, Final

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from sync_server.platform.errors import Problem
from sync_server.platform.webhooks import (
    ID_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    WebhookRefused,
    checked_headers,
    parse_secrets,
    verify,
)

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
"""A result with its report is below 200 kB; a stranger can't make us hash more than this."""


async def require_signed(request: Request[Any, Any, Any]) -> str:
    """Return the message id of a signed request; raise Problem (401) with WebhookRefused's code.

    The keys are `settings.internal_secrets`, the time is the clock of `app.state.platform` (or of
    `app.state.services` in a role without a platform). Headers are checked before the body is
    read.
    """
    state = request.app.state
    parts = state.get("platform") or state.services
    secrets, now_s = parse_secrets(parts.settings.internal_secrets), parts.clock() // 1000
    try:
        headers = _single_headers(request)
        checked_headers(secrets, headers, now_s)
        body = await _body(request)
        return verify(secrets, headers, body, now_s)
    except WebhookRefused as refused:
        raise Problem(refused.code, refused.detail) from None


async def signed_only(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Litestar guard of the /internal routes: `guards=[signed_only]`."""
    if not isinstance(connection, Request):  # a websocket can't be signed
        raise Problem("webhook_unsigned")
    await require_signed(connection)


def _single_headers(request: Request[Any, Any, Any]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name in (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER):
        values = request.headers.getall(name, [])
        if len(values) > 1:  # which of them the sender's proxy has seen is not for us to guess
            raise WebhookRefused("webhook_malformed", f"{name} more than once")
        if values:
            headers[name] = values[0]
    return headers


async def _body(request: Request[Any, Any, Any]) -> bytes:
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > MAX_BODY_BYTES:
        raise Problem("too_large", f"at most {MAX_BODY_BYTES} bytes")
    # The app's own limit ends a body that announces nothing.
    body = await request.body()
    if len(body) > MAX_BODY_BYTES:
        raise Problem("too_large", f"at most {MAX_BODY_BYTES} bytes")
    return body
