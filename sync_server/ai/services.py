"""What pipelines may use, put together once for a process that runs stages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sync_server.ai.cpu.bundles import manifest_for
from sync_server.ai.face.narrator import Narrator, TemplateNarrator
from sync_server.ai.fetching import MediaFetcher
from sync_server.ai.missions.judges import EmbeddedJudge, MissionJudge
from sync_server.ai.missions.verdict_cache import StoredVerdicts, VerdictCache
from sync_server.ai.references import EmotionReferenceStore, MissionReferenceStore
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
    mission_references: MissionReferenceStore
    emotion_references: EmotionReferenceStore


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
) -> AiServices:
    """Compose the services; without a judge or narrator those that need no network.

    `store` is the AI role's own database (with `verdict_cache.STATEMENTS`), `cpu` the pool of
    worker processes. Raises what reading the bundles and references raises.
    """
    folder = Path(settings.references_dir) if settings.references_dir else None
    emotions = EmotionReferenceStore(folder)
    return AiServices(
        cpu=cpu,
        objects=objects,
        settings=settings,
        clock=clock,
        signer=signer,
        fetcher=MediaFetcher(settings, objects, signer),
        judge=judge or EmbeddedJudge(cpu, model=embedded_model(settings)),
        verdicts=StoredVerdicts(store, clock),
        narrator=narrator or TemplateNarrator(emotions),
        mission_references=MissionReferenceStore(folder),
        emotion_references=emotions,
    )


def embedded_model(settings: Settings) -> str:
    """Name and version of the bundle that the embedded judge uses: part of what is cached."""
    manifest = manifest_for("pose", settings.models_dir)
    return f"{manifest.name}-{manifest.version}"
