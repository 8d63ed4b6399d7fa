"""Families train, load and carry their licence; raw heads say what the libraries' own code says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edge_sdk.face.emotions import EMOTIONS
from edge_sdk.vision.classify import Classifier
from edge_sdk.vision.detect import Detector
from edge_sdk.vision.pose import PoseEstimator
from edge_sdk.vision.resample import letterbox
from model_export import nets
from model_export.datasets.sample import Dataset, Provenance
from model_export.families.family import FamilyError, NothingToLearn, Recipe, TrainedNet
from model_export.families.own import load_checkpoint
from model_export.families.registry import FAMILIES, family, family_of_arch, load_net
from model_export.families.ssdlite import input_spec
from model_export.families.stages import onnx_stage, stage_spec, torch_stage
from model_export.families.torchvision_nets import (
    CLASSIFIERS,
    SSDLITE,
    SsdliteRaw,
    build,
    load_local_weights,
)
from model_export.families.yolo import RawYolo
from tests.support.made_dogs import made_dogs


@pytest.fixture(scope="module")
def dogs() -> Dataset:
    return made_dogs(8, val=2)


@pytest.fixture(scope="module")
def yolo_pose(tmp_path_factory: pytest.TempPathFactory, dogs: Dataset) -> TrainedNet:
    folder = tmp_path_factory.mktemp("yolo")
    recipe = Recipe("pose", "yolo:yolo26n-pose", 64, epochs=1, batch_size=4, threads=1)
    told: list[tuple[str, int, int]] = []
    net = family("yolo").train(recipe, dogs, folder, lambda *step: told.append(step[:3]))
    assert told == [("epoch", 1, 1)]
    return net


def test_every_family_says_what_it_has_and_under_which_licence() -> None:
    for known in FAMILIES:
        archs = known.archs("face_detection") + known.archs("pose") + known.archs("emotion")
        assert archs
        for arch in archs:
            assert family_of_arch(arch) is known
    assert [known.licence.embeddable for known in FAMILIES] == [True, True, False]
    assert "AGPL-3.0" in family("yolo").licence.notice
    with pytest.raises(FamilyError, match="own, torchvision, yolo"):
        family("caffe")


def test_a_tiny_yolo_trains_without_download_and_carries_its_notice(
    yolo_pose: TrainedNet, dogs: Dataset
) -> None:
    assert yolo_pose.licence.spdx == "AGPL-3.0-only"
    assert yolo_pose.task == "pose" and yolo_pose.classes == ("dog",)
    assert yolo_pose.training["research_only"] is False
    assert len(yolo_pose.curves["loss_pose"]) == 1
    raw = torch_stage(yolo_pose).infer(np.full((2, 64, 64, 3), 90, np.float32))
    assert raw.shape == (2, 4 + 1 + 72, 84) and np.isfinite(raw).all()
    pixels = dogs.samples[0].pixels()
    found = PoseEstimator(torch_stage(yolo_pose)).estimate(pixels, [[0, 0, 96, 80]], [0.0])
    assert found.shape == (1, 24, 3)


def test_a_written_yolo_data_set_swaps_left_and_right_when_it_mirrors(
    yolo_pose: TrainedNet,
) -> None:
    text = (yolo_pose.file.parent / "data" / "data.yaml").read_text()
    assert "flip_idx: [6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 12, 13, 15, 14," in text


def test_a_loaded_yolo_is_the_trained_one(yolo_pose: TrainedNet) -> None:
    again = load_net(yolo_pose.file)
    batch = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    np.testing.assert_array_equal(
        torch_stage(yolo_pose).infer(batch), torch_stage(again).infer(batch)
    )
    assert again.arch == "yolo:yolo26n-pose" and again.curves == yolo_pose.curves


def test_the_exported_yolo_gives_the_raw_head_of_torch(
    yolo_pose: TrainedNet, tmp_path: Path
) -> None:
    batch = np.random.default_rng(1).uniform(0, 255, (2, 64, 64, 3)).astype(np.float32)
    exported = onnx_stage(yolo_pose, tmp_path / "net.onnx", threads=1)
    raw = torch_stage(yolo_pose).infer(batch)
    np.testing.assert_allclose(exported.infer(batch), raw, atol=1e-3)
    assert np.abs(raw).max() > 1


def test_the_raw_yolo_head_decodes_to_the_boxes_of_ultralytics() -> None:
    ultralytics = pytest.importorskip("ultralytics")
    torch.manual_seed(4)
    model: Any = ultralytics.YOLO("yolov8n.yaml", task="detect", verbose=False)
    net = model.model
    _wake(net)
    image = np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    theirs = model.predict(image[..., ::-1], imgsz=64, conf=0.3, iou=0.5, verbose=False)[0].boxes
    assert len(theirs) > 0
    raw = RawYolo(net)(torch.from_numpy(image.transpose(2, 0, 1)[None] / 255).float())
    centre, half = raw[0, :2].T.detach().numpy(), raw[0, 2:4].T.detach().numpy() / 2
    # Ultralytics cuts boxes at the picture's edge.
    boxes = np.concatenate([centre - half, centre + half], axis=1).clip(0, 64)
    scores = raw[0, 4:].max(dim=0).values.detach().numpy()
    for box, score in zip(theirs.xyxy.numpy(), theirs.conf.numpy(), strict=True):
        gaps = np.abs(boxes - box).max(axis=1) + np.abs(scores - score)
        assert gaps.min() < 0.02


def _wake(net: nn.Module) -> None:
    """Random weights answer nothing: give the norms real statistics, and the scores a spread."""
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None
    net.train()
    with torch.no_grad():
        net(torch.rand(8, 3, 64, 64))
    net.eval()
    head: Any = net.model[-1]  # type: ignore[index, union-attr]
    for branch in head.cv3:
        nn.init.normal_(branch[-1].weight, std=0.15)
        branch[-1].bias.data[:] = -2.0


def test_yolo_refuses_what_it_would_have_to_download(tmp_path: Path, dogs: Dataset) -> None:
    yolo = family("yolo")
    with pytest.raises(FamilyError, match="does not exist"):
        yolo.load(tmp_path / "yolo26n.pt")
    missing = Recipe("dog_detection", "yolo:yolo26n", 64, 1, weights=tmp_path / "yolo26n.pt")
    with pytest.raises(FamilyError, match="does not exist"):
        yolo.train(missing, dogs, tmp_path / "a")


@pytest.mark.parametrize(
    ("task", "arch", "px", "words"),
    [
        ("pose", "yolo:yolo26n", 64, "does not fit"),
        ("dog_detection", "yolo:yolo26n-pose", 64, "does not fit"),
        ("dog_detection", "yolo:../../evil", 64, "no YOLO net"),
        ("dog_detection", "yolo:yolo26n", 70, "multiple of 32"),
        ("emotion", "yolo:yolo26n", 64, "does not classify"),
    ],
)
def test_yolo_refuses_recipes_that_make_no_sense(
    task: Any, arch: str, px: int, words: str, tmp_path: Path, dogs: Dataset
) -> None:
    with pytest.raises(FamilyError, match=words):
        family("yolo").train(Recipe(task, arch, px, 1), dogs, tmp_path)


def test_a_family_without_anything_to_learn_from_says_so(tmp_path: Path, dogs: Dataset) -> None:
    empty = dogs.with_samples([s for s in dogs.samples if s.split == "val"])
    for arch in ("yolo:yolo26n", SSDLITE):
        recipe = Recipe("dog_detection", arch, 320, 1)
        with pytest.raises(NothingToLearn):
            family_of_arch(arch).train(recipe, empty, tmp_path)


@pytest.mark.parametrize("arch", CLASSIFIERS)
def test_torchvision_classifiers_are_built_by_name(arch: str) -> None:
    net = build(arch, classes=4).eval()
    with torch.inference_mode():
        assert net(torch.zeros(1, 3, 64, 64)).shape == (1, 4)
    with pytest.raises(KeyError, match="efficientnet_b0"):
        build("torchvision:lenet")


def test_the_raw_ssdlite_head_is_what_torchvision_decodes() -> None:
    torch.manual_seed(2)
    net = SsdliteRaw(classes=2).eval()
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None
    for layer in net.ssd.head.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=0.2)
    net.train()
    with torch.no_grad():
        net(torch.randn(4, 3, 320, 320))
    net.eval()
    picture = torch.rand(1, 3, 320, 320)
    net.ssd.score_thresh, net.ssd.nms_thresh = 0.35, 1.1
    net.ssd.topk_candidates = net.ssd.detections_per_img = 50
    with torch.inference_mode():
        theirs = net.ssd(list(picture))[0]
        ours = net((picture - 0.5) / 0.5)[0]
    assert len(theirs["boxes"]) > 5 and float(theirs["scores"].std()) > 0.001
    centre, size = ours[:2].T, ours[2:4].T
    corners = torch.cat([centre - size / 2, centre + size / 2], dim=1).clamp(0, 320)
    for box, score, label in zip(theirs["boxes"], theirs["scores"], theirs["labels"], strict=True):
        gap = (corners - box).abs().amax(dim=1) + (ours[3 + label] - score).abs() * 100
        assert float(gap.min()) < 0.01


def test_ssdlite_trains_saves_and_loads(tmp_path: Path, dogs: Dataset) -> None:
    recipe = Recipe("dog_detection", SSDLITE, 320, epochs=1, batch_size=3, threads=2)
    net = family("torchvision").train(recipe, dogs, tmp_path)
    assert net.licence.embeddable and net.family == "torchvision"
    assert {name: len(values) for name, values in net.curves.items()} == {
        "loss_box": 1, "loss_class": 1, "val_loss": 1,
    }  # fmt: skip
    again = load_net(tmp_path / "model.pt")
    batch = np.full((1, 320, 320, 3), 60, np.float32)
    np.testing.assert_array_equal(torch_stage(net).infer(batch), torch_stage(again).infer(batch))
    detector = Detector(torch_stage(again), {"score": 0.02, "nms_iou": 0.5})
    detector.detect([dogs.samples[0].pixels()])
    with pytest.raises(FamilyError, match="320 px"):
        family("torchvision").train(Recipe("dog_detection", SSDLITE, 224, 1), dogs, tmp_path)


def test_ssdlite_learns_a_bright_ellipse_on_dark_ground() -> None:
    from model_export.families.ssdlite import _placed, _whole

    sample = made_dogs(1).samples[0]
    image, target = _placed(sample, _whole(sample))
    x0, y0, x1, y1 = target["boxes"][0].round().int().tolist()
    inside, outside = image[:, y0:y1, x0:x1].mean(), image.mean()
    assert target["labels"].tolist() == [1]
    assert inside > outside + 0.1
    whole = letterbox(sample.width_px, sample.height_px, 320, 320)
    back = whole.to_source(target["boxes"][0].numpy().reshape(2, 2)).reshape(4)
    np.testing.assert_allclose(back, sample.instances[0].box_xyxy_px, atol=1e-3)
    assert input_spec()["pad_value"] == 114


def test_local_weights_are_taken_where_they_fit(tmp_path: Path) -> None:
    torch.manual_seed(0)
    told = build("torchvision:mobilenet_v3_small", classes=1000)
    torch.save(told.state_dict(), tmp_path / "weights.pth")
    net = build("torchvision:mobilenet_v3_small", classes=4)
    left = load_local_weights(net, tmp_path / "weights.pth")
    assert left == ("classifier.3.bias", "classifier.3.weight")
    name = "features.0.0.weight"
    assert torch.equal(net.state_dict()[name], told.state_dict()[name])
    other = build("torchvision:resnet50", classes=4)
    with pytest.raises(FamilyError, match="tensors fit"):
        load_local_weights(other, tmp_path / "weights.pth")


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"PK\x03\x04 not a net")
    with pytest.raises(FamilyError):
        load_net(tmp_path / "model.pt")
    torch.save({"arch": "centre_detector"}, tmp_path / "half.pt")
    with pytest.raises(FamilyError):
        load_checkpoint(tmp_path / "half.pt")


def test_a_stage_of_each_head_has_the_name_of_its_part(yolo_pose: TrainedNet) -> None:
    assert stage_spec(yolo_pose).name == "detector"
    assert stage_spec(yolo_pose).input.width == 64


def test_torchvision_emotion_learns_by_the_products_recipe(tmp_path: Path) -> None:
    zoo = Provenance("zoo", "research only", research_only=True)
    faces = made_dogs(16, scheme=None, provenance=zoo)
    labelled = [replace(sample, label=EMOTIONS[k % 4]) for k, sample in enumerate(faces.samples)]
    data = Dataset(tuple(labelled), ("dog_face",), tuple(EMOTIONS))
    recipe = Recipe("emotion", "torchvision:mobilenet_v3_small", 64, 1, 8, threads=1)
    net = family("torchvision").train(recipe, data, tmp_path)
    assert (net.task, net.family, net.licence.spdx) == ("emotion", "torchvision", "BSD-3-Clause")
    assert net.training["research_only"] is True
    assert net.curves and all(len(values) == 1 for values in net.curves.values())
    told = Classifier(torch_stage(net)).classify(labelled[0].pixels(), [[0, 0, 96, 80]])
    assert told.shape == (1, 4) and float(told.sum()) == pytest.approx(1)


def test_a_checkpoint_trained_on_unlicensed_pictures_counts_as_research_only(
    tmp_path: Path,
) -> None:
    net = build("torchvision:mobilenet_v3_small", classes=4)
    licences = {"Apache-2.0": False, "see the list": True, "unstated, research only": True}
    for licence, expected in licences.items():
        meta = {
            "arch": "torchvision:mobilenet_v3_small",
            "config": {"classes": 4},
            "classes": list(EMOTIONS),
            "input": input_spec(),
            "output": {"head": "logits"},
            "metrics": {},
            "training": {"data": [{"name": "x", "licence": licence}]},
        }
        nets.save(tmp_path / "model.pt", net, meta)
        assert load_net(tmp_path / "model.pt").training["research_only"] is expected
