"""Accounts: users, sign-ins, devices, refresh tokens, consents, dogs."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from sync_server.platform.ddl import migration

ID = "2026-11-21T00:00:02"
VERSION = "1.38.0"
DESCRIPTION = "accounts"

STATEMENTS = (
    """CREATE TABLE app_user (
        user_no {serial}, user_id VARCHAR(36) NOT NULL UNIQUE, display_name TEXT NOT NULL,
        kind TEXT NOT NULL, kakao_id TEXT UNIQUE, secret_hash TEXT, language TEXT NOT NULL,
        created_ms BIGINT NOT NULL, deleted_ms BIGINT, erased_ms BIGINT,
        territory_version BIGINT NOT NULL DEFAULT 0)""",
    # Closed accounts whose rows are not all erased yet: the sweeper's work list.
    """CREATE INDEX app_user_to_erase ON app_user (deleted_ms)
        WHERE deleted_ms IS NOT NULL AND erased_ms IS NULL""",
    """CREATE TABLE sync_client (
        client_no {serial}, client_id VARCHAR(36) NOT NULL UNIQUE, user_no BIGINT NOT NULL,
        device_name TEXT NOT NULL, created_ms BIGINT NOT NULL, seen_ms BIGINT NOT NULL,
        last_seq BIGINT NOT NULL DEFAULT 0)""",
    "CREATE INDEX sync_client_user ON sync_client (user_no)",
    # One sign-in of one device. Revocation is a fact of the family, not of its tokens: a token
    # that a rotation inserts at the same moment is then dead too.
    """CREATE TABLE token_family (
        family TEXT PRIMARY KEY, user_no BIGINT NOT NULL, client_id VARCHAR(36) NOT NULL,
        created_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL, revoked_ms BIGINT)""",
    "CREATE INDEX token_family_user ON token_family (user_no)",
    "CREATE INDEX token_family_expires ON token_family (expires_ms)",
    """CREATE TABLE refresh_token (
        token_hash TEXT PRIMARY KEY, family TEXT NOT NULL, created_ms BIGINT NOT NULL,
        expires_ms BIGINT NOT NULL, used_ms BIGINT)""",
    "CREATE INDEX refresh_token_family ON refresh_token (family)",
    "CREATE INDEX refresh_token_expires ON refresh_token (expires_ms)",
    """CREATE TABLE oauth_state (
        state_hash TEXT PRIMARY KEY, verifier TEXT NOT NULL, redirect_uri TEXT NOT NULL,
        expires_ms BIGINT NOT NULL)""",
    "CREATE INDEX oauth_state_expires ON oauth_state (expires_ms)",
    """CREATE TABLE consent (
        user_no BIGINT NOT NULL, kind TEXT NOT NULL, version TEXT NOT NULL,
        granted SMALLINT NOT NULL, at_ms BIGINT NOT NULL, PRIMARY KEY (user_no, kind))""",
    # Every grant and withdrawal, append only.
    """CREATE TABLE consent_log (
        log_no {serial}, user_no BIGINT NOT NULL, kind TEXT NOT NULL, version TEXT NOT NULL,
        granted SMALLINT NOT NULL, at_ms BIGINT NOT NULL)""",
    "CREATE INDEX consent_log_user ON consent_log (user_no, log_no)",
    """CREATE TABLE dog (
        dog_id VARCHAR(36) PRIMARY KEY, user_no BIGINT NOT NULL, name TEXT NOT NULL,
        breed_code TEXT, sex TEXT, neutered SMALLINT, born_on TEXT,
        weight_kg DOUBLE PRECISION, photo_key TEXT, created_ms BIGINT NOT NULL,
        changed_ms BIGINT NOT NULL, deleted_ms BIGINT)""",
    "CREATE INDEX dog_user ON dog (user_no)",
)


async def forwards() -> MigrationManager:
    return migration(ID, DESCRIPTION, STATEMENTS)
