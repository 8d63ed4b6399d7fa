"""Bodies of the sign-in routes."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from edge_sdk.ids import UUID7_PATTERN

Uuid7 = Annotated[str, Meta(min_length=36, max_length=36, pattern=UUID7_PATTERN)]
DeviceName = Annotated[str, Meta(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]+$")]
# What we make is 43 characters; a phone that brings its own secret brings at least 32.
Secret = Annotated[str, Meta(min_length=32, max_length=128, pattern=r"^[\x21-\x7e]+$")]
Opaque = Annotated[str, Meta(min_length=1, max_length=2048, pattern=r"^[\x21-\x7e]+$")]


class GuestRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Sign up as a guest, or sign in again with `user_id` and `guest_secret`.

    A sign-up may bring a `guest_secret` of its own (at least 32 random characters): repeated
    after a lost answer it signs in to the account that the first attempt made.
    """

    client_id: Uuid7
    device_name: DeviceName
    guest_secret: Secret | None = None
    user_id: Uuid7 | None = None


class ClientRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Register a device of the signed-in user."""

    client_id: Uuid7
    device_name: DeviceName


class ClientAnswer(Struct, frozen=True):
    """A registered device and the last fact the server has of it."""

    client_id: str
    device_name: str
    last_seq: int


class TokenAnswer(Struct, frozen=True):
    """Tokens of a signed-in device; `expires_in` is the access token's life in seconds."""

    user_id: str
    client_id: str
    access_token: str
    refresh_token: str
    expires_in: int
    guest_secret: str | None = None
    """Only when the account was made by this request: keep it, it is not shown again."""


class RefreshRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Trade a refresh token for the next one."""

    refresh_token: Opaque
    client_id: Uuid7


class LogoutRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """End the sign-in that a refresh token belongs to."""

    refresh_token: Opaque


class KakaoStart(Struct, frozen=True):
    """Where to send the user; the app compares `state` with the one that comes back."""

    authorize_url: str
    state: str


class KakaoRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What Kakao sent back to the redirect address."""

    code: Opaque
    state: Opaque
    client_id: Uuid7
    device_name: DeviceName
