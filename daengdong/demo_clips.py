"""What the demo sees in the shipped clips: two walks, a sit, a jump and a face."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from daengdong.bundles import loaded
from edge_sdk.errors import EdgeError

CLIPS = Path(__file__).resolve().parents[1] / "assets" / "clips"


class ClipResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one clip gave: `says` for a person, `answer` as the product's JSON, the files made.

    `error` is the code of a refusal; then there is no answer.
    """

    clip: str
    task: str
    says: str
    seconds: float
    answer: dict[str, Any] | None = None
    error: str | None = None
    files: tuple[str, ...] = ()


def analyse_clips(
    out: Path, tell: Callable[[str], None], clips: Path = CLIPS
) -> tuple[ClipResult, ...]:
    """Analyse every shipped clip by what its name says: `walk-*`, `sit`, `jump`, `face`.

    Overlays and reports go to a folder of `out` for each clip. A refused clip is a result too.
    """
    results = []
    with ExitStack() as stack:
        models = stack.enter_context(loaded(("pose", "face_detection", "emotion"), ()))
        for path in sorted(clips.glob("*.mp4")):
            tell(f"{path.stem}: analysing")
            kind = path.stem.split("-")[0]
            analyse = {"walk": _walk, "sit": _mission, "jump": _mission, "face": _face}[kind]
            try:
                results.append(analyse(path, out / path.stem, models))
            except EdgeError as error:
                results.append(
                    ClipResult(
                        clip=path.stem, task=kind, says=str(error), seconds=0.0, error=error.code
                    )
                )
    return tuple(results)


def _walk(path: Path, out: Path, models: Any) -> ClipResult:
    from edge_sdk.gait.pipeline import GaitAnalyzer

    with GaitAnalyzer(models["pose"]) as analyzer:
        analysis = analyzer.analyze(path, artifacts_dir=out)
    report = analysis.report
    scores = ", ".join(
        f"{name} {'-' if metric.score is None else round(metric.score)}"
        for name, metric in report.metrics.items()
    )
    return ClipResult(
        clip=path.stem,
        task="gait",
        says=f"{report.summary} ({scores})",
        seconds=analysis.times.total_ms / 1000,
        answer=analysis.to_json(),
        files=tuple(str(file) for file in analysis.files),
    )


def _mission(path: Path, out: Path, models: Any) -> ClipResult:
    from edge_sdk.mission.analyzer import MissionChecker
    from edge_sdk.mission.result import judge_answer

    with MissionChecker(models["pose"]) as checker:
        analysis = checker.analyze(path.stem.upper(), path)
    verdict = analysis.verdict
    return ClipResult(
        clip=path.stem,
        task="mission",
        says=f"{verdict.verdict}: {verdict.summary.ko}",
        seconds=analysis.times.total_ms / 1000,
        answer=msgspec.to_builtins(judge_answer(verdict)),
    )


def _face(path: Path, out: Path, models: Any) -> ClipResult:
    from edge_sdk.face.analyzer import FaceAnalyzer

    with FaceAnalyzer(models["face_detection"], models["emotion"]) as analyzer:
        analysis = analyzer.analyze(path)
    result = analysis.result
    return ClipResult(
        clip=path.stem,
        task="face",
        says=f"{result.predicted_emotion} ({result.confidence:.0%}): {result.narration.ko}",
        seconds=result.times.total_ms / 1000,
        answer=msgspec.to_builtins(result),
    )
