"""What pipelines may use, put together once for a process that runs stages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sync_server.ai.cpu.bundles import manifest_for
from sync_server.ai.face.narrator import Narrator, face_narrator
from sync_server.ai.fetching import MediaFetcher
from sync_server.ai.missions.assembly import mission_judge
from sync_server.ai.missions.judges import MissionJudge
from sync_server.ai.missions.verdict_cache import StoredVerdicts, VerdictCache
from sync_server.ai.references import EmotionReferenceStore, MissionReferenceStore
from sync_server.ai.stages import CpuPool
from sync_server.ai.vet.local_role import LocalVetRole
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
    vet: LocalVetRole

    async def close(self) -> None:
        """Close the chat and the connections; the pool and the store belong to others."""
        await self.vet.close()
        await self.desks.close()


def make_services(
    settings: Settings, cpu: CpuPool, objects: ObjectStore, clock: Clock, store: Database
) -> AiServices:
    """Compose the services as the settings say.

    `store` is the AI role's own database (with the table of `verdict_cache.STATEMENTS`), `cpu` the
    pool of worker processes. Raises SettingsInvalid for a paid service without its key, and what
    reading bundles and references raises.
    """
    folder = Path(settings.references_dir) if settings.references_dir else None
    emotions = EmotionReferenceStore(folder)
    signer = TokenSigner(settings.secret_key, settings.access_token_s, clock)
    desks = Desks(settings, clock)
    return AiServices(
        cpu=cpu,
        objects=objects,
        settings=settings,
        clock=clock,
        signer=signer,
        fetcher=MediaFetcher(settings, objects, signer),
        judge=mission_judge(settings, cpu, desks, pose_model(settings)),
        verdicts=StoredVerdicts(store, clock),
        narrator=face_narrator(settings, emotions, desks),
        mission_references=MissionReferenceStore(folder),
        emotion_references=emotions,
        desks=desks,
        vet=LocalVetRole(settings, clock),
    )


def pose_model(settings: Settings) -> str:
    """Name and version of the bundle that worker processes judge poses with."""
    manifest = manifest_for("pose", settings.models_dir)
    return f"{manifest.name}-{manifest.version}"
