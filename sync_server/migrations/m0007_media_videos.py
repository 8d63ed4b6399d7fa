"""Videos beside pictures in the media domain."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sync_server.platform.ddl import migration

ID = "2026-11-28T00:00:07"
VERSION = "1.38.0"
DESCRIPTION = "videos"

STATEMENTS = (
    # NULL for pictures. Both are what was measured, not what the file says.
    "ALTER TABLE media_object ADD COLUMN duration_ms BIGINT",
    "ALTER TABLE media_object ADD COLUMN frames BIGINT",
)


async def forwards() -> MigrationManager:
    return migration(ID, DESCRIPTION, STATEMENTS)
