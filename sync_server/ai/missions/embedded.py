"""The judge that needs nobody: the phone's own mission check, in a worker process."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from edge_sdk.mission.result import MISSIONS_FILE, Mission, load_references
from sync_server.ai.missions.judging import JudgeIdentity, Judgement
from sync_server.ai.refusals import INFERENCE_S
from sync_server.ai.stages import CpuPool

JUDGE_MISSION: Final = "sync_server.ai.cpu.missions:judge_mission"
RULES_VERSION: Final = "rules_v1"


class EmbeddedJudge:
    """Judges by the keypoints of the dog; the same video gets the same verdict."""

    def __init__(self, cpu: CpuPool, models_dir: str = "") -> None:
        """Run in `cpu`, with the pose bundle of `models_dir` (empty: the shipped one)."""
        self._cpu = cpu
        self._models_dir = models_dir
        self._model = pose_model(models_dir)

    def identity(self, mission: Mission) -> JudgeIdentity:
        """See `MissionJudge.identity`."""
        version = str(load_references(MISSIONS_FILE).version)
        return JudgeIdentity("embedded", self._model, RULES_VERSION, version)

    async def judge(self, video: Path, mission: Mission) -> Judgement:
        """See `MissionJudge.judge`."""
        answer = await self._cpu.call(
            JUDGE_MISSION, str(video), str(mission), self._models_dir, timeout_s=INFERENCE_S
        )
        known = msgspec.structs.asdict(self.identity(mission))
        return msgspec.convert({**answer, **known}, Judgement)


def pose_model(models_dir: str) -> str:
    """Name and version of the pose bundle that worker processes will load."""
    from sync_server.ai.cpu.bundles import manifest_for

    manifest = manifest_for("pose", models_dir)
    return f"{manifest.name}-{manifest.version}"
