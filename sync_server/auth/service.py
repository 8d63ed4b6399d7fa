"""Sign-in of guests, devices, and what other domains ask of the account row."""

from __future__ import annotations

import secrets
from ipaddress import IPv6Address, ip_address

from edge_sdk.ids import uuid7
from sync_server.auth import sessions
from sync_server.auth.guest_secrets import hash_secret, is_secret
from sync_server.auth.schemas import ClientAnswer, GuestRequest, TokenAnswer
from sync_server.auth.tables import AppUser, OauthState, SyncClient
from sync_server.platform import rate_limit
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx
from sync_server.platform.errors import Problem
from sync_server.platform.queries import run, run_one
from sync_server.platform.rate_limit import SIGN_IN, WRITE, Limit
from sync_server.platform.tokens import CurrentUser, opaque_token

_DEFAULT_NAMES = {"ko": "산책친구", "en": "Walker"}


async def sign_in_guest(
    platform: Platform, request: GuestRequest, language: str, address: str
) -> TokenAnswer:
    """Make a guest account, or sign in to one; the same request again has no other effect.

    Raises Problem unauthorized (wrong secret or no such guest), client_bound, rate_limited.
    """
    now_ms = platform.clock()
    await limit(platform, SIGN_IN, network_of(address), now_ms)
    if request.user_id is None and request.guest_secret is None:
        return await _sign_up(platform, request, opaque_token(), language, now_ms)
    if request.guest_secret is None:
        raise Problem("invalid_input", "user_id needs guest_secret")
    if request.user_id is not None:
        return await _sign_in(
            platform, request, request.user_id, request.guest_secret, "unauthorized", now_ms
        )
    bound = await _guest_of_client(platform, request.client_id)
    if bound is None:
        try:
            return await _sign_up(platform, request, request.guest_secret, language, now_ms)
        except Problem as problem:
            # The same sign-up ran twice at once and the other one was first.
            bound = await _guest_of_client(platform, request.client_id)
            if problem.code != "client_bound" or bound is None:
                raise
    return await _sign_in(platform, request, bound, request.guest_secret, "client_bound", now_ms)


async def _sign_up(
    platform: Platform, request: GuestRequest, secret: str, language: str, now_ms: int
) -> TokenAnswer:
    stored = await hash_secret(secret)
    async with platform.database.transaction() as tx:
        user_no, user_id = await create_user(
            tx, kind="guest", language=language, now_ms=now_ms, secret_hash=stored
        )
        user = CurrentUser(user_no, user_id, request.client_id)
        await register_client(tx, user, request.device_name, now_ms)
        token = await sessions.begin(platform, tx, user, now_ms)
    return token_answer(platform, user, token, secret)


async def _sign_in(
    platform: Platform,
    request: GuestRequest,
    user_id: str,
    secret: str,
    refusal: str,
    now_ms: int,
) -> TokenAnswer:
    async with platform.database.read() as tx:
        row = await run_one(
            tx,
            AppUser.select(AppUser.user_no, AppUser.secret_hash).where(
                (AppUser.user_id == user_id) & AppUser.deleted_ms.is_null()
            ),
        )
    if not await is_secret(secret, None if row is None else row["secret_hash"]):
        raise Problem(refusal)
    user = CurrentUser(row["user_no"], user_id, request.client_id)
    async with platform.database.transaction() as tx:
        await require_alive(tx, user.user_no)
        await register_client(tx, user, request.device_name, now_ms)
        token = await sessions.begin(platform, tx, user, now_ms)
    return token_answer(platform, user, token)


async def _guest_of_client(platform: Platform, client_id: str) -> str | None:
    async with platform.database.read() as tx:
        found: str | None = await tx.fetch_value(
            """SELECT u.user_id FROM sync_client c JOIN app_user u ON u.user_no = c.user_no
               WHERE c.client_id = ? AND u.kind = 'guest' AND u.deleted_ms IS NULL""",
            client_id,
        )
    return found


async def create_user(
    tx: Tx,
    *,
    kind: str,
    language: str,
    now_ms: int,
    secret_hash: str | None = None,
    kakao_id: str | None = None,
    display_name: str = "",
) -> tuple[int, str]:
    """Make an account; return its number and id. Raises UniqueViolation for a known Kakao id."""
    user_id = uuid7()
    name = display_name or f"{_DEFAULT_NAMES[language]}{secrets.randbelow(9000) + 1000}"
    user_no = await tx.fetch_value(
        """INSERT INTO app_user
             (user_id, display_name, kind, kakao_id, secret_hash, language, created_ms)
           VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING user_no""",
        user_id, name, kind, kakao_id, secret_hash, language, now_ms,
    )  # fmt: skip
    return int(user_no), user_id


async def register_client(tx: Tx, user: CurrentUser, device_name: str, now_ms: int) -> ClientAnswer:
    """Bind a device to a user, or see it again; raise Problem client_bound if another's."""
    row = await tx.fetch_one(
        """INSERT INTO sync_client AS c (client_id, user_no, device_name, created_ms, seen_ms)
           VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (client_id) DO UPDATE
             SET device_name = excluded.device_name, seen_ms = excluded.seen_ms
             WHERE c.user_no = excluded.user_no
           RETURNING last_seq""",
        user.client_id, user.user_no, device_name.strip(), now_ms, now_ms,
    )  # fmt: skip
    if row is None:
        raise Problem("client_bound")
    return ClientAnswer(user.client_id, device_name.strip(), row["last_seq"])


async def add_client(
    platform: Platform, user: CurrentUser, client_id: str, device_name: str
) -> ClientAnswer:
    """Register a further device id of the signed-in user."""
    now_ms = platform.clock()
    async with platform.database.transaction() as tx:
        await rate_limit.limit(platform, tx, WRITE, str(user.user_no))
        await require_alive(tx, user.user_no)
        bound = CurrentUser(user.user_no, user.user_id, client_id)
        return await register_client(tx, bound, device_name, now_ms)


async def refresh(
    platform: Platform, refresh_token: str, client_id: str, address: str
) -> TokenAnswer:
    """Trade a refresh token for a new pair; raise Problem refresh_refused or rate_limited."""
    rotated = await sessions.rotate(
        platform, refresh_token, client_id, network_of(address), platform.clock()
    )
    return token_answer(platform, rotated.user, rotated.refresh_token)


def token_answer(
    platform: Platform, user: CurrentUser, refresh_token: str, guest_secret: str | None = None
) -> TokenAnswer:
    """Make the answer of a sign-in, with a fresh access token."""
    return TokenAnswer(
        user_id=user.user_id,
        client_id=user.client_id,
        access_token=platform.signer.access_token(user),
        refresh_token=refresh_token,
        expires_in=platform.signer.access_token_s,
        guest_secret=guest_secret,
    )


async def require_alive(tx: Tx, user_no: int) -> None:
    """Keep an account from being deleted until this transaction ends.

    Raises Problem unauthorized for a deleted one. Writers call it so that a request that was
    under way cannot leave rows behind an erasure; they do not wait for one another.
    """
    lock = " FOR KEY SHARE" if tx.dialect == "postgres" else ""
    alive = await tx.fetch_value(
        f"SELECT 1 FROM app_user WHERE user_no = ? AND deleted_ms IS NULL{lock}", user_no
    )
    if alive is None:
        raise Problem("unauthorized")


async def limit(platform: Platform, bucket: Limit, who: str, now_ms: int) -> None:
    """Take a token in a transaction of its own, so that a failed attempt counts too."""
    if platform.settings.rate_limits == "on":
        async with platform.database.transaction() as tx:
            await rate_limit.take(tx, bucket, who, now_ms)


def network_of(address: str) -> str:
    """Return whom an address counts as: itself, or its /64 network for IPv6."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or IPv6Address(int(parsed) >> 64 << 64))
    return str(parsed)


async def erase(tx: Tx, user_no: int, now_ms: int) -> list[str]:
    """Delete a user's tokens and devices; runs after the domains whose rows name a device."""
    await sessions.erase(tx, user_no)
    await run(tx, SyncClient.delete().where(SyncClient.user_no == user_no))
    return []


async def sweep(platform: Platform, now_ms: int) -> None:
    """Delete what has expired: tokens, families, unfinished Kakao sign-ins."""
    async with platform.database.transaction() as tx:
        await sessions.sweep(tx, now_ms)
        await run(tx, OauthState.delete().where(OauthState.expires_ms <= now_ms))
