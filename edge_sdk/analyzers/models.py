"""What analyzers need of a bundle: its manifest, and stages that know their fallbacks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from edge_sdk.bundle.manifest import Manifest, StageName
from edge_sdk.bundle.stage import Fallback
from edge_sdk.vision.stage import InferenceStage


class AnalyzerStage(InferenceStage, Protocol):
    """A net ready to run, as `LoadedStage` is."""

    @property
    def fallbacks(self) -> tuple[Fallback, ...]:
        """Variants that were tried before the one that runs."""
        ...


class AnalyzerBundle(Protocol):
    """Nets and what is known of them, as `ModelBundle` is."""

    @property
    def manifest(self) -> Manifest:
        """What the bundle says of itself."""
        ...

    def stage(self, name: StageName) -> AnalyzerStage:
        """A stage by name."""
        ...


def version_of(pipeline: str, *bundles: AnalyzerBundle) -> str:
    """The `model_version` of a result: pipeline, then name and version of each bundle."""
    named = (f"{bundle.manifest.name}-{bundle.manifest.version}" for bundle in bundles)
    return ":".join((pipeline, *named))


def fallbacks_of(stages: Iterable[AnalyzerStage]) -> tuple[str, ...]:
    """Why a result did not come from the preferred variants; empty when it did."""
    return tuple(
        f"{stage.spec.name}: {one.variant.file} ({one.code}: {one.reason})"
        for stage in stages
        for one in stage.fallbacks
    )
