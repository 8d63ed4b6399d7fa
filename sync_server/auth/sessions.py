"""Refresh tokens: opaque, stored as hashes, in families of one sign-in each.

A token is used once: one conditional UPDATE, committed before the answer, decides who rotates
it. Phones lose answers, so for ten seconds the same device gets the same successor again; the
successor follows from the token by a keyed hash, so nothing readable is stored for that. Any
other reuse means that the token leaked: its family is revoked and stays revoked.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from typing import Any

import msgspec
import structlog

from sync_server.auth.tables import RefreshToken, TokenFamily
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx
from sync_server.platform.errors import Problem
from sync_server.platform.queries import run
from sync_server.platform.rate_limit import REFRESH, take
from sync_server.platform.tokens import CurrentUser, opaque_token, token_hash

log = structlog.get_logger(__name__)
GRACE_MS = 10_000


class Rotated(msgspec.Struct, frozen=True):
    """Who refreshed, and the next refresh token."""

    user: CurrentUser
    refresh_token: str


async def begin(platform: Platform, tx: Tx, user: CurrentUser, now_ms: int) -> str:
    """Begin a family for a device that has just signed in; return its first refresh token."""
    token, family = opaque_token(), secrets.token_hex(16)
    expires_ms = now_ms + platform.settings.refresh_token_s * 1000
    await run(
        tx,
        TokenFamily.insert(
            TokenFamily(
                family=family,
                user_no=user.user_no,
                client_id=user.client_id,
                created_ms=now_ms,
                expires_ms=expires_ms,
                revoked_ms=None,
            )
        ),
    )
    await _store(tx, token, family, now_ms, expires_ms)
    return token


async def rotate(
    platform: Platform, token: str, client_id: str, address: str, now_ms: int
) -> Rotated:
    """Trade a refresh token for its successor; raise Problem refresh_refused or rate_limited."""
    async with platform.database.transaction() as tx:
        row = await tx.fetch_one(
            """SELECT t.family, t.expires_ms, f.client_id, f.user_no, f.revoked_ms, u.user_id
               FROM refresh_token t
               JOIN token_family f ON f.family = t.family
               JOIN app_user u ON u.user_no = f.user_no
               WHERE t.token_hash = ? AND u.deleted_ms IS NULL""",
            token_hash(token),
        )
        if platform.settings.rate_limits == "on":
            await take(tx, REFRESH, address if row is None else row["family"], now_ms)
        successor = (
            None if row is None else await _advance(platform, tx, row, token, client_id, now_ms)
        )
    # Raised only here: a revocation must be committed, not rolled back by its own refusal.
    if row is None or successor is None:
        raise Problem("refresh_refused")
    return Rotated(CurrentUser(row["user_no"], row["user_id"], client_id), successor)


async def _advance(
    platform: Platform, tx: Tx, row: Any, token: str, client_id: str, now_ms: int
) -> str | None:
    if row["revoked_ms"] is not None or row["expires_ms"] <= now_ms:
        return None
    if row["client_id"] != client_id:
        await _revoke(tx, row["family"], "other_device", now_ms)
        return None
    successor, digest = _successor(platform, token), token_hash(token)
    won = await tx.execute(
        """UPDATE refresh_token SET used_ms = ? WHERE token_hash = ? AND used_ms IS NULL
           AND EXISTS (SELECT 1 FROM token_family f
                       WHERE f.family = refresh_token.family AND f.revoked_ms IS NULL)""",
        now_ms, digest,
    )  # fmt: skip
    if won:
        expires_ms = now_ms + platform.settings.refresh_token_s * 1000
        await _store(tx, successor, row["family"], now_ms, expires_ms)
        await tx.execute(
            "UPDATE token_family SET expires_ms = ? WHERE family = ?", expires_ms, row["family"]
        )
        return successor
    used_ms = await tx.fetch_value(
        """SELECT t.used_ms FROM refresh_token t
           JOIN token_family f ON f.family = t.family AND f.revoked_ms IS NULL
           JOIN refresh_token s ON s.family = t.family AND s.token_hash = ?
           WHERE t.token_hash = ?""",
        token_hash(successor), digest,
    )  # fmt: skip
    if used_ms is None:
        # Revoked in between, or used under another secret key: there is no successor to give.
        return None
    if now_ms - used_ms <= GRACE_MS:
        return successor
    await _revoke(tx, row["family"], "reused", now_ms)
    return None


async def end(platform: Platform, token: str, now_ms: int) -> None:
    """Revoke the family of a refresh token; an unknown token is no error (RFC 7009)."""
    async with platform.database.transaction() as tx:
        family = await tx.fetch_value(
            "SELECT family FROM refresh_token WHERE token_hash = ?", token_hash(token)
        )
        if family is not None:
            await _revoke(tx, family, "logout", now_ms)


async def erase(tx: Tx, user_no: int) -> None:
    """Delete every family and token of a user."""
    await tx.execute(
        """DELETE FROM refresh_token WHERE family IN
             (SELECT family FROM token_family WHERE user_no = ?)""",
        user_no,
    )
    await run(tx, TokenFamily.delete().where(TokenFamily.user_no == user_no))


async def sweep(tx: Tx, now_ms: int) -> None:
    """Delete tokens and families that have expired."""
    await run(tx, RefreshToken.delete().where(RefreshToken.expires_ms <= now_ms))
    await run(tx, TokenFamily.delete().where(TokenFamily.expires_ms <= now_ms))


async def _store(tx: Tx, token: str, family: str, now_ms: int, expires_ms: int) -> None:
    await run(
        tx,
        RefreshToken.insert(
            RefreshToken(
                token_hash=token_hash(token),
                family=family,
                created_ms=now_ms,
                expires_ms=expires_ms,
                used_ms=None,
            )
        ),
    )


async def _revoke(tx: Tx, family: str, reason: str, now_ms: int) -> None:
    revoked = await tx.execute(
        "UPDATE token_family SET revoked_ms = ? WHERE family = ? AND revoked_ms IS NULL",
        now_ms, family,
    )  # fmt: skip
    if revoked and reason != "logout":
        log.warning("sign_in_revoked", reason=reason)


def _successor(platform: Platform, token: str) -> str:
    message = f"daengdong refresh\n{token}".encode()
    digest = hmac.new(platform.settings.secret_key.encode(), message, hashlib.sha256).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
