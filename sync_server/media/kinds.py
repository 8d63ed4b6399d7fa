"""What may be uploaded: each kind with its types, sizes, length, and how long it is kept."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from sync_server.media.limits import DAY_MS, MAX_UPLOAD_BYTES, UNUSED_KEPT_MS
from sync_server.platform.media_types import PICTURE_TYPES, VIDEO_TYPES
from sync_server.platform.video_check import VideoLimits

Kind = Literal[
    "diary_photo", "dog_photo", "face_photo", "vet_photo", "mission_clip", "face_clip", "gait_clip"
]  # fmt: skip
ClipKind = Literal["mission_clip", "face_clip", "gait_clip"]
_MIB: Final = 1024 * 1024


class KindRules(msgspec.Struct, frozen=True):
    """The rules of one kind; `video` is None for pictures.

    `kept_ms` is how long it stays after it was last used; `in_feed` says whether the phones learn
    of it by pull (the `photos` collection). Those in the feed share one object where they are
    equal; the others, which the AI role reads by their own key, do not.
    """

    media_types: frozenset[str]
    max_bytes: int
    kept_ms: int
    video: VideoLimits | None = None
    in_feed: bool = False


def _clip(max_duration_s: float, max_mib: int, kept_days: int) -> KindRules:
    limits = VideoLimits(max_duration_s=max_duration_s, max_bytes=max_mib * _MIB)
    return KindRules(VIDEO_TYPES, max_mib * _MIB, kept_days * DAY_MS, limits)


_PHOTO: Final = KindRules(PICTURE_TYPES, MAX_UPLOAD_BYTES, UNUSED_KEPT_MS, in_feed=True)
KINDS: Final[dict[str, KindRules]] = {
    "diary_photo": _PHOTO,
    "dog_photo": _PHOTO,
    "face_photo": KindRules(PICTURE_TYPES, MAX_UPLOAD_BYTES, 30 * DAY_MS),
    # Of a conversation: kept as long as it (sweeping.py), a week where none shows it.
    "vet_photo": KindRules(PICTURE_TYPES, MAX_UPLOAD_BYTES, UNUSED_KEPT_MS),
    # Lengths are the seed's. 4K at 60 frames a second is 7 MB a second on phones.
    "mission_clip": _clip(5, 40, 30),
    "face_clip": _clip(5, 40, 30),
    # A vet may ask to see the walk again: a season.
    "gait_clip": _clip(10, 80, 90),
}
PHOTO_KINDS: Final = tuple(kind for kind, rules in KINDS.items() if rules.in_feed)
MAX_ANY_BYTES: Final = max(rules.max_bytes for rules in KINDS.values())


def alike_kinds(kind: str) -> tuple[str, ...]:
    """Return the kinds whose equal uploads need no second check for this kind.

    Only what passed the same check: a walk of 10 s is no mission's clip of 5 s.
    """
    return PHOTO_KINDS if kind in PHOTO_KINDS else (kind,)
