"""What every route needs, put together once by the app: database, settings, clock, signer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from litestar import Request
from litestar.datastructures import State
from litestar.di import NamedDependency

from sync_server.ai.role import AiRole
from sync_server.ai.vet.role import VetRole
from sync_server.platform.clock import Clock
from sync_server.platform.database import Database, StorageFull, StorageReadOnly, Tx
from sync_server.platform.errors import Problem
from sync_server.platform.growing import Growing
from sync_server.platform.object_store import ObjectStore
from sync_server.platform.pokes import Pokes
from sync_server.platform.rate_limit import READ, take
from sync_server.platform.settings import Settings
from sync_server.platform.tasks import Tasks
from sync_server.platform.tokens import CurrentUser, TokenSigner
from sync_server.platform.wakes import Wakes

Sweeper = Callable[["Platform", int], Awaitable[None]]
JobEffect = Callable[["Platform", Tx, Any, int], Awaitable[None]]
"""(platform, tx, job, now_ms): what a domain does when a job ends or its result is replaced.

In the transaction of the event, and safe to run again for the same job.
"""


@dataclass(frozen=True)
class Platform:
    """The shared parts of one running server; domains take it as their first argument."""

    settings: Settings
    database: Database
    clock: Clock
    signer: TokenSigner
    objects: ObjectStore
    pokes: Pokes
    ai: AiRole | None = None
    """The AI role: in this process or behind HTTP; None where this process has none."""
    vet: VetRole | None = None
    """The vet chat of the AI role, likewise."""
    job_effects: Mapping[str, JobEffect] = field(default_factory=dict)
    """By area of the job."""
    wakes: Wakes = field(default_factory=Wakes)
    tasks: Tasks = field(default_factory=Tasks)
    texts: dict[str, Growing] = field(default_factory=dict)
    """What is being written in this process just now, by the id of what it belongs to."""
    sweepers: list[Sweeper] = field(default_factory=list)
    """Periodic work of the domains: called with the platform and the time in ms."""


def provide_platform(state: State) -> Platform:
    """Litestar dependency `platform`."""
    platform: Platform = state.platform
    return platform


def bearer_token(request: Request[Any, Any, Any]) -> str:
    """Return the bearer token of a request; raise Problem unauthorized without one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Problem("unauthorized")
    return token.strip()


def provide_token_user(
    request: Request[Any, Any, Any], platform: NamedDependency[Platform]
) -> CurrentUser:
    """Litestar dependency `token_user`: whom the token names, not looked up in the database."""
    known: CurrentUser | None = request.state.get("token_user")
    if known is None:
        known = platform.signer.read_access_token(bearer_token(request))
        request.state["token_user"] = known
    return known


async def provide_user(
    request: Request[Any, Any, Any], platform: NamedDependency[Platform]
) -> CurrentUser:
    """Litestar dependency `user`: the signed-in account; a deleted one is unauthorized at once."""
    user = provide_token_user(request, platform)
    if platform.settings.rate_limits == "on":
        # The bucket is a row, so that it holds across processes.
        with suppress(StorageFull, StorageReadOnly):
            async with platform.database.transaction() as tx:
                await take(tx, READ, user.user_id, platform.clock())
                return await _alive(tx, user)
    # Without limits a read is enough; and what can be read is answered while nothing is written.
    async with platform.database.read() as tx:
        return await _alive(tx, user)


async def _alive(tx: Tx, user: CurrentUser) -> CurrentUser:
    alive = await tx.fetch_value(
        "SELECT 1 FROM app_user WHERE user_no = ? AND user_id = ? AND deleted_ms IS NULL",
        user.user_no, user.user_id,
    )  # fmt: skip
    if alive is None:
        raise Problem("unauthorized")
    return user
