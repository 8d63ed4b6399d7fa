"""Standard Webhooks: signatures over `id.timestamp.body` (HMAC-SHA256), 5 minutes, two keys.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Final

TOLERANCE_S: Final = 300
_PREFIX: Final = "whsec_"


class WebhookRefused(Exception):
    """A message that is not from a holder of our keys, or too old; `code` says which."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def sign(secrets: Sequence[str], message_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """Return the headers of a message; the first of the keys signs."""
    signature = _signature(_key(secrets[0]), message_id, str(timestamp_s), body)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": f"v1,{signature}",
    }


def verify(secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now_s: float) -> str:
    """Return the id of a message signed with any of the keys.

    Raises WebhookRefused: missing_header, malformed_header, too_old, too_new, bad_signature.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    try:
        message_id = lower["webhook-id"]
        timestamp = lower["webhook-timestamp"]
        signatures = lower["webhook-signature"]
    except KeyError:
        raise WebhookRefused("missing_header") from None
    if not message_id or len(message_id) > 256 or not timestamp.isascii():
        raise WebhookRefused("malformed_header")
    if not timestamp.isdigit() or len(timestamp) > 12:
        raise WebhookRefused("malformed_header")
    if int(timestamp) < now_s - TOLERANCE_S:
        raise WebhookRefused("too_old")
    if int(timestamp) > now_s + TOLERANCE_S:
        raise WebhookRefused("too_new")
    given = [part[3:] for part in signatures.split(" ")[:8] if part.startswith("v1,")]
    for secret in secrets:
        right = _signature(_key(secret), message_id, timestamp, body)
        if any(hmac.compare_digest(right.encode(), each.encode()) for each in given):
            return message_id
    raise WebhookRefused("bad_signature")


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.strip().removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise WebhookRefused("bad_key") from None


def _signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    signed = f"{message_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
