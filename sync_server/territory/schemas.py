"""What the territory routes answer."""

from __future__ import annotations

from typing import Any

import msgspec


class OwnCell(msgspec.Struct, frozen=True):
    """A cell of mine: effective strength now, when I took it, when it falls free unvisited."""

    cell: str
    strength: int
    taken_ms: int
    free_ms: int


class MyTerritory(msgspec.Struct, frozen=True):
    """What I hold; a cell that another took shows as mine for 30 minutes more (privacy of walkers).

    `version` changes whenever the holdings do.
    """

    version: int
    as_of_ms: int
    cells_held: int
    area_m2: float
    cells: list[OwnCell]


class Loss(msgspec.Struct, frozen=True):
    """A cell I lost: to whom (null: it fell free by decay) and when."""

    cell: str
    at_ms: int
    to_user_id: str | None
    to_name: str | None


class Losses(msgspec.Struct, frozen=True):
    """Cells lost since a time, newest first; enemies' captures show 30 minutes late."""

    since_ms: int
    as_of_ms: int
    losses: list[Loss]


class Feature(msgspec.Struct, frozen=True):
    """A cell as a GeoJSON feature."""

    type: str
    id: str
    geometry: dict[str, Any]
    properties: dict[str, Any]


class FeatureCollection(msgspec.Struct, frozen=True):
    """Map cells as GeoJSON (RFC 7946)."""

    type: str
    features: list[Feature]
    as_of_ms: int
    resolution: int
