"""Private zones: a home is hidden in seven coarse cells, any of which may hold it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final

import h3.api.basic_int as h3
import numpy as np
import numpy.typing as npt

from game_engine.errors import GameError, InvalidCell
from game_engine.rules import CURRENT_RULES, rules_for

ZONE_RESOLUTION: Final = rules_for(CURRENT_RULES).private_resolution
OWNED_RESOLUTION: Final = rules_for(CURRENT_RULES).cell_resolution

_RESOLUTION_SHIFT: Final = np.uint64(52)
_RESOLUTION_MASK: Final = np.uint64(0xF)
_DIGIT_BITS: Final = 3
_FINEST_RESOLUTION: Final = 15


class InvalidHome(GameError):
    """A home outside the globe, or a jitter outside [0, 1)."""

    code: ClassVar[str] = "invalid_home"


def private_zone(home_lat: float, home_lng: float, jitter: tuple[float, float]) -> int:
    """Return the centre (a resolution-8 cell) of the zone that hides a home.

    The jitter, two uniform numbers in [0, 1) from a secure source, says how far and which way the
    centre is from the home's own cell: none, or to one of its neighbours, each equally likely. So
    the home is always inside the zone and each cell of the zone is equally likely to hold it;
    a point moved by some metres would leave the home most often in the middle. Store the centre
    and forget home and jitter: two draws for one home can be compared with each other.

    "Inside" holds in both readings: the home's resolution-11 cell descends from a cell of the
    zone, and its position lies in one. H3's cells do not nest exactly, so for a few per cent of
    homes these are two neighbouring cells, and only the centres around both are drawn from.
    Raises `InvalidHome`.
    """
    how_far, which_way = jitter
    if not (0 <= how_far < 1 and 0 <= which_way < 1):
        raise InvalidHome(f"a jitter is two numbers in [0, 1), not {jitter}")
    own, by_position = _coarse_cells(home_lat, home_lng)
    around_both = zone_cells(own) & zone_cells(by_position)
    neighbours = sorted(around_both - {own})
    if how_far * (len(neighbours) + 1) < 1:
        return own
    return neighbours[int(which_way * len(neighbours))]


def holds_home(center: int, home_lat: float, home_lng: float) -> bool:
    """Return whether the zone around a centre hides this home in both readings of "inside".

    A zone that does not (the user moved) is drawn anew. Raises `InvalidHome` or `InvalidCell`.
    """
    return zone_cells(center).issuperset(_coarse_cells(home_lat, home_lng))


def zone_cells(center: int) -> frozenset[int]:
    """Return the resolution-8 cells of a zone: its centre and all neighbours."""
    if not h3.is_valid_cell(center) or h3.get_resolution(center) != ZONE_RESOLUTION:
        raise InvalidCell(f"{center:#x} is not an H3 cell of resolution {ZONE_RESOLUTION}")
    return frozenset(h3.grid_disk(center, 1))


def in_zone(
    cells: npt.NDArray[np.int64] | npt.NDArray[np.uint64], zones: Iterable[int]
) -> npt.NDArray[np.bool_]:
    """Return for each cell whether it lies in one of the zones' cells (`zone_cells`, joined).

    Cells may be of resolution 8 or finer; raises `InvalidCell` for a coarser one, which may be
    private in part.
    """
    ids = np.asarray(cells).astype(np.uint64)
    if np.any((ids >> _RESOLUTION_SHIFT & _RESOLUTION_MASK) < ZONE_RESOLUTION):
        raise InvalidCell(f"a cell coarser than resolution {ZONE_RESOLUTION} is no part of a zone")
    # An ancestor's id has its own resolution and ones in all finer digits (H3 index layout).
    finer_digits = np.uint64((1 << _DIGIT_BITS * (_FINEST_RESOLUTION - ZONE_RESOLUTION)) - 1)
    without_resolution = ids & ~(_RESOLUTION_MASK << _RESOLUTION_SHIFT)
    ancestors = without_resolution | np.uint64(ZONE_RESOLUTION) << _RESOLUTION_SHIFT | finer_digits
    return np.isin(ancestors, np.fromiter(zones, dtype=np.uint64))


def _coarse_cells(lat: float, lng: float) -> tuple[int, int]:
    """Return the resolution-8 ancestor of the place's own cell, and the one it lies in."""
    if not (-90 <= lat <= 90 and -180 <= lng <= 180):
        raise InvalidHome("a home needs a latitude in -90..90 and a longitude in -180..180")
    owned = h3.latlng_to_cell(lat, lng, OWNED_RESOLUTION)
    return h3.cell_to_parent(owned, ZONE_RESOLUTION), h3.latlng_to_cell(lat, lng, ZONE_RESOLUTION)
