"""The gait check from pixels to report, on dogs drawn as dots; and the plan it goes by."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge_sdk.analyzers.modes import LiveResult, RunningMode
from edge_sdk.analyzers.stages import GAIT_PLAN, Progress
from edge_sdk.errors import (
    AnalyzerClosed,
    DogNotTracked,
    InferenceTimeout,
    InsufficientFrames,
    InvalidFileType,
    MissingExtra,
    VideoTooLong,
    WrongRunningMode,
)
from edge_sdk.gait import score
from edge_sdk.gait.pipeline import GaitAnalyzer
from edge_sdk.gait.plan import DETECT_EVERY, WIDENING, Costs, choose, fixed_plan, widening
from edge_sdk.gait.results import GaitPolicy, PoseReading
from tests.support.dotted_dogs import dog_bundle, filmed
from tests.support.gait_clips import Clip, Gait, View, make_clip
from tests.support.scripted_models import Picture, ScriptedBundle
from tests.support.videos import open_files, write_video

WIDTH = HEIGHT = 374
EASY = View(fps=20, seconds=6, noise=0.0, far_side=0.0, size_px=110)


def _walk(seed: int = 3, view: View = EASY, **gait: object) -> Clip:
    rng = np.random.default_rng(seed)
    sound = Gait.sound(rng, "walk")
    return make_clip(rng, replace(sound, **gait), view)  # type: ignore[arg-type]


def _frames(clip: Clip, **more: object) -> Iterator[tuple[float, Picture]]:
    return filmed(clip.keypoints, clip.timestamps_ms, WIDTH, HEIGHT, **more)  # type: ignore[arg-type]


def _gait(bundle: ScriptedBundle | None = None, **policy: object) -> GaitAnalyzer:
    # Machines that run tests are busy: time limits have a test of their own.
    limits = GaitPolicy(**{"timeout_ms": None, **policy})  # type: ignore[arg-type]
    return GaitAnalyzer(bundle or dog_bundle(), policy=limits)


@pytest.fixture(scope="module")
def lame() -> Clip:
    return _walk(hind_stance=0.25, hind_reach=0.1)


@pytest.mark.parametrize("faces_left", [False, True])
def test_from_pixels_the_report_is_that_of_the_true_keypoints(faces_left: bool) -> None:
    clip = _walk(hind_stance=0.25, hind_reach=0.1, view=replace(EASY, faces_left=faces_left))
    with _gait() as gait:
        analysis = gait.analyze(_frames(clip))
    off = np.abs(analysis.track.keypoints[..., :2] - clip.keypoints[..., :2])
    assert np.nanmedian(off) < 1.5
    truth = score(clip.keypoints, clip.timestamps_ms)
    for name, metric in analysis.metrics.items():
        assert metric.score == pytest.approx(truth.metrics[name].score, abs=12)
    si = analysis.measures["hind_stance_si"].value
    assert si == pytest.approx(clip.truth.hind_stance_si, abs=8)
    assert analysis.track.summary.found_share == 1
    assert np.all(np.sign(np.cos(analysis.track.headings_rad)) == (-1 if faces_left else 1))


def test_the_report_is_filled_and_serialises_to_the_product_s_json(lame: Clip) -> None:
    with _gait() as gait:
        analysis = gait.analyze(_frames(lame), analysis_id="gait_1")
    made = msgspec.json.decode(msgspec.json.encode(analysis.to_json()))
    keys = ["analysis_id", "job_id", "analyze_at", "processing", "result", "metrics", "artifacts"]
    assert list(made)[:8] == [*keys, "model_version"]
    assert made["processing"] == {
        "analysis_time_ms": made["processing"]["analysis_time_ms"],
        "video_duration_sec": pytest.approx(6.0, abs=0.02),
        "frames_sampled": 120,
        "fps_used": pytest.approx(20, abs=0.1),
    }
    assert made["artifacts"] == {
        "status": "pending",
        "keypoint_overlay_video_url": None,
        "report_image_url": None,
    }
    assert list(made["metrics"]["patella_risk_signal"]) == ["level", "score", "description"]
    assert made["model_version"].startswith("gait_pipeline_v1:dog-pose-2026.11.1:gait-scorer")
    assert made["analysis_id"] == "gait_1"


def test_times_are_told_apart_and_progress_runs_through_the_stages(lame: Clip) -> None:
    told: list[Progress] = []
    with _gait() as gait:
        analysis = gait.analyze(_frames(lame), on_progress=told.append)
    times = analysis.times
    assert times.inference_ms > times.post_ms > 0
    assert times.total_ms >= times.inference_ms + times.post_ms
    stages = list(dict.fromkeys(one.stage for one in told))
    assert stages == [name for name in GAIT_PLAN if name != "ARTIFACT_GENERATION"]
    assert [one.percent for one in told] == sorted(one.percent for one in told)


def test_the_detector_looks_at_every_third_frame_and_the_pose_net_at_all(lame: Clip) -> None:
    bundle = dog_bundle()
    with _gait(bundle) as gait:
        analysis = gait.analyze(_frames(lame))
    frames = len(lame.timestamps_ms)
    assert bundle.stage("pose").pictures == analysis.track.posed == frames
    assert bundle.stage("detector").pictures <= frames / 3 + 3


def test_few_frames_are_held_at_a_time(lame: Clip) -> None:
    import weakref

    class Watched(np.ndarray):  # type: ignore[type-arg]
        """An array that a weak reference can watch."""

    refs: list[weakref.ref[Picture]] = []
    alive: list[int] = []

    def camera() -> Iterator[tuple[float, Picture]]:
        for at, (at_ms, image) in enumerate(_frames(lame)):
            view = image.view(Watched)
            refs.append(weakref.ref(view))
            # Ten frames in the middle show nothing, so that the follower waits longest.
            if 60 <= at < 68:
                view[:] = 60
            yield at_ms, view
            del view, image
            alive.append(sum(ref() is not None for ref in refs))

    with _gait() as gait:
        gait.analyze(camera())
    assert max(alive) <= 9


def test_a_short_gap_is_left_out_and_a_long_one_refused(lame: Clip) -> None:
    def with_gap(first: int, last: int) -> Iterator[tuple[float, Picture]]:
        for at, (at_ms, image) in enumerate(_frames(lame)):
            if first <= at < last:
                image[:] = 60
            yield at_ms, image

    with _gait() as gait:
        track = gait.analyze(with_gap(60, 72)).track
        assert np.isnan(track.keypoints[61:70, :, 0]).all()
        assert np.isfinite(track.scores[77:]).all()
        with pytest.raises(DogNotTracked) as lost:
            gait.analyze(with_gap(60, 88))
    assert (lost.value.code, lost.value.stage) == ("DOG_NOT_TRACKED", "DOG_TRACKING")
    assert lost.value.details["reason"] == "lost"


def test_no_dog_at_all_is_not_tracked(lame: Clip) -> None:
    empty = ((at_ms, np.full((HEIGHT, WIDTH, 3), 60, np.uint8)) for at_ms in lame.timestamps_ms)
    with _gait() as gait, pytest.raises(DogNotTracked):
        gait.analyze(empty)


def test_two_dogs_that_cross_are_refused_and_never_scored() -> None:
    one = _walk(view=replace(EASY, follow=True))
    other = one.keypoints[::-1].copy()
    other[..., 0] += np.linspace(-330, 330, len(other))[:, None]
    other[..., 1] += 25
    aside = np.array([330.0, 0.0, 0.0])
    frames = filmed(
        one.keypoints + aside, one.timestamps_ms, 3 * WIDTH, HEIGHT, others=[other + aside]
    )
    with _gait() as gait, pytest.raises(DogNotTracked) as caught:
        gait.analyze(frames)
    assert caught.value.details["reason"] == "two_dogs"


def test_a_standing_dog_is_followed_but_not_scored() -> None:
    clip = _walk()
    still = np.repeat(clip.keypoints[:1], len(clip.keypoints), axis=0)
    with _gait() as gait:
        report = gait.analyze(filmed(still, clip.timestamps_ms, WIDTH, HEIGHT)).report
    assert report.abstained
    assert report.refusal is not None
    assert all(metric.score is None for metric in report.metrics.values())


# --- refusals of files and limits ------------------------------------------------------------
def test_bad_files_have_the_gait_check_s_codes(tmp_path: Path) -> None:
    html = tmp_path / "a.mp4"
    html.write_bytes(b"<html>no</html>" * 50)
    grey = np.full((96, 160, 3), 90, np.uint8)
    long = write_video(tmp_path / "b.mp4", [grey] * 56, fps=5)
    short = write_video(tmp_path / "c.mp4", [grey] * 40, fps=30)
    before = open_files()
    with _gait() as gait:
        with pytest.raises(InvalidFileType) as wrong:
            gait.analyze(html)
        with pytest.raises(VideoTooLong) as too_long:
            gait.analyze(long)
        with pytest.raises(InsufficientFrames) as few:
            gait.analyze(short)
        with pytest.raises(InsufficientFrames):
            gait.analyze(iter([]))
    assert open_files() == before
    assert (wrong.value.code, wrong.value.stage) == ("INVALID_FILE_TYPE", "VALIDATING")
    assert wrong.value.details == {"reason": "not_a_video", "allowed": ["video/mp4"]}
    assert too_long.value.code == "VIDEO_TOO_LONG"
    assert few.value.to_json() == {
        "code": "INSUFFICIENT_FRAMES",
        "message": "분석에 필요한 보행 장면이 부족합니다. 5~10초 정도 다시 촬영해 주세요.",
        "details": {"min_frames": 60, "frames": 40},
    }


def test_too_much_time_ends_with_its_code(lame: Clip) -> None:
    policy = GaitPolicy(timeout_ms=1.0)
    with GaitAnalyzer(dog_bundle(), policy=policy) as gait, pytest.raises(InferenceTimeout) as one:
        gait.analyze(_frames(lame))
    assert one.value.code == "INFERENCE_TIMEOUT"
    assert one.value.stage in ("DOG_TRACKING", "KEYPOINT_ESTIMATION")


def test_a_file_is_scored_like_its_frames(tmp_path: Path, lame: Clip) -> None:
    pictures = [image for _, image in _frames(lame)]
    options = {"crf": "4"}
    path = write_video(tmp_path / "walk.mp4", pictures, fps=20, pix_fmt="yuv444p", options=options)
    with _gait() as gait:
        from_file = gait.analyze(path)
        from_frames = gait.analyze(_frames(lame))
    assert from_file.times.decode_ms > 0
    for name, metric in from_file.metrics.items():
        assert metric.score == pytest.approx(from_frames.metrics[name].score, abs=12)


def test_a_budget_is_planned_with_measured_times(tmp_path: Path, lame: Clip) -> None:
    path = write_video(tmp_path / "walk.mp4", [image for _, image in _frames(lame)], fps=20)
    with _gait(min_frames=30) as gait:
        rich = gait.analyze(path, budget_ms=600_000).plan
        poor = gait.analyze(path, budget_ms=1).plan
    assert (rich.fps, rich.within_budget) == (pytest.approx(20, abs=0.1), True)
    assert (poor.fps, poor.within_budget) == (10, False)
    assert poor.detect_every == DETECT_EVERY[-1]
    assert poor.widening_worst > rich.widening_worst >= 1
    assert rich.costs is not None
    assert min(rich.costs.detect_ms, rich.costs.pose_ms) > 0


# --- the plan --------------------------------------------------------------------------------
def test_the_plan_takes_the_most_frames_that_fit_the_budget() -> None:
    costs = Costs(decode_ms=1.0, detect_ms=12.0, pose_ms=10.0)
    plans = [choose(costs, 30.0, 10_000.0, budget) for budget in (9e9, 4_500, 3_000, 2_000, 10)]
    assert [plan.fps for plan in plans] == sorted((plan.fps for plan in plans), reverse=True)
    assert plans[0].detect_every == DETECT_EVERY[0]
    for plan in plans[:-1]:
        assert plan.within_budget
        assert plan.expected_ms is not None
        assert plan.expected_ms <= (plan.budget_ms or 0)
    assert not plans[-1].within_budget
    assert [p.widening_worst for p in plans] == sorted(p.widening_worst for p in plans)


def test_the_expected_time_counts_every_decoded_frame() -> None:
    plan = choose(Costs(decode_ms=2.0, detect_ms=0.0, pose_ms=10.0), 30.0, 10_000.0, 9e9)
    assert plan.expected_ms == pytest.approx(300 * 2 + 300 * 10)


def test_widening_is_measured_at_its_nodes_and_grows_as_rates_fall() -> None:
    for rate, factors in WIDENING.items():
        assert widening(rate) == pytest.approx(factors)
    worst = [widening(rate)[1] for rate in np.linspace(8, 70, 60)]
    assert np.all(np.diff(worst) <= 0)
    assert fixed_plan(30.0, 3, source_fps=12.0).widening_worst == WIDENING[12.0][1]


# --- modes -----------------------------------------------------------------------------------
def test_frames_of_a_video_build_up_a_report(lame: Clip) -> None:
    with _gait() as gait:
        assert gait.report().abstained
        for at, (at_ms, image) in enumerate(_frames(lame)):
            reading = gait.detect_for_video(image, at_ms)
            if at == 20:
                assert gait.report().abstained
        assert reading.keypoints is not None
        assert np.median(np.abs(reading.keypoints - lame.keypoints[-1])[:, :2]) < 1.5
        assert not gait.report().abstained
        with pytest.raises(WrongRunningMode):
            gait.detect(image)
        gait.reset()
        assert gait.report().abstained
        gait.detect_for_video(image, 0)


def test_a_picture_gives_the_dog_and_its_pose(lame: Clip) -> None:
    _, image = next(_frames(lame))
    with GaitAnalyzer(dog_bundle(), running_mode=RunningMode.IMAGE) as gait:
        reading = gait.detect(image)
        nothing = gait.detect(np.full((64, 64, 3), 60, np.uint8))
    assert reading.dog is not None
    assert reading.dog.score == pytest.approx(0.9, abs=0.01)
    assert (nothing.dog, nothing.keypoints) == (None, None)
    with pytest.raises(AnalyzerClosed):
        gait.detect(image)


def test_live_frames_are_followed_and_scored(lame: Clip) -> None:
    last, done = float(lame.timestamps_ms[30]), threading.Event()
    results: list[LiveResult[PoseReading]] = []

    def take(result: LiveResult[PoseReading]) -> None:
        results.append(result)
        if result.timestamp_ms == last:
            done.set()

    live = RunningMode.LIVE_STREAM
    with GaitAnalyzer(dog_bundle(), running_mode=live, on_result=take) as gait:
        for at_ms, image in _frames(lame):
            gait.detect_async(image, at_ms)
            if at_ms == last:
                break
        assert done.wait(30)
        assert gait.report().abstained
    assert all(result.error is None for result in results)


# --- pictures of the report ------------------------------------------------------------------
def test_failing_pictures_leave_the_scores(
    tmp_path: Path, lame: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    import edge_sdk.artifacts.writing as writing

    def broken(*_: object) -> None:
        raise MissingExtra("PIL", "artifacts")

    monkeypatch.setattr(writing, "write_artifacts", broken)
    with _gait() as gait:
        analysis = gait.analyze(_frames(lame), artifacts_dir=tmp_path)
    assert analysis.report.artifacts.status == "failed"
    assert analysis.metrics["gait_balance"].score is not None
    assert analysis.files == ()
