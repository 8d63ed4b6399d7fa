"""The order of examples: every one once a round, shares by weight, the same order every time."""

from collections import Counter

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from model_export.train.examples import Example  # noqa: E402
from model_export.train.loader import Mixture, Part, batches, steps_per_epoch  # noqa: E402


class Numbers:
    def __init__(self, count, first=0):
        self.count, self.first = count, first

    def __len__(self):
        return self.count

    def example(self, index):
        return Example(image=np.zeros((1, 1, 3), np.uint8), emotion=self.first + index)


def shown(mixture, epoch):
    return [mixture.example(row).emotion for row in mixture.order(epoch)]


def test_an_epoch_of_one_source_shows_each_example_once_in_another_order_each_time():
    mixture = Mixture([Part(Numbers(50))], 50, seed=1)
    assert sorted(shown(mixture, 0)) == list(range(50))
    assert sorted(shown(mixture, 1)) == list(range(50))
    assert shown(mixture, 0) != shown(mixture, 1)
    assert shown(mixture, 1) == shown(Mixture([Part(Numbers(50))], 50, seed=1), 1)


def test_two_sources_share_an_epoch_by_their_weights():
    mixture = Mixture([Part(Numbers(100), 3.0), Part(Numbers(10, first=1000), 1.0)], 80, seed=1)
    seen = shown(mixture, 0)
    assert sum(v >= 1000 for v in seen) == 20
    assert sum(v < 1000 for v in seen) == 60


def test_a_small_source_is_repeated_evenly_over_epochs():
    mixture = Mixture([Part(Numbers(100)), Part(Numbers(7, first=1000))], 40, seed=2)
    counts = Counter(v for epoch in range(7) for v in shown(mixture, epoch) if v >= 1000)
    assert sum(counts.values()) == 140
    assert set(counts.values()) == {20}


def test_only_the_usable_examples_are_shown():
    mixture = Mixture([Part(Numbers(30), 1.0, np.array([3, 5, 7]))], 6, seed=0)
    assert sorted(shown(mixture, 0)) == [3, 3, 5, 5, 7, 7]


def test_nothing_to_show_is_said():
    with pytest.raises(ValueError, match="at least one"):
        Mixture([Part(Numbers(0))], 8, seed=0)


@pytest.mark.parametrize("threads", [1, 3])
def test_batches_from_the_middle_are_those_of_the_whole_epoch(threads):
    def collate(examples, rng, generator):
        numbers = torch.tensor([e.emotion for e in examples], dtype=torch.float32)
        noise = torch.rand(4, generator=generator) + float(rng.random())
        return {"image": torch.cat([numbers, noise])}

    mixture = Mixture([Part(Numbers(50))], 50, seed=1)
    assert steps_per_epoch(mixture, 8) == 6
    whole = [b["image"] for b in batches(mixture, collate, 8, 2, 0, threads)]
    part = [b["image"] for b in batches(mixture, collate, 8, 2, 4, threads)]
    assert len(whole) == 6 and len(part) == 2
    for a, b in zip(whole[4:], part, strict=True):
        assert torch.equal(a, b)


def test_an_error_while_preparing_a_batch_reaches_the_caller():
    def collate(examples, rng, generator):
        raise RuntimeError("broken picture")

    with pytest.raises(RuntimeError, match="broken picture"):
        list(batches(Mixture([Part(Numbers(8))], 8, seed=1), collate, 8, 0, 0))
