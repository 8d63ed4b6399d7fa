"""Good files: turned, of variable rate, in every container, thinned, scaled, key frames only."""

from pathlib import Path

import numpy as np
import pytest

from edge_sdk.media.frames import Frame
from edge_sdk.media.video import VideoFile, open_clip
from tests.support.videos import (
    corner_picture,
    corners_of,
    grey_pictures,
    open_files,
    turn,
    write_sound,
    write_video,
)

pytest.importorskip("av")


def _times(video: VideoFile) -> list[float]:
    return [frame.timestamp_ms for frame in video]


def test_an_mp4_gives_every_picture_at_its_time(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", grey_pictures(30), fps=25)
    with VideoFile(path) as video:
        frames = [(f.timestamp_ms, float(f.image.mean())) for f in video]
    assert video.info.frame_count == 30
    assert video.info.fps == pytest.approx(25)
    assert video.info.duration_ms == pytest.approx(1200, abs=1)
    assert [at for at, _ in frames] == pytest.approx([40.0 * i for i in range(30)])
    assert np.all(np.diff([grey for _, grey in frames]) > 0)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.mov", "libx264"), ("a.webm", "libvpx-vp9"), ("a.mp4", "mpeg4")],
)
def test_each_container_and_codec_reads_alike(tmp_path: Path, name: str, codec: str) -> None:
    options = {"deadline": "realtime", "cpu-used": "8"} if "vpx" in codec else {}
    path = write_video(tmp_path / name, [corner_picture()] * 12, codec=codec, options=options)
    with VideoFile(path) as video:
        frames = list(video)
    assert len(frames) == 12
    assert all(corners_of(frame.image) == (0, 1, 2, 3) for frame in frames)


def test_the_content_decides_what_a_file_is_and_not_its_name(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", grey_pictures(5)).rename(tmp_path / "walk.webm")
    with VideoFile(path) as video:
        assert video.info.container == "mp4"
        assert len(list(video)) == 5


@pytest.mark.parametrize(
    ("clockwise", "corners"), [(90, (2, 0, 3, 1)), (180, (3, 2, 1, 0)), (270, (1, 3, 0, 2))]
)
def test_a_turned_recording_comes_upright(
    tmp_path: Path, clockwise: int, corners: tuple[int, ...]
) -> None:
    path = turn(write_video(tmp_path / "a.mp4", [corner_picture(160, 96)] * 3), clockwise)
    with VideoFile(path, max_side_px=80) as video:
        frame = next(iter(video))
    assert corners_of(frame.image) == corners
    upright = (96, 160) if clockwise != 180 else (160, 96)
    assert (video.info.source_width, video.info.source_height) == upright
    assert frame.image.shape[:2] == (video.info.height, video.info.width)
    assert max(frame.image.shape) == 80


def test_a_variable_rate_keeps_the_container_s_times(tmp_path: Path) -> None:
    times = [0, 33, 66, 150, 160, 300, 333, 366, 500, 900]
    path = write_video(tmp_path / "a.mp4", grey_pictures(10), times_ms=times)
    with VideoFile(path) as video:
        assert _times(video) == pytest.approx(times, abs=1)
    assert video.info.variable_rate


def test_a_constant_rate_is_not_called_variable(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", grey_pictures(30), fps=29.97)
    with VideoFile(path) as video:
        assert not video.info.variable_rate


def test_thinning_spreads_the_frames_over_time(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", grey_pictures(60), fps=30)
    with VideoFile(path, max_fps=12) as video:
        times = np.array(_times(video))
    assert len(times) == video.selected == 24
    assert np.diff(times).max() <= 101
    assert np.abs(times - np.arange(24) * 1000 / 12).max() <= 25


def test_a_rate_under_the_limit_loses_no_frame(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", grey_pictures(40), fps=29.97)
    with VideoFile(path, max_fps=30) as video:
        assert len(list(video)) == 40


def test_key_frames_alone_are_decoded_and_spread(tmp_path: Path) -> None:
    options = {"sc_threshold": "0"}
    path = write_video(tmp_path / "a.mp4", grey_pictures(60), keyint=5, options=options)
    with VideoFile(path, key_frames=4) as video:
        times = _times(video)
    assert video.info.key_frame_count == 12
    assert times == pytest.approx([0, 667, 1167, 1833], abs=170)
    assert all(round(at / (5000 / 30)) == pytest.approx(at / (5000 / 30), abs=0.02) for at in times)


def test_frames_are_scaled_while_the_true_size_is_told(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [corner_picture(640, 360)] * 3)
    with VideoFile(path, max_side_px=320) as video:
        image = next(iter(video)).image
    assert image.shape == (180, 320, 3)
    assert (video.info.source_width, video.info.source_height) == (640, 360)
    assert image.flags["C_CONTIGUOUS"]


def test_a_span_is_cut_out_with_its_times(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", grey_pictures(60), fps=30)
    with VideoFile(path, span_ms=(500, 1000)) as video:
        times = _times(video)
    assert times[0] == pytest.approx(500, abs=1)
    assert times[-1] == pytest.approx(966.7, abs=1)


def test_bytes_are_read_like_a_file(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", grey_pictures(8))
    with VideoFile(path.read_bytes()) as video:
        assert len(list(video)) == 8


def test_a_file_can_be_iterated_again(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", grey_pictures(8))
    with VideoFile(path) as video:
        assert _times(video) == _times(video)


def test_leaving_early_closes_the_file_and_leaves_nothing(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", grey_pictures(30))
    before = open_files()
    with VideoFile(path) as video:
        for _ in video:
            break
    assert open_files() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mp4"]


def test_sound_beside_the_picture_does_not_disturb(tmp_path: Path) -> None:
    import av

    picture = write_video(tmp_path / "v.mp4", grey_pictures(20))
    sound = write_sound(tmp_path / "s.m4a")
    with (
        av.open(str(picture)) as video_in,
        av.open(str(sound)) as sound_in,
        av.open(str(tmp_path / "both.mp4"), "w") as out,
    ):
        sources = (sound_in.streams.audio[0], video_in.streams.video[0])
        targets = [out.add_stream_from_template(source) for source in sources]
        for source, target in zip(sources, targets, strict=True):
            for packet in source.container.demux(source):
                if packet.dts is not None:
                    packet.stream = target
                    out.mux(packet)
    with VideoFile(tmp_path / "both.mp4") as video:
        assert len(list(video)) == 20


def test_open_clip_reads_files_and_frames_alike(tmp_path: Path) -> None:
    pictures = grey_pictures(10)
    path = write_video(tmp_path / "a.mp4", pictures, fps=10)
    given = [(100.0 * i, image) for i, image in enumerate(pictures)]
    for clip in (path, str(path), given, [Frame(*pair) for pair in given], iter(given)):
        with open_clip(clip, max_fps=5) as source:
            assert [f.timestamp_ms for f in source] == pytest.approx([200.0 * i for i in range(5)])
            assert (source.info.width, source.info.height) == (160, 96)
