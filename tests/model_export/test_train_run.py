"""Whole trainings in seconds, on plain pictures: each recipe learns, resumes and judges itself."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from dataclasses import replace  # noqa: E402

from model_export import nets  # noqa: E402
from model_export.train.presets import MODELS, preset  # noqa: E402
from model_export.train.run import Extra, RunSettings, train  # noqa: E402
from model_export.train.start import carry_over  # noqa: E402

RENDERERS = {
    "body": "tests.support.plain_dogs:body_image",
    "face": "tests.support.plain_dogs:face_image",
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("pictures")


def settings(out, cache, **changes):
    return RunSettings(out=out, cache=cache, workers=0, threads=1, renderers=RENDERERS, **changes)


def small(model, **changes):
    return replace(preset(model, "tiny"), image_px=96, **changes)


@pytest.mark.parametrize("model", MODELS)
def test_a_tiny_training_ends_in_a_checkpoint_that_knows_itself(model, tmp_path, cache):
    report = train(small(model), settings(tmp_path, cache))
    assert report.checkpoint == tmp_path / "model.pt"
    net, meta = nets.load(report.checkpoint)
    chosen = preset(model, "tiny")
    assert meta["input"] == chosen.input() and meta["output"] == chosen.output()
    assert meta["training"]["recipe"] == f"model_export.train {model}"
    assert meta["training"]["minutes"] >= 0 and meta["metrics"] == report.metrics
    assert json.loads(json.dumps(meta))["arch"] == chosen.arch
    with torch.inference_mode():
        raw = net(torch.zeros(1, 3, chosen.input_px, chosen.input_px))
    assert torch.isfinite(raw).all()


def test_plain_emotions_are_learned_in_a_few_epochs(tmp_path, cache):
    report = train(small("emotion", epochs=6, learning_rate=5e-3), settings(tmp_path, cache))
    assert report.metrics["macro_f1"] > 0.7


def test_a_plain_dog_is_found_after_a_few_epochs(tmp_path, cache):
    chosen = small("dog-detector", epochs=25, learning_rate=6e-3, batch_size=8)
    report = train(chosen, settings(tmp_path, cache))
    assert report.metrics["map50"] > 0.5
    _, meta = nets.load(report.checkpoint)
    assert meta["thresholds"]["score"] == report.metrics["threshold"]


def test_a_plain_pose_is_learned_and_mirrors_exactly(tmp_path, cache):
    chosen = small("pose", epochs=25, learning_rate=6e-3, batch_size=8)
    report = train(chosen, settings(tmp_path, cache))
    assert report.metrics["pck10"] > 0.6
    assert report.metrics["mirror_difference"] < 0.01


def test_a_stopped_training_is_resumed_to_the_same_model(tmp_path, cache):
    chosen = small("pose", epochs=2)
    whole = train(chosen, settings(tmp_path / "a", cache))
    stopped = train(chosen, settings(tmp_path / "b", cache, stop_after_steps=4))
    assert stopped.checkpoint is None and not (tmp_path / "b" / "model.pt").exists()
    resumed = train(chosen, settings(tmp_path / "b", cache, resume=True))
    first, _ = nets.load(whole.checkpoint)
    second, _ = nets.load(resumed.checkpoint)
    for (name, a), b in zip(first.state_dict().items(), second.state_dict().values(), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=name)


def test_real_pictures_are_mixed_in_and_named_in_the_checkpoint(tmp_path, cache):
    image = pytest.importorskip("PIL.Image")
    image.fromarray(np.full((60, 80, 3), 120, np.uint8)).save(tmp_path / "dog.png")
    line = {
        "image": "dog.png",
        "dogs": [{"box": [10, 10, 70, 50]}],
        "faces": [{"box": [50, 10, 70, 30], "emotion": "sad"}],
        "dogs_complete": True,
        "faces_complete": True,
    }
    (tmp_path / "list.jsonl").write_text(json.dumps(line) + "\n")
    extras = (Extra(tmp_path / "list.jsonl", 0.5),)
    for model in ("dog-detector", "face-detector", "emotion"):
        report = train(small(model), settings(tmp_path / model, cache, extras=extras))
        _, meta = nets.load(report.checkpoint)
        assert meta["training"]["data"][-1]["name"] == str(tmp_path / "list.jsonl")
    with pytest.raises(ValueError, match="no picture"):
        train(small("pose"), settings(tmp_path / "pose", cache, extras=extras))


def test_fine_tuning_starts_from_the_weights_of_a_checkpoint(tmp_path, cache):
    first = train(small("emotion", epochs=4), settings(tmp_path / "a", cache))
    still = small("emotion", learning_rate=1e-9)
    second = train(still, settings(tmp_path / "b", cache, start_from=first.checkpoint))
    before, _ = nets.load(first.checkpoint)
    after, meta = nets.load(second.checkpoint)
    assert meta["training"]["started_from"] == str(first.checkpoint)
    for a, b in zip(before.parameters(), after.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-4)
    with pytest.raises(ValueError, match="holds tiny_emotion"):
        train(small("pose"), settings(tmp_path / "c", cache, start_from=first.checkpoint))


def test_a_face_detector_begins_with_the_trunk_of_a_dog_detector():
    dog, face = (preset(m, "tiny") for m in ("dog-detector", "face-detector"))
    source = nets.build(dog.arch, **dog.config)
    target = nets.build(face.arch, **face.config)
    carried = carry_over(source, target)
    assert carried == len(target.state_dict()) - 2, "all but weight and bias of the head"
    np.testing.assert_array_equal(
        source.trunk.stem[0].weight.detach().numpy(), target.trunk.stem[0].weight.detach().numpy()
    )
    with pytest.raises(ValueError, match="not the same net"):
        carry_over(source, nets.build("centre_detector"))
