"""Times and memory of one variant of a stage, in a process of its own so that memory is its own."""

from __future__ import annotations

import multiprocessing
import resource
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from edge_sdk.bundle.golden import case_of, sample_of
from edge_sdk.bundle.loader import golden_of, open_stage
from edge_sdk.bundle.manifest import Manifest, StageName
from edge_sdk.errors import EdgeError

WARM_UPS: Final = 3
TIMED: Final = 20


class VariantTimes(msgspec.Struct, frozen=True):
    """One variant: milliseconds a picture, and what its process grew by, MiB; or its error."""

    stage: str
    runtime: str
    precision: str
    p50_ms: float | None
    p95_ms: float | None
    load_ms: float | None
    rss_mib: float | None
    size_mib: float
    error: str | None


def bench(
    folder: Path, manifest: Manifest, stage: StageName, number: int, threads: int
) -> VariantTimes:
    """Time variant `number` of a stage in a new process: 3 warm-ups, 20 timed runs of one picture.

    The picture is the stage's first golden vector, sampled; sampling is not timed.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_timed, (folder, manifest, stage, number, threads))


def _timed(
    folder: Path, manifest: Manifest, stage: StageName, number: int, threads: int
) -> VariantTimes:
    spec = manifest.stage(stage)
    variant = spec.variants[number]
    inside = f"{variant.file}/"
    size = sum(
        entry.bytes
        for path, entry in manifest.files.items()
        if path == variant.file or path.startswith(inside)
    )
    known: dict[str, Any] = {
        "stage": stage, "runtime": variant.runtime, "precision": variant.precision,
        "size_mib": round(size / 2**20, 2),
    }  # fmt: skip
    unknown: dict[str, Any] = dict.fromkeys(("p50_ms", "p95_ms", "load_ms", "rss_mib"))
    try:
        golden = golden_of(folder, manifest, spec)
        pixels = sample_of(spec, case_of(golden.vectors[0]))[None]
        before = _peak_mib()
        started = time.perf_counter()
        loaded = open_stage(folder, spec, variant, variant.runtime, golden, threads)
    except EdgeError as error:
        return VariantTimes(**known, **unknown, error=f"{error.code}: {error}")
    load_ms = 1000 * (time.perf_counter() - started)
    times = []
    for turn in range(WARM_UPS + TIMED):
        started = time.perf_counter()
        loaded.infer(pixels)
        if turn >= WARM_UPS:
            times.append(1000 * (time.perf_counter() - started))
    loaded.close()
    return VariantTimes(
        **known,
        p50_ms=round(float(np.percentile(times, 50)), 2),
        p95_ms=round(float(np.percentile(times, 95)), 2),
        load_ms=round(load_ms, 1),
        rss_mib=round(_peak_mib() - before, 1),
        error=None,
    )


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
