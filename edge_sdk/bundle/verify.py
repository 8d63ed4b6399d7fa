"""Checking every variant of a bundle on this machine, and how long each takes."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Final, Literal

import msgspec
import numpy as np

from edge_sdk.bundle.contents import read_folder
from edge_sdk.bundle.golden import GoldenVectors
from edge_sdk.bundle.loader import golden_of, open_stage, unpacked
from edge_sdk.bundle.manifest import Manifest, Stage, StageName, Variant
from edge_sdk.bundle.stage import LoadedStage
from edge_sdk.errors import MissingExtra, RuntimeFailure, RuntimeUnsupported
from edge_sdk.runtime.protocol import DEFAULT_THREADS

WARM_UP: Final = 3


class VariantCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One variant on this machine.

    `outcome`: "passed" all golden vectors, "failed" (`code` and `reason` say how), or
    "unavailable" where its runtime is not here. `max_abs_error` of the raw head beside the
    `allowed_abs_error` of the manifest; `load_ms` with the self-test; `infer_ms` the median of one
    picture; null where it did not come to that.
    """

    stage: StageName
    variant: Variant
    outcome: Literal["passed", "failed", "unavailable"]
    code: str | None
    reason: str | None
    max_abs_error: float | None
    allowed_abs_error: float
    load_ms: float | None
    infer_ms: float | None


class BundleCheck(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle whose files, manifest and golden vectors agree, and each of its variants."""

    manifest: Manifest
    variants: tuple[VariantCheck, ...]

    @property
    def passed(self) -> bool:
        """No variant failed, and each stage has one that passed."""
        good = {check.stage for check in self.variants if check.outcome == "passed"}
        failed = any(check.outcome == "failed" for check in self.variants)
        return not failed and good == {stage.name for stage in self.manifest.stages}


def verify_bundle(
    path: Path | str, *, threads: int = DEFAULT_THREADS, repeats: int = 0
) -> BundleCheck:
    """Run all golden vectors through all variants of a bundle's folder or zip.

    `repeats` > 0 times that many inferences of one picture after a warm-up. Raises what
    `ModelBundle.load` raises for files, manifest and golden vectors; a variant's own failure is a
    result.
    """
    with unpacked(Path(path)) as folder:
        manifest = read_folder(folder)
        checks = []
        for spec in manifest.stages:
            golden = golden_of(folder, manifest, spec)
            checks += [_check(folder, spec, v, golden, threads, repeats) for v in spec.variants]
    return BundleCheck(manifest=manifest, variants=tuple(checks))


def _check(
    folder: Path,
    spec: Stage,
    variant: Variant,
    golden: GoldenVectors,
    threads: int,
    repeats: int,
) -> VariantCheck:
    started = time.perf_counter()
    worst = load_ms = infer_ms = None
    outcome: Literal["passed", "failed", "unavailable"] = "passed"
    code = reason = None
    try:
        stage = open_stage(folder, spec, variant, variant.runtime, golden, threads)
        load_ms = 1e3 * (time.perf_counter() - started)
        try:
            worst = stage.self_test(golden, len(golden.vectors))
            infer_ms = _median_ms(stage, repeats) if repeats > 0 else None
        finally:
            stage.close()
    except (MissingExtra, RuntimeUnsupported) as error:
        outcome, code, reason = "unavailable", error.code, str(error)
    except RuntimeFailure as error:
        outcome, code, reason = "failed", error.code, str(error)
    return VariantCheck(
        stage=spec.name,
        variant=variant,
        outcome=outcome,
        code=code,
        reason=reason,
        max_abs_error=worst,
        allowed_abs_error=variant.max_abs_error,
        load_ms=load_ms,
        infer_ms=infer_ms,
    )


def _median_ms(stage: LoadedStage, repeats: int) -> float:
    size = stage.spec.input
    batch = np.random.default_rng(0).uniform(0, 255, (1, size.height, size.width, 3))
    pixels = batch.astype(np.float32)
    times = []
    for _ in range(WARM_UP + repeats):
        started = time.perf_counter()
        stage.infer(pixels)
        times.append(1e3 * (time.perf_counter() - started))
    return statistics.median(times[WARM_UP:])
