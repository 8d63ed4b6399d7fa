"""Facts, walks and the board."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sync_server.platform.ddl import migration

ID = "2026-11-21T00:00:03"
VERSION = "1.38.0"
DESCRIPTION = "sync, walks, territory"

STATEMENTS = (
    # The result of every fact, for ever; the payload only where the fact was refused, so that
    # nothing a phone sent is lost.
    """CREATE TABLE sync_fact (
        client_no BIGINT NOT NULL, seq BIGINT NOT NULL, hash {bytes} NOT NULL,
        type TEXT NOT NULL, result TEXT NOT NULL, refused_payload TEXT, at_ms BIGINT NOT NULL,
        PRIMARY KEY (client_no, seq)) {clustered}""",
    """CREATE TABLE walk (
        walk_no BIGINT PRIMARY KEY, walk_id VARCHAR(36) NOT NULL UNIQUE, user_no BIGINT NOT NULL,
        client_id VARCHAR(36) NOT NULL, dog_ids TEXT NOT NULL, source TEXT NOT NULL,
        state TEXT NOT NULL, rules_version TEXT NOT NULL, started_ms BIGINT NOT NULL,
        ended_ms BIGINT, chunks INTEGER, first_finish_ms BIGINT, created_ms BIGINT NOT NULL,
        heard_ms BIGINT NOT NULL, auto_end SMALLINT NOT NULL DEFAULT 0,
        judged_ms BIGINT, counts SMALLINT NOT NULL DEFAULT 0, late SMALLINT NOT NULL DEFAULT 0,
        distance_m DOUBLE PRECISION NOT NULL DEFAULT 0, moving_ms BIGINT NOT NULL DEFAULT 0,
        trust SMALLINT, verdict TEXT, sketch {bytes},
        announced SMALLINT NOT NULL DEFAULT 1)""",
    "CREATE INDEX walk_user ON walk (user_no, started_ms)",
    "CREATE INDEX walk_open ON walk (heard_ms) WHERE state = 'open'",
    """CREATE TABLE walk_chunk (
        walk_no BIGINT NOT NULL, chunk INTEGER NOT NULL, sha256 TEXT NOT NULL,
        packed {bytes} NOT NULL, mono_first_ms BIGINT, mono_last_ms BIGINT,
        arrived_ms BIGINT NOT NULL,
        PRIMARY KEY (walk_no, chunk))""",
    """CREATE TABLE walk_sketch (
        hash BIGINT NOT NULL, walk_no BIGINT NOT NULL, user_no BIGINT NOT NULL,
        PRIMARY KEY (hash, walk_no)) {clustered}""",
    "CREATE INDEX walk_sketch_walk ON walk_sketch (walk_no)",
    """CREATE TABLE capture (
        cell BIGINT NOT NULL, at_ms BIGINT NOT NULL, walk_no BIGINT NOT NULL,
        user_no BIGINT NOT NULL, local_day INTEGER NOT NULL, by_loop SMALLINT NOT NULL,
        PRIMARY KEY (cell, at_ms, walk_no)) {clustered}""",
    "CREATE INDEX capture_walk ON capture (walk_no)",
    """CREATE TABLE cell_state (
        cell BIGINT PRIMARY KEY, owner BIGINT NOT NULL, strength SMALLINT NOT NULL,
        visited_ms BIGINT NOT NULL, taken_ms BIGINT NOT NULL, strengthened_day INTEGER NOT NULL,
        prev_owner BIGINT NOT NULL, last_at_ms BIGINT NOT NULL, last_walk_no BIGINT NOT NULL,
        free_ms BIGINT NOT NULL, area_m2 DOUBLE PRECISION NOT NULL,
        province BIGINT NOT NULL DEFAULT 0, city BIGINT NOT NULL DEFAULT 0,
        town BIGINT NOT NULL DEFAULT 0, rev BIGINT NOT NULL,
        changed_ms BIGINT NOT NULL DEFAULT 0)""",
    "CREATE INDEX cell_state_owner ON cell_state (owner, cell)",
    "CREATE INDEX cell_state_free ON cell_state (free_ms)",
    "CREATE INDEX cell_state_lost ON cell_state (prev_owner, taken_ms)",
    # What a walk earned, by local day and region (0 = everywhere): the truth of the rankings.
    """CREATE TABLE walk_tally (
        walk_no BIGINT NOT NULL, region_id BIGINT NOT NULL, user_no BIGINT NOT NULL,
        at_ms BIGINT NOT NULL, local_day INTEGER NOT NULL, new_captures INTEGER NOT NULL,
        distance_m DOUBLE PRECISION NOT NULL, moving_ms BIGINT NOT NULL, rev BIGINT NOT NULL,
        PRIMARY KEY (walk_no, region_id))""",
    "CREATE INDEX walk_tally_region ON walk_tally (region_id, local_day)",
    "CREATE INDEX walk_tally_user ON walk_tally (user_no, local_day)",
    """CREATE TABLE analysis (
        analysis_id VARCHAR(36) PRIMARY KEY, user_no BIGINT NOT NULL, kind TEXT NOT NULL,
        dog_id VARCHAR(36), walk_id VARCHAR(36), at_ms BIGINT NOT NULL, result TEXT NOT NULL)""",
    "CREATE INDEX analysis_user ON analysis (user_no, at_ms)",
    """CREATE TABLE mission_submission (
        mission_id VARCHAR(36) PRIMARY KEY, user_no BIGINT NOT NULL, walk_id VARCHAR(36) NOT NULL,
        mission_type TEXT NOT NULL, media_key TEXT NOT NULL, nonce TEXT NOT NULL,
        at_ms BIGINT NOT NULL, state TEXT NOT NULL)""",
    "CREATE INDEX mission_submission_user ON mission_submission (user_no, at_ms)",
)


async def forwards() -> MigrationManager:
    return migration(ID, DESCRIPTION, STATEMENTS)
