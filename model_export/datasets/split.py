"""Parts for training and testing, by whole clusters or whole sources, never by picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Literal

import numpy as np

from model_export.datasets.clusters import UnionFind
from model_export.datasets.errors import SplitLeaks
from model_export.datasets.sample import SPLITS, Dataset, Sample, Split

Unit = Literal["cluster", "source"]
SEED_FRACTIONS: Final[dict[Split, float]] = {"train": 0.70, "val": 0.15, "test": 0.15}
"""The shares that the product's own experiments use."""


def split_dataset(
    dataset: Dataset,
    fractions: Mapping[Split, float] | None = None,
    *,
    unit: Unit = "cluster",
    seed: int = 0,
) -> Dataset:
    """Give every sample a part, so that no cluster (or no source) lies in two.

    Samples without a cluster are one each: run `cluster_dataset` before. Sources and labels are
    spread over the parts in the wanted shares as well as whole groups allow; a source-wise split
    keeps clusters that reach over two sources together with both. Raises ValueError for shares
    that do not add up to 1.
    """
    shares = dict(SEED_FRACTIONS if fractions is None else fractions)
    if any(v < 0 for v in shares.values()) or abs(sum(shares.values()) - 1) > 1e-6:
        raise ValueError(f"shares are positive and add up to 1, not {shares}")
    groups = _groups(dataset, unit)
    order = np.random.default_rng(seed).permutation(len(groups)).tolist()
    # Large groups first, while every part has room; equal ones in seeded order.
    order.sort(key=lambda at: -len(groups[at]))
    room = _room(dataset, shares)
    part_of: dict[int, Split] = {}
    for at in order:
        members = groups[at]
        strata = Counter(_stratum(dataset.samples[k]) for k in members)
        best = max(
            (split for split in SPLITS if shares.get(split, 0) > 0),
            key=lambda split: sum(
                count * room[split][name] / shares[split] for name, count in strata.items()
            ),
        )
        for name, count in strata.items():
            room[best][name] -= count
        part_of.update(dict.fromkeys(members, best))
    samples = [replace(s, split=part_of[k]) for k, s in enumerate(dataset.samples)]
    return dataset.with_samples(samples)


def require_no_leaks(dataset: Dataset, *, unit: Unit = "cluster") -> None:
    """Raise SplitLeaks when a cluster (or a source) lies in more than one part."""
    for members in _groups(dataset, unit):
        parts = {dataset.samples[k].split for k in members}
        if len(parts) > 1:
            first = dataset.samples[members[0]]
            name = first.provenance.source if unit == "source" else first.cluster or first.name
            raise SplitLeaks(f"{unit} {name!r} lies in {' and '.join(sorted(map(str, parts)))}")


def _stratum(sample: Sample) -> str:
    return f"{sample.provenance.source}\0{sample.label}\0{bool(sample.instances)}"


def _room(dataset: Dataset, shares: Mapping[Split, float]) -> dict[Split, dict[str, float]]:
    total = Counter(_stratum(sample) for sample in dataset.samples)
    return {
        split: {name: count * shares.get(split, 0) for name, count in total.items()}
        for split in SPLITS
    }


def _groups(dataset: Dataset, unit: Unit) -> list[list[int]]:
    """Members of each group: samples that share a cluster, or with "source" also a source."""
    union = UnionFind(len(dataset.samples))
    first: dict[tuple[str, str], int] = {}
    for at, sample in enumerate(dataset.samples):
        if sample.cluster:
            union.join(first.setdefault(("cluster", sample.cluster), at), at)
        if unit == "source":
            union.join(first.setdefault(("source", sample.provenance.source), at), at)
    members: dict[int, list[int]] = {}
    for at, group in enumerate(union.groups()):
        members.setdefault(group, []).append(at)
    return list(members.values())
