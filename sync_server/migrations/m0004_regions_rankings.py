"""Regions, and the rankings that never change again."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sync_server.platform.ddl import migration

ID = "2026-11-21T00:00:04"
VERSION = "1.38.0"
DESCRIPTION = "regions, rankings"

STATEMENTS = (
    # The newest import_id is the version of the region table; `settled_ms` says when the cells
    # taken while the import ran got their regions too.
    """CREATE TABLE region_import (
        import_id {serial}, level TEXT NOT NULL, file_name TEXT NOT NULL, sha256 TEXT NOT NULL,
        features INTEGER NOT NULL, source TEXT NOT NULL, licence TEXT NOT NULL,
        attribution TEXT NOT NULL, imported_ms BIGINT NOT NULL, settled_ms BIGINT)""",
    """CREATE TABLE region (
        region_id {serial}, level TEXT NOT NULL, code TEXT NOT NULL, name_ko TEXT NOT NULL,
        name_en TEXT NOT NULL, parent_id BIGINT NOT NULL DEFAULT 0, import_id BIGINT NOT NULL,
        geometry {bytes} NOT NULL, min_lng DOUBLE PRECISION NOT NULL,
        min_lat DOUBLE PRECISION NOT NULL, max_lng DOUBLE PRECISION NOT NULL,
        max_lat DOUBLE PRECISION NOT NULL)""",
    "CREATE UNIQUE INDEX region_level_code ON region (level, code)",
    "CREATE INDEX region_parent ON region (parent_id)",
    # Rankings in memory follow the board by these two.
    "CREATE INDEX cell_state_rev ON cell_state (rev)",
    "CREATE INDEX walk_tally_rev ON walk_tally (rev)",
    "CREATE INDEX app_user_deleted ON app_user (deleted_ms) WHERE deleted_ms IS NOT NULL",
    """CREATE TABLE frozen_period (
        kind TEXT NOT NULL, period_key TEXT NOT NULL, frozen_ms BIGINT NOT NULL,
        boards INTEGER NOT NULL, PRIMARY KEY (kind, period_key))""",
    """CREATE TABLE frozen_board (
        kind TEXT NOT NULL, period_key TEXT NOT NULL, region_id BIGINT NOT NULL,
        measure TEXT NOT NULL, users BIGINT NOT NULL, total BIGINT NOT NULL, hash TEXT NOT NULL,
        packed_rows {bytes} NOT NULL, PRIMARY KEY (kind, period_key, region_id, measure))""",
    """CREATE TABLE cohort_draw (
        kind TEXT NOT NULL, period_key TEXT NOT NULL, seed BIGINT NOT NULL,
        cohorts INTEGER NOT NULL, drawn_ms BIGINT NOT NULL, PRIMARY KEY (kind, period_key))""",
    """CREATE TABLE cohort_member (
        kind TEXT NOT NULL, period_key TEXT NOT NULL, user_no BIGINT NOT NULL,
        cohort INTEGER NOT NULL, PRIMARY KEY (kind, period_key, user_no)) {clustered}""",
    "CREATE INDEX cohort_member_cohort ON cohort_member (kind, period_key, cohort)",
    "CREATE INDEX cohort_member_user ON cohort_member (user_no)",
)


async def forwards() -> MigrationManager:
    return migration(ID, DESCRIPTION, STATEMENTS)
