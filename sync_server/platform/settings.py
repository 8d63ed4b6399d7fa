"""Settings from the environment (DAENGDONG_*), checked once at the start."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from sync_server.platform.webhooks import SecretInvalid, parse_secrets


class SettingsInvalid(ValueError):
    """A setting is missing or has a wrong value; the message names it."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator can set; each field is `DAENGDONG_<NAME IN CAPITALS>`.

    `database_url` empty means SQLite in `data_dir`. `secret_key` empty means a key made at the
    first start and kept in `data_dir` (readable by the owner only).
    """

    data_dir: str = "daengdong-data"
    database_url: str = ""
    secret_key: str = ""
    public_url: str = "http://127.0.0.1:8000"
    object_store_url: str = ""
    access_token_s: int = 900
    refresh_token_s: int = 60 * 24 * 3600
    kakao_client_id: str = ""
    kakao_client_secret: str = ""
    kakao_auth_url: str = "https://kauth.kakao.com"
    kakao_api_url: str = "https://kapi.kakao.com"
    kakao_redirect_uris: str = ""
    """Where Kakao may send a sign-in back to: exact addresses, separated by commas."""
    kakao_timeout_s: float = 8.0
    rate_limits: Literal["on", "off"] = "on"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    sweep_s: float = 30.0
    media_quota_bytes: int = 2 * 1024**3
    role: Literal["all", "api", "ai", "worker"] = "all"
    """all: everything in one process. Apart: api (users), ai (orchestrator), worker (pipelines)."""
    ai_url: str = ""
    """Role api: where the AI role answers /internal/ai."""
    internal_url: str = ""
    """Where the other roles reach role api, if not at `public_url`."""
    ai_database_url: str = ""
    engine_database_url: str = ""
    internal_secrets: str = ""
    """Keys between roles (whsec_..., by commas): the first signs, all verify."""
    worker_processes: int = 0
    """Processes that decode and infer; 0: one a core."""
    worker_jobs: int = 0
    """Jobs that one worker runs at a time; 0: twice its processes."""
    queue_age_limit_s: float = 120.0
    """A new job is refused with 429 while the oldest waiting one is older."""
    job_wait_s: float = 20.0
    """How long the synchronous paths wait before they answer 202."""
    fetch_allow_hosts: str = ""
    """Hosts (host or host:port, by commas) that may be fetched though private or by plain http."""
    models_dir: str = ""
    """Folder of model bundles; empty: those that come with the program."""
    references_dir: str = ""
    """Folder of missions.json and emotions.json, editable while running; empty: the program's."""
    judge: Literal["embedded", "gemini", "twelvelabs"] = "embedded"
    judge_precheck: Literal["off", "log", "save"] = "log"
    """The on-device check before a paid judge: off; log (agreement is logged); save (a sure SUCCESS
    or FAIL spares the paid call)."""
    narrator: Literal["template", "gemini", "openai"] = "template"
    gemini_api_key: str = ""
    gemini_base_url: str = ""
    gemini_model: str = "gemini-2.5-flash-lite"
    openai_api_key: str = ""
    openai_base_url: str = ""
    openai_model: str = "gpt-4o-mini"
    twelvelabs_api_key: str = ""
    twelvelabs_base_url: str = "https://api.twelvelabs.io/v1.3"
    twelvelabs_model: str = "pegasus1.5"
    llm_daily_calls: int = 5_000
    """Paid calls a day (UTC) before the fallback answers."""
    vet_backend: Literal["embedded", "openai", "gemini"] = "embedded"
    """Who answers the vet chat: the reviewed knowledge base itself, or a model over it."""
    vet_model: str = ""
    """The chat's model; empty: openai_model or gemini_model."""
    vet_vision_model: str = ""
    """The model for turns with a picture; empty: the chat's."""
    vet_deadline_s: float = 15.0
    vet_embedding: Literal["off", "openai", "gemini"] = "off"
    """Vectors beside words in the search of the knowledge base."""
    embedding_model: str = ""
    """Empty: text-embedding-3-small or gemini-embedding-001."""
    knowledge_dir: str = ""
    """Folder of knowledge entries (JSON), editable while running; empty: the program's."""

    @property
    def database(self) -> str:
        """The database URL in force."""
        return self.database_url or f"sqlite:///{Path(self.data_dir) / 'daengdong.sqlite'}"

    @property
    def ai_database(self) -> str:
        """The AI role's own store: a file beside the database, or the same PostgreSQL server."""
        if self.ai_database_url:
            return self.ai_database_url
        if self.database_url.startswith("postgres"):
            return self.database_url
        return f"sqlite:///{Path(self.data_dir) / 'ai.sqlite'}"

    @property
    def engine_database(self) -> str:
        """Where the job engine keeps its checkpoints: a file, or a schema of the AI store."""
        if self.engine_database_url:
            return self.engine_database_url
        if self.ai_database.startswith("postgres"):
            return self.ai_database
        return f"sqlite:///{Path(self.data_dir) / 'engine.sqlite'}"

    @property
    def backend_url(self) -> str:
        """Where the AI role sends its events, without a slash at the end."""
        return (self.internal_url or self.public_url).rstrip("/")

    @property
    def knowledge_database(self) -> str:
        """The index of the vet chat's documents: always a file of the process that searches."""
        return str(Path(self.data_dir) / "knowledge.sqlite")

    @property
    def object_store(self) -> str:
        """The object store URL in force (a folder of the data directory by default)."""
        return self.object_store_url or f"file://{(Path(self.data_dir) / 'media').resolve()}"


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; raise SettingsInvalid naming the first wrong one."""
    source = os.environ if environment is None else environment
    known = set(Settings.__struct_fields__)
    values = {
        name: source[f"DAENGDONG_{name.upper()}"]
        for name in known
        if f"DAENGDONG_{name.upper()}" in source
    }
    try:
        settings = msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsInvalid(f"a DAENGDONG_* setting is wrong: {error}") from None
    try:
        parse_secrets(settings.internal_secrets)
    except SecretInvalid as error:
        raise SettingsInvalid(f"DAENGDONG_INTERNAL_SECRETS is wrong: {error}") from None
    return msgspec.structs.replace(settings, secret_key=settings.secret_key or _kept_key(settings))


def _kept_key(settings: Settings) -> str:
    path = Path(settings.data_dir) / "secret.key"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(f".{secrets.token_hex(4)}")
        scratch.touch(mode=0o600)
        scratch.write_text(secrets.token_urlsafe(48))
        try:
            # link, not rename: of two processes that start together one key wins.
            os.link(scratch, path)
        except FileExistsError:
            pass
        finally:
            scratch.unlink()
    return path.read_text().strip()
