"""The commands do what the functions do, and explain what is wrong."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from typer.testing import CliRunner

from model_export.datasets.command import app
from model_export.datasets.sample import Provenance
from model_export.datasets.yolo import write_yolo
from tests.support.made_dogs import MADE, made_dogs

RUN = CliRunner()


def test_convert_keeps_provenance_from_format_to_format(tmp_path: Path) -> None:
    write_yolo(made_dogs(3), tmp_path / "a")
    done = RUN.invoke(app, ["convert", str(tmp_path / "a"), str(tmp_path / "b"), "--to", "coco"])
    assert done.exit_code == 0, done.output
    assert "3 pictures: train 3" in done.output
    told = json.loads((tmp_path / "b" / "annotations.json").read_text())
    assert [licence["name"] for licence in told["licenses"]] == ["Apache-2.0"]
    assert "research only" not in done.output


def test_a_licence_that_nobody_stated_counts_as_research_only(tmp_path: Path) -> None:
    write_yolo(made_dogs(2), tmp_path / "a")
    (tmp_path / "a" / "provenance.csv").unlink()
    done = RUN.invoke(app, ["convert", str(tmp_path / "a"), str(tmp_path / "b"), "--to", "coco"])
    assert done.exit_code == 0, done.output
    assert "research only" in done.output


def test_merge_and_split_keep_every_picture(tmp_path: Path) -> None:
    write_yolo(made_dogs(6), tmp_path / "a")
    write_yolo(made_dogs(6, first=50), tmp_path / "b")
    merged = tmp_path / "merged"
    done = RUN.invoke(
        app,
        ["merge", str(tmp_path / "a"), str(tmp_path / "b"), "--into", str(merged), "--to", "yolo"],
    )
    assert done.exit_code == 0, done.output
    out = tmp_path / "split"
    shares = ["--train", ".5", "--val", ".5", "--test", "0"]
    done = RUN.invoke(app, ["split", str(merged), str(out), "--to", "yolo", *shares])
    assert done.exit_code == 0, done.output
    with (out / "provenance.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["split"] for row in rows) == ["train"] * 6 + ["val"] * 6
    assert len({row["cluster"] for row in rows}) == 12


def test_shares_that_do_not_add_up_are_refused(tmp_path: Path) -> None:
    write_yolo(made_dogs(2), tmp_path / "a")
    arguments = ["split", str(tmp_path / "a"), str(tmp_path / "b"), "--to", "yolo", "--train", ".9"]
    assert RUN.invoke(app, arguments).exit_code == 2


def test_report_writes_three_files(tmp_path: Path) -> None:
    write_yolo(made_dogs(4), tmp_path / "a")
    done = RUN.invoke(app, ["report", str(tmp_path / "a"), str(tmp_path / "r"), "--tiles", "4"])
    assert done.exit_code == 0, done.output
    assert {p.name for p in (tmp_path / "r").iterdir()} == {
        "report.json", "report.html", "contact_sheet.png",
    }  # fmt: skip


def test_a_fault_ends_with_its_code_and_no_trace(tmp_path: Path) -> None:
    path = write_yolo(made_dogs(2), tmp_path / "a")
    text = [line for line in path.read_text().splitlines() if not line.startswith("flip_idx")]
    path.write_text("\n".join(text))
    arguments = ["convert", str(tmp_path / "a"), str(tmp_path / "b"), "--to", "coco"]
    done = RUN.invoke(app, arguments)
    assert done.exit_code == 1
    assert "dataset_flip_index_missing" in done.output and "Traceback" not in done.output
    derived = RUN.invoke(app, [*arguments, "--on-flip-fault", "derive"])
    assert derived.exit_code == 0, derived.output


def test_a_folder_that_holds_something_is_not_overwritten(tmp_path: Path) -> None:
    write_yolo(made_dogs(2), tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine.txt").write_text("x")
    arguments = ["convert", str(tmp_path / "a"), str(tmp_path / "b"), "--to", "coco"]
    assert RUN.invoke(app, arguments).exit_code == 1
    assert [p.name for p in (tmp_path / "b").iterdir()] == ["mine.txt"]


def test_the_source_named_on_the_command_line_is_kept(tmp_path: Path) -> None:
    write_yolo(made_dogs(1), tmp_path / "a")
    (tmp_path / "a" / "provenance.csv").unlink()
    arguments = ["convert", str(tmp_path / "a"), str(tmp_path / "b"), "--to", "yolo"]
    done = RUN.invoke(app, [*arguments, "--name", "mine", "--licence", "CC0"])
    assert done.exit_code == 0, done.output
    with (tmp_path / "b" / "provenance.csv").open() as file:
        row = next(csv.DictReader(file))
    assert Provenance(row["source"], row["licence"]) == Provenance("mine", "CC0")
    assert MADE.source != "mine"
