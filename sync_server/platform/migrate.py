"""Bring a database to the schema of this program: Piccolo's migrations, all or nothing."""

from __future__ import annotations

import contextlib
import io
import secrets

import structlog
from piccolo.apps.migrations.commands.forwards import ForwardsMigrationManager
from piccolo.apps.migrations.tables import Migration

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
        before = await _ran()
        with contextlib.redirect_stdout(io.StringIO()) as said:
            result = await ForwardsMigrationManager(app_name="daengdong").run()
        if not result.success:
            raise MigrationFailed(result.message or said.getvalue())
        new = [name for name in await _ran() if name not in set(before)]
        await tx.execute(
            "INSERT INTO sync_clock (one, rev, epoch) VALUES (1, 0, ?) ON CONFLICT DO NOTHING",
            secrets.token_hex(8),
        )
    if new:
        log.info("migrated", migrations=new)
    return new


async def pending(database: Database) -> list[str]:
    """Return the names of the migrations that have not run yet."""
    manager = ForwardsMigrationManager(app_name="daengdong")
    folder = manager.get_app_config(app_name="daengdong").resolved_migrations_folder_path
    known = manager.get_migration_ids(manager.get_migration_modules(folder))
    ran = set(await _ran())
    return [name for name in known if name not in ran]


async def _ran() -> list[str]:
    if not await Migration.table_exists().run():
        return []
    return sorted(await Migration.get_migrations_which_ran(app_name="daengdong"))
