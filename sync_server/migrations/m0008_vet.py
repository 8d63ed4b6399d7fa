"""Conversations of the vet chat: turns, memory, and the reports made of them."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sync_server.platform.ddl import migration

ID = "2026-11-28T00:00:08"
VERSION = "1.38.0"
DESCRIPTION = "vet chat"

STATEMENTS = (
    # `summary`, `key_facts` (JSON): of turns up to `folded_no`, from what the user said.
    # `brought` (JSON): the history that a client gave with the first turn of a conversation.
    """CREATE TABLE vet_conversation (
        conversation_no {serial}, user_no BIGINT NOT NULL, conversation_id VARCHAR(128) NOT NULL,
        dog_id VARCHAR(36), title TEXT NOT NULL, summary TEXT NOT NULL, key_facts TEXT NOT NULL,
        brought TEXT NOT NULL, folded_no INTEGER NOT NULL DEFAULT 0,
        turns INTEGER NOT NULL DEFAULT 0,
        created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL)""",
    "CREATE UNIQUE INDEX vet_conversation_id ON vet_conversation (user_no, conversation_id)",
    "CREATE INDEX vet_conversation_user ON vet_conversation (user_no, updated_ms)",
    "CREATE INDEX vet_conversation_old ON vet_conversation (updated_ms)",
    # state: streaming, done, interrupted, failed. `content` is what was shown up to `saved_ms`,
    # `revision` counts how often it was replaced. `writer`: the process that writes a streaming
    # turn; it says so every few seconds in `saved_ms`.
    """CREATE TABLE vet_turn (
        turn_id VARCHAR(36) PRIMARY KEY, conversation_no BIGINT NOT NULL, user_no BIGINT NOT NULL,
        turn_no INTEGER NOT NULL, language TEXT NOT NULL, user_text TEXT NOT NULL, image TEXT,
        image_key VARCHAR(64), dog_id VARCHAR(36), user_context TEXT NOT NULL,
        content TEXT NOT NULL, revision INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL,
        answer TEXT, error TEXT, writer TEXT NOT NULL, created_ms BIGINT NOT NULL,
        saved_ms BIGINT NOT NULL, finished_ms BIGINT)""",
    "CREATE UNIQUE INDEX vet_turn_order ON vet_turn (conversation_no, turn_no)",
    "CREATE INDEX vet_turn_user ON vet_turn (user_no)",
    "CREATE INDEX vet_turn_image ON vet_turn (image_key) WHERE image_key IS NOT NULL",
    "CREATE INDEX vet_turn_open ON vet_turn (saved_ms) WHERE state = 'streaming'",
    # The job of a report goes with its conversation.
    """CREATE TABLE vet_report (
        job_id VARCHAR(128) PRIMARY KEY, user_no BIGINT NOT NULL, conversation_no BIGINT,
        created_ms BIGINT NOT NULL)""",
    "CREATE INDEX vet_report_user ON vet_report (user_no)",
    "CREATE INDEX vet_report_conversation ON vet_report (conversation_no)",
)


async def forwards() -> MigrationManager:
    return migration(ID, DESCRIPTION, STATEMENTS)
