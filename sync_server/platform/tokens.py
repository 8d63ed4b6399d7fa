"""Access tokens (JWT, HS256, at most 15 minutes) and signed media URLs."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Literal, TypeAlias

import msgspec

from sync_server.platform.clock import Clock
from sync_server.platform.errors import Problem

AUDIENCE = "daengdong-api"
ISSUER = "daengdong"
Purpose: TypeAlias = Literal["upload", "media", "artifact"]


class CurrentUser(msgspec.Struct, frozen=True):
    """Who makes the request: the account and the device it signed in from."""

    user_no: int
    user_id: str
    client_id: str


class TokenSigner:
    """Makes and reads access tokens and signatures, from one secret key."""

    def __init__(self, secret_key: str, access_token_s: int, clock: Clock) -> None:
        self._access_key = _derive(secret_key, "access")
        self._url_key = _derive(secret_key, "url")
        self.access_token_s = min(access_token_s, 900)
        self._clock = clock

    def access_token(self, user: CurrentUser) -> str:
        """Make an access token for this user and device."""
        import jwt  # With a whole cryptography library, 0.1 s: no worker needs it.

        now_s = self._clock() // 1000
        claims = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": user.user_id, "no": user.user_no,
            "cid": user.client_id, "iat": now_s, "exp": now_s + self.access_token_s,
            "jti": secrets.token_hex(8), "typ": "access",
        }  # fmt: skip
        return jwt.encode(claims, self._access_key, algorithm="HS256")

    def read_access_token(self, token: str) -> CurrentUser:
        """Return who a token names; raise Problem unauthorized or token_expired."""
        import jwt

        try:
            claims = jwt.decode(
                token,
                self._access_key,
                algorithms=["HS256"],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": ["exp", "aud", "iss", "sub", "jti"], "verify_exp": False,
                         "verify_iat": False},
            )  # fmt: skip
            user = CurrentUser(int(claims["no"]), str(claims["sub"]), str(claims["cid"]))
            expires_s = int(claims["exp"])
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError):
            raise Problem("unauthorized") from None
        if claims.get("typ") != "access":
            raise Problem("unauthorized")
        if self._clock() >= expires_s * 1000:
            raise Problem("token_expired")
        return user

    def sign(self, purpose: Purpose, key: str, expires_ms: int) -> str:
        """Sign permission to use an object key until a time."""
        text = f"{purpose}\n{key}\n{expires_ms}".encode()
        return hmac.new(self._url_key, text, hashlib.sha256).hexdigest()

    def is_signed(self, purpose: Purpose, key: str, expires_ms: int, signature: str) -> bool:
        """Say whether a signature is ours and still valid."""
        good = hmac.compare_digest(
            self.sign(purpose, key, expires_ms).encode(), signature.encode("utf-8", "replace")
        )
        return good and self._clock() < expires_ms


def _derive(secret_key: str, purpose: str) -> bytes:
    return hmac.new(secret_key.encode(), f"daengdong {purpose}".encode(), hashlib.sha256).digest()


def opaque_token() -> str:
    """Make a 256-bit token for a refresh token or a guest's secret."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """Return what is stored of an opaque token (256 random bits need no slow hash)."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
