"""Jobs of the AI role, mission offers and points, what a walk shows of them."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sync_server.platform.ddl import migration

ID = "2026-11-28T00:00:06"
VERSION = "1.38.0"
DESCRIPTION = "jobs, missions, points"

STATEMENTS = (
    # state: queued, processing, done, failed, cancelled; the last three are final.
    # `handed` is 1 once the AI role has taken the job; `last_seq` and `result_seq` are sequence
    # numbers of the AI role's events, `event_no` counts the events that were kept here.
    """CREATE TABLE analysis_job (
        job_id VARCHAR(128) PRIMARY KEY, user_no BIGINT NOT NULL, area TEXT NOT NULL,
        job_type TEXT NOT NULL, analysis_id TEXT NOT NULL, walk_id VARCHAR(36),
        dog_id VARCHAR(36), captured_ms BIGINT, request TEXT NOT NULL,
        request_hash TEXT NOT NULL, state TEXT NOT NULL, stage TEXT NOT NULL,
        percent SMALLINT NOT NULL, message TEXT NOT NULL, error TEXT, failure_type TEXT,
        result TEXT, model_version TEXT, last_seq BIGINT NOT NULL DEFAULT 0,
        result_seq BIGINT NOT NULL DEFAULT 0, event_no BIGINT NOT NULL DEFAULT 0,
        handed SMALLINT NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0,
        created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL, finished_ms BIGINT,
        input_bytes BIGINT NOT NULL DEFAULT 0, events_kept SMALLINT NOT NULL DEFAULT 1)""",
    "CREATE INDEX analysis_job_user ON analysis_job (user_no, created_ms)",
    "CREATE INDEX analysis_job_same ON analysis_job (user_no, request_hash)",
    "CREATE INDEX analysis_job_open ON analysis_job (updated_ms) WHERE finished_ms IS NULL",
    "CREATE INDEX analysis_job_finished ON analysis_job (finished_ms)",
    # `dedup_key`: what tells an event that comes again from a new one.
    """CREATE TABLE job_event (
        job_id VARCHAR(128) NOT NULL, event_no BIGINT NOT NULL, dedup_key TEXT NOT NULL,
        event_type TEXT NOT NULL, snapshot TEXT NOT NULL, at_ms BIGINT NOT NULL,
        PRIMARY KEY (job_id, event_no)) {clustered}""",
    "CREATE UNIQUE INDEX job_event_once ON job_event (job_id, dedup_key)",
    # Jobs of erased accounts that the AI role must still be told to stop.
    "CREATE TABLE job_to_cancel (job_id VARCHAR(128) PRIMARY KEY, at_ms BIGINT NOT NULL)",
    # One draw a walk; its offers are issued when their moment has come.
    """CREATE TABLE mission_draw (
        walk_id VARCHAR(36) PRIMARY KEY, user_no BIGINT NOT NULL, seed BIGINT NOT NULL,
        rules_version TEXT NOT NULL, created_ms BIGINT NOT NULL)""",
    "CREATE INDEX mission_draw_user ON mission_draw (user_no)",
    # state: offered, submitted, judging, succeeded, failed, uncertain, system_error, lost.
    """CREATE TABLE mission_offer (
        mission_id VARCHAR(36) PRIMARY KEY, user_no BIGINT NOT NULL, walk_id VARCHAR(36) NOT NULL,
        number SMALLINT NOT NULL, mission_type TEXT NOT NULL, nonce TEXT NOT NULL,
        offered_ms BIGINT NOT NULL, deadline_ms BIGINT NOT NULL, state TEXT NOT NULL,
        media_key TEXT, submitted_ms BIGINT, arrived_ms BIGINT, job_id VARCHAR(128),
        judgements SMALLINT NOT NULL, judged_ms BIGINT, confidence DOUBLE PRECISION, reason TEXT,
        points INTEGER NOT NULL DEFAULT 0)""",
    "CREATE UNIQUE INDEX mission_offer_walk ON mission_offer (walk_id, number)",
    "CREATE INDEX mission_offer_user ON mission_offer (user_no, offered_ms)",
    "CREATE INDEX mission_offer_job ON mission_offer (job_id)",
    "CREATE INDEX mission_offer_waiting ON mission_offer (submitted_ms) WHERE state = 'submitted'",
    # What was earned, once for each source.
    """CREATE TABLE point_entry (
        user_no BIGINT NOT NULL, source TEXT NOT NULL, points INTEGER NOT NULL,
        walk_id VARCHAR(36), reason TEXT NOT NULL, at_ms BIGINT NOT NULL,
        PRIMARY KEY (user_no, source)) {clustered}""",
    "ALTER TABLE walk ADD COLUMN points INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE walk ADD COLUMN missions TEXT",
    "ALTER TABLE walk ADD COLUMN emotion TEXT",
    "ALTER TABLE analysis ADD COLUMN job_id VARCHAR(128)",
    "CREATE INDEX analysis_dog ON analysis (dog_id, at_ms)",
    "CREATE INDEX analysis_job_of ON analysis (job_id)",
    # Nothing was ever offered before: what was submitted then answers no offer.
    "DROP TABLE mission_submission",
)


async def forwards() -> MigrationManager:
    return migration(ID, DESCRIPTION, STATEMENTS)
