"""What the domains share: revisions, the change feed, rate limits, idempotency."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sync_server.platform.ddl import migration

ID = "2026-11-21T00:00:01"
VERSION = "1.38.0"
DESCRIPTION = "platform"

STATEMENTS = (
    "CREATE TABLE sync_clock (one SMALLINT PRIMARY KEY, rev BIGINT NOT NULL, epoch TEXT NOT NULL)",
    """CREATE TABLE feed_row (
        user_no BIGINT NOT NULL, collection TEXT NOT NULL, row_id TEXT NOT NULL,
        rev BIGINT NOT NULL, deleted SMALLINT NOT NULL, doc TEXT NOT NULL,
        checksum BIGINT NOT NULL, changed_ms BIGINT NOT NULL,
        PRIMARY KEY (user_no, collection, row_id)) {clustered}""",
    "CREATE INDEX feed_row_rev ON feed_row (user_no, rev)",
    "CREATE INDEX feed_row_tombstone ON feed_row (changed_ms) WHERE deleted = 1",
    "CREATE TABLE pruned_feed (rev BIGINT PRIMARY KEY)",
    """CREATE TABLE rate_bucket (
        bucket TEXT PRIMARY KEY, tokens DOUBLE PRECISION NOT NULL, at_ms BIGINT NOT NULL)
        {clustered}""",
    """CREATE TABLE idempotent_answer (
        user_no BIGINT NOT NULL, key TEXT NOT NULL, request_hash TEXT NOT NULL,
        status SMALLINT NOT NULL, body TEXT NOT NULL, at_ms BIGINT NOT NULL,
        PRIMARY KEY (user_no, key)) {clustered}""",
    "CREATE INDEX idempotent_answer_at ON idempotent_answer (at_ms)",
)


async def forwards() -> MigrationManager:
    return migration(ID, DESCRIPTION, STATEMENTS)
