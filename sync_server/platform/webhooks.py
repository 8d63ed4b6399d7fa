"""Signed calls between roles and to callbacks: Standard Webhooks, symmetric (v1) signatures.

The signed content is `id.timestamp.body`, HMAC-SHA256 with the decoded secret. Source: the
Standard Webhooks specification 1.0.0, "Signature scheme" and "Verifying signatures".

    headers = sign(secrets, message_id("job-1", "COMPLETE", 7), now_s, body)
    verify(secrets, headers, body, now_s)  # -> the message id

The same id twice is no fault here: a retry carries it again, and the receiver knows by its own
rows what it took already.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Final

ID_HEADER: Final = "webhook-id"
TIMESTAMP_HEADER: Final = "webhook-timestamp"
SIGNATURE_HEADER: Final = "webhook-signature"

TOLERANCE_S: Final = 300
"""Older or newer calls are refused (5 minutes, as the specification's libraries have it)."""
SECRET_BYTES: Final = (24, 64)
"""How long a key may be (specification: 192 to 512 bits)."""
MAX_SIGNATURES: Final = 16
_MAX_SIGNATURE_CHARS: Final = 4_096
# No full stop: `a.1` + `2` and `a` + `1.2...` would sign the same content.
_ID: Final = re.compile(r"[A-Za-z0-9_:+/=@~-]{1,256}")
_TIMESTAMP: Final = re.compile(r"[1-9][0-9]{0,11}")
_SIGNATURE: Final = re.compile(r"v1,[A-Za-z0-9+/]{43}=")


class SecretInvalid(ValueError):
    """A secret is not `whsec_` and the base64 of 24 to 64 bytes; the message never shows it."""


class WebhookRefused(Exception):
    """A call is not signed as it must be; `code` says why and is stable.

    Codes: webhook_not_configured (no key here: nothing is taken), webhook_unsigned (a header is
    missing), webhook_malformed, webhook_expired (older than 5 minutes), webhook_early (from the
    future), webhook_forged (no signature is right for one of our keys).
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


def parse_secrets(text: str) -> tuple[str, ...]:
    """Split a setting of secrets by commas; raise SecretInvalid for the first wrong one."""
    secrets = tuple(part.strip() for part in text.split(",") if part.strip())
    for secret in secrets:
        _key(secret)
    return secrets


def message_id(*parts: object) -> str:
    """Make the id of a message from what tells it apart; the same parts make the same id."""
    text = "\x00".join(map(str, parts)).encode()
    return "msg_" + base64.urlsafe_b64encode(hashlib.sha256(text).digest()[:24]).decode()


def sign(secrets: Sequence[str], message_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """Return the three headers of a signed call; the first secret signs.

    Raises SecretInvalid, or ValueError for an id that could not be verified (it has a full stop,
    a blank, or more than 256 characters: see `message_id`).
    """
    if not secrets:
        raise SecretInvalid("there is no secret to sign with")
    if not _ID.fullmatch(message_id):
        raise ValueError(f"not a message id: {message_id!r}")
    timestamp = str(timestamp_s)
    return {
        ID_HEADER: message_id,
        TIMESTAMP_HEADER: timestamp,
        SIGNATURE_HEADER: _signature(_key(secrets[0]), message_id, timestamp, body),
    }


def verify(secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now_s: int) -> str:
    """Return the message id of a call that one of our secrets has signed; raise WebhookRefused.

    Header names count in any case. Several signatures (a sender that rotates) and several
    secrets (a receiver that rotates) are each tried; the comparison takes constant time.
    """
    message, timestamp, signatures = checked_headers(secrets, headers, now_s)
    expected = [_signature(_key(secret), message, timestamp, body).encode() for secret in secrets]
    # No early way out: how many compare equal must not show in the time.
    found = 0
    for given in signatures:
        for wanted in expected:
            found += hmac.compare_digest(given.encode(), wanted)
    if not found:
        raise WebhookRefused("webhook_forged", "no signature is right")
    return message


def checked_headers(
    secrets: Sequence[str], headers: Mapping[str, str], now_s: int
) -> tuple[str, str, list[str]]:
    """Return message id, time and signatures of well-formed headers, all but compared.

    Raises `WebhookRefused`.
    """
    if not secrets:
        raise WebhookRefused("webhook_not_configured", "this server has no keys for signed calls")
    lowered = {name.lower(): value for name, value in headers.items()}
    try:
        message = lowered[ID_HEADER]
        timestamp = lowered[TIMESTAMP_HEADER]
        signature = lowered[SIGNATURE_HEADER]
    except KeyError as missing:
        raise WebhookRefused("webhook_unsigned", f"{missing.args[0]} is missing") from None
    if not _ID.fullmatch(message):
        raise WebhookRefused("webhook_malformed", ID_HEADER)
    if not _TIMESTAMP.fullmatch(timestamp):
        raise WebhookRefused("webhook_malformed", TIMESTAMP_HEADER)
    signatures = signature.split(" ") if len(signature) <= _MAX_SIGNATURE_CHARS else []
    # Other versions (v1a, v2) are a sender's business with others; a v1 that is cut is no reason
    # to overlook a good one beside it.
    ours = [part for part in signatures if _SIGNATURE.fullmatch(part)]
    if not ours or len(signatures) > MAX_SIGNATURES:
        raise WebhookRefused("webhook_malformed", SIGNATURE_HEADER)
    age_s = now_s - int(timestamp)
    if age_s > TOLERANCE_S:
        raise WebhookRefused("webhook_expired", "the call is older than 5 minutes")
    if age_s < -TOLERANCE_S:
        raise WebhookRefused("webhook_early", "the call is from the future")
    return message, timestamp, ours


def _key(secret: str) -> bytes:
    kind, _, text = secret.partition("_")
    try:
        key = base64.b64decode(text.encode("ascii"), validate=True) if kind == "whsec" else b""
    except (binascii.Error, UnicodeEncodeError):
        key = b""
    if not SECRET_BYTES[0] <= len(key) <= SECRET_BYTES[1]:
        raise SecretInvalid("a secret is whsec_ and the base64 of 24 to 64 bytes")
    return key


def _signature(key: bytes, message: str, timestamp: str, body: bytes) -> str:
    content = f"{message}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
