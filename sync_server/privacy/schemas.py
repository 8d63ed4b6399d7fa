"""What the privacy routes take and answer."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class HomeInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where home is, in degrees (WGS 84); used once to draw the zone and never stored."""

    lat: Annotated[float, Meta(ge=-90, le=90)]
    lng: Annotated[float, Meta(ge=-180, le=180)]


class HomeAnswer(msgspec.Struct, frozen=True):
    """The private zone as H3 cells of resolution 8 (hex, sorted); empty without a home."""

    cells: list[str]


class LocationUseEntry(msgspec.Struct, frozen=True):
    """One purpose within one hour: what for, by whom, when, how often; never where."""

    purpose: str
    by: str
    hour_ms: int
    first_ms: int
    last_ms: int
    count: int


class LocationLog(msgspec.Struct, frozen=True):
    """Uses of the user's location from `from_ms` (kept 6 months) to `to_ms`, newest first."""

    from_ms: int
    to_ms: int
    uses: list[LocationUseEntry]
