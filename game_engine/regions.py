"""Which province, city and town a place is in; needs shapely, loaded when an index is built."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from game_engine.errors import InvalidRegionShape, MissingDependency

Level = Literal["province", "city", "town"]
LEVELS: Final[tuple[Level, ...]] = ("province", "city", "town")

NO_REGION: Final = 0

_AREAL_TYPES: Final = ("Polygon", "MultiPolygon")
_LARGEST_ID: Final = np.iinfo(np.int64).max


class RegionShape(msgspec.Struct, frozen=True):
    """One region: id (> 0), level, outline as WKB (x = longitude, y = latitude, degrees)."""

    region_id: int
    level: Level
    geometry_wkb: bytes


class RegionIndex:
    """The regions of all levels, ready for many points at once.

    Raises `InvalidRegionShape` for an outline that cannot be read or has no area, an unknown
    level or an id below 1, and `MissingDependency` without shapely.
    """

    def __init__(self, shapes: Iterable[RegionShape]) -> None:
        """Read the outlines; ones that cross themselves (simplified maps) are made valid."""
        self._shapely = _load_shapely()
        by_level: dict[Level, list[RegionShape]] = {level: [] for level in LEVELS}
        for shape in shapes:
            if shape.level not in by_level or not 0 < shape.region_id < _LARGEST_ID:
                raise InvalidRegionShape(
                    f"region {shape.region_id}: needs an id above 0 and a level of "
                    f"{', '.join(LEVELS)}, not {shape.level!r}"
                )
            by_level[shape.level].append(shape)
        self._levels = {level: self._index(some) for level, some in by_level.items() if some}

    def assign(self, lat: npt.ArrayLike, lng: npt.ArrayLike) -> dict[Level, npt.NDArray[np.int64]]:
        """Return per level the region id of each point, 0 where there is none.

        Args: latitudes and longitudes in degrees, one length n. Returns int64 arrays of n for
        every level. A point on a border belongs to both sides' regions; the smallest id gets
        it. A point that is not finite is in no region.
        """
        y = np.asarray(lat, dtype=np.float64)
        x = np.asarray(lng, dtype=np.float64)
        if x.shape != y.shape or x.ndim != 1:
            raise InvalidRegionShape(
                f"points need two flat arrays of one length, not {y.shape}, {x.shape}"
            )
        regions = {level: np.full(len(x), NO_REGION, dtype=np.int64) for level in LEVELS}
        finite = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
        points = self._shapely.points(x[finite], y[finite])
        for level, (tree, outlines, ids) in self._levels.items():
            # Boxes first, then the prepared outlines: the tree's own predicate would prepare
            # the points instead and walk along every outline for each of them.
            point, candidate = tree.query(points)
            at = finite[point]
            inside = self._shapely.intersects_xy(outlines[candidate], x[at], y[at])
            smallest = np.full(len(x), _LARGEST_ID, dtype=np.int64)
            np.minimum.at(smallest, at[inside], ids[candidate[inside]])
            found = smallest != _LARGEST_ID
            regions[level][found] = smallest[found]
        return regions

    def _index(
        self, shapes: list[RegionShape]
    ) -> tuple[Any, npt.NDArray[np.object_], npt.NDArray[np.int64]]:
        outlines = np.array([self._outline(shape) for shape in shapes], dtype=object)
        self._shapely.prepare(outlines)
        ids = np.array([shape.region_id for shape in shapes], dtype=np.int64)
        return self._shapely.STRtree(outlines), outlines, ids

    def _outline(self, shape: RegionShape) -> Any:
        try:
            outline = self._shapely.from_wkb(shape.geometry_wkb)
        except (self._shapely.errors.GEOSException, TypeError) as cause:
            raise InvalidRegionShape(f"region {shape.region_id}: no WKB: {cause}") from cause
        if outline is None or outline.geom_type not in _AREAL_TYPES:
            raise InvalidRegionShape(f"region {shape.region_id}: needs a polygon or multipolygon")
        if not outline.is_valid:
            outline = self._shapely.make_valid(outline, method="structure", keep_collapsed=False)
        if not outline.area > 0:
            raise InvalidRegionShape(f"region {shape.region_id}: its outline holds no area")
        return outline


def _load_shapely() -> Any:
    try:
        return import_module("shapely")
    except ImportError as cause:
        raise MissingDependency(
            "regions need shapely: install it with `pip install 'daengdong[regions]'`"
        ) from cause
