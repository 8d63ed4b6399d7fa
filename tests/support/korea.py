"""Korea's provinces and municipalities of 2018, from the maps of the shared data."""

from __future__ import annotations

from pathlib import Path

from game_engine.regions import Level, RegionIndex, RegionShape

_FILES: tuple[tuple[Level, str], ...] = (("province", "provinces"), ("city", "municipalities"))


def korea(data_folder: Path) -> tuple[RegionIndex, dict[int, str]] | None:
    """Return the regions and their names by code; None where the maps are not."""
    import geopandas
    import shapely

    shapes, names = [], {}
    for level, part in _FILES:
        path = data_folder / "regions" / f"skorea-{part}-2018-topo-simple.json"
        if not path.exists():
            return None
        frame = geopandas.read_file(path)
        for code, name, outline in zip(frame.code, frame.name, frame.geometry, strict=True):
            shapes.append(RegionShape(int(code), level, shapely.to_wkb(outline)))
            names[int(code)] = name
    return RegionIndex(shapes), names
