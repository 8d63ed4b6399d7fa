"""What pipelines may use, put together once for a process that runs stages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_sdk.face.narration import EMOTIONS_FILE, EmotionReferences, load_references
from sync_server.ai.face.narrator import Narrator, TemplateNarrator
from sync_server.ai.fetching import MediaFetcher
from sync_server.ai.missions.embedded import EmbeddedJudge
from sync_server.ai.missions.judging import MissionJudge
from sync_server.ai.missions.verdict_cache import StoredVerdicts, VerdictCache
from sync_server.ai.stages import CpuPool
from sync_server.platform.clock import Clock
from sync_server.platform.database import Database
from sync_server.platform.object_store import ObjectStore
from sync_server.platform.settings import Settings
from sync_server.platform.tokens import TokenSigner


@dataclass(frozen=True)
class AiServices:
    """See `stages.Services`; the fields after `clock` are what our pipelines use besides."""

    cpu: CpuPool
    objects: ObjectStore
    settings: Settings
    clock: Clock
    signer: TokenSigner
    fetcher: MediaFetcher
    judge: MissionJudge
    verdicts: VerdictCache
    narrator: Narrator
    emotion_references: Callable[[], EmotionReferences]


def build_services(
    settings: Settings,
    *,
    cpu: CpuPool,
    store: Database,
    objects: ObjectStore,
    signer: TokenSigner,
    clock: Clock,
    judge: MissionJudge | None = None,
    narrator: Narrator | None = None,
    emotion_references: Callable[[], EmotionReferences] | None = None,
) -> AiServices:
    """Compose the services; without a judge or narrator those that need no network.

    `store` is the AI role's own database (with `verdict_cache.STATEMENTS`), `cpu` the pool of
    worker processes. Raises what reading the bundles and references raises.
    """
    references = emotion_references or (lambda: load_references(_emotions_file(settings)))
    return AiServices(
        cpu=cpu,
        objects=objects,
        settings=settings,
        clock=clock,
        signer=signer,
        fetcher=MediaFetcher(settings, objects, signer),
        judge=judge or EmbeddedJudge(cpu, settings.models_dir),
        verdicts=StoredVerdicts(store, clock),
        narrator=narrator or TemplateNarrator(references),
        emotion_references=references,
    )


def _emotions_file(settings: Settings) -> Path:
    own = Path(settings.references_dir) / EMOTIONS_FILE.name
    return own if settings.references_dir and own.is_file() else EMOTIONS_FILE
