"""Diary, settings, media, privacy."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sync_server.platform.ddl import migration

ID = "2026-11-21T00:00:05"
VERSION = "1.38.0"
DESCRIPTION = "diary, settings, media, privacy"

STATEMENTS = (
    # The centre cell of the private zone (resolution 8), never the home.
    """CREATE TABLE home_zone (
        user_no BIGINT PRIMARY KEY, center BIGINT NOT NULL, set_ms BIGINT NOT NULL)""",
    # One row per user, hour, purpose and user of the location; no coordinate.
    """CREATE TABLE location_use (
        user_no BIGINT NOT NULL, hour_ms BIGINT NOT NULL, purpose VARCHAR(40) NOT NULL,
        used_by VARCHAR(64) NOT NULL, uses BIGINT NOT NULL, first_ms BIGINT NOT NULL,
        last_ms BIGINT NOT NULL, PRIMARY KEY (user_no, hour_ms, purpose, used_by)) {clustered}""",
    "CREATE INDEX location_use_hour ON location_use (hour_ms)",
    # state: pending (nothing checked yet), ready, removed rows are deleted.
    """CREATE TABLE media_object (
        media_key VARCHAR(64) PRIMARY KEY, user_no BIGINT NOT NULL, kind TEXT NOT NULL,
        state TEXT NOT NULL, declared_type TEXT NOT NULL, declared_bytes BIGINT NOT NULL,
        declared_sha256 TEXT, created_ms BIGINT NOT NULL, object_key TEXT,
        content_type TEXT, size_bytes BIGINT NOT NULL DEFAULT 0, width_px BIGINT, height_px BIGINT,
        upload_sha256 TEXT, sha256 TEXT, ready_ms BIGINT, check_ms BIGINT NOT NULL)""",
    "CREATE INDEX media_object_user ON media_object (user_no, upload_sha256)",
    "CREATE INDEX media_object_object ON media_object (object_key)",
    "CREATE INDEX media_object_check ON media_object (check_ms)",
    # One entry; `head_hlc` is the stamp of the newest fact, whose walk and date count.
    """CREATE TABLE diary_entry (
        entry_id VARCHAR(36) PRIMARY KEY, user_no BIGINT NOT NULL, walk_id VARCHAR(36),
        entry_date VARCHAR(10) NOT NULL, head_hlc TEXT NOT NULL, deleted SMALLINT NOT NULL,
        created_ms BIGINT NOT NULL)""",
    "CREATE INDEX diary_entry_user ON diary_entry (user_no, entry_date)",
    # The last writer of each field; the value as JSON text.
    """CREATE TABLE diary_field (
        entry_id VARCHAR(36) NOT NULL, field TEXT NOT NULL, user_no BIGINT NOT NULL,
        value TEXT NOT NULL, hlc TEXT NOT NULL, PRIMARY KEY (entry_id, field)) {clustered}""",
    "CREATE INDEX diary_field_user ON diary_field (user_no)",
    """CREATE TABLE diary_photo (
        media_key VARCHAR(64) NOT NULL, entry_id VARCHAR(36) NOT NULL, user_no BIGINT NOT NULL,
        PRIMARY KEY (media_key, entry_id)) {clustered}""",
    "CREATE INDEX diary_photo_entry ON diary_photo (entry_id)",
    "CREATE INDEX diary_photo_user ON diary_photo (user_no)",
    """CREATE TABLE user_setting (
        user_no BIGINT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, hlc TEXT NOT NULL,
        PRIMARY KEY (user_no, field)) {clustered}""",
    # The sweeper asks whether a picture is still some dog's photo.
    "CREATE INDEX dog_photo ON dog (photo_key) WHERE photo_key IS NOT NULL",
)


async def forwards() -> MigrationManager:
    return migration(ID, DESCRIPTION, STATEMENTS)
