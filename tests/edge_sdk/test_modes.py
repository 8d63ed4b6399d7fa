"""Running modes: the right method, rising times, a queue that drops the oldest, closing."""

import threading
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from edge_sdk.analyzers.modes import LiveResult, ModeGate, RunningMode
from edge_sdk.analyzers.stages import (
    FACE_PLAN,
    GAIT_PLAN,
    MISSION_PLAN,
    Plan,
    Progress,
    StageRunner,
)
from edge_sdk.errors import (
    AnalyzerClosed,
    FaceNotDetected,
    InferenceTimeout,
    InvalidImage,
    TimestampsNotRising,
    WrongRunningMode,
)
from edge_sdk.media.frames import Image

PICTURE = np.zeros((20, 20, 3), np.uint8)
IMAGE, VIDEO, LIVE = RunningMode.IMAGE, RunningMode.VIDEO, RunningMode.LIVE_STREAM


def _gate(mode: RunningMode) -> ModeGate[float]:
    callback = (lambda result: None) if mode is LIVE else None
    return ModeGate(mode, lambda image, at: -1.0 if at is None else at, callback)


CALLS: dict[RunningMode, Callable[[ModeGate[float], float], object]] = {
    IMAGE: lambda gate, at: gate.image(PICTURE),
    VIDEO: lambda gate, at: gate.video(PICTURE, at),
    LIVE: lambda gate, at: gate.live(PICTURE, at),
}


@pytest.mark.parametrize("mode", list(RunningMode))
def test_only_the_mode_s_own_method_is_taken(mode: RunningMode) -> None:
    with _gate(mode) as gate:
        for other, call in CALLS.items():
            if other is mode:
                call(gate, 0)
            else:
                with pytest.raises(WrongRunningMode, match=f"running mode {other}.*in {mode}"):
                    call(gate, 0)


@pytest.mark.parametrize("mode", list(RunningMode))
def test_a_callback_belongs_to_the_live_stream_and_only_to_it(mode: RunningMode) -> None:
    wrong = None if mode is LIVE else lambda result: None
    with pytest.raises(WrongRunningMode, match="callback"):
        ModeGate(mode, lambda image, at: 0.0, wrong)


@pytest.mark.parametrize("mode", [VIDEO, LIVE])
def test_timestamps_must_rise_and_zero_is_one(mode: RunningMode) -> None:
    with _gate(mode) as gate:
        CALLS[mode](gate, 0)
        for bad in (0, -5, float("nan")):
            with pytest.raises(TimestampsNotRising):
                CALLS[mode](gate, bad)
        CALLS[mode](gate, 0.5)


def test_a_refused_picture_does_not_use_up_its_time() -> None:
    with _gate(VIDEO) as gate:
        with pytest.raises(InvalidImage):
            gate.video(np.zeros((20, 20), np.uint8), 10)
        assert gate.video(PICTURE, 10) == 10


@pytest.mark.parametrize("mode", list(RunningMode))
def test_a_closed_gate_refuses_and_closes_twice(mode: RunningMode) -> None:
    gate = _gate(mode)
    gate.close()
    gate.close()
    with pytest.raises(AnalyzerClosed):
        CALLS[mode](gate, 0)


def test_a_new_video_may_begin_at_zero_again() -> None:
    with _gate(VIDEO) as gate:
        gate.video(PICTURE, 100)
        gate.restart()
        assert gate.video(PICTURE, 0) == 0


def test_the_gate_serialises_calls_of_many_threads() -> None:
    inside = 0
    seen: list[int] = []

    def read(image: Image, at: float | None) -> float:
        nonlocal inside
        inside += 1
        seen.append(inside)
        threading.Event().wait(0.002)
        inside -= 1
        return 0.0

    with ModeGate(IMAGE, read) as gate:
        threads = [
            threading.Thread(target=lambda: [gate.image(PICTURE) for _ in range(5)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert seen == [1] * 20


class _Stuck:
    """A reader that waits in its first frame until it is let go."""

    def __init__(self) -> None:
        self.entered, self.go = threading.Event(), threading.Event()
        self.read_at: list[float] = []

    def __call__(self, image: Image, at: float | None) -> float:
        assert at is not None
        self.read_at.append(at)
        self.entered.set()
        assert self.go.wait(10)
        if at == 99:
            raise ValueError("frame 99")
        return at


def test_a_full_queue_drops_the_oldest_and_answers_in_order() -> None:
    stuck, answers, done = _Stuck(), [], threading.Event()

    def take(result: LiveResult[float]) -> None:
        answers.append(result.reading)
        if result.timestamp_ms == 5:
            done.set()

    with ModeGate(LIVE, stuck, take, queue_size=2) as gate:
        gate.live(PICTURE, 0)
        assert stuck.entered.wait(10)
        for at in range(1, 6):
            gate.live(PICTURE, at)
        assert gate.dropped == 3
        stuck.go.set()
        assert done.wait(10)
    assert answers == [0, 4, 5]


def test_an_error_is_delivered_and_the_stream_goes_on() -> None:
    stuck, results, done = _Stuck(), [], threading.Event()
    stuck.go.set()

    def take(result: LiveResult[float]) -> None:
        results.append(result)
        if result.timestamp_ms == 100:
            done.set()

    with ModeGate(LIVE, stuck, take, queue_size=4) as gate:
        gate.live(PICTURE, 99)
        gate.live(PICTURE, 100)
        assert done.wait(10)
    assert [(r.reading, str(r.error or "")) for r in results] == [(None, "frame 99"), (100, "")]


def test_a_callback_that_fails_is_logged_and_the_stream_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stuck, done, count = _Stuck(), threading.Event(), []
    stuck.go.set()

    def take(result: LiveResult[float]) -> None:
        count.append(1)
        if result.timestamp_ms == 0:
            raise RuntimeError("the app's own fault")
        done.set()

    with ModeGate(LIVE, stuck, take, queue_size=4) as gate:
        gate.live(PICTURE, 0)
        gate.live(PICTURE, 1)
        assert done.wait(10)
    assert "callback failed" in caplog.text
    assert len(count) == 2


def test_closing_drops_what_waits_and_ends_the_thread() -> None:
    stuck, answers = _Stuck(), []
    gate = ModeGate(LIVE, stuck, lambda result: answers.append(result.reading), queue_size=8)
    gate.live(PICTURE, 0)
    assert stuck.entered.wait(10)
    gate.live(PICTURE, 1)
    closer = threading.Thread(target=gate.close)
    closer.start()
    stuck.go.set()
    closer.join(10)
    assert not closer.is_alive()
    assert stuck.read_at == [0]
    assert answers == [0]


def test_the_callback_may_close_its_own_gate() -> None:
    done = threading.Event()
    gates: list[ModeGate[float]] = []

    def take(result: LiveResult[float]) -> None:
        gates[0].close()
        done.set()

    gates.append(ModeGate(LIVE, lambda image, at: 0.0, take))
    gates[0].live(PICTURE, 0)
    assert done.wait(10)


# --- stages ----------------------------------------------------------------------------------
@pytest.mark.parametrize("plan", [FACE_PLAN, GAIT_PLAN, MISSION_PLAN])
def test_a_plan_s_stages_follow_one_another_to_a_hundred(plan: Plan) -> None:
    told: list[Progress] = []
    runner = StageRunner(plan, told.append)
    for name in plan:
        with runner.stage(name):
            runner.step(0.5)
    percents = [progress.percent for progress in told]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert list(dict.fromkeys(progress.stage for progress in told)) == list(plan)
    stages = list(plan.values())
    assert all(one.end == two.start for one, two in pairwise(stages))


def test_an_error_says_in_which_stage_it_came() -> None:
    runner = StageRunner(FACE_PLAN)
    with pytest.raises(FaceNotDetected) as caught, runner.stage("FACE_DETECTION"):
        runner.step(0.75)
        raise FaceNotDetected("no face")
    assert (caught.value.stage, caught.value.percent) == ("FACE_DETECTION", 40)


def test_a_time_limit_ends_the_analysis_with_its_code() -> None:
    runner = StageRunner(GAIT_PLAN, timeout_ms=0)
    with pytest.raises(InferenceTimeout) as caught, runner.stage("KEYPOINT_ESTIMATION"):
        runner.step(0.1)
    assert caught.value.code == "INFERENCE_TIMEOUT"
    assert caught.value.details == {"timeout_ms": 0}


def test_times_of_a_kind_add_up_and_artifacts_stay_apart() -> None:
    runner = StageRunner(GAIT_PLAN)
    for kind, ms in (("decode", 3.0), ("decode", 4.0), ("inference", 5.0), ("artifacts", 1e6)):
        runner.spent(kind, ms)
    times = runner.times()
    assert (times.decode_ms, times.inference_ms, times.post_ms) == (7.0, 5.0, 0.0)
    assert times.artifacts_ms == 1e6
    assert times.total_ms < 1e6
