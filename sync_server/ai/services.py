"""What pipelines may use, put together once for a process that runs stages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sync_server.ai.face.narrator import Narrator, face_narrator
from sync_server.ai.fetching import MediaFetcher
from sync_server.ai.missions.assembly import mission_judge
from sync_server.ai.missions.judges import MissionJudge
from sync_server.ai.missions.verdict_cache import StoredVerdicts, VerdictCache
from sync_server.ai.references import EmotionReferenceStore, MissionReferenceStore
from sync_server.ai.stages import CpuPool
from sync_server.platform.clock import Clock
from sync_server.platform.database import Database
from sync_server.platform.llm.desks import Desks
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
    desks: Desks

    async def close(self) -> None:
        """Close the connections to outside services."""
        await self.desks.close()


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
    """Compose the services; judge and narrator are those that the settings name unless given.

    `store` is the AI role's own database (with `verdict_cache.STATEMENTS`), `cpu` the pool of
    worker processes. Raises what reading the bundles and references raises, SettingsInvalid for
    a judge or narrator without its key.
    """
    folder = Path(settings.references_dir) if settings.references_dir else None
    emotions = EmotionReferenceStore(folder)
    desks = Desks(settings, clock)
    return AiServices(
        cpu=cpu,
        objects=objects,
        settings=settings,
        clock=clock,
        signer=signer,
        fetcher=MediaFetcher(settings, objects, signer),
        judge=judge or mission_judge(settings, cpu, desks),
        verdicts=StoredVerdicts(store, clock),
        narrator=narrator or face_narrator(settings, emotions, desks),
        mission_references=MissionReferenceStore(folder),
        emotion_references=emotions,
        desks=desks,
    )
