"""Overlay video and report picture: what they show, and that they never cost the analysis."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge_sdk.analyzers.stages import StageTimes
from edge_sdk.artifacts import palette, words
from edge_sdk.artifacts.overlay import Painter, contact_spans, write_overlay
from edge_sdk.artifacts.palette import LEFT, RIGHT, Typeface
from edge_sdk.artifacts.report_image import write_report_image
from edge_sdk.artifacts.writing import write_artifacts
from edge_sdk.errors import MissingExtra
from edge_sdk.gait import METRICS, GaitReport, score
from edge_sdk.gait.plan import GaitPlan
from edge_sdk.gait.posing import PoseTrack
from edge_sdk.gait.results import GaitAnalysis
from edge_sdk.gait.tracking import TrackSummary
from edge_sdk.media.frames import MemorySource
from edge_sdk.media.video import VideoFile
from tests.support.gait_clips import Clip, Gait, View, make_clip
from tests.support.videos import open_files, write_video

PIL = pytest.importorskip("PIL")
pytest.importorskip("av")
WIDTH, HEIGHT = 480, 400


@pytest.fixture(scope="module")
def clip() -> Clip:
    rng = np.random.default_rng(3)
    view = View(fps=20, seconds=5.5, noise=0.0, far_side=0.0, size_px=120)
    return make_clip(rng, Gait.sound(rng, "walk"), view)


@pytest.fixture(scope="module")
def report(clip: Clip) -> GaitReport:
    made = score(clip.keypoints, clip.timestamps_ms)
    assert not made.abstained
    return made


@pytest.fixture(scope="module")
def track(clip: Clip) -> PoseTrack:
    xy = clip.keypoints[..., :2]
    count = len(xy)
    return PoseTrack(
        clip.keypoints,
        clip.timestamps_ms,
        np.concatenate([xy.min(axis=1), xy.max(axis=1)], axis=1),
        np.zeros(count),
        np.full(count, 0.9),
        TrackSummary(count, count, 1.0, 50.0, 0, 0.0, 0.0),
    )


def _grey() -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 3), 128, np.uint8)


def _near(image: np.ndarray, colour: tuple[int, int, int], within: int = 40) -> int:
    return int((np.abs(image.astype(int) - colour).max(axis=-1) < within).sum())


def _analysis(report: GaitReport, track: PoseTrack) -> GaitAnalysis:
    plan = GaitPlan(fps=30.0, detect_every=3)
    return GaitAnalysis(report, track, plan, StageTimes(), (WIDTH, HEIGHT))


# --- overlay ---------------------------------------------------------------------------------
def test_left_and_right_have_their_own_colour_where_their_paws_are(
    report: GaitReport, track: PoseTrack
) -> None:
    painted = Painter(track, report, legend=False).paint(_grey(), float(track.timestamps_ms[60]))
    assert _near(painted, LEFT) > 60
    assert _near(painted, RIGHT) > 60
    for keypoint, colour in ((0, LEFT), (6, RIGHT), (3, LEFT), (9, RIGHT)):
        x, y = track.keypoints[60, keypoint, :2].astype(int)
        assert _near(painted[y - 9 : y + 10, x - 9 : x + 10], colour) > 0


def test_the_picture_beside_the_dog_is_not_touched(report: GaitReport, track: PoseTrack) -> None:
    image = _grey()
    painted = Painter(track, report, legend=False).paint(image, float(track.timestamps_ms[60]))
    x0, y0, x1, y1 = track.boxes_xyxy_px[60]
    outside = np.ones((HEIGHT, WIDTH), bool)
    outside[int(y0) - 40 : int(y1) + 40, int(x0) - 90 : int(x1) + 90] = False
    assert outside.sum() > 10_000
    assert np.array_equal(painted[outside], image[outside])
    assert np.array_equal(image, _grey())


def test_a_frame_without_a_pose_stays_as_it_is(report: GaitReport, track: PoseTrack) -> None:
    lost = track.boxes_xyxy_px.copy()
    lost[60] = np.nan
    blind = PoseTrack(
        track.keypoints, track.timestamps_ms, lost, track.headings_rad, track.scores, track.summary
    )
    painter = Painter(blind, report, legend=False)
    assert np.array_equal(painter.paint(_grey(), float(track.timestamps_ms[60])), _grey())
    assert np.array_equal(painter.paint(_grey(), 99_000.0), _grey())


def test_contacts_are_placed_in_time_and_carried_strides_left_out(report: GaitReport) -> None:
    first = report.contacts[0]
    carried = (True, *[False] * (len(first.carried) - 1))
    changed = msgspec.structs.replace(
        report,
        contacts=(msgspec.structs.replace(first, carried=carried), *report.contacts[1:]),
    )
    spans = contact_spans(changed, 100.0)
    assert len(spans[0]) == len(first.touchdown_ms) - 1
    down, up = spans[1][0]
    assert down == 100.0 + report.contacts[1].touchdown_ms[0]
    assert up > down


def test_the_overlay_keeps_times_and_size(
    tmp_path: Path, report: GaitReport, track: PoseTrack
) -> None:
    odd = np.full((HEIGHT + 1, WIDTH + 1, 3), 128, np.uint8)
    frames = [(float(at), odd) for at in track.timestamps_ms]
    path = write_overlay(MemorySource(frames), track, report, tmp_path / "o.mp4")
    with VideoFile(path) as video:
        times = [frame.timestamp_ms for frame in video]
    assert (video.info.width, video.info.height) == (WIDTH, HEIGHT)
    assert times == pytest.approx(list(track.timestamps_ms), abs=1)


# --- report ----------------------------------------------------------------------------------
def _png(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_a_sound_dog_s_bars_are_green_and_a_worse_one_s_are_not(
    tmp_path: Path, report: GaitReport
) -> None:
    sound = _png(write_report_image(report, None, tmp_path / "a.png"))
    worse = {
        name: msgspec.structs.replace(metric, score=20.0, ci95=(10.0, 30.0))
        for name, metric in report.metrics.items()
    }
    bad = _png(
        write_report_image(msgspec.structs.replace(report, metrics=worse), None, tmp_path / "b.png")
    )
    assert _near(sound, palette.GOOD, 10) > 4 * _near(bad, palette.GOOD, 10)
    assert _near(bad, palette.POOR, 10) > 1_000
    assert sound.shape[1] == 1240


def test_unknown_scores_are_drawn_as_unknown(tmp_path: Path, clip: Clip) -> None:
    refused = score(clip.keypoints[:20], clip.timestamps_ms[:20])
    assert refused.abstained
    image = _png(write_report_image(refused, None, tmp_path / "a.png"))
    for colour in (palette.GOOD, palette.FAIR, palette.POOR):
        assert _near(image, colour, 10) == 0
    assert image.shape[0] < 800


def test_without_a_korean_font_the_words_are_english(
    tmp_path: Path, report: GaitReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    korean = _png(write_report_image(report, None, tmp_path / "ko.png"))
    monkeypatch.setattr(palette, "_FONT_FOLDERS", ())
    monkeypatch.delenv(palette.FONT_VARIABLE, raising=False)
    palette.typeface.cache_clear()
    try:
        assert not palette.typeface().korean
        assert palette.typeface().say("가", "a") == "a"
        english = _png(write_report_image(report, None, tmp_path / "en.png"))
    finally:
        monkeypatch.undo()
        palette.typeface.cache_clear()
    assert english.shape[1] == korean.shape[1]
    if Typeface().korean:
        assert not np.array_equal(english[:200], korean[:200])


def test_every_score_shown_has_a_name_and_every_measure_exists(report: GaitReport) -> None:
    assert set(words.SCORES) == set(METRICS)
    assert set(words.MEASURES) <= set(report.measures)
    units = {report.measures[name].unit for name in words.MEASURES}
    assert units <= set(words.UNITS)


# --- both ------------------------------------------------------------------------------------
def test_both_are_written_from_a_file_and_nothing_stays_open(
    tmp_path: Path, report: GaitReport, track: PoseTrack
) -> None:
    path = write_video(tmp_path / "walk.mp4", [_grey()] * len(track.timestamps_ms), fps=20)
    before = open_files()
    files = write_artifacts(_analysis(report, track), path, tmp_path / "made" / "here")
    assert open_files() == before
    assert files.overlay is not None
    assert sorted(p.name for p in (tmp_path / "made" / "here").iterdir()) == [
        "overlay.mp4",
        "report.png",
    ]
    with VideoFile(files.overlay) as video:
        painted = [frame.image for frame in video][60]
    assert _near(painted, LEFT, 70) > 30


def test_frames_that_are_used_up_still_give_a_report(
    tmp_path: Path, report: GaitReport, track: PoseTrack
) -> None:
    files = write_artifacts(_analysis(report, track), iter([]), tmp_path)
    assert files.overlay is None
    assert files.report.is_file()


def test_missing_libraries_name_their_extra(
    tmp_path: Path, report: GaitReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "PIL.Image", None)
    with pytest.raises(MissingExtra, match=r"daengdong\[artifacts\]"):
        write_report_image(report, None, tmp_path / "a.png")
