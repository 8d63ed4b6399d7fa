"""`daengdong models datasets convert|merge|split|report|photos`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress

from edge_sdk.face.emotions import EMOTIONS
from edge_sdk.vision.detect import Detector
from model_export.datasets import real
from model_export.datasets.clusters import cluster_dataset
from model_export.datasets.errors import DatasetError, FormatInvalid
from model_export.datasets.formats import Format, read_dataset, write_dataset
from model_export.datasets.keypoint_schemes import OnFlipFault
from model_export.datasets.merge import merge as merged
from model_export.datasets.picture_list import write_picture_list
from model_export.datasets.pseudo import believed_faces
from model_export.datasets.report import write_report
from model_export.datasets.sample import SPLITS, Dataset, Provenance, Split
from model_export.datasets.split import Unit, split_dataset
from model_export.datasets.validate import require_valid

UNSTATED = "unstated"
app = typer.Typer(
    no_args_is_help=True,
    help="데이터 변환, 병합, 분할, 보고서 (convert, merge, split and report data sets).",
)
_err = Console(stderr=True)
_out = Console()

Source = Annotated[Path, typer.Argument(help="데이터 폴더나 파일 (folder or main file)")]
Target = Annotated[Path, typer.Argument(help="비어 있는 폴더 (an empty folder)")]
From = Annotated[
    Format | None, typer.Option("--from", help="원본 형식, 기본은 자동 (format, else guessed)")
]
To = Annotated[Format, typer.Option("--to", help="결과 형식 (format to write)")]
Images = Annotated[Path | None, typer.Option(help="사진 폴더 (where the pictures lie)")]
Name = Annotated[str | None, typer.Option(help="출처 이름 (source; else the folder's name)")]
Licence = Annotated[str, typer.Option(help="사진의 라이선스 (licence of the pictures)")]
OnFlip = Annotated[
    OnFlipFault,
    typer.Option(help="flip_idx가 없을 때: 중단 또는 이름에서 유도 (fail, or derive from names)"),
]


@app.command()
def convert(
    source: Source,
    target: Target,
    to: To,
    from_: From = None,
    images: Images = None,
    name: Name = None,
    licence: Licence = UNSTATED,
    on_flip_fault: OnFlip = "fail",
) -> None:
    """다른 형식으로 변환 (convert to another format)."""
    with _explained():
        dataset = _read(source, from_, images, name, licence, on_flip_fault)
        require_valid(dataset)
        _wrote(dataset, write_dataset(dataset, target, to))


@app.command()
def merge(
    sources: Annotated[list[Path], typer.Argument(help="데이터 폴더들 (data sets)")],
    target: Annotated[Path, typer.Option("--into", help="비어 있는 폴더 (an empty folder)")],
    to: To,
    keep_class: Annotated[
        list[str] | None, typer.Option(help="남길 클래스, 기본은 모두 (classes to keep)")
    ] = None,
    licence: Licence = UNSTATED,
    on_flip_fault: OnFlip = "fail",
) -> None:
    """여러 데이터를 하나로, 출처와 라이선스는 사진마다 유지 (join; provenance is kept)."""
    with _explained():
        read = [_read(path, None, None, None, licence, on_flip_fault) for path in sources]
        dataset = merged(read, classes=tuple(keep_class) if keep_class else None)
        require_valid(dataset)
        _wrote(dataset, write_dataset(dataset, target, to))


@app.command()
def split(
    source: Source,
    target: Target,
    to: To,
    unit: Annotated[
        Unit, typer.Option(help="나누는 단위: 유사 그룹 또는 출처 (what stays whole)")
    ] = "cluster",
    train: Annotated[float, typer.Option(min=0, max=1)] = 0.70,
    val: Annotated[float, typer.Option(min=0, max=1)] = 0.15,
    test: Annotated[float, typer.Option(min=0, max=1)] = 0.15,
    seed: int = 0,
    from_: From = None,
    images: Images = None,
    name: Name = None,
    licence: Licence = UNSTATED,
    on_flip_fault: OnFlip = "fail",
) -> None:
    """유사 사진 그룹이나 출처 단위로 분할 (split by cluster or source, never by picture)."""
    shares: dict[Split, float] = {"train": train, "val": val, "test": test}
    if abs(sum(shares.values()) - 1) > 1e-6:
        raise typer.BadParameter("--train, --val, --test: 합이 1이어야 합니다 (add up to 1)")
    with _explained():
        dataset = _read(source, from_, images, name, licence, on_flip_fault)
        require_valid(dataset)
        with Progress(console=_err, transient=True) as bars:
            bar = bars.add_task("유사 사진 찾기 (near-duplicates)", total=len(dataset))
            clustered = cluster_dataset(
                dataset, progress=lambda done, _: bars.update(bar, completed=done)
            )
        dataset = split_dataset(clustered, shares, unit=unit, seed=seed)
        _wrote(dataset, write_dataset(dataset, target, to))


@app.command("dog-photos")
def dog_photos(
    source: Annotated[Path, typer.Argument(help="실제 사진 폴더 (folder of the real pictures)")],
    target: Target,
    pasted: Annotated[
        int, typer.Option(min=0, help="오려 붙인 사진 수 (dogs cut and pasted)")
    ] = 600,
) -> None:
    """개 검출기의 미세 조정용 목록 (list for fine-tuning the dog detector; `train --extra`)."""
    from model_export.datasets.photo_training import dog_training_photos

    with _explained():
        dataset = dog_training_photos(source, pasted)
        _wrote(dataset, write_dataset(dataset, target, "picture-list"))


@app.command()
def report(
    source: Source,
    target: Annotated[Path, typer.Argument(help="보고서 폴더 (folder for the report)")],
    from_: From = None,
    images: Images = None,
    name: Name = None,
    licence: Licence = UNSTATED,
    on_flip_fault: OnFlip = "fail",
    tiles: Annotated[int, typer.Option(min=1, max=400)] = 40,
) -> None:
    """개수, 라이선스, 크기, 문제, 모아 보기 (counts, licences, sizes, problems, contact sheet)."""
    with _explained():
        dataset = _read(source, from_, images, name, licence, on_flip_fault)
        _wrote(dataset, write_report(dataset, target, tiles=tiles))


@app.command()
def photos(
    target: Target,
    data: Annotated[
        Path | None, typer.Option(help="실제 사진 폴더 (folder of the real pictures)")
    ] = None,
    faces: Annotated[
        Path | None, typer.Option(help="얼굴 검출기 (checkpoint that finds faces without a label)")
    ] = None,
    most: Annotated[
        int | None, typer.Option(help="얼굴을 찾을 사진 수 (photos in which it looks for them)")
    ] = None,
) -> None:
    """실제 사진의 학습 목록, 연구용 (lists of real pictures to fine-tune with: research only).

    Writes `faces` with boxed faces, and with a detector also `believed` (photos without a box, one
    face that the detector believes in) and `emotions` (the same with their weak label). Beside
    each lies `<name>-choose`, by which models are chosen; the parts "val" stay untouched.
    """
    with _explained():
        folder = data or real.find_real_data()
        if folder is None:
            raise FormatInvalid("no folder of real pictures: name it with --data")
        lists = {"faces": real.photos_to_learn_faces(folder)}
        if faces is not None:
            weak = [s for s in real.weak_emotions(folder).samples if s.split == "train"]
            order = np.random.default_rng(real.SPLIT_SEED).permutation(len(weak))[:most]
            weak = [weak[k] for k in sorted(order)]
            believed = tuple(believed_faces(_finder(faces), weak))
            found = Dataset(believed, (real.FACE_CLASS,), tuple(EMOTIONS))
            lists["emotions"] = found
            lists["believed"] = found.with_samples([replace(s, label=None) for s in found.samples])
        for name, dataset in lists.items():
            learn, choose = real.chosen_by(dataset)
            _wrote(learn, write_picture_list(learn, target / name))
            _wrote(choose, write_picture_list(choose, target / f"{name}-choose"))


def _finder(checkpoint: Path) -> Detector:
    # Imported here: the other commands need no torch.
    from model_export import nets
    from model_export.evaluate.stages import stage_of_checkpoint

    net, meta = nets.load(checkpoint)
    return Detector(stage_of_checkpoint(net, meta), {**meta["thresholds"], "score": 0.2})


def _read(
    source: Path,
    format_name: Format | None,
    images: Path | None,
    name: str | None,
    licence: str,
    on_flip_fault: OnFlipFault,
) -> Dataset:
    # What nobody has licensed may be looked at, not shipped.
    told = Provenance(name or source.resolve().stem, licence, licence == UNSTATED)
    return read_dataset(
        source, told, format_name=format_name, images=images, on_flip_fault=on_flip_fault
    )


def _wrote(dataset: Dataset, path: Path) -> None:
    parts: Counter[str] = Counter(sample.split or "-" for sample in dataset.samples)
    told = ", ".join(f"{part} {parts[part]}" for part in (*SPLITS, "-") if parts[part])
    _out.print(f"{path}: 사진 {len(dataset)}장 ({len(dataset)} pictures: {told})", soft_wrap=True)
    if dataset.research_only:
        sources = sorted(
            {s.provenance.source for s in dataset.samples if s.provenance.research_only}
        )
        _err.print(
            f"연구용으로만 쓸 수 있는 사진이 있습니다 (research only): {', '.join(sources)}",
            soft_wrap=True,
        )


@contextmanager
def _explained() -> Iterator[None]:
    """Turn a data set's error into one readable message and exit code 1."""
    try:
        yield
    except DatasetError as error:
        _err.print(f"[red]{error.code}[/red]: ", end="")
        _err.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    app()
