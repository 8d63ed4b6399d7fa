"""What the media routes take and answer."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sync_server.media.kinds import MAX_ANY_BYTES, Kind

ContentType = Literal[
    "image/jpeg", "image/png", "image/webp", "video/mp4", "video/quicktime", "video/webm"
]


class UploadRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A picture or a video that the phone wants to send.

    Photos are pictures of at most 10 MiB; mission_clip and face_clip are videos of 5 s and 40 MiB,
    gait_clip of 10 s and 80 MiB.
    """

    kind: Kind
    content_type: ContentType
    size_bytes: Annotated[int, Meta(ge=1, le=MAX_ANY_BYTES)]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$", max_length=64)] | None = None


class UploadLimits(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an upload may be; larger pictures are scaled down to `stored_edge_px`, videos never.

    `max_duration_s` only for videos.
    """

    max_bytes: int
    max_edge_px: int
    max_pixels: int
    stored_edge_px: int
    max_duration_s: float | None = None


class UploadTicket(msgspec.Struct, frozen=True):
    """Where and how to send the bytes: `method` on `upload_url` with `headers`, no bearer."""

    key: str
    upload_url: str
    method: Literal["PUT"]
    headers: dict[str, str]
    expires_ms: int
    limits: UploadLimits


class PhotoDoc(msgspec.Struct, frozen=True, omit_defaults=True):
    """A stored picture or video, as the routes (and of photos the collection) tell it.

    `duration_ms` only for videos.
    """

    key: str
    kind: str
    content_type: str
    size_bytes: int
    width_px: int
    height_px: int
    sha256: str
    created_ms: int
    duration_ms: int | None = None


class MediaLink(msgspec.Struct, frozen=True):
    """A signed address that works without signing in until `expires_ms`."""

    url: str
    expires_ms: int
