"""Several data sets as one; every picture keeps its source and licence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from model_export.datasets.errors import ClassUnknown, SchemesDiffer
from model_export.datasets.sample import Dataset, FloatArray, Instance, KeypointScheme, Sample


def merge(datasets: Sequence[Dataset], *, classes: tuple[str, ...] | None = None) -> Dataset:
    """Join data sets: classes by their names, keypoints by their names, image labels as a union.

    With `classes` instances of other classes are left out (a picture with only those becomes a
    negative); without it all classes are kept in the order met. Keypoints follow the first data
    set that has some: a point that another set does not know is absent there; SchemesDiffer when
    two sets share no name. Samples are renamed `<source>-<name>` when a name occurs twice, and
    clusters of different sets are kept apart. Raises ClassUnknown for an id without class.
    """
    if not datasets:
        raise ValueError("merging needs at least one data set")
    kept = classes or tuple(dict.fromkeys(name for d in datasets for name in d.classes))
    labels = tuple(dict.fromkeys(name for d in datasets for name in d.labels))
    scheme = next((d.keypoints for d in datasets if d.keypoints is not None), None)
    samples: list[Sample] = []
    clusters = _cluster_names(datasets)
    for at, dataset in enumerate(datasets):
        columns = _columns(dataset.keypoints, scheme)
        ids = {k: kept.index(name) for k, name in enumerate(dataset.classes) if name in kept}
        for sample in dataset.samples:
            instances = tuple(
                replace(
                    instance,
                    class_id=ids[instance.class_id],
                    keypoints=_reordered(instance, scheme, columns),
                )
                for instance in sample.instances
                if _class_name(dataset, sample, instance) in kept
            )
            cluster = clusters.get((at, sample.cluster), sample.cluster)
            samples.append(replace(sample, instances=instances, cluster=cluster))
    return Dataset(_renamed(samples), kept, labels, scheme)


def _class_name(dataset: Dataset, sample: Sample, instance: Instance) -> str:
    if not 0 <= instance.class_id < len(dataset.classes):
        raise ClassUnknown(f"{sample.name}: class {instance.class_id} of {dataset.classes}")
    return dataset.classes[instance.class_id]


def _cluster_names(datasets: Sequence[Dataset]) -> dict[tuple[int, str], str]:
    """New names for clusters that are named alike in several data sets but are not the same."""
    owners: dict[str, set[int]] = {}
    for at, dataset in enumerate(datasets):
        for sample in dataset.samples:
            if sample.cluster:
                owners.setdefault(sample.cluster, set()).add(at)
    return {
        (at, name): f"{name}#{at + 1}"
        for name, sets in owners.items()
        if len(sets) > 1
        for at in sets
    }


def _columns(
    own: KeypointScheme | None, wanted: KeypointScheme | None
) -> tuple[list[int], list[int]] | None:
    """Indices in the wanted scheme, and the ones in a data set's own that go there."""
    if own is None or wanted is None:
        return None
    shared = [name for name in wanted.names if name in own.names]
    if not shared:
        raise SchemesDiffer(f"{own.names[:3]}... and {wanted.names[:3]}... share no keypoint")
    return [wanted.names.index(n) for n in shared], [own.names.index(n) for n in shared]


def _reordered(
    instance: Instance,
    scheme: KeypointScheme | None,
    columns: tuple[list[int], list[int]] | None,
) -> FloatArray | None:
    if instance.keypoints is None or scheme is None or columns is None:
        return None
    out = np.zeros((len(scheme), 3))
    out[columns[0]] = instance.keypoints[columns[1]]
    return out


def _renamed(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    counts: dict[str, int] = {}
    for sample in samples:
        counts[sample.name.casefold()] = counts.get(sample.name.casefold(), 0) + 1
    taken: set[str] = set()
    out: list[Sample] = []
    for sample in samples:
        name = sample.name
        if counts[name.casefold()] > 1:
            name = f"{sample.provenance.source}-{name}".replace("/", "_").replace(":", "_")
        unique, at = name, 2
        while unique.casefold() in taken:
            unique, at = f"{name}-{at}", at + 1
        taken.add(unique.casefold())
        out.append(replace(sample, name=unique))
    return tuple(out)
