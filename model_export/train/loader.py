"""Batches in a seeded order from generated and real pictures, prepared beside the training step."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from model_export.train.examples import Example
from model_export.train.loop import Batch

#: How many batches are prepared ahead of the one in training.
_AHEAD = 3


class Examples(Protocol):
    """Anything that gives examples by number: the generator's shards, a list of real pictures."""

    def __len__(self) -> int: ...

    def example(self, index: int) -> Example:
        """The picture of this number with its labels."""
        ...


@dataclass(frozen=True)
class Part:
    """One source of a mixture; `weight`: how often its examples are drawn next to the others'.

    `indices`: those of its examples that this training can use, None for all.
    """

    examples: Examples
    weight: float = 1.0
    indices: NDArray[np.intp] | None = None

    def __len__(self) -> int:
        return len(self.examples) if self.indices is None else len(self.indices)

    def example(self, index: int) -> Example:
        """The usable example of this number."""
        return self.examples.example(index if self.indices is None else int(self.indices[index]))


class Mixture:
    """Several sources in one order. An epoch shows `epoch_examples` pictures.

    Each part gives its share, weight / sum of weights; within its share it goes through its
    pictures in a shuffled order without repeating one before all were shown.
    """

    def __init__(self, parts: Sequence[Part], epoch_examples: int, seed: int):
        self.parts = [part for part in parts if len(part) and part.weight > 0]
        if not self.parts:
            raise ValueError("a training needs at least one example")
        self.epoch_examples = epoch_examples
        self.seed = seed
        total = sum(part.weight for part in self.parts)
        self._shares = [round(epoch_examples * part.weight / total) for part in self.parts]
        self._shares[0] += epoch_examples - sum(self._shares)

    def order(self, epoch: int) -> NDArray[np.intp]:
        """(epoch_examples, 2): number of the part, number of the example in it."""
        rows = []
        for number, (part, share) in enumerate(zip(self.parts, self._shares, strict=True)):
            # The part's pictures in an endless sequence of shuffled rounds: this epoch's stretch.
            first = epoch * share
            chosen = np.empty(share, np.intp)
            filled = 0
            while filled < share:
                round_number, within = divmod(first + filled, len(part))
                shuffled = np.random.default_rng([self.seed, number, round_number]).permutation(
                    len(part)
                )
                taken = shuffled[within : within + share - filled]
                chosen[filled : filled + len(taken)] = taken
                filled += len(taken)
            rows.append(np.stack([np.full(share, number, np.intp), chosen], axis=1))
        mixed = np.concatenate(rows)
        np.random.default_rng([self.seed, 1_000_003, epoch]).shuffle(mixed)
        return mixed

    def example(self, row: NDArray[np.intp]) -> Example:
        """The example of a row of `order`."""
        return self.parts[int(row[0])].example(int(row[1]))


#: Makes a batch of examples: the random generators are its own, seeded by (seed, epoch, step).
Collate = Callable[[list[Example], np.random.Generator, torch.Generator], Batch]


def batches(
    mixture: Mixture,
    collate: Collate,
    batch_size: int,
    epoch: int,
    first_step: int,
    threads: int = 1,
) -> Iterator[Batch]:
    """The batches of an epoch from `first_step` on, prepared by `threads` threads ahead of use.

    The last, smaller batch is left out: batch normalisation wants full ones.
    """
    order = mixture.order(epoch)
    steps = steps_per_epoch(mixture, batch_size)

    def prepare(step: int) -> Batch:
        rows = order[step * batch_size : (step + 1) * batch_size]
        rng = np.random.default_rng([mixture.seed, 2_000_003, epoch, step])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        return collate([mixture.example(row) for row in rows], rng, generator)

    with ThreadPoolExecutor(threads, thread_name_prefix="batches") as pool:
        waiting: list[Future[Batch]] = []
        upcoming = iter(range(first_step, steps))
        try:
            for step in range(first_step, steps):
                while len(waiting) < _AHEAD and (nxt := next(upcoming, None)) is not None:
                    waiting.append(pool.submit(prepare, nxt))
                if not waiting:
                    raise RuntimeError(f"no batch was prepared for step {step}")
                yield waiting.pop(0).result()
        finally:
            for future in waiting:
                future.cancel()


def steps_per_epoch(mixture: Mixture, batch_size: int) -> int:
    """How many full batches an epoch has; at least one (a small set gives one small batch)."""
    return max(1, mixture.epoch_examples // batch_size)
