"""Gait from video to scores, then pictures: the product's JSON and its codes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_sdk.bundle.loader import ModelBundle
from edge_sdk.gait.pipeline import GaitAnalyzer
from edge_sdk.gait.results import GaitPolicy
from edge_sdk.media.video import VideoFile
from sync_server.ai.contract import JobRequest, Policy, RequestMeta
from sync_server.ai.cpu import healthcare
from sync_server.ai.cpu.bundles import SHIPPED
from sync_server.ai.cpu.files import load, save
from sync_server.ai.healthcare.pipeline import GAIT_ANALYSIS
from sync_server.ai.stages import StageFailed
from tests.support.clips import LAME, SIT, WALK, first_frames, no_dog, web_page
from tests.support.run_pipeline import OneWorker, Ran, bench
from tests.support.videos import grey_pictures, write_video

pytestmark = pytest.mark.anyio
METRICS = {
    "patella_risk_signal", "gait_balance", "knee_mobility", "gait_stability", "gait_rhythm",
}  # fmt: skip


def failure(ran: Ran) -> tuple[str, str, int | None]:
    """Code, stage and percent of a job that failed."""
    told = ran.outcomes[0].failure
    assert told is not None
    return told["code"], told["stage"], told["percent"]


async def test_a_walk_becomes_the_products_result_and_its_pictures(
    tmp_path: Path, cpu: OneWorker
) -> None:
    async with bench(tmp_path, cpu) as made:
        request = JobRequest("abc123", video_url=await made.put_media(WALK))
        ran = await made.run(GAIT_ANALYSIS, request, twice=True)
        overlay = made.store_folder / "artifacts/abc123/overlay.mp4"
        with VideoFile(overlay) as drawn:
            assert drawn.info.frame_count == ran.done["processing"]["frames_sampled"]
        assert Image.open(made.store_folder / "artifacts/abc123/report.png").width > 400
    result = ran.done
    assert set(result) == {
        "analysis_id", "job_id", "analyze_at", "processing", "result", "metrics", "artifacts",
        "model_version", "details",
    }  # fmt: skip
    assert (result["analysis_id"], result["job_id"]) == ("gait_abc123", "abc123")
    assert set(result["processing"]) == {
        "analysis_time_ms", "video_duration_sec", "frames_sampled", "fps_used",
    }  # fmt: skip
    assert result["processing"]["analysis_time_ms"] == 1_000
    assert set(result["metrics"]) == METRICS
    assert set(result["metrics"]["patella_risk_signal"]) == {"level", "score", "description"}
    assert all(0 <= result["metrics"][name]["score"] <= 100 for name in METRICS)
    assert result["result"]["overall_risk_level"] in ("low", "medium", "high")
    assert result["artifacts"] == {
        "status": "pending", "keypoint_overlay_video_url": None, "report_image_url": None,
    }  # fmt: skip
    second = ran.second
    assert second is not None
    assert second["artifacts"]["status"] == "ready"
    address = second["artifacts"]["keypoint_overlay_video_url"]
    assert "/api/artifacts/abc123/overlay.mp4?" in address
    assert {**second, "artifacts": None, "details": None} == {
        **result, "artifacts": None, "details": None,
    }  # fmt: skip
    ran.check_progress(GAIT_ANALYSIS)
    starts = [(stage.name, stage.percents[0], stage.ko) for stage in GAIT_ANALYSIS.stages]
    assert starts == [
        ("VALIDATING", 1, "입력/정책을 검증하고 있습니다."),
        ("FETCHING_VIDEO", 8, "영상을 불러오고 있습니다."),
        ("SAMPLING_FRAMES", 20, "프레임을 추출하고 있습니다."),
        ("DOG_TRACKING", 35, "반려견을 인식/추적하고 있습니다."),
        ("KEYPOINT_ESTIMATION", 50, "키포인트를 추정하고 있습니다."),
        ("METRIC_SCORING", 80, "지표를 계산하고 있습니다."),
        ("FINALIZING", 99, "결과를 정리하고 있습니다."),
    ]
    inside = [one for one in ran.told if one.stage == "KEYPOINT_ESTIMATION"]
    assert len(inside) >= 2, "a long stage tells how far it is"


async def test_the_stages_find_what_the_phone_finds(tmp_path: Path, cpu: OneWorker) -> None:
    async with bench(tmp_path, cpu) as made:
        meta = RequestMeta(analysis_id="analysis_7")
        request = JobRequest("j1", video_url=await made.put_media(LAME), meta=meta)
        ran = await made.run(GAIT_ANALYSIS, request)
    with ModelBundle.load(SHIPPED / "dog-pose") as poses, GaitAnalyzer(poses) as phone:
        there = phone.analyze(LAME).to_json()
    here = ran.done
    assert here["analysis_id"] == "analysis_7"
    assert here["metrics"] == there["metrics"]
    assert here["result"] == there["result"]
    assert here["model_version"] == there["model_version"]


async def test_words_are_english_for_who_asks_in_english(tmp_path: Path, cpu: OneWorker) -> None:
    async with bench(tmp_path, cpu) as made:
        request = JobRequest("j1", video_url=await made.put_media(WALK), language="en")
        ran = await made.run(GAIT_ANALYSIS, request)
    texts = [ran.done["result"]["summary"]]
    texts += [ran.done["metrics"][name]["description"] for name in METRICS]
    texts += [one.message for one in ran.told]
    assert all(text.isascii() and text for text in texts)


async def test_what_cannot_be_judged_is_null_with_its_reason(
    tmp_path: Path, cpu: OneWorker
) -> None:
    async with bench(tmp_path, cpu) as made:
        request = JobRequest("j1", video_url=await made.put_media(SIT))
        ran = await made.run(GAIT_ANALYSIS, request)
    assert ran.done["result"]["overall_risk_level"] is None
    assert all(ran.done["metrics"][name]["score"] is None for name in METRICS)
    assert all(ran.done["metrics"][name]["description"] for name in METRICS)
    assert ran.done["details"]["refusal"] is not None
    assert ran.second is not None and ran.second["artifacts"]["status"] == "ready"


async def test_videos_that_will_not_do_are_refused_with_the_products_codes(
    tmp_path: Path, cpu: OneWorker
) -> None:
    long = write_video(tmp_path / "long.mp4", grey_pictures(120, 64, 48), fps=10)
    async with bench(tmp_path, cpu) as made:
        refused = [
            failure(
                await made.run(
                    GAIT_ANALYSIS, JobRequest(f"j{at}", video_url=await made.put_media(path))
                )
            )
            for at, path in enumerate(
                (
                    first_frames(tmp_path / "short.mp4", WALK, 45),
                    no_dog(tmp_path / "empty.mp4"),
                    long,
                    web_page(tmp_path / "page.mp4"),
                )
            )
        ]
    assert refused == [
        ("INSUFFICIENT_FRAMES", "SAMPLING_FRAMES", 28),
        ("DOG_NOT_TRACKED", "DOG_TRACKING", 44),
        ("VIDEO_TOO_LONG", "FETCHING_VIDEO", 15),
        ("INVALID_FILE_TYPE", "FETCHING_VIDEO", 15),
    ]


async def test_requests_that_will_not_do_are_refused(tmp_path: Path, cpu: OneWorker) -> None:
    async with bench(tmp_path, cpu) as made:
        walk = await made.put_media(WALK)
        wide = await made.run(GAIT_ANALYSIS, JobRequest("j1", video_url=walk, policy=Policy(11)))
        none = await made.run(GAIT_ANALYSIS, JobRequest("j2"))
        gone = await made.run(GAIT_ANALYSIS, JobRequest("j3", video_url=made.link("g" * 32)))
    assert failure(wide) == ("VIDEO_TOO_LONG", "VALIDATING", 2)
    assert wide.failed.ko == "영상 길이가 너무 깁니다. 10초 이하로 업로드해 주세요."
    assert wide.failed.details == {"max_duration_sec": 10}
    assert failure(none)[0] == "INVALID_REQUEST"
    assert gone.failed.code == "VIDEO_FETCH_FAILED" and gone.failed.system


async def test_a_slow_machine_is_told_as_such(tmp_path: Path) -> None:
    hurried = OneWorker(patience=1e-5)
    try:
        async with bench(tmp_path, hurried) as made:
            request = JobRequest("j1", video_url=await made.put_media(WALK))
            ran = await made.run(GAIT_ANALYSIS, request)
    finally:
        hurried.close()
    assert ran.failed.code == "INFERENCE_TIMEOUT" and ran.failed.system
    assert ran.failed.details == {"timeout_ms": 15_000}
    assert ran.failed.ko == "분석 시간이 초과되었습니다. 잠시 후 다시 시도해 주세요."


async def test_the_backends_policy_is_how_the_video_is_read(tmp_path: Path, cpu: OneWorker) -> None:
    async with bench(tmp_path, cpu) as made:
        walk = await made.put_media(WALK)
        policy = Policy(max_duration_sec=10, target_fps=12, max_resolution=180)
        ran = await made.run(GAIT_ANALYSIS, JobRequest("j1", video_url=walk, policy=policy))
    assert ran.done["processing"]["frames_sampled"] == pytest.approx(96, abs=2)
    state = ran.outcomes[0].state
    assert state is not None and state["sampled"]["width_px"] == 320


async def test_pictures_that_fail_leave_the_scores_be(tmp_path: Path, cpu: OneWorker) -> None:
    def no_folder(stage: str, folder: Path) -> None:
        if stage == "ARTIFACT_GENERATION":
            # A file where the drawings would go: nothing can be drawn there.
            (folder / "drawing").write_text("")

    async with bench(tmp_path, cpu) as made:
        request = JobRequest("j1", video_url=await made.put_media(WALK))
        ran = await made.run(GAIT_ANALYSIS, request, before=no_folder)
        assert not [key for key in made.stored() if key.startswith("artifacts/")]
    second = ran.second
    assert second is not None
    assert second["artifacts"] == {
        "status": "failed", "keypoint_overlay_video_url": None, "report_image_url": None,
    }  # fmt: skip
    assert second["metrics"] == ran.done["metrics"]


async def test_what_a_killed_drawing_has_left_is_no_hindrance(
    tmp_path: Path, cpu: OneWorker
) -> None:
    def half_drawn(stage: str, folder: Path) -> None:
        if stage == "ARTIFACT_GENERATION":
            (folder / "drawing").mkdir()
            (folder / "drawing" / ".half.mp4").write_bytes(b"half")
            (folder / "drawing" / "overlay.mp4").write_bytes(b"half")

    async with bench(tmp_path, cpu) as made:
        request = JobRequest("j1", video_url=await made.put_media(WALK))
        ran = await made.run(GAIT_ANALYSIS, request, before=half_drawn)
        with VideoFile(made.store_folder / "artifacts/j1/overlay.mp4") as drawn:
            assert drawn.info.frame_count == ran.done["processing"]["frames_sampled"]
    assert ran.second is not None and ran.second["artifacts"]["status"] == "ready"


async def test_a_stage_on_another_machine_makes_anew_what_it_needs(
    tmp_path: Path, cpu: OneWorker
) -> None:
    lost_before = {"METRIC_SCORING", "ARTIFACT_GENERATION"}

    def lose_all(stage: str, folder: Path) -> None:
        for path in folder.iterdir() if stage in lost_before else ():
            path.unlink()

    async with bench(tmp_path, cpu) as made:
        walk = await made.put_media(WALK)
        ran = await made.run(GAIT_ANALYSIS, JobRequest("j1", video_url=walk), before=lose_all)
    assert ran.done["result"]["overall_risk_level"] == "low"
    assert ran.second is not None and ran.second["artifacts"]["status"] == "ready"
    assert cpu.calls.count("sync_server.ai.cpu.healthcare:follow_dog") == 3


def test_a_dog_without_joints_is_not_judged(tmp_path: Path) -> None:
    track, poses = tmp_path / "track.npz", tmp_path / "poses.npz"
    sampling = {"max_fps": 30.0}
    healthcare.follow_dog(str(WALK), sampling, 240, str(track), "", str(tmp_path / "share"))
    summary, arrays = load(track, dict)
    arrays["scores"][40:] = np.nan
    save(track, summary, arrays)
    with pytest.raises(StageFailed) as refused:
        healthcare.estimate_keypoints(
            str(WALK), sampling, str(track), str(poses), "", str(tmp_path / "share")
        )
    assert (refused.value.code, refused.value.percent) == ("DOG_NOT_TRACKED", 70)
    assert refused.value.ko.startswith("키포인트를 안정적으로 추정하지 못했습니다.")
    assert refused.value.details["valid_frames"] == 40
    assert not poses.exists()


def test_following_and_posing_apart_is_one_reading(tmp_path: Path) -> None:
    policy = GaitPolicy(decode_threads=1)
    with (
        ModelBundle.load(SHIPPED / "dog-pose") as bundle,
        GaitAnalyzer(bundle, policy=policy) as phone,
    ):
        together = phone.analyze(WALK, span_ms=None).track
        apart = phone.poses(WALK, phone.follow(WALK))
    np.testing.assert_array_equal(apart.timestamps_ms, together.timestamps_ms)
    np.testing.assert_array_equal(apart.boxes_xyxy_px, together.boxes_xyxy_px)
    np.testing.assert_allclose(apart.keypoints, together.keypoints, atol=1e-3)
    assert apart.summary == together.summary
