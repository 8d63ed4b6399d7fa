"""The judge that the settings ask for."""

from __future__ import annotations

from sync_server.ai.missions.judges import EmbeddedJudge, MissionJudge, PrecheckedJudge, RemoteJudge
from sync_server.ai.stages import CpuPool
from sync_server.platform.llm.desks import Desks
from sync_server.platform.settings import Settings


def mission_judge(
    settings: Settings, cpu: CpuPool, desks: Desks, embedded_model: str = "daengdong"
) -> MissionJudge:
    """Put the judge together; raises SettingsInvalid for a remote one without its key.

    `embedded_model` names the bundle of the embedded judge: what was judged by another one is
    judged anew.
    """
    embedded = EmbeddedJudge(cpu, embedded_model, models_dir=settings.models_dir)
    if settings.judge == "embedded":
        return embedded
    desk = desks.gemini() if settings.judge == "gemini" else desks.twelvelabs()
    remote = RemoteJudge(settings.judge, desk)
    if settings.judge_precheck == "off":
        return remote
    return PrecheckedJudge(embedded, remote, settings.judge_precheck)
