"""Bring a database to the schema of this program: Piccolo's migrations, all or nothing."""

from __future__ import annotations

import contextlib
import io
import secrets
from importlib import import_module
from pkgutil import iter_modules

import structlog
from piccolo.apps.migrations.tables import Migration

from sync_server import migrations
from sync_server.platform.database import Database, DatabaseError

_LOCK_KEY = 0x6461656E67
log = structlog.get_logger(__name__)


class MigrationFailed(DatabaseError):
    """A migration did not run; the database is as it was before."""

    code = "migration_failed"


async def migrate(database: Database) -> list[str]:
    """Run the migrations that have not run yet; return their names.

    One transaction under one lock: a failure leaves the database as it was, and two processes
    that start together do not run the same migration twice.
    """
    async with database.transaction() as tx:
        await tx.lock(1, [_LOCK_KEY])
        new = await pending(database)
        if new:
            await _run()
        await tx.execute(
            "INSERT INTO sync_clock (one, rev, epoch) VALUES (1, 0, ?) ON CONFLICT DO NOTHING",
            secrets.token_hex(8),
        )
    if new:
        log.info("migrated", migrations=new)
    return new


async def pending(database: Database) -> list[str]:
    """Return the names of the migrations that have not run yet."""
    modules = sorted(module.name for module in iter_modules(migrations.__path__))
    known: list[str] = [import_module(f"{migrations.__name__}.{name}").ID for name in modules]
    ran = set(await _ran())
    return [name for name in known if name not in ran]


async def _run() -> None:
    # Imports a code formatter, 0.1 s: nothing for a start with nothing to migrate.
    from piccolo.apps.migrations.commands.forwards import ForwardsMigrationManager

    with contextlib.redirect_stdout(io.StringIO()) as said:
        result = await ForwardsMigrationManager(app_name="daengdong").run()
    if not result.success:
        raise MigrationFailed(result.message or said.getvalue())


async def _ran() -> list[str]:
    if not await Migration.table_exists().run():
        return []
    return sorted(await Migration.get_migrations_which_ran(app_name="daengdong"))
