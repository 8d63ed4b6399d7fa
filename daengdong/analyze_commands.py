"""`daengdong analyze face|gait|mission VIDEO`: what a phone makes of a video, on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from daengdong.bundles import loaded
from daengdong.output import console, fail, print_json, print_table, progress
from edge_sdk.analyzers.stages import Progress, StageTimes
from edge_sdk.errors import AnalysisError, EdgeError

analyze = typer.Typer(no_args_is_help=True, help="Analyse a video with the models of the phone.")

Video = Annotated[Path, typer.Argument(help="An mp4, mov or webm file.")]
Bundle = Annotated[
    list[Path] | None,
    typer.Option(help="A bundle's folder or zip instead of the shipped one (repeat)."),
]
Out = Annotated[Path | None, typer.Option(help="Folder for pictures of the result.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Start = Annotated[float, typer.Option("--from", help="Begin at this second of the video.")]
End = Annotated[float, typer.Option("--to", help="End at this second; 0 is the video's end.")]


@analyze.command("face")
def face(
    video: Video,
    bundle: Bundle = None,
    out: Out = None,
    start: Start = 0.0,
    end: End = 0.0,
    json: Json = False,
) -> None:
    """Read the emotion of a dog's face; --out keeps the representative frame and the face."""
    from edge_sdk.face.analyzer import FaceAnalyzer

    with (
        _refusals(json),
        loaded(("face_detection", "emotion"), bundle or ()) as models,
        FaceAnalyzer(models["face_detection"], models["emotion"]) as analyzer,
        _bar(json) as shown,
    ):
        analysis = analyzer.analyze(video, span_ms=_span(start, end), on_progress=shown)
    result = analysis.result
    files = _save_pictures(out, frame=analysis.frame, face=analysis.crop) if out else {}
    if json:
        print_json({"result": result, "files": files})
        return
    console.print(f"[bold]{result.predicted_emotion}[/bold] ({result.confidence:.0%})")
    console.print(f"“{result.narration.ko}”")
    console.print(result.narration.en, style="dim")
    if result.notice is not None:
        console.print(result.notice.ko, style="yellow")
    rows = [[name, f"{value:.1%}"] for name, value in result.probabilities.ranked()]
    print_table("probabilities", ("emotion", "share"), rows)
    console.print(
        f"{result.frames_with_face} of {result.frames_sampled} frames show a face "
        f"(by {result.sampled_by}), {result.crops_used} crops classified"
    )
    _print_end(result.times, result.fallbacks, files)


@analyze.command("gait")
def gait(
    video: Video,
    bundle: Bundle = None,
    out: Out = None,
    start: Start = 0.0,
    end: End = 0.0,
    budget: Annotated[
        float, typer.Option(help="Seconds to keep to: fewer frames, wider intervals. 0: no limit.")
    ] = 0.0,
    json: Json = False,
) -> None:
    """Judge how a dog walks; --out writes overlay.mp4 and report.png."""
    from edge_sdk.gait.pipeline import GaitAnalyzer

    with (
        _refusals(json),
        loaded(("pose",), bundle or ()) as models,
        GaitAnalyzer(models["pose"]) as analyzer,
        _bar(json) as shown,
    ):
        analysis = analyzer.analyze(
            video, span_ms=_span(start, end), budget_ms=1000 * budget or None,
            artifacts_dir=out, on_progress=shown,
        )  # fmt: skip
    report = analysis.report
    if json:
        print_json(analysis.to_json())
        return
    console.print(f"[bold]{report.summary}[/bold]")
    console.print(report.summary_en, style="dim")
    rows = [
        [
            name,
            "-" if metric.score is None else f"{metric.score:.0f}",
            "-" if metric.ci95 is None else "{:.0f} .. {:.0f}".format(*metric.ci95),
            report.description(name),
        ]
        for name, metric in report.metrics.items()
    ]
    print_table("scores, 100 is sound", ("score", "value", "95 % interval", "what was seen"), rows)
    track, plan = analysis.track.summary, analysis.plan
    console.print(
        f"{report.processing.frames_sampled} frames at {report.processing.fps_used:g} a second, "
        f"the dog found in {track.found_share:.0%} of {track.observed} detections; intervals are "
        f"{plan.widening_median:g} to {plan.widening_worst:g} times those at 30 a second"
    )
    files = {path.stem: str(path) for path in analysis.files}
    if report.artifacts.status == "failed":
        console.print("the pictures could not be made; the scores stand", style="yellow")
    _print_end(analysis.times, analysis.fallbacks, files)


@analyze.command("mission")
def mission(
    kind: Annotated[str, typer.Argument(help="SIT, DOWN, PAW, TURN or JUMP.")],
    video: Video,
    bundle: Bundle = None,
    start: Start = 0.0,
    end: End = 0.0,
    json: Json = False,
) -> None:
    """Check whether a dog did what a mission asks for."""
    from edge_sdk.mission.analyzer import MissionChecker
    from edge_sdk.mission.result import judge_answer

    with (
        _refusals(json),
        loaded(("pose",), bundle or ()) as models,
        MissionChecker(models["pose"]) as checker,
        _bar(json) as shown,
    ):
        analysis = checker.analyze(
            kind.upper(), video, span_ms=_span(start, end), on_progress=shown
        )
    verdict = analysis.verdict
    if json:
        print_json({**msgspec.to_builtins(judge_answer(verdict)), "success": verdict.success})
        return
    colour = {"SUCCESS": "green", "FAIL": "red"}.get(verdict.verdict, "yellow")
    console.print(f"[{colour}]{verdict.verdict}[/{colour}] {verdict.summary.ko}")
    console.print(verdict.summary.en, style="dim")
    for seen in verdict.evidence:
        console.print(f"  {seen.time_sec:.2f} s  {seen.description.ko} / {seen.description.en}")
    if verdict.hold_duration_sec is not None:
        console.print(f"held for {verdict.hold_duration_sec:.2f} s")
    console.print(f"confidence {verdict.confidence:.2f}")
    _print_end(analysis.times, analysis.fallbacks, {})


@contextmanager
def _refusals(as_json: bool) -> Iterator[None]:
    """End a refused analysis with its code: exit status 1, no traceback."""
    try:
        yield
    except AnalysisError as error:
        if as_json:
            print_json({"error": {**error.to_json(), "stage": error.stage, "reason": str(error)}})
            raise typer.Exit(1) from None
        raise fail(error.code, f"{error.message_ko}\n{error}") from None
    except EdgeError as error:
        raise fail(error.code, str(error), as_json) from None
    except OSError as error:
        raise fail("no_such_file", str(error), as_json) from None


@contextmanager
def _bar(quiet: bool) -> Iterator[Callable[[Progress], None]]:
    with progress("analysing", 100, quiet) as shown:
        yield lambda step: shown(step.percent)


def _span(start: float, end: float) -> tuple[float, float] | None:
    if start <= 0 and end <= 0:
        return None
    return 1000 * max(start, 0.0), 1000 * end if end > 0 else float("inf")


def _save_pictures(folder: Path, **pictures: Any) -> dict[str, str]:
    from edge_sdk.artifacts.palette import pillow

    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for name, picture in pictures.items():
        path = folder / f"{name}.jpg"
        pillow("Image").fromarray(picture).save(path, quality=92)
        files[name] = str(path)
    return files


def _print_end(times: StageTimes, fallbacks: tuple[str, ...], files: dict[str, str]) -> None:
    console.print(
        f"{times.total_ms / 1000:.2f} s: decoding {times.decode_ms / 1000:.2f}, models "
        f"{times.inference_ms / 1000:.2f}, the rest {times.post_ms / 1000:.2f}; pictures "
        f"{times.artifacts_ms / 1000:.2f}",
        style="dim",
    )
    for fallback in fallbacks:
        console.print(f"fell back: {fallback}", style="yellow")
    for name, path in files.items():
        console.print(f"{name}: {path}")
