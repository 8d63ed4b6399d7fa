"""The judge that the settings ask for."""

from __future__ import annotations

from sync_server.ai.cpu.bundles import manifest_for
from sync_server.ai.missions.judges import EmbeddedJudge, MissionJudge, PrecheckedJudge, RemoteJudge
from sync_server.ai.stages import CpuPool
from sync_server.platform.llm.desks import Desks
from sync_server.platform.settings import Settings


def mission_judge(settings: Settings, cpu: CpuPool, desks: Desks) -> MissionJudge:
    """Put the judge together; raises SettingsInvalid for a remote one without its key."""
    embedded = EmbeddedJudge(cpu, model=embedded_model(settings), models_dir=settings.models_dir)
    if settings.judge == "embedded":
        return embedded
    desk = desks.gemini() if settings.judge == "gemini" else desks.twelvelabs()
    remote = RemoteJudge(settings.judge, desk)
    if settings.judge_precheck == "off":
        return remote
    return PrecheckedJudge(embedded, remote, settings.judge_precheck)


def embedded_model(settings: Settings) -> str:
    """Name and version of the bundle that the embedded judge uses: part of what is cached."""
    manifest = manifest_for("pose", settings.models_dir)
    return f"{manifest.name}-{manifest.version}"
