"""Reading a boundary file of unknown origin into clean shapes, or refusing it with the cause.

Only three formats are opened, each by its own driver and after a look at its first bytes: a
library that guesses formats would follow a file that names other files or addresses.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from geopandas import GeoDataFrame
    from shapely.geometry.base import BaseGeometry

Level = Literal["province", "city", "town"]
LEVELS: tuple[Level, ...] = ("province", "city", "town")
MAX_FILE_BYTES = 1 << 30
MAX_FEATURES = 100_000
SHAPEFILE_MAGIC = b"\x00\x00\x27\x0a"
# KOSTAT's codes: province 2 digits, city/county/district 5, town 7 (until 2020) or 8.
LEVEL_OF_CODE_LENGTH: dict[int, Level] = {2: "province", 5: "city", 7: "town", 8: "town"}
CODE_FIELDS = (
    "code", "adm_cd", "adm_dr_cd", "emd_cd", "sig_cd", "sigungu_cd", "ctprvn_cd", "sido_cd",
)  # fmt: skip
NAME_FIELDS = (
    "name", "name_ko", "adm_nm", "adm_dr_nm", "emd_kor_nm", "emd_nm", "sig_kor_nm", "sigungu_nm",
    "ctp_kor_nm", "sido_nm",
)  # fmt: skip
ENGLISH_FIELDS = ("name_eng", "name_en", "emd_eng_nm", "sig_eng_nm", "ctp_eng_nm")


class RegionImportRefused(Exception):
    """A boundary file that cannot be imported; `cause` is stable, the text says what to do."""

    code = "region_import_refused"

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause


@dataclass(frozen=True)
class BoundaryOptions:
    """What the caller knows about a file; None means: find out."""

    level: Level | None = None
    name_field: str | None = None
    english_field: str | None = None
    code_field: str | None = None
    layer: str | None = None
    crs: str | None = None
    encoding: str | None = None


@dataclass(frozen=True, eq=False)
class Boundary:
    """One region of a file: valid polygons in WGS84 degrees."""

    code: str
    name_ko: str
    name_en: str
    geometry: BaseGeometry


@dataclass(frozen=True, eq=False)
class BoundaryFile:
    """A whole file that may be imported."""

    level: Level
    sha256: str
    boundaries: tuple[Boundary, ...]


class _JsonHead(msgspec.Struct):
    type: str = ""
    crs: Any = None


def read_boundaries(path: Path, options: BoundaryOptions) -> BoundaryFile:
    """Read GeoJSON, TopoJSON or a Shapefile (also zipped), any CRS, into valid WGS84 polygons.

    Raises RegionImportRefused; nothing is guessed that the file does not say.
    """
    if not path.is_file():
        raise RegionImportRefused("missing", f"{path} is not a file")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise RegionImportRefused("too_large", f"{path.name} is larger than 1 GiB")
    frame = _read(path, options)
    if not len(frame):
        raise RegionImportRefused("no_features", f"{path.name} holds no features")
    if len(frame) > MAX_FEATURES:
        raise RegionImportRefused("too_large", f"{path.name} has over {MAX_FEATURES} features")
    codes = _codes(frame, options)
    names = _texts(frame, _field(frame, options.name_field, NAME_FIELDS, "name_field"))
    if any(not name for name in names):
        raise RegionImportRefused("no_name", "a feature has an empty name: pass name_field=...")
    level = options.level or _level_of(codes)
    english = _optional_field(frame, options.english_field, ENGLISH_FIELDS)
    english_names = _texts(frame, english) if english else [""] * len(names)
    shapes = _polygons(_to_wgs84(frame, path, options), codes)
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    boundaries = tuple(map(Boundary, codes, names, english_names, shapes))
    return BoundaryFile(level, digest, boundaries)


def _read(path: Path, options: BoundaryOptions) -> GeoDataFrame:
    from pyogrio import list_layers, read_dataframe
    from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, GeometryError
    from shapely.errors import ShapelyError

    damaged = (
        DataSourceError, DataLayerError, FeatureError, GeometryError, ShapelyError, RuntimeError,
    )  # fmt: skip
    with path.open("rb") as file:
        head = file.read(4)
    if head == SHAPEFILE_MAGIC:
        source, encodings = str(path), _encodings(options, path.with_suffix(".cpg").exists())
    elif zipfile.is_zipfile(path):
        source, has_cpg = _zipped_shapefile(path)
        encodings = _encodings(options, has_cpg)
    else:
        source, encodings = _json_source(path), [None]
    layer = options.layer
    try:
        layers = [str(name) for name in list_layers(source)[:, 0]]
        if layer is None and len(layers) != 1:
            raise RegionImportRefused(
                "several_layers", f"pass layer=..., one of: {', '.join(layers) or 'none'}"
            )
        for encoding in encodings:
            try:
                return read_dataframe(
                    source, layer=layer or layers[0], encoding=encoding, force_2d=True
                )
            except UnicodeDecodeError:
                continue
    except damaged as error:
        raise RegionImportRefused(
            "unreadable", f"{path.name} is damaged or incomplete: {error}"
        ) from error
    raise RegionImportRefused("encoding", "the texts are not in the encoding: pass encoding=...")


def _encodings(options: BoundaryOptions, has_cpg: bool) -> list[str | None]:
    if options.encoding:
        return [options.encoding]
    # Korean offices ship CP949 without saying so; UTF-8 refuses it, so the order decides.
    return [None] if has_cpg else ["UTF-8", "CP949"]


def _json_source(path: Path) -> str:
    try:
        head = msgspec.json.decode(path.read_bytes(), type=_JsonHead)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RegionImportRefused(
            "unreadable",
            f"{path.name} is neither whole JSON (GeoJSON, TopoJSON) nor a Shapefile: {error}",
        ) from error
    if head.type == "Topology":
        return f"TopoJSON:{path}"
    if head.type == "FeatureCollection":
        return f"GeoJSON:{path}"
    raise RegionImportRefused(
        "unreadable", f"{path.name} is JSON of type {head.type!r}, not a FeatureCollection"
    )


def _zipped_shapefile(path: Path) -> tuple[str, bool]:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > 2 * MAX_FILE_BYTES:
                raise RegionImportRefused("too_large", f"{path.name} unpacks to over 2 GiB")
            names = [entry.filename for entry in entries]
            shapes = [name for name in names if name.lower().endswith(".shp")]
            if len(shapes) != 1:
                raise RegionImportRefused(
                    "unreadable", f"{path.name} holds {len(shapes)} .shp files, not one"
                )
            with archive.open(shapes[0]) as file:
                if file.read(4) != SHAPEFILE_MAGIC:
                    raise RegionImportRefused("unreadable", f"{shapes[0]} is not a Shapefile")
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise RegionImportRefused("unreadable", f"{path.name} is damaged: {error}") from error
    cpg = f"{shapes[0][:-4]}.cpg".lower()
    return f"/vsizip/{path.resolve()}/{shapes[0]}", any(name.lower() == cpg for name in names)


def _optional_field(frame: GeoDataFrame, given: str | None, known: Sequence[str]) -> str | None:
    if given is not None:
        return _field(frame, given, known, "english_field")
    by_lower = {str(name).lower(): str(name) for name in frame.columns}
    return next((by_lower[name] for name in known if name in by_lower), None)


def _field(frame: GeoDataFrame, given: str | None, known: Sequence[str], option: str) -> str:
    fields = [str(name) for name in frame.columns if name != frame.geometry.name]
    if given is not None:
        if given not in fields:
            raise RegionImportRefused(
                option, f"no field {given!r}; the file has: {', '.join(fields)}"
            )
        return given
    found = _optional_field(frame, None, known)
    if found is None:
        raise RegionImportRefused(
            option, f"pass {option}=...; the file has the fields: {', '.join(fields)}"
        )
    return found


def _texts(frame: GeoDataFrame, field: str) -> list[str]:
    values: list[str] = []
    for value in frame[field].tolist():
        missing = value is None or value != value  # NaN
        if isinstance(value, float) and not missing and value.is_integer():
            value = int(value)
        values.append("" if missing else str(value).strip())
    return values


def _codes(frame: GeoDataFrame, options: BoundaryOptions) -> list[str]:
    if options.code_field is None:
        by_lower = {str(name).lower(): str(name) for name in frame.columns}
        candidates = [by_lower[name] for name in CODE_FIELDS if name in by_lower]
        # A file of districts also names their province: the code that tells all rows apart wins.
        own = [name for name in candidates if len(set(_texts(frame, name))) == len(frame)]
        field = own[0] if own else _field(frame, None, CODE_FIELDS, "code_field")
    else:
        field = _field(frame, options.code_field, CODE_FIELDS, "code_field")
    codes = _texts(frame, field)
    bad = next((code for code in codes if not re.fullmatch(r"[0-9A-Za-z._-]{1,40}", code)), None)
    if bad is not None:
        raise RegionImportRefused(
            "no_code", f"a feature has the code {bad!r} in {field!r}: pass code_field=..."
        )
    twice = sorted({code for code in codes if codes.count(code) > 1}) if len(
        set(codes)
    ) != len(codes) else []  # fmt: skip
    if twice:
        raise RegionImportRefused("double_code", f"codes stand twice: {', '.join(twice[:5])}")
    return codes


def _level_of(codes: Sequence[str]) -> Level:
    lengths = {len(code) if code.isdigit() else 0 for code in codes}
    levels = {LEVEL_OF_CODE_LENGTH.get(length) for length in lengths}
    level = levels.pop() if len(levels) == 1 else None
    if level is None:
        raise RegionImportRefused(
            "level",
            f"codes of {sorted(lengths)} digits do not tell the level: "
            "pass level='province', 'city' or 'town'",
        )
    return level


def _to_wgs84(frame: GeoDataFrame, path: Path, options: BoundaryOptions) -> GeoDataFrame:
    from pyproj.exceptions import ProjError

    try:
        if options.crs is not None:
            frame = frame.set_crs(options.crs, allow_override=True)
        if frame.crs is None:
            if path.suffix.lower() not in (".json", ".geojson", ".topojson"):
                raise RegionImportRefused(
                    "no_crs", "the file does not say its coordinates: pass crs='EPSG:5179' or so"
                )
            frame = frame.set_crs("EPSG:4326")
        return frame.to_crs("EPSG:4326")
    except (ProjError, ValueError) as error:
        raise RegionImportRefused("crs", f"the coordinate system cannot be used: {error}") from None


def _polygons(frame: GeoDataFrame, codes: Sequence[str]) -> list[BaseGeometry]:
    """Return one valid Polygon or MultiPolygon per feature, in WGS84 degrees."""
    import numpy as np
    import shapely

    shapes: list[BaseGeometry] = []
    for code, shape in zip(codes, frame.geometry.tolist(), strict=True):
        if shape is None or shape.is_empty:
            raise RegionImportRefused("no_geometry", f"the feature {code} has no outline")
        if shape.geom_type not in ("Polygon", "MultiPolygon"):
            raise RegionImportRefused(
                "not_polygons", f"the feature {code} is a {shape.geom_type}, not a polygon"
            )
        points = shapely.get_coordinates(shape)
        if not np.isfinite(points).all() or (np.abs(points) > (180, 90)).any():
            raise RegionImportRefused(
                "coordinates",
                f"the feature {code} has coordinates that are no degrees: pass crs=... if they "
                "are metres",
            )
        shape = shape if shape.is_valid else _only_polygons(shapely.make_valid(shape))
        if shape.is_empty or shape.area == 0:
            raise RegionImportRefused("no_geometry", f"the feature {code} has no area")
        shapes.append(shape)
    return shapes


def _only_polygons(shape: BaseGeometry) -> BaseGeometry:
    """Drop the lines and points that a repair leaves beside the polygons."""
    import shapely

    parts = shapely.get_parts(shapely.get_parts(shape))
    kept = [part for part in parts if part.geom_type == "Polygon"]
    union: BaseGeometry = shapely.union_all(kept)
    return union
