"""`daengdong models compare face|emotion|pose|pipeline`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown

from edge_sdk.errors import EdgeError
from model_export.compare.data import NAMES, open_data
from model_export.compare.emotions import compare_emotions
from model_export.compare.faces import compare_faces
from model_export.compare.pipeline import compare_pipelines, product_cases
from model_export.compare.poses import compare_poses
from model_export.compare.settings import CompareSettings
from model_export.datasets.sample import Dataset, Split
from model_export.families.family import TrainedNet
from model_export.families.registry import load_net

app = typer.Typer(
    no_args_is_help=True,
    help="모델 비교표 (comparison tables): face, emotion, pose, pipeline.",
)
_err = Console(stderr=True)
_out = Console()

Nets = Annotated[
    list[str],
    typer.Argument(help="체크포인트, 이름=파일 가능 (checkpoints: FILE or NAME=FILE)"),
]
Data = Annotated[str, typer.Option(help=f"사진 (pictures): {', '.join(NAMES)}, 경로 (a path)")]
Out = Annotated[Path, typer.Option(help="결과 폴더 (folder for the tables and pictures)")]
Part = Annotated[
    Split | None, typer.Option("--split", help="사용할 부분 (part to use; all without it)")
]
RealData = Annotated[Path | None, typer.Option(help="real: 데이터 폴더 (folder of real: data)")]
Threads = Annotated[int, typer.Option(min=1, max=64, help="스레드 수 (threads)")]
Onnx = Annotated[bool, typer.Option(help="ONNX로도 측정 (export and time ONNX too)")]


@app.command()
def face(
    nets: Nets,
    out: Out,
    data: Data = "generated-faces:200",
    split: Part = None,
    real_data: RealData = None,
    threads: Threads = 2,
    onnx: Onnx = True,
) -> None:
    """얼굴 검출: mAP@0.5, 유효 크롭률, 지연, 크기 (mAP, valid crop rate, latency, size)."""
    with _explained():
        pictures = open_data(data, split, real_data=real_data)
        compare_faces(_load(nets), pictures, out, CompareSettings(threads, onnx=onnx))
        _show(out / "face.md")


@app.command()
def emotion(
    nets: Nets,
    out: Out,
    data: Data = "generated-faces:200",
    detector: Annotated[
        str | None, typer.Option(help="얼굴 검출기 (face detector for the found faces)")
    ] = None,
    split: Part = None,
    real_data: RealData = None,
    threads: Threads = 2,
    onnx: Onnx = True,
) -> None:
    """감정 분류: 매크로 F1, 정확도, 지연, 크기 (macro F1, accuracy, latency, size)."""
    with _explained():
        pictures = open_data(data, split, real_data=real_data)
        finder = None if detector is None else next(iter(_load([detector]).values()))
        settings = CompareSettings(threads, onnx=onnx)
        compare_emotions(_load(nets), pictures, out, settings, face_detector=finder)
        _show(out / "emotion.md")


@app.command()
def pose(
    nets: Nets,
    out: Out,
    data: Data = "generated-dogs:200",
    detector: Annotated[
        str | None, typer.Option(help="개 검출기 (dog detector for top-down nets)")
    ] = None,
    split: Part = None,
    real_data: RealData = None,
    threads: Threads = 2,
    onnx: Onnx = True,
) -> None:
    """포즈: PCK, 다리 뒤바뀜과 겹침, mAP50-95, 지연 (PCK, swaps, collapses, mAP50-95, latency)."""
    with _explained():
        pictures = open_data(data, split, real_data=real_data)
        finder = None if detector is None else next(iter(_load([detector]).values()))
        settings = CompareSettings(threads, onnx=onnx)
        compare_poses(_load(nets), pictures, out, settings, dog_detector=finder)
        _show(out / "pose.md")


@app.command()
def pipeline(
    out: Out,
    detector: Annotated[
        list[str], typer.Option(help="얼굴 검출기, 1-2개 (face detectors: A1, then A2)")
    ],
    classifier: Annotated[
        list[str], typer.Option(help="감정 분류기, 1-2개 (classifiers: A1, then A3)")
    ],
    data: Data = "generated-faces:200",
    clips: Annotated[int, typer.Option(min=1, max=1000, help="영상 수 (clips)")] = 20,
    split: Part = None,
    real_data: RealData = None,
    threads: Threads = 2,
    onnx: Onnx = True,
) -> None:
    """전체 파이프라인 A1, A2, A3, B1 (the whole face pipeline in the four cases)."""
    with _explained():
        pictures: Dataset = open_data(data, split, real_data=real_data)
        cases = product_cases(list(_load(detector).values()), list(_load(classifier).values()))
        compare_pipelines(cases, pictures, out, CompareSettings(threads, onnx=onnx), clips=clips)
        _show(out / "pipeline.md")


def _load(texts: list[str]) -> dict[str, TrainedNet]:
    """Load nets named by `NAME=FILE`, or by their own names; equal names get a number."""
    out: dict[str, TrainedNet] = {}
    for text in texts:
        name, sign, rest = text.partition("=")
        net = load_net(Path(rest if sign else text))
        wanted = name if sign else net.name
        unique, at = wanted, 2
        while unique in out:
            unique, at = f"{wanted}-{at}", at + 1
        out[unique] = replace(net, name=unique)
    return out


def _show(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if _out.is_terminal:
        _out.print(Markdown(text))
    else:
        typer.echo(text)
    _err.print(f"{page}", soft_wrap=True)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn a foreseen error into one readable message and exit code 1."""
    try:
        yield
    except EdgeError as error:
        _err.print(f"[red]{error.code}[/red]: ", end="")
        _err.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    app()
