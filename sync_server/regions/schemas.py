"""What the region routes take and answer."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Level = Literal["province", "city", "town"]


class RegionDoc(msgspec.Struct, frozen=True):
    """One region; `parent_id` is null at the top, `bbox` is [west, south, east, north] degrees."""

    region_id: int
    level: Level
    code: str
    name_ko: str
    name_en: str
    parent_id: int | None
    bbox: list[float]
    attribution: str


class RegionDetail(RegionDoc, frozen=True):
    """One region with its outline, when asked for."""

    geometry: dict[str, Any] | None
    """A GeoJSON Polygon or MultiPolygon, WGS84."""


class RegionList(msgspec.Struct, frozen=True):
    """A page of regions, by level and name."""

    total: int
    regions: list[RegionDoc]


class RegionsAt(msgspec.Struct, frozen=True):
    """The regions of a position; all null where no boundaries are imported or none holds it."""

    province: RegionDoc | None
    city: RegionDoc | None
    town: RegionDoc | None
