"""`python -m model_export train MODEL`: a progress bar, a log, a checkpoint."""

import sys
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from model_export.train.presets import MODELS, preset
from model_export.train.run import Extra, RunReport, RunSettings, train
from model_export.train.tracking import tracker_from_environment

DEFAULT_CACHE = Path.home() / ".cache" / "daengdong" / "synth"


class ProgressBars:
    """One bar per stage on a terminal; a plain line per finished stage or epoch elsewhere."""

    def __init__(self) -> None:
        self._bars: dict[str, TaskID] = {}
        self._live = sys.stderr.isatty()
        self._console = Console(stderr=True, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[numbers]}"),
            console=self._console,
            disable=not self._live,
        )

    def __enter__(self) -> "ProgressBars":
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def __call__(self, stage: str, done: int, wanted: int, numbers: dict[str, float]) -> None:
        """Show how far a stage is; `numbers` beside the bar."""
        text = "  ".join(f"{name} {value:.4g}" for name, value in numbers.items())
        if stage == "epoch" or (not self._live and stage != "train" and done == wanted):
            self._console.print(f"{stage} {done}/{wanted}  {text}", soft_wrap=True)
            return
        if stage not in self._bars:
            self._bars[stage] = self._progress.add_task(stage, total=wanted, numbers="")
        self._progress.update(self._bars[stage], completed=done, numbers=text)


def _extra(text: str) -> Extra:
    path, _, weight = text.rpartition("=")
    if not path:
        raise typer.BadParameter(f"{text!r} is not LIST=WEIGHT, for example photos.jsonl=0.5")
    return Extra(Path(path), float(weight))


def summary(report: RunReport) -> str:
    """The end of a training in one line."""
    fitted = report.fit
    numbers = "  ".join(
        f"{name} {value:.4g}" for name, value in report.metrics.items() if isinstance(value, float)
    )
    return f"{report.checkpoint}  {fitted.minutes:.1f} min {fitted.precision}  {numbers}"


def train_command(
    model: Annotated[str, typer.Argument(help=f"one of {', '.join(MODELS)}")],
    out: Annotated[Path, typer.Option(help="folder of the checkpoint and the log")],
    preset_name: Annotated[str, typer.Option("--preset", help="default or tiny")] = "default",
    cache: Annotated[Path, typer.Option(help="folder of the generated pictures")] = DEFAULT_CACHE,
    resume: Annotated[bool, typer.Option(help="go on where a killed run stopped")] = False,
    workers: Annotated[int, typer.Option(help="processes that draw the pictures")] = 2,
    threads: Annotated[int, typer.Option(help="threads of torch")] = 2,
    epochs: Annotated[int | None, typer.Option(help="instead of the preset's")] = None,
    images: Annotated[int | None, typer.Option(help="instead of the preset's")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="instead of the preset's")] = None,
    seed: Annotated[int | None, typer.Option(help="instead of the preset's")] = None,
    extra: Annotated[
        list[str] | None,
        typer.Option(help="a list of real pictures to mix in and its weight, LIST=WEIGHT"),
    ] = None,
    start_from: Annotated[
        Path | None, typer.Option(help="begin with the weights of this checkpoint or bundle folder")
    ] = None,
    mlflow: Annotated[
        bool | None, typer.Option(help="track with MLflow; default: DAENGDONG_MLFLOW=1")
    ] = None,
) -> None:
    """Train a model from generated dogs, and real pictures where given; resumable and seeded."""
    try:
        chosen = preset(model, preset_name)
    except KeyError as error:
        raise typer.BadParameter(str(error.args[0])) from error
    given = {"epochs": epochs, "images": images, "learning_rate": learning_rate, "seed": seed}
    chosen = replace(chosen, **{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]
    settings = RunSettings(
        out=out,
        cache=cache,
        workers=workers,
        threads=threads,
        resume=resume,
        extras=tuple(_extra(text) for text in extra or ()),
        start_from=start_from,
    )
    tracker = tracker_from_environment(model, out.name, mlflow)
    with ProgressBars() as bars:
        report = train(chosen, settings, progress=bars, tracker=tracker)
    typer.echo(summary(report))
