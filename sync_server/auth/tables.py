"""Piccolo tables of accounts and sign-ins (DDL: migrations/m0002_accounts.py)."""

from __future__ import annotations

from piccolo.columns import BigInt, BigSerial, Text, Varchar
from piccolo.table import Table


class AppUser(Table, tablename="app_user"):
    """An account; a deleted one keeps only its numbers."""

    user_no = BigSerial(primary_key=True)
    user_id = Varchar(length=36)
    display_name = Text()
    kind = Text()
    kakao_id = Text(null=True)
    secret_hash = Text(null=True)
    language = Text()
    created_ms = BigInt()
    deleted_ms = BigInt(null=True)
    erased_ms = BigInt(null=True)


class SyncClient(Table, tablename="sync_client"):
    """A device of a user: the writer of one log of facts."""

    client_no = BigSerial(primary_key=True)
    client_id = Varchar(length=36)
    user_no = BigInt()
    device_name = Text()
    created_ms = BigInt()
    seen_ms = BigInt()
    last_seq = BigInt()


class TokenFamily(Table, tablename="token_family"):
    """One sign-in of one device: all refresh tokens that follow from it."""

    family = Text(primary_key=True)
    user_no = BigInt()
    client_id = Varchar(length=36)
    created_ms = BigInt()
    expires_ms = BigInt()
    revoked_ms = BigInt(null=True)


class RefreshToken(Table, tablename="refresh_token"):
    """A refresh token by its hash; `used_ms` is set by the one rotation that wins."""

    token_hash = Text(primary_key=True)
    family = Text()
    created_ms = BigInt()
    expires_ms = BigInt()
    used_ms = BigInt(null=True)


class OauthState(Table, tablename="oauth_state"):
    """A Kakao sign-in that was started and not finished yet."""

    state_hash = Text(primary_key=True)
    verifier = Text()
    redirect_uri = Text()
    expires_ms = BigInt()
