"""Importing a boundary file: read it, replace or add its regions, give the cells their regions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from sync_server.platform.context import Platform
from sync_server.platform.database import Tx
from sync_server.regions import service
from sync_server.regions.boundary_file import (
    BoundaryFile,
    BoundaryOptions,
    Level,
    RegionImportRefused,
    read_boundaries,
)

__all__ = ["ImportReport", "Level", "RegionImportRefused", "import_file"]
log = structlog.get_logger(__name__)
LOCK_IMPORT = 5
# A parent by code counts only when it lies here: two offices use the same digits differently.
NEAR_DEGREES = 0.02
Progress = Callable[[str, int, int], None]
"""Called with a stage (`read`, `write`, `cells`, `tallies`), how much is done, and of how much."""


@dataclass(frozen=True)
class ImportReport:
    """What an import did: counts of regions and of cells that got another region."""

    level: Level
    features: int
    new: int
    changed: int
    linked: int
    cells_changed: int


async def import_file(
    platform: Platform,
    path: Path | str,
    level: Level | None = None,
    name_field: str | None = None,
    code_field: str | None = None,
    *,
    english_field: str | None = None,
    layer: str | None = None,
    crs: str | None = None,
    encoding: str | None = None,
    source: str = "",
    licence: str = "",
    attribution: str = "",
    progress: Progress | None = None,
) -> ImportReport:
    """Import one file of one level; the same file again changes nothing.

    Regions are known by (level, code) and keep their ids; those a file does not name stay as
    they are. All regions of the file are written in one transaction; the cells follow in small
    ones (an import that is cut off there is finished by `service.sweep`). Raises
    RegionImportRefused before anything is written.
    """
    tell = progress or _say_nothing
    options = BoundaryOptions(level, name_field, english_field, code_field, layer, crs, encoding)
    tell("read", 0, 1)
    file = await asyncio.to_thread(read_boundaries, Path(path), options)
    tell("read", 1, 1)
    now_ms = platform.clock()
    async with platform.database.transaction() as tx:
        await tx.lock(LOCK_IMPORT, [1])
        import_id = int(
            await tx.fetch_value(
                """INSERT INTO region_import (level, file_name, sha256, features, source, licence,
                     attribution, imported_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                   RETURNING import_id""",
                file.level, Path(path).name, file.sha256, len(file.boundaries),
                source, licence, attribution, now_ms,
            )
        )  # fmt: skip
        new, changed = await _write(tx, file, import_id)
        tell("write", len(file.boundaries), len(file.boundaries))
        linked = await _link_parents(tx)
    service.forget(platform)
    cells_changed = await service.reassign_cells(platform, tell)
    await service.retally_walks(platform, tell)
    log.info("regions_imported", level=file.level, features=len(file.boundaries))
    return ImportReport(file.level, len(file.boundaries), new, changed, linked, cells_changed)


def _say_nothing(stage: str, done: int, total: int) -> None:
    return


async def _write(tx: Tx, file: BoundaryFile, import_id: int) -> tuple[int, int]:
    """Insert or update the regions; return how many are new and how many changed."""
    import shapely

    rows = await tx.fetch_tuples(
        "SELECT code, name_ko, name_en, geometry FROM region WHERE level = ?", file.level
    )
    before = {row[0]: (row[1], row[2], bytes(row[3])) for row in rows}
    fresh: list[tuple[object, ...]] = []
    changed: list[tuple[object, ...]] = []
    for item in file.boundaries:
        wkb = shapely.to_wkb(item.geometry, byte_order=1)
        values = (item.name_ko, item.name_en, import_id, wkb, *map(float, item.geometry.bounds))
        if item.code not in before:
            fresh.append((*values, file.level, item.code))
        elif before[item.code] != (item.name_ko, item.name_en, wkb):
            changed.append((*values, file.level, item.code))
    await tx.executemany(
        """INSERT INTO region (name_ko, name_en, import_id, geometry, min_lng, min_lat, max_lng,
             max_lat, level, code) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        fresh,
    )
    await tx.executemany(
        """UPDATE region SET name_ko = ?, name_en = ?, import_id = ?, geometry = ?, min_lng = ?,
             min_lat = ?, max_lng = ?, max_lat = ? WHERE level = ? AND code = ?""",
        changed,
    )
    return len(fresh), len(changed)


async def _link_parents(tx: Tx) -> int:
    """Link every region to the next level above that exists; return how many links changed.

    The code's prefix names the parent, unless a point inside the child lies in another one.
    """
    import shapely

    rows = await tx.fetch_tuples(
        "SELECT region_id, level, code, parent_id, geometry FROM region ORDER BY region_id"
    )
    shapes = {row[0]: shapely.from_wkb(bytes(row[4])) for row in rows}
    links: list[tuple[int, int]] = []
    for child_level, parent_levels in (("city", ("province",)), ("town", ("city", "province"))):
        above = [level for level in parent_levels if any(row[1] == level for row in rows)]
        if not above:
            continue
        parents = [row for row in rows if row[1] == above[0]]
        by_code = {row[2]: row[0] for row in parents}
        tree = shapely.STRtree([shapes[row[0]] for row in parents])
        for region_id, level, code, parent_id, _ in rows:
            if level != child_level:
                continue
            point = shapes[region_id].representative_point()
            found = next(
                (by_code[code[:n]] for n in range(len(code) - 1, 0, -1) if code[:n] in by_code), 0
            )
            if not found or shapes[found].distance(point) > NEAR_DEGREES:
                hits = sorted(tree.query(point, predicate="intersects").tolist())
                # An island that a simplified parent left out lies nowhere: then the code decides.
                found = parents[hits[0]][0] if hits else found
            if found != parent_id:
                links.append((found, region_id))
    await tx.executemany("UPDATE region SET parent_id = ? WHERE region_id = ?", links)
    return len(links)
