"""The map of a demo run as one HTML file that opens without a server or a network."""

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

import h3.api.basic_int as h3
import msgspec

from daengdong.result import PLAYER_COLOURS, CellRow, DemoResult, LatLng
from game_engine.rules import rules_for

# In the order they run; together they are one script with one scope.
_SCRIPTS: Final = ("words.js", "model.js", "bake.js", "stage.js", "panel.js", "main.js")
# About a tenth of a metre: finer than any fix.
_COORDINATE_DIGITS: Final = 6
# Free cells around the territory are drawn faintly; beyond this many cells they cost more
# bytes than they please.
_FREE_CELLS_UP_TO: Final = 6_000
_FREE_RINGS: Final = 3
_PLACEHOLDER: Final = re.compile(r"\{\{(\w+)\}\}")
# JSON inside <script>: no end tag, comment or line separator may be read by the HTML parser.
_ESCAPES: Final = str.maketrans(
    {
        "<": "\\u003c",
        ">": "\\u003e",
        "&": "\\u0026",
        "\u2028": "\\u2028",
        "\u2029": "\\u2029",
    }
)


class PageSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the page needs beside the result: rules it explains and cells nobody owns."""

    strength_max: int
    zone_name: str
    colours: tuple[str, ...]
    free_cells: tuple[tuple[LatLng, ...], ...]


def render(result: DemoResult) -> str:
    """Return the whole page of `result`: map, rankings and walks, Korean first.

    The text is one self-contained HTML document. Names are embedded as JSON that cannot end its
    element and reach the document as text only; the content security policy allows nothing but
    the page's own style and script, by their hashes. Raises `UnknownRulesVersion`.
    """
    rules = rules_for(result.rules_version)
    settings = PageSettings(
        strength_max=rules.strength_max,
        zone_name=rules.zone_name,
        colours=PLAYER_COLOURS,
        free_cells=_free_cells(result.cells),
    )
    style = _asset("page.css")
    script = _script()
    return _fill(
        _asset("page.html"),
        {
            "policy": _policy(style, script),
            "style": style,
            "script": script,
            "result": _embed(_rounded(result)),
            "settings": _embed(settings),
        },
    )


@cache
def _asset(name: str) -> str:
    return (files("daengdong") / "page" / name).read_text("utf-8")


@cache
def _script() -> str:
    return "(() => {\n" + "\n".join(_asset(name) for name in _SCRIPTS) + "})();\n"


def _policy(style: str, script: str) -> str:
    return (
        "default-src 'none'; "
        f"style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256-" + base64.b64encode(digest).decode()


def _embed(value: msgspec.Struct) -> str:
    return msgspec.json.encode(value).decode().translate(_ESCAPES)


def _fill(template: str, parts: Mapping[str, str]) -> str:
    # One pass, so a placeholder inside the data stays data.
    return _PLACEHOLDER.sub(lambda match: parts[match[1]], template)


def _rounded(result: DemoResult) -> DemoResult:
    replace = msgspec.structs.replace
    return replace(
        result,
        cells=tuple(replace(row, boundary=_round(row.boundary)) for row in result.cells),
        walks=tuple(replace(row, track=_round(row.track)) for row in result.walks),
    )


def _round(points: tuple[LatLng, ...]) -> tuple[LatLng, ...]:
    digits = _COORDINATE_DIGITS
    return tuple((round(lat, digits), round(lng, digits)) for lat, lng in points)


def _free_cells(rows: tuple[CellRow, ...]) -> tuple[tuple[LatLng, ...], ...]:
    """Outlines of the cells within `_FREE_RINGS` of the territory that nobody owns."""
    if len(rows) > _FREE_CELLS_UP_TO:
        return ()
    owned = {h3.str_to_int(row.cell) for row in rows}
    near = {cell for owner in owned for cell in h3.grid_disk(owner, _FREE_RINGS)}
    return tuple(_round(h3.cell_to_boundary(cell)) for cell in sorted(near - owned))
