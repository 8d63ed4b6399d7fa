"""The product's nets: raw heads of the promised shape and size, and checkpoints that are whole."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from model_export import nets  # noqa: E402
from model_export.train.presets import DEFAULT, MODELS, preset  # noqa: E402

BUDGET = {
    "pose": 1_200_000,
    "dog-detector": 500_000,
    "face-detector": 500_000,
    "emotion": 400_000,
}
HEAD = {"pose": (24, 4), "dog-detector": (7, 8), "face-detector": (5, 8)}


def untrained(model, name="tiny"):
    chosen = preset(model, name)
    torch.manual_seed(1)
    return chosen, nets.build(chosen.arch, **chosen.config)


def meta_of(chosen):
    return {
        "arch": chosen.arch,
        "config": chosen.config,
        "classes": list(chosen.classes),
        "input": chosen.input(),
        "output": chosen.output(),
        "metrics": {"pck05": 0.5},
        "training": {"recipe": "test", "seed": 1},
    }


@pytest.mark.parametrize("model", MODELS)
def test_a_net_keeps_to_its_budget_of_parameters(model):
    _, net = untrained(model, "default")
    assert 100_000 < nets.parameter_count(net) <= BUDGET[model]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", ["default", "tiny"])
def test_a_head_is_raw_and_has_the_shape_of_the_manifest(model, name):
    chosen, net = untrained(model, name)
    x = torch.randn(2, 3, chosen.input_px, chosen.input_px)
    with torch.inference_mode():
        raw = net.eval()(x)
    if model == "emotion":
        assert raw.shape == (2, 4)
    else:
        channels, stride = HEAD[model]
        side = chosen.input_px // stride
        assert raw.shape == (2, channels, side, side)
        assert chosen.output()["stride"] == stride


def test_an_untrained_detector_expects_nothing():
    chosen, net = untrained("dog-detector")
    with torch.inference_mode():
        raw = net.eval()(torch.zeros(1, 3, chosen.input_px, chosen.input_px))
    assert torch.sigmoid(raw[:, 0]).max() < 0.05


@pytest.mark.parametrize("model", MODELS)
def test_a_checkpoint_gives_the_same_numbers_back(model, tmp_path):
    chosen, net = untrained(model)
    x = torch.randn(2, 3, chosen.input_px, chosen.input_px)
    net.train()(x)
    nets.save(tmp_path / "a.pt", net, meta_of(chosen))
    again, meta = nets.load(tmp_path / "a.pt")
    assert meta == meta_of(chosen)
    with torch.inference_mode():
        np.testing.assert_array_equal(again(x).numpy(), net.eval()(x).numpy())


def test_a_checkpoint_without_a_field_is_refused_both_ways(tmp_path):
    chosen, net = untrained("emotion")
    meta = meta_of(chosen)
    del meta["input"]
    with pytest.raises(nets.CheckpointInvalid, match="input"):
        nets.save(tmp_path / "a.pt", net, meta)
    assert list(tmp_path.iterdir()) == []
    torch.save({**meta, "state": net.state_dict()}, tmp_path / "b.pt")
    with pytest.raises(nets.CheckpointInvalid, match="input"):
        nets.load(tmp_path / "b.pt")


def test_weights_of_another_shape_are_refused(tmp_path):
    chosen, net = untrained("emotion")
    nets.save(tmp_path / "a.pt", net, {**meta_of(chosen), "config": DEFAULT["emotion"].config})
    with pytest.raises(nets.CheckpointInvalid, match="size mismatch"):
        nets.load(tmp_path / "a.pt")


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    chosen, net = untrained("emotion")
    nets.save(tmp_path / "a.pt", net, meta_of(chosen))
    before = (tmp_path / "a.pt").read_bytes()

    def broken(document, file):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", broken)
    with pytest.raises(OSError, match="disk full"):
        nets.save(tmp_path / "a.pt", net, meta_of(chosen))
    assert (tmp_path / "a.pt").read_bytes() == before


def test_an_unknown_net_is_named_beside_the_known_ones():
    with pytest.raises(KeyError, match="canonical_pose"):
        nets.build("resnet9000")
