"""What the media routes take and answer."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sync_server.media.limits import MAX_UPLOAD_BYTES

Kind = Literal["diary_photo", "dog_photo"]
PictureType = Literal["image/jpeg", "image/png", "image/webp"]


class UploadRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A picture that the phone wants to send."""

    kind: Kind
    content_type: PictureType
    size_bytes: Annotated[int, Meta(ge=1, le=MAX_UPLOAD_BYTES)]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$", max_length=64)] | None = None


class UploadLimits(msgspec.Struct, frozen=True):
    """What a picture may be; larger pictures are scaled down to `stored_edge_px`."""

    max_bytes: int
    max_edge_px: int
    max_pixels: int
    stored_edge_px: int


class UploadTicket(msgspec.Struct, frozen=True):
    """Where and how to send the bytes: `method` on `upload_url` with `headers`, no bearer."""

    key: str
    upload_url: str
    method: Literal["PUT"]
    headers: dict[str, str]
    expires_ms: int
    limits: UploadLimits


class PhotoDoc(msgspec.Struct, frozen=True):
    """A stored picture, as the routes and the `photos` collection tell it."""

    key: str
    kind: str
    content_type: str
    size_bytes: int
    width_px: int
    height_px: int
    sha256: str
    created_ms: int


class MediaLink(msgspec.Struct, frozen=True):
    """A signed address that works without signing in until `expires_ms`."""

    url: str
    expires_ms: int
