"""Piccolo's view of the imported regions; the geometry stays in raw SQL."""

from __future__ import annotations

from piccolo.columns import BigInt, BigSerial, DoublePrecision, Integer, Text
from piccolo.table import Table


class RegionImport(Table, tablename="region_import"):
    """One import of a boundary file and what its licence asks to be said."""

    import_id = BigSerial(primary_key=True)
    level = Text()
    file_name = Text()
    sha256 = Text()
    features = Integer()
    source = Text()
    licence = Text()
    attribution = Text()
    imported_ms = BigInt()
    settled_ms = BigInt(null=True)


class Region(Table, tablename="region"):
    """One region; `parent_id` 0 means none."""

    region_id = BigSerial(primary_key=True)
    level = Text()
    code = Text()
    name_ko = Text()
    name_en = Text()
    parent_id = BigInt()
    import_id = BigInt()
    min_lng = DoublePrecision()
    min_lat = DoublePrecision()
    max_lng = DoublePrecision()
    max_lat = DoublePrecision()
