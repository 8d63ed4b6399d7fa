"""The result of a gait analysis: a frozen value that serialises to the product's result JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from edge_sdk.errors import AnalysisError
from edge_sdk.gait.anatomy import LIMBS, MIRRORED_LIMB, LimbName
from edge_sdk.gait.measures import Measure
from edge_sdk.gait.refusal import Reason, Refusal
from edge_sdk.gait.risk import overall
from edge_sdk.gait.scores import METRICS, Level, MetricScore, scores
from edge_sdk.gait.wording import describe, summarise

GaitClass = Literal["walk", "trot", "pace", "other"]

SCORER_VERSION: Final = "gait-scorer-2"
"""Raised whenever a formula or constant changes a score."""

# Measures whose sign says left or right.
_SIGNED: Final = ("_si", "_asymmetry")


class LimbContacts(msgspec.Struct, frozen=True, kw_only=True):
    """When one paw stood: times in ms from the first frame, finer than the frames; same lengths.

    `carried` marks strides in which the paw was not put down: their times say when it would have.
    """

    limb: LimbName
    touchdown_ms: tuple[float, ...]
    liftoff_ms: tuple[float, ...]
    carried: tuple[bool, ...]


class AngleCurve(msgspec.Struct, frozen=True, kw_only=True):
    """Mean angle of one hind joint over the stride, from the limb's own touchdown, in degrees."""

    joint: Literal["stifle", "hock"]
    side: Literal["left", "right"]
    degrees: tuple[float, ...]


class View(msgspec.Struct, frozen=True, kw_only=True):
    """How the dog was seen.

    `facing` in the picture; `oblique_deg` estimated angle away from a side view, unsigned; `frames`
    and `rate_hz` as given; `swapped_share` of frames with exchanged legs, left out.
    """

    facing: Literal["left", "right"] | None
    oblique_deg: float | None
    frames: int
    duration_s: float
    rate_hz: float
    swapped_share: float | None


class Processing(msgspec.Struct, frozen=True, kw_only=True):
    """How the clip was processed, as the product's JSON has it."""

    analysis_time_ms: int = 0
    video_duration_sec: float = 0.0
    frames_sampled: int = 0
    fps_used: float = 0


class Artifacts(msgspec.Struct, frozen=True, kw_only=True):
    """Pictures made of the result, as the product's JSON has it."""

    status: Literal["pending", "ready", "failed"] = "pending"
    keypoint_overlay_video_url: str | None = None
    report_image_url: str | None = None


class GaitReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that is said about one clip.

    `metrics` the five scores by name; `measures` by name, each with its error; `refusal` why
    nothing was scored, else None; `contacts` FL, RL, FR, RR; `angles` for drawing. Identity, times
    and artifacts are filled in by the pipeline around it (`msgspec.structs.replace`).
    """

    metrics: dict[str, MetricScore]
    measures: dict[str, Measure]
    overall_risk_level: Level | None
    reasons: tuple[str, ...]
    refusal: Refusal | None
    gait: GaitClass | None
    view: View
    contacts: tuple[LimbContacts, ...]
    angles: tuple[AngleCurve, ...]
    processing: Processing = Processing()
    artifacts: Artifacts = Artifacts()
    analysis_id: str = ""
    job_id: str = ""
    analyze_at: str = ""
    model_version: str = SCORER_VERSION

    @property
    def abstained(self) -> bool:
        """Whether no score at all is known."""
        return all(metric.score is None for metric in self.metrics.values())

    @property
    def summary(self) -> str:
        """The clip in a sentence or two, in Korean."""
        return self._summary()[0]

    @property
    def summary_en(self) -> str:
        """The same in English."""
        return self._summary()[1]

    def description(self, metric: str) -> str:
        """What was seen for one metric, in Korean."""
        return describe(self.metrics[metric], self.measures)[0]

    def description_en(self, metric: str) -> str:
        """The same in English."""
        return describe(self.metrics[metric], self.measures)[1]

    def error(self) -> AnalysisError | None:
        """Return the refusal as a typed error for pipelines that must fail, else None."""
        return None if self.refusal is None else self.refusal.error()

    def to_json(self) -> dict[str, Any]:
        """Return the product's result JSON: its fields and names exactly, plus one key, `details`.

        Unknown scores and levels are null. `details` holds what the product's schema has no place
        for: measures with errors, intervals, reasons, contacts, English texts.
        """
        metrics: dict[str, Any] = {}
        for name in METRICS:
            metric = self.metrics[name]
            entry: dict[str, Any] = {}
            if name == "patella_risk_signal":
                entry["level"] = metric.level
            entry["score"] = None if metric.score is None else round(metric.score)
            entry["description"] = self.description(name)
            metrics[name] = entry
        return {
            "analysis_id": self.analysis_id,
            "job_id": self.job_id or self.analysis_id,
            "analyze_at": self.analyze_at,
            "processing": msgspec.to_builtins(self.processing),
            "result": {
                "overall_risk_level": self.overall_risk_level,
                "summary": self.summary,
            },
            "metrics": metrics,
            "artifacts": msgspec.to_builtins(self.artifacts),
            "model_version": self.model_version,
            "details": self._details(),
        }

    def mirrored(self) -> GaitReport:
        """Return the report that the mirrored clip must give: left is right and right is left."""
        measures = {_other_side(name): _mirrored(m) for name, m in self.measures.items()}
        facing: dict[str | None, Literal["left", "right"] | None]
        facing = {"left": "right", "right": "left", None: None}
        made = build_report(
            measures={name: measures[name] for name in self.measures},
            refused=None if self.refusal is None else self.refusal.reason,
            gait=self.gait,
            view=msgspec.structs.replace(self.view, facing=facing[self.view.facing]),
            contacts=tuple(
                msgspec.structs.replace(self.contacts[other], limb=LIMBS[limb])
                for limb, other in enumerate(MIRRORED_LIMB[: len(self.contacts)])
            ),
            angles=tuple(
                msgspec.structs.replace(curve, side=mirror.side)
                for curve, mirror in zip(
                    self.angles[2:] + self.angles[:2], self.angles, strict=True
                )
            ),
        )
        return msgspec.structs.replace(
            made,
            processing=self.processing,
            artifacts=self.artifacts,
            analysis_id=self.analysis_id,
            job_id=self.job_id,
            analyze_at=self.analyze_at,
            model_version=self.model_version,
        )

    def _summary(self) -> tuple[str, str]:
        refused = None if self.refusal is None else self.refusal.reason
        return summarise(self.overall_risk_level, refused)

    def _details(self) -> dict[str, Any]:
        return {
            "gait": self.gait,
            "reasons": list(self.reasons),
            "refusal": msgspec.to_builtins(self.refusal),
            "view": msgspec.to_builtins(self.view),
            "scores": {
                name: {
                    "score": metric.score,
                    "ci95": msgspec.to_builtins(metric.ci95),
                    "level": metric.level,
                    "abstained_reason": metric.abstained_reason,
                    "description_en": self.description_en(name),
                }
                for name, metric in self.metrics.items()
            },
            "measures": msgspec.to_builtins(self.measures),
            "contacts": msgspec.to_builtins(self.contacts),
            "summary_en": self.summary_en,
        }


def build_report(
    *,
    measures: Mapping[str, Measure],
    refused: Reason | None,
    gait: GaitClass | None,
    view: View,
    contacts: tuple[LimbContacts, ...],
    angles: tuple[AngleCurve, ...],
) -> GaitReport:
    """Score the measures and put the report together: the one place where it is made."""
    metrics = scores(measures)
    level, reasons = overall(metrics, measures)
    return GaitReport(
        metrics=metrics,
        measures=dict(measures),
        overall_risk_level=level,
        reasons=reasons,
        refusal=None if refused is None else Refusal.of(refused),
        gait=gait,
        view=view,
        contacts=contacts,
        angles=angles,
        processing=Processing(
            video_duration_sec=view.duration_s,
            frames_sampled=view.frames,
            fps_used=view.rate_hz,
        ),
    )


def _other_side(name: str) -> str:
    if name.startswith("left_"):
        return "right_" + name.removeprefix("left_")
    if name.startswith("right_"):
        return "left_" + name.removeprefix("right_")
    return name


def _mirrored(measure: Measure) -> Measure:
    name = _other_side(measure.name)
    if measure.value is None or measure.ci95 is None or not name.endswith(_SIGNED):
        return msgspec.structs.replace(measure, name=name)
    low, high = measure.ci95
    return msgspec.structs.replace(
        measure, name=name, value=0.0 - measure.value, ci95=(0.0 - high, 0.0 - low)
    )
