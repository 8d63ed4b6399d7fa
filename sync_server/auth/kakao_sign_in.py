"""Sign-in with Kakao: start, finish, and turning a guest into a Kakao account."""

from __future__ import annotations

from typing import Any

import structlog

from sync_server.auth import kakao, sessions
from sync_server.auth.schemas import KakaoRequest, KakaoStart, TokenAnswer
from sync_server.auth.service import (
    create_user,
    limit,
    network_of,
    register_client,
    require_alive,
    token_answer,
)
from sync_server.auth.tables import OauthState
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx, UniqueViolation
from sync_server.platform.errors import FieldError, Problem
from sync_server.platform.queries import run
from sync_server.platform.rate_limit import SIGN_IN
from sync_server.platform.tokens import CurrentUser, opaque_token, token_hash

log = structlog.get_logger(__name__)
STATE_LIFE_MS = 10 * 60_000
NAME_LENGTH = 30


async def start(platform: Platform, redirect_uri: str, address: str) -> KakaoStart:
    """Begin a sign-in: a state that works once within ten minutes, and where to go with it.

    Raises Problem not_configured, invalid_input (an address that is not allowed), rate_limited.
    """
    settings, now_ms = platform.settings, platform.clock()
    _require_configured(platform)
    if redirect_uri not in kakao.redirect_uris(settings):
        raise _wrong("redirect_uri", "not an address that this server allows")
    await limit(platform, SIGN_IN, network_of(address), now_ms)
    state, verifier = opaque_token(), opaque_token()
    async with platform.database.transaction() as tx:
        await run(
            tx,
            OauthState.insert(
                OauthState(
                    state_hash=token_hash(state),
                    verifier=verifier,
                    redirect_uri=redirect_uri,
                    expires_ms=now_ms + STATE_LIFE_MS,
                )
            ),
        )
    return KakaoStart(kakao.authorize_url(settings, redirect_uri, state, verifier), state)


async def finish(
    platform: Platform,
    request: KakaoRequest,
    guest: CurrentUser | None,
    language: str,
    address: str,
) -> TokenAnswer:
    """Sign in who comes back from Kakao; a signed-in `guest` becomes that Kakao account.

    Raises Problem not_configured, invalid_input (state or code), upstream_failed, conflict (the
    Kakao account already has an account here), client_bound, rate_limited.
    """
    now_ms = platform.clock()
    _require_configured(platform)
    await limit(platform, SIGN_IN, network_of(address), now_ms)
    # Committed before Kakao is asked: a state works once, whatever happens afterwards.
    async with platform.database.transaction() as tx:
        started = await tx.fetch_one(
            "DELETE FROM oauth_state WHERE state_hash = ? RETURNING verifier, redirect_uri, "
            "expires_ms",
            token_hash(request.state),
        )
    if started is None or started["expires_ms"] <= now_ms:
        raise _wrong("state", "unknown, used or older than ten minutes")
    try:
        profile = await kakao.profile_of_code(
            platform.settings, request.code, started["verifier"], started["redirect_uri"]
        )
    except kakao.KakaoRefusedCode:
        raise _wrong("code", "Kakao does not know it (any more)") from None
    except kakao.KakaoFailed:
        raise Problem("upstream_failed") from None
    try:
        async with platform.database.transaction() as tx:
            user_no, user_id = await _account(tx, profile, guest, language, now_ms)
            user = CurrentUser(user_no, user_id, request.client_id)
            await register_client(tx, user, request.device_name, now_ms)
            token = await sessions.begin(platform, tx, user, now_ms)
    except UniqueViolation:
        # The same Kakao account signed up twice at once; the other sign-in was first.
        raise Problem("conflict", "sign in again") from None
    return token_answer(platform, user, token)


async def _account(
    tx: Tx, profile: kakao.KakaoProfile, guest: CurrentUser | None, language: str, now_ms: int
) -> tuple[int, str]:
    known = await tx.fetch_one(
        "SELECT user_no, user_id FROM app_user WHERE kakao_id = ? AND deleted_ms IS NULL",
        profile.kakao_id,
    )
    if guest is not None:
        return await _link(tx, profile, guest, known)
    if known is not None:
        await require_alive(tx, known["user_no"])
        return known["user_no"], known["user_id"]
    return await create_user(
        tx,
        kind="kakao",
        language=language,
        now_ms=now_ms,
        kakao_id=profile.kakao_id,
        display_name=_clean_name(profile.nickname),
    )


async def _link(
    tx: Tx, profile: kakao.KakaoProfile, guest: CurrentUser, known: Any
) -> tuple[int, str]:
    if known is not None and known["user_no"] != guest.user_no:
        raise Problem("conflict", "this Kakao account already has an account here")
    if known is None:
        # The guest's secret goes: an account has one way in.
        linked = await tx.execute(
            """UPDATE app_user SET kind = 'kakao', kakao_id = ?, secret_hash = NULL
               WHERE user_no = ? AND kind = 'guest' AND deleted_ms IS NULL""",
            profile.kakao_id, guest.user_no,
        )  # fmt: skip
        if not linked:
            raise Problem("conflict", "the account is linked to another Kakao account")
    return guest.user_no, guest.user_id


def _clean_name(nickname: str) -> str:
    kept = "".join(letter for letter in nickname if letter.isprintable())
    return kept.strip()[:NAME_LENGTH].strip()


def _require_configured(platform: Platform) -> None:
    if not kakao.is_configured(platform.settings):
        raise Problem("not_configured")


def _wrong(field: str, message: str) -> Problem:
    return Problem("invalid_input", errors=[FieldError(field, message)])
