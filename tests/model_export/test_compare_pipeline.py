"""The face pipeline in its four cases: answers, refusals and failures counted apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edge_sdk.face.emotions import EMOTIONS
from edge_sdk.media.video import VideoFile
from model_export.compare.clips import write_clip
from model_export.compare.pipeline import compare_pipelines, product_cases
from model_export.datasets.sample import Dataset, Instance, Sample
from model_export.families.family import FamilyError
from tests.support.known_nets import (
    QUICK,
    bright_finder,
    net_of,
    red_reader,
)
from tests.support.made_dogs import MADE, textured


def _portraits(count: int) -> Dataset:
    """A large bright face on a texture."""
    samples = []
    for k in range(count):
        image = textured(k, 96, 96) // 3
        image[20:76, 18:78] = 255
        box = np.array([18.0, 20, 78, 76])
        samples.append(
            Sample(f"q{k}", image, 96, 96, MADE, (Instance(0, box),), EMOTIONS[k % 4], f"q{k}")
        )
    return Dataset(tuple(samples), ("dog_face",), tuple(EMOTIONS))


def test_a_clip_has_a_key_frame_for_every_picture_and_no_other(tmp_path: Path) -> None:
    counts = set()
    for seed in range(4):
        path = write_clip(_portraits(6).samples, seed, tmp_path / f"{seed}.mp4")
        with VideoFile(path) as video:
            assert video.info.duration_ms == pytest.approx(5000, abs=100)
            expected = int(np.random.default_rng(seed).integers(4, 13))
            assert video.info.key_frame_count == expected
            counts.add(expected)
    assert len(counts) > 1


def test_the_four_cases_are_those_of_the_product() -> None:
    d1, d2 = bright_finder(name="d1"), bright_finder(name="d2")
    c1, c2 = red_reader(name="c1"), red_reader(name="c2")
    told = [
        (case.name, case.detector.name, case.classifier.name, case.max_key_frames)
        for case in product_cases([d1, d2], [c1, c2])
    ]
    assert told == [
        ("A1", "d1", "c1", 8), ("A2", "d2", "c1", 8), ("A3", "d1", "c2", 8), ("B1", "d1", "c1", 4),
    ]  # fmt: skip
    assert [case.name for case in product_cases([d1], [c1])] == ["A1", "B1"]
    with pytest.raises(FamilyError):
        product_cases([], [c1])


def test_pipelines_count_answers_refusals_and_failures_apart(tmp_path: Path) -> None:
    blind = bright_finder(sure=0.05)
    cases = product_cases([bright_finder(), blind], [red_reader()])
    rows = compare_pipelines(cases, _portraits(6), tmp_path, QUICK, clips=2)
    answered, refused = rows[0], rows[1]
    assert answered["success_rate"] == 1.0 and answered["valid_crop_rate"] == 1.0
    assert refused["success_rate"] == 0.0 and refused["failure_rate"] == 0.0
    assert refused["refusals"] == {"FACE_NOT_DETECTED": 2}
    assert rows[2]["case"] == "B1" and rows[2]["max_key_frames"] == 4
    assert (tmp_path / "pipeline.md").is_file()

    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = nn.Parameter(torch.ones(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("out of memory")

    output = {"head": "logits", "classes": list(EMOTIONS), "temperature": 1.0}
    broken = net_of(Broken(), "emotion", output, fit="square_crop")
    rows = compare_pipelines(
        product_cases([bright_finder()], [broken])[:1], _portraits(4), tmp_path, QUICK, clips=2
    )
    assert rows[0]["failure_rate"] == 1.0
