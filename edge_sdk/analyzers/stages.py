"""Stages of a pipeline: progress in the product's words, times apart, errors that know where.

Stage names, percentages and messages are those of the product's job protocol, so that a server
passes them on as they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import msgspec

from edge_sdk.errors import AnalysisError, InferenceTimeout


class Progress(msgspec.Struct, frozen=True):
    """One step of progress: stage, percent of the whole 0..100, and a sentence for the owner."""

    stage: str
    percent: int
    message: str


class StageTimes(msgspec.Struct, frozen=True):
    """Where the time of an analysis went, ms.

    `post_ms` is everything between models and result (tracking, smoothing, scores); `total_ms` is
    wall time without artifacts.
    """

    decode_ms: float = 0.0
    inference_ms: float = 0.0
    post_ms: float = 0.0
    artifacts_ms: float = 0.0
    total_ms: float = 0.0


class Stage(msgspec.Struct, frozen=True):
    """A stage of a plan: where it begins and ends in percent, and what the owner reads."""

    start: int
    end: int
    message: str


Plan = Mapping[str, Stage]

FACE_PLAN: Final[Plan] = {
    "VALIDATING": Stage(0, 10, "입력 정보를 검증하고 있습니다."),
    "FETCHING_VIDEO": Stage(10, 25, "영상을 불러오고 있습니다."),
    "FACE_DETECTION": Stage(25, 45, "반려견 얼굴을 탐지하고 있습니다."),
    "FRAME_SELECTION": Stage(45, 60, "대표 프레임을 선택하고 있습니다."),
    "EMOTION_INFERENCE": Stage(60, 80, "반려견의 감정을 분석하고 있습니다."),
    "NARRATION_GENERATOR": Stage(80, 88, "반려견의 마음을 말로 표현하고 있습니다."),
    "RESULT_PARSING": Stage(88, 95, "결과를 정리하고 있습니다."),
    "FINALIZING": Stage(95, 100, "결과를 저장하고 있습니다."),
}
GAIT_PLAN: Final[Plan] = {
    "VALIDATING": Stage(1, 8, "입력/정책을 검증하고 있습니다."),
    "FETCHING_VIDEO": Stage(8, 20, "영상을 불러오고 있습니다."),
    "SAMPLING_FRAMES": Stage(20, 35, "프레임을 추출하고 있습니다."),
    "DOG_TRACKING": Stage(35, 50, "반려견을 인식/추적하고 있습니다."),
    "KEYPOINT_ESTIMATION": Stage(50, 80, "키포인트를 추정하고 있습니다."),
    "METRIC_SCORING": Stage(80, 92, "지표를 계산하고 있습니다."),
    "ARTIFACT_GENERATION": Stage(92, 99, "리포트 영상을 생성하고 있습니다."),
    "FINALIZING": Stage(99, 100, "결과를 정리하고 있습니다."),
}
MISSION_PLAN: Final[Plan] = {
    "VALIDATING": Stage(0, 10, "입력 정보를 확인하고 있습니다."),
    "FETCHING_VIDEO": Stage(10, 25, "영상을 불러오고 있습니다."),
    "MISSION_INFERENCE": Stage(25, 85, "미션 수행 여부를 판정 중입니다."),
    "RESULT_PARSING": Stage(85, 95, "분석 결과를 정리하고 있습니다."),
    "FINALIZING": Stage(95, 100, "결과를 저장하고 있습니다."),
}


class StageRunner:
    """Runs the stages of one analysis: tells progress, adds up times, keeps to a time limit."""

    def __init__(
        self,
        plan: Plan,
        on_progress: Callable[[Progress], None] | None = None,
        timeout_ms: float | None = None,
    ) -> None:
        """Follow `plan`; raise `InferenceTimeout` from `step` after `timeout_ms`."""
        self._plan = plan
        self._tell = on_progress
        self._timeout_ms = timeout_ms
        self._started = time.perf_counter()
        self._spent_ms: dict[str, float] = {}
        self._shown = -1
        self._told = ("", -1)
        self._stage = ""

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Run a stage; an `AnalysisError` leaves it with the stage's name and percent."""
        self._stage = name
        self._show(self._plan[name].start)
        try:
            yield
        except AnalysisError as error:
            if error.stage is None:
                error.stage, error.percent = name, max(self._shown, self._plan[name].start)
            raise
        self._show(self._plan[name].end)

    def step(self, share: float) -> None:
        """Tell that `share` (0..1) of the running stage is done, and check the time."""
        elapsed_ms = 1000 * (time.perf_counter() - self._started)
        if self._timeout_ms is not None and elapsed_ms > self._timeout_ms:
            raise InferenceTimeout(
                f"{elapsed_ms / 1000:.1f} s, {self._timeout_ms / 1000:g} s at most; "
                "choose a cheaper plan (fewer frames a second) or a shorter video",
                timeout_ms=round(self._timeout_ms),
            )
        stage = self._plan[self._stage]
        self._show(stage.start + int((stage.end - stage.start) * min(max(share, 0.0), 1.0)))

    @contextmanager
    def timed(self, kind: str) -> Iterator[None]:
        """Add the time of a block to `kind`: decode, inference, post or artifacts."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.spent(kind, 1000 * (time.perf_counter() - started))

    def spent(self, kind: str, ms: float) -> None:
        """Add measured time to a kind."""
        self._spent_ms[kind] = self._spent_ms.get(kind, 0.0) + ms

    def times(self) -> StageTimes:
        """What was spent until now."""
        artifacts = self._spent_ms.get("artifacts", 0.0)
        total = 1000 * (time.perf_counter() - self._started)
        return StageTimes(
            decode_ms=self._spent_ms.get("decode", 0.0),
            inference_ms=self._spent_ms.get("inference", 0.0),
            post_ms=self._spent_ms.get("post", 0.0),
            artifacts_ms=artifacts,
            total_ms=total - artifacts,
        )

    def _show(self, percent: int) -> None:
        # Percent never goes back, and nothing is told twice.
        self._shown = max(self._shown, percent)
        now = (self._stage, self._shown)
        if self._tell is not None and now != self._told:
            self._told = now
            self._tell(Progress(*now, self._plan[self._stage].message))
