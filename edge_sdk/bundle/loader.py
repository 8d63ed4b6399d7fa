"""Loading a bundle: check its files, choose what runs here, prove that it runs right."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from edge_sdk.bundle.contents import read_folder, unpack
from edge_sdk.bundle.golden import GoldenVectors, check_result, load_golden
from edge_sdk.bundle.manifest import Manifest, Precision, Stage, StageName, Variant
from edge_sdk.bundle.stage import Fallback, LoadedStage
from edge_sdk.errors import (
    BundleClosed,
    BundleNotFound,
    BundleUnusable,
    GoldenInvalid,
    LicenceRefused,
    MissingExtra,
    RuntimeFailure,
    StageUnknown,
)
from edge_sdk.runtime.protocol import DEFAULT_THREADS, RuntimeChoice, open_session

_TEMPORARY: Final = "daengdong-bundle-"


class ModelBundle:
    """A loaded bundle; make one with `ModelBundle.load` and close it, or use `with`.

    `manifest` is what the bundle says of itself. Stages may be used from several threads.
    """

    def __init__(
        self,
        manifest: Manifest,
        stages: Mapping[StageName, LoadedStage],
        release: Callable[[], None],
    ) -> None:
        """Take loaded stages and what to do when closed; `load` does this."""
        self.manifest = manifest
        self._stages = dict(stages)
        self._release = release
        self._closed = False

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        runtime: RuntimeChoice | None = None,
        precision: Precision | None = None,
        allow_licences: Collection[str] | None = None,
        threads: int = DEFAULT_THREADS,
    ) -> ModelBundle:
        """Load a bundle from its folder or zip.

        For each stage the first variant that opens here and answers its golden vector right is
        taken, in the manifest's order; the others before it are listed in `fallbacks`. `runtime`
        and `precision` leave only variants of that kind; "mediapipe" runs the .tflite files of
        classifiers. `allow_licences`: SPDX identifiers that weights may have, None for any.

        Raises `LicenceRefused`, `BundleUnusable` (no variant is left), `GoldenInvalid` (the
        manifest contradicts its golden vectors), and what `read_folder` and `unpack` raise.
        """
        folder, release = _folder_of(Path(path))
        opened: dict[StageName, LoadedStage] = {}
        try:
            manifest = read_folder(folder)
            if allow_licences is not None and manifest.licence.spdx not in allow_licences:
                raise LicenceRefused(
                    f"{manifest.name} is {manifest.licence.spdx}, allowed are "
                    f"{', '.join(sorted(allow_licences)) or 'none'}: {manifest.licence.notice}"
                )
            for spec in manifest.stages:
                golden = golden_of(folder, manifest, spec)
                candidates = _candidates(spec, runtime, precision)
                opened[spec.name] = _first_sound(folder, spec, golden, candidates, threads)
        except BaseException:
            for stage in opened.values():
                stage.close()
            release()
            raise
        return cls(manifest, opened, release)

    @property
    def thresholds(self) -> dict[str, float]:
        """The manifest's thresholds, by name."""
        return self.manifest.thresholds

    def stage(self, name: StageName) -> LoadedStage:
        """A stage by name; raises `StageUnknown` or `BundleClosed`."""
        if self._closed:
            raise BundleClosed(f"{self.manifest.name} is closed: load it again")
        try:
            return self._stages[name]
        except KeyError:
            there = ", ".join(self._stages)
            raise StageUnknown(f"{self.manifest.name} has no {name!r}, only {there}") from None

    @property
    def fallbacks(self) -> tuple[Fallback, ...]:
        """The variants of all stages that were tried and not taken."""
        return tuple(one for stage in self._stages.values() for one in stage.fallbacks)

    def close(self) -> None:
        """Give memory and temporary files back; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        for stage in self._stages.values():
            stage.close()
        self._release()

    def __enter__(self) -> Self:
        """Use as a context manager."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()


def _folder_of(path: Path) -> tuple[Path, Callable[[], None]]:
    """The bundle's folder, and what gives it back: a zip is unpacked beside other temporaries."""
    if path.is_dir():
        return path, lambda: None
    if not path.is_file():
        raise BundleNotFound(f"{path}: no such folder or zip")
    made = tempfile.TemporaryDirectory(prefix=_TEMPORARY, ignore_cleanup_errors=True)
    try:
        unpack(path, Path(made.name))
    except BaseException:
        made.cleanup()
        raise
    return Path(made.name), made.cleanup


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The folder of a bundle's folder or zip, as long as the block lasts; errors as `load`'s."""
    folder, release = _folder_of(path)
    try:
        yield folder
    finally:
        release()


def golden_of(folder: Path, manifest: Manifest, spec: Stage) -> GoldenVectors:
    """The golden vectors of a stage, held against the manifest; raises `GoldenInvalid`."""
    golden = load_golden((folder / spec.golden).read_bytes())
    if golden.stage != spec.name:
        raise GoldenInvalid(f"{spec.golden} is of stage {golden.stage}, not {spec.name}")
    for vector in golden.vectors:
        check_result(spec, manifest.thresholds, vector)
    return golden


def _candidates(
    spec: Stage, runtime: RuntimeChoice | None, precision: Precision | None
) -> Iterator[tuple[RuntimeChoice, Variant]]:
    """Variants to try, with the runtime that runs them, in the manifest's order."""
    made_for = "litert" if runtime == "mediapipe" else runtime
    for variant in spec.variants:
        if made_for in (None, variant.runtime) and precision in (None, variant.precision):
            yield runtime or variant.runtime, variant


def _first_sound(
    folder: Path,
    spec: Stage,
    golden: GoldenVectors,
    candidates: Iterator[tuple[RuntimeChoice, Variant]],
    threads: int,
) -> LoadedStage:
    fallbacks: list[Fallback] = []
    for runtime, variant in candidates:
        try:
            return open_stage(folder, spec, variant, runtime, golden, threads, tuple(fallbacks))
        except (MissingExtra, RuntimeFailure) as error:
            fallbacks.append(Fallback(variant, error.code, str(error)))
    raise BundleUnusable(
        f"no variant of stage {spec.name!r} runs here",
        tuple(fallback.reason for fallback in fallbacks),
    )


def open_stage(
    folder: Path,
    spec: Stage,
    variant: Variant,
    runtime: RuntimeChoice,
    golden: GoldenVectors,
    threads: int = DEFAULT_THREADS,
    fallbacks: tuple[Fallback, ...] = (),
) -> LoadedStage:
    """Open one variant and run its self-test; raises `MissingExtra` or a `RuntimeFailure`."""
    session = open_session(runtime, folder / variant.file, spec, variant, threads)
    stage = LoadedStage(spec, variant, session, fallbacks)
    try:
        stage.self_test(golden)
    except BaseException:
        stage.close()
        raise
    return stage
