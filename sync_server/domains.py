"""Which routes, facts, periodic work and erasure each domain brings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from litestar.types import ControllerRouterHandler

from edge_sdk.sync.facts import DiarySet, SettingsSet, WalkCancel, WalkFinish, WalkPoints, WalkStart
from sync_server.ai.role import EventSink
from sync_server.auth import routes as auth_routes
from sync_server.auth import service as auth
from sync_server.diary import routes as diary_routes
from sync_server.diary import service as diary
from sync_server.dogs import routes as dogs_routes
from sync_server.dogs import service as dogs
from sync_server.face import routes as face_routes
from sync_server.face import service as face
from sync_server.healthcare import routes as healthcare_routes
from sync_server.healthcare import service as healthcare
from sync_server.jobs import routes as jobs_routes
from sync_server.jobs import service as jobs
from sync_server.media import routes as media_routes
from sync_server.media import service as media
from sync_server.missions import routes as missions_routes
from sync_server.missions import service as missions
from sync_server.platform import idempotency
from sync_server.platform.context import JobEffect, Platform, Sweeper
from sync_server.platform.database import Tx
from sync_server.platform.facts import FactContext, FactKind, Outcome
from sync_server.privacy import routes as privacy_routes
from sync_server.privacy import service as privacy
from sync_server.rankings import routes as rankings_routes
from sync_server.rankings import service as rankings
from sync_server.regions import routes as regions_routes
from sync_server.regions import service as regions
from sync_server.sync import routes as sync_routes
from sync_server.sync import service as sync
from sync_server.territory import routes as territory_routes
from sync_server.territory import service as territory
from sync_server.users import routes as users_routes
from sync_server.users import service as users
from sync_server.vet import routes as vet_routes
from sync_server.vet import service as vet
from sync_server.walks import routes as walks_routes
from sync_server.walks import service as walks


async def _apply_diary(context: FactContext, fact: DiarySet) -> Outcome:
    return await diary.apply_set(
        context.tx, context.user_no, fact, context.client_id, context.now_ms
    )


async def _apply_setting(context: FactContext, fact: SettingsSet) -> Outcome:
    return await diary.apply_setting(
        context.tx, context.user_no, fact, context.client_id, context.now_ms
    )


WalkFact = WalkStart | WalkPoints | WalkFinish | WalkCancel


def _with_missions(kind: FactKind) -> FactKind:
    """Let a walk's missions follow what a fact has done to the walk."""

    async def apply(context: FactContext, fact: WalkFact) -> Outcome:
        outcome = await kind.apply(context, fact)
        await missions.walk_changed(
            context.platform, context.tx, context.user_no, fact.walk_id, context.now_ms
        )
        return outcome

    return replace(kind, apply=apply)


FACTS: dict[str, FactKind] = {
    **walks.FACTS,
    **{
        name: _with_missions(walks.FACTS[name])
        for name in ("walk.start", "walk.points", "walk.finish", "walk.cancel")
    },
    **missions.FACTS,
    "diary.set": FactKind(DiarySet, _apply_diary),
    "settings.set": FactKind(SettingsSet, _apply_setting),
}

ROUTES: list[ControllerRouterHandler] = [
    *auth_routes.ROUTES,
    *users_routes.ROUTES,
    *dogs_routes.ROUTES,
    *sync_routes.make_routes(FACTS),
    *walks_routes.ROUTES,
    *territory_routes.ROUTES,
    *regions_routes.ROUTES,
    *rankings_routes.ROUTES,
    *diary_routes.ROUTES,
    *media_routes.ROUTES,
    *privacy_routes.ROUTES,
    *jobs_routes.ROUTES,
    *missions_routes.ROUTES,
    *face_routes.ROUTES,
    *healthcare_routes.ROUTES,
    *vet_routes.ROUTES,
]

EVENT_SINK: Callable[[Platform], EventSink] = jobs.event_sink
"""Makes what takes the events of AI jobs that run in this process."""

EFFECTS: dict[str, JobEffect] = {
    "mission": missions.job_ended,
    "face": face.job_ended,
    "healthcare": healthcare.job_ended,
    "vet": vet.job_ended,
}

STARTERS: list[Callable[[Platform], Awaitable[None]]] = [regions.load, jobs.listen, vet.start]

SWEEPERS: list[Sweeper] = [
    walks.sweep,
    missions.sweep,
    vet.sweep,
    jobs.sweep,
    sync.sweep,
    rankings.sweep,
    media.sweep,
    privacy.sweep,
    regions.sweep,
    users.sweep,
    auth.sweep,
    idempotency.sweep,
]

ERASERS: list[Callable[[Tx, int, int], Awaitable[list[str]]]] = [
    # Captures fold out of the board before the walks they belong to are gone.
    territory.erase,
    vet.erase,
    jobs.erase,
    missions.erase,
    walks.erase,
    diary.erase,
    media.erase,
    privacy.erase,
    rankings.erase,
    dogs.erase,
    idempotency.erase,
    sync.erase,
]
