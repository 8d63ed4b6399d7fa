"""/api/map/cells and /api/territory."""

from __future__ import annotations

import asyncio
import gzip
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromQuery, QueryParameter
from litestar.types import ControllerRouterHandler

from game_engine import cells as h3cells
from game_engine.board import CellState, effective_strength, free_at_ms, transitions
from game_engine.rules import CURRENT_RULES, rules_for
from sync_server.platform.context import Platform
from sync_server.platform.errors import Problem
from sync_server.platform.problem_details import problems
from sync_server.platform.tokens import CurrentUser
from sync_server.privacy import service as privacy
from sync_server.territory import mapview, packedmap, service
from sync_server.territory.schemas import (
    Feature,
    FeatureCollection,
    Loss,
    Losses,
    MyTerritory,
    OwnCell,
)

AnyRequest = Request[Any, Any, Any]
GZIP_LEVEL = 4
"""50,000 cells: 40 kB in 2 ms; level 6 takes four times as long for 2 kB less."""
PACKED_TYPE = "application/vnd.daengdong.cells"
GEOJSON_TYPE = "application/geo+json"
MAX_FEATURES = 5_000
MAX_LOSSES = 500
WEEK_MS = 7 * 86_400_000
_COLUMNS = (
    "cell, owner, strength, visited_ms, taken_ms, strengthened_day, prev_owner, "
    "last_at_ms, last_walk_no"
)


@get(
    "/api/map/cells",
    summary="Cells of a map view: compact bytes or GeoJSON",
    opt={"answers_bytes": [PACKED_TYPE]},
    responses={
        **problems("area_too_large"),
        200: ResponseSpec(
            FeatureCollection,
            generate_examples=False,
            description="Cells; compact bytes unless format=geojson",
            media_type=GEOJSON_TYPE,
        ),
    },
)
async def map_cells(
    request: AnyRequest,
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    bbox: Annotated[str, QueryParameter(max_length=100)],
    zoom: Annotated[float, QueryParameter(ge=0, le=24)] = 15.0,
    since_ms: Annotated[int, QueryParameter(ge=0, le=2**47)] = 0,
    format: FromQuery[Literal["packed", "geojson"]] = "packed",  # noqa: A002
) -> Response[Any]:
    now_ms = platform.clock()
    box = mapview.parse_bbox(bbox)
    resolution = mapview.resolution_for(zoom)
    async with platform.database.read() as tx:
        view = await mapview.view(tx, user.user_no, box, resolution, since_ms, now_ms)
        names = await service.names_of(tx, {int(owner) for owner in set(view.owners.tolist())})
    if format == "packed":
        data = packedmap.encode_map(view, {no: name[0] for no, name in names.items()}, now_ms)
        return await _compressed(request, data, PACKED_TYPE)
    if len(view.cells) > MAX_FEATURES:
        raise Problem("area_too_large", f"{len(view.cells)} cells; GeoJSON takes {MAX_FEATURES}")
    features = [
        _feature(cell, owner, value, user.user_no, names)
        for cell, owner, value in zip(
            view.cells.tolist(), view.owners.tolist(), view.values.tolist(), strict=True
        )
    ]
    collection = FeatureCollection("FeatureCollection", features, now_ms, resolution)
    return await _compressed(request, msgspec.json.encode(collection), GEOJSON_TYPE)


async def _compressed(request: AnyRequest, data: bytes, media_type: str) -> Response[bytes]:
    """Answer gzipped where the client takes that; other threads run meanwhile."""
    headers = {"Vary": "Accept-Encoding"}
    if _takes_gzip(request.headers.get("accept-encoding", "")):
        data = await asyncio.to_thread(gzip.compress, data, GZIP_LEVEL, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(data, media_type=media_type, headers=headers)


def _takes_gzip(accepted: str) -> bool:
    """Read an Accept-Encoding header (RFC 9110, 12.5.3)."""
    for part in accepted.lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() in ("gzip", "x-gzip"):
            digits = weight.replace(" ", "").removeprefix("q=").strip("0.")
            return not weight.strip() or bool(digits)
    return False


def _feature(
    cell: int, owner: int, value: int, viewer_no: int, names: dict[int, tuple[str, str]]
) -> Feature:
    ring = [[lng, lat] for lat, lng in h3cells.boundary(cell)]
    user_id, name = names.get(owner, (None, None))
    return Feature(
        type="Feature",
        id=h3cells.to_hex(cell),
        geometry={"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
        properties={
            "owner_id": user_id,
            "owner_name": name,
            "mine": owner == viewer_no,
            "hidden": owner == mapview.HIDDEN,
            "value": value,
        },
    )


@get("/api/territory/me", summary="What I hold now", responses=problems())
async def my_territory(
    platform: NamedDependency[Platform], user: NamedDependency[CurrentUser]
) -> MyTerritory:
    now_ms, rules = platform.clock(), rules_for(CURRENT_RULES)
    async with platform.database.transaction() as tx:
        version = await tx.fetch_value(
            "SELECT territory_version FROM app_user WHERE user_no = ?", user.user_no
        )
        rows = await tx.fetch_tuples(
            f"SELECT {_COLUMNS}, free_ms, area_m2 FROM cell_state "
            "WHERE owner = ? AND free_ms > ? ORDER BY cell",
            user.user_no,
            now_ms,
        )
        await privacy.log_use(tx, user.user_no, "map_viewed", "self", now_ms)
        kept = await service.recently_lost(tx, user.user_no, now_ms - rules.public_delay_ms)
    states = [(CellState(*row[:9]), row[9], row[10]) for row in rows]
    # Who took a cell within the last half hour is still near it: it stays mine until then.
    states += [(state, free_at_ms(state, rules), area_m2) for state, area_m2 in kept]
    cells = [
        OwnCell(
            h3cells.to_hex(state.cell),
            effective_strength(state, now_ms, rules),
            state.taken_ms,
            free_ms,
        )
        for state, free_ms, _ in sorted(states)
        if free_ms > now_ms
    ]
    area_m2 = round(sum(area_m2 for _, free_ms, area_m2 in states if free_ms > now_ms), 1)
    return MyTerritory(version, now_ms, len(cells), area_m2, cells)


@get("/api/territory/losses", summary="Cells I lost", responses=problems())
async def my_losses(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    since_ms: Annotated[int | None, QueryParameter(ge=0, le=2**47)] = None,
) -> Losses:
    now_ms, rules = platform.clock(), rules_for(CURRENT_RULES)
    since = now_ms - WEEK_MS if since_ms is None else since_ms
    shown_until = now_ms - rules.public_delay_ms
    async with platform.database.read() as tx:
        cells = [
            int(row[0])
            for row in await tx.fetch_tuples(
                """SELECT DISTINCT mine.cell FROM capture mine
                   JOIN cell_state s ON s.cell = mine.cell
                   WHERE mine.user_no = ? AND (s.owner <> ? OR s.free_ms <= ?) LIMIT 20000""",
                user.user_no, user.user_no, now_ms,
            )
        ]  # fmt: skip
        events = await service.events_of(tx, cells, until_ms=shown_until)
        lost = [
            change
            for own in events.values()
            for change in transitions(own, rules, now_ms)
            if change.from_owner == user.user_no and since <= change.at_ms <= now_ms
        ]
        lost = sorted(lost, key=lambda change: (-change.at_ms, change.cell))[:MAX_LOSSES]
        names = await service.names_of(tx, {change.to_owner for change in lost})
    losses = [
        Loss(h3cells.to_hex(c.cell), c.at_ms, *names.get(c.to_owner, (None, None))) for c in lost
    ]
    return Losses(since, now_ms, losses)


ROUTES: list[ControllerRouterHandler] = [map_cells, my_territory, my_losses]
