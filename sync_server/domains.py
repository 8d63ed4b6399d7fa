"""Which routes, facts, periodic work and erasure each domain brings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from litestar.types import ControllerRouterHandler

from edge_sdk.sync.facts import DiarySet, SettingsSet
from sync_server.ai.role import EventSink
from sync_server.auth import routes as auth_routes
from sync_server.auth import service as auth
from sync_server.diary import routes as diary_routes
from sync_server.diary import service as diary
from sync_server.dogs import routes as dogs_routes
from sync_server.dogs import service as dogs
from sync_server.media import routes as media_routes
from sync_server.media import service as media
from sync_server.platform import idempotency
from sync_server.platform.context import Platform, Sweeper
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


FACTS: dict[str, FactKind] = {
    **walks.FACTS,
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
]

EVENT_SINK: Callable[[Platform], EventSink] | None = None
"""Makes what takes the events of AI jobs that run in this process."""

STARTERS: list[Callable[[Platform], Awaitable[None]]] = [regions.load]

SWEEPERS: list[Sweeper] = [
    walks.sweep,
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
    walks.erase,
    diary.erase,
    media.erase,
    privacy.erase,
    rankings.erase,
    dogs.erase,
    idempotency.erase,
    sync.erase,
]
