"""GET /api/walks: the owner's walks."""

from __future__ import annotations

from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.types import ControllerRouterHandler

from game_engine.rules import rules_for
from game_engine.track import clean
from sync_server.platform.context import Platform
from sync_server.platform.problem_details import problems
from sync_server.platform.tokens import CurrentUser
from sync_server.privacy import service as privacy
from sync_server.walks import judging, service
from sync_server.walks.documents import walk_document
from sync_server.walks.schemas import OpenWalks, TrackPoint, WalkList, WalkWithTrack

MAX_TIED = 100


@get("/api/walks", summary="My walks, newest first", responses=problems())
async def list_walks(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    before_ms: Annotated[int | None, QueryParameter(ge=0, le=2**53)] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 50,
) -> WalkList:
    async with platform.database.read() as tx:
        walks = await service.list_walks(tx, user.user_no, before_ms, limit)
        more = walks[-1].started_at_ms if len(walks) == limit else None
        if more is not None:
            # The next page is older than this moment: all walks that began at it belong here.
            known = {walk.walk_id for walk in walks}
            tied = await service.list_walks(tx, user.user_no, more + 1, MAX_TIED)
            walks += [w for w in tied if w.started_at_ms == more and w.walk_id not in known]
    return WalkList(walks, more)


@get("/api/walks/current", summary="My open walks on any device", responses=problems())
async def current_walks(
    platform: NamedDependency[Platform], user: NamedDependency[CurrentUser]
) -> OpenWalks:
    async with platform.database.read() as tx:
        return OpenWalks(await service.open_walks(tx, user.user_no))


@get("/api/walks/{walk_id:str}", summary="One walk with its track", responses=problems("not_found"))
async def one_walk(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    walk_id: FromPath[str],
) -> WalkWithTrack:
    async with platform.database.transaction() as tx:
        row = await service.walk_of(tx, user.user_no, walk_id)
        fixes = (await judging.load_fixes(tx, row["walk_no"])).fixes
        await privacy.log_use(tx, user.user_no, "track_viewed", "self", platform.clock())
    track = clean(fixes, rules_for(row["rules_version"]))
    kept = {
        (int(t), int(lat), int(lng))
        for t, lat, lng, keep in zip(
            track.fixes.t_ms, track.fixes.lat_e5, track.fixes.lng_e5, track.fix_kept, strict=True
        )
        if keep
    }
    points = [
        TrackPoint(t, lat / 1e5, lng / 1e5, int((t, lat, lng) in kept))
        for t, lat, lng in zip(
            fixes.t_ms.tolist(), fixes.lat_e5.tolist(), fixes.lng_e5.tolist(), strict=True
        )
    ]
    return WalkWithTrack(walk_document(row), points)


ROUTES: list[ControllerRouterHandler] = [list_walks, current_walks, one_walk]
