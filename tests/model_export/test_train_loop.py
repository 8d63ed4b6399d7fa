"""The training loop: resumed runs equal unbroken ones, and settings are held to."""

import itertools
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from model_export.train import loop  # noqa: E402
from model_export.train.examples import Example  # noqa: E402
from model_export.train.loader import Mixture, Part, batches, steps_per_epoch  # noqa: E402

SETTINGS = loop.LoopSettings(
    epochs=3, learning_rate=0.01, threads=1, precision="fp32", checkpoint_every_s=1e9, seed=7
)


class Numbers:
    """Examples whose only content is their number."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def example(self, index):
        return Example(image=np.full((4, 4, 3), index, np.uint8), emotion=index * 3 // 40)


class Toy:
    """A small net with dropout and normalisation, that learns how bright a picture is."""

    def __init__(self):
        torch.manual_seed(5)
        self.net = nn.Sequential(
            nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(),
            nn.Linear(24, 3),
        )  # fmt: skip
        self.mixture = Mixture([Part(Numbers(40))], 40, seed=7)
        self.steps_per_epoch = steps_per_epoch(self.mixture, 8)

    def batches(self, epoch, first_step):
        def collate(examples, rng, generator):
            pixels = np.stack([e.image for e in examples]).astype(np.float32) / 40
            images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
            images = images + 0.1 * torch.randn(images.shape, generator=generator)
            labels = torch.tensor([e.emotion for e in examples])
            return {"image": images + float(rng.normal()) * 0.01, "label": labels}

        return batches(self.mixture, collate, 8, epoch, first_step)

    def loss(self, net, batch):
        loss = nn.functional.cross_entropy(net(batch["image"]), batch["label"])
        return loss, {"entropy": float(loss.detach())}

    def evaluate(self, net):
        return {"norm": float(sum(p.detach().square().sum() for p in net.parameters()))}


def trained(folder, **changes):
    toy = Toy()
    settings = loop.LoopSettings(**{**SETTINGS.__dict__, **changes.pop("settings", {})})
    fitted = loop.fit(toy, settings, folder, **changes)
    return toy.net.state_dict(), fitted


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name].numpy(), b[name].numpy(), err_msg=name)


@pytest.mark.parametrize("killed_after", [3, 5, 8, 13])
def test_a_killed_and_resumed_run_gives_the_weights_of_an_unbroken_one(tmp_path, killed_after):
    unbroken, _ = trained(tmp_path / "whole")
    _, first = trained(tmp_path / "broken", settings={"stop_after_steps": killed_after})
    assert not first.finished
    resumed, second = trained(tmp_path / "broken", resume=True)
    assert second.finished
    assert_same(unbroken, resumed)


def test_a_checkpoint_within_an_epoch_is_resumed_at_its_very_step(tmp_path):
    unbroken, _ = trained(tmp_path / "whole")
    often = {"checkpoint_every_s": -1.0}
    trained(tmp_path / "broken", settings={**often, "stop_after_steps": 8})
    saved = torch.load(tmp_path / "broken" / "last.ckpt", weights_only=True)
    assert saved["step"] == 8, "five steps are an epoch: this is the third of the second"
    resumed, _ = trained(tmp_path / "broken", resume=True)
    assert_same(unbroken, resumed)


def test_a_run_may_be_resumed_to_an_end_that_is_nearer(tmp_path):
    longer = {"epochs": SETTINGS.epochs + 2}
    trained(tmp_path / "a", settings={**longer, "stop_after_steps": 5})
    _, fitted = trained(tmp_path / "a", resume=True)
    assert fitted.finished and fitted.epochs == SETTINGS.epochs
    assert fitted.shortened_at_step == 5
    # Killed once more on the shorter way, it ends alike.
    trained(tmp_path / "b", settings={**longer, "stop_after_steps": 5})
    trained(tmp_path / "b", settings={"stop_after_steps": 7}, resume=True)
    again, _ = trained(tmp_path / "b", resume=True)
    once, _ = trained(tmp_path / "a", resume=True)
    assert_same(once, again)
    with pytest.raises(ValueError, match="of another run"):
        trained(tmp_path / "a", settings=longer, resume=True)


def test_a_shortened_run_falls_from_the_rate_it_had():
    settings = loop.LoopSettings(epochs=4, learning_rate=1.0)
    had = loop.learning_rate_at(50, 200, settings)
    rates = [loop.learning_rate_at(s, 100, settings, (50, had)) for s in range(50, 101)]
    assert rates[0] == pytest.approx(had) and rates[-1] == pytest.approx(0.01)
    assert all(a >= b for a, b in itertools.pairwise(rates))


def test_without_resume_a_run_starts_anew(tmp_path):
    unbroken, _ = trained(tmp_path / "a")
    trained(tmp_path / "b", settings={"stop_after_steps": 8})
    again, _ = trained(tmp_path / "b")
    assert_same(unbroken, again)
    assert len((tmp_path / "b" / "log.jsonl").read_text().splitlines()) == 3


def test_another_seed_gives_other_weights(tmp_path):
    a, _ = trained(tmp_path / "a")
    b, _ = trained(tmp_path / "b", settings={"seed": 8})
    assert not np.array_equal(a["0.weight"].numpy(), b["0.weight"].numpy())


def test_a_run_is_not_resumed_under_other_settings(tmp_path):
    trained(tmp_path / "a", settings={"stop_after_steps": 8})
    with pytest.raises(ValueError, match="another run"):
        trained(tmp_path / "a", settings={"learning_rate": 0.5}, resume=True)


def test_a_torn_temporary_file_does_not_hinder_resuming(tmp_path):
    unbroken, _ = trained(tmp_path / "whole")
    trained(tmp_path / "a", settings={"stop_after_steps": 8})
    (tmp_path / "a" / ".last.ckpt.123.part").write_bytes(b"half a file")
    resumed, _ = trained(tmp_path / "a", resume=True)
    assert_same(unbroken, resumed)


def test_the_log_has_a_line_per_epoch_with_losses_and_judgements(tmp_path):
    trained(tmp_path / "a")
    lines = [json.loads(line) for line in (tmp_path / "a" / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert all(line["train_entropy"] > 0 and line["norm"] > 0 for line in lines)


def test_the_toy_learns(tmp_path):
    toy = Toy()
    settings = loop.LoopSettings(**{**SETTINGS.__dict__, "epochs": 40})
    losses = []
    loop.fit(toy, settings, tmp_path, on_step=lambda s, t, parts: losses.append(parts["entropy"]))
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])


def test_a_loss_that_is_not_a_number_stops_the_run_and_says_where(tmp_path):
    toy = Toy()
    toy.loss = lambda net, batch: (net(batch["image"]).sum() * float("nan"), {"entropy": 0.0})
    with pytest.raises(FloatingPointError, match="step 0"):
        loop.fit(toy, SETTINGS, tmp_path)


def test_the_learning_rate_rises_to_its_peak_and_falls_to_a_hundredth():
    rates = [loop.learning_rate_at(step, 100, SETTINGS) for step in range(101)]
    peak = int(np.argmax(rates))
    assert rates[peak] == pytest.approx(0.01) and 5 <= peak <= 10
    assert np.all(np.diff(rates[: peak + 1]) > 0) and np.all(np.diff(rates[peak:]) <= 0)
    assert rates[-1] == pytest.approx(0.0001)


def test_every_step_is_recorded_by_the_tracker(tmp_path):
    class Recorder:
        def __init__(self):
            self.calls = []

        def start(self, settings):
            self.calls.append(("start", settings["learning_rate"]))

        def log(self, metrics, epoch):
            self.calls.append(("log", epoch))

        def finish(self):
            self.calls.append(("finish",))

    recorder = Recorder()
    trained(tmp_path, tracker=recorder)
    expected = [("start", 0.01), ("log", 1), ("log", 2), ("log", 3), ("finish",)]
    assert recorder.calls == expected
