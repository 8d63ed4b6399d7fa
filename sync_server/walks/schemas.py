"""What the walk routes answer."""

from __future__ import annotations

import msgspec

from sync_server.walks.documents import WalkDoc


class WalkList(msgspec.Struct, frozen=True):
    """Walks, newest first; `next_before_ms` asks for the next page, null at the end."""

    walks: list[WalkDoc]
    next_before_ms: int | None


class OpenWalks(msgspec.Struct, frozen=True):
    """The walks that are open now, on any device; starting another is always allowed."""

    walks: list[WalkDoc]


class TrackPoint(msgspec.Struct, frozen=True, array_like=True):
    """One fix as [t_ms, lat, lng, kept]; `kept` is 0 where cleaning dropped it."""

    t_ms: int
    lat: float
    lng: float
    kept: int


class WalkWithTrack(msgspec.Struct, frozen=True):
    """A walk with its track, for its owner only."""

    walk: WalkDoc
    track: list[TrackPoint]
