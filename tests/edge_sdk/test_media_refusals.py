"""Bad files and frames: each has its own error, and leaves neither memory, files nor handles."""

import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_sdk import errors
from edge_sdk.media.frames import Frame, MediaLimits, MemorySource, Thinner, frames_at
from edge_sdk.media.video import VideoFile
from tests.support.videos import grey_pictures, open_files, write_sound, write_video

pytest.importorskip("av")
HTML = b"<!DOCTYPE html><html><body>403 Forbidden</body></html>" * 20


def _file(folder: Path, data: bytes, name: str = "walk.mp4") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _read(path: Path, limits: MediaLimits | None = None) -> list[Frame]:
    with VideoFile(path, limits=limits) as video:
        return list(video)


def _sound_mp4(folder: Path) -> bytes:
    return write_sound(folder / "sound.mp4").read_bytes()


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (b"", errors.EmptyMedia, "empty"),
        (HTML, errors.UnsupportedMedia, "web page"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), errors.UnsupportedMedia, "PNG"),
        (b"RIFF\x00\x00\x00\x00AVI LIST" + bytes(200), errors.UnsupportedMedia, "AVI"),
        (b"just a text file\n" * 30, errors.UnsupportedMedia, "unknown kind"),
        (b"\x00\x00\x00\x20ftypisom" + bytes(300), errors.UndecodableMedia, "broken"),
        (b"\x1a\x45\xdf\xa3" + bytes(300), errors.UndecodableMedia, "broken"),
        (b"#EXTM3U\nhttp://127.0.0.1:9/x.ts\n", errors.UnsupportedMedia, "unknown kind"),
    ],
)
def test_what_is_no_video_is_refused_with_its_cause(
    tmp_path: Path, data: bytes, error: type[errors.UnsupportedMedia], says: str
) -> None:
    with pytest.raises(error, match=says) as caught:
        _read(_file(tmp_path, data))
    assert type(caught.value) is error
    assert caught.value.code == "UNSUPPORTED_MEDIA_FORMAT"
    assert caught.value.to_json()["details"] == {"reason": error.reason}


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.NoVideoStream, match="only sound"):
        _read(write_sound(tmp_path / "a.mp4"))


def test_a_file_cut_before_its_index_is_refused(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.mp4", grey_pictures(30)).read_bytes()
    with pytest.raises(errors.UndecodableMedia, match="broken or was cut off"):
        _read(_file(tmp_path, whole[: len(whole) // 2]))


def test_a_file_cut_behind_its_index_gives_what_is_there(tmp_path: Path) -> None:
    noisy = [
        np.random.default_rng(seed).integers(0, 255, (96, 160, 3), np.uint8) for seed in range(30)
    ]
    front = {"movflags": "faststart"}
    whole = write_video(tmp_path / "a.mp4", noisy, container_options=front).read_bytes()
    with VideoFile(_file(tmp_path, whole[: int(len(whole) * 0.6)])) as video:
        frames = list(video)
    assert video.info.truncated
    assert 5 < len(frames) < 25
    assert frames[0].timestamp_ms == 0


def test_a_track_without_pictures_is_too_few_frames(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.webm", grey_pictures(3), codec="libvpx-vp9")
    data = path.read_bytes()
    # The pictures are the blocks of the first cluster; a void element takes their place.
    cluster = data.index(b"\x1f\x43\xb6\x75")
    with pytest.raises(errors.InsufficientFrames, match="no pictures"):
        _read(
            _file(tmp_path, data[: cluster + 4] + b"\x89\xe7\x81\x00\xec\x84" + bytes(4), "b.webm")
        )


@pytest.mark.parametrize("size", [(2, 2), (8, 200)])
def test_tiny_pictures_are_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_video(tmp_path / "a.mp4", grey_pictures(3, *size), codec="mpeg4")
    with pytest.raises(errors.ResolutionOutOfRange, match=f"{size[0]} x {size[1]}"):
        _read(path)


def test_one_pixel_pictures_are_refused(tmp_path: Path) -> None:
    # No encoder writes 1 x 1 in yuv420p; a lossless one takes it.
    import av

    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("png", rate=10)
        stream.width = stream.height = 1
        stream.pix_fmt = "rgb24"
        frame = av.VideoFrame.from_ndarray(np.zeros((1, 1, 3), np.uint8), format="rgb24")
        for packet in (*stream.encode(frame), *stream.encode()):
            out.mux(packet)
    with pytest.raises(errors.ResolutionOutOfRange, match="1 x 1"):
        _read(path)


def test_8k_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    huge = np.zeros((4320, 7680, 3), np.uint8)
    path = write_video(tmp_path / "a.mp4", [huge], codec="mpeg4")
    del huge
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(errors.ResolutionOutOfRange, match="7680 x 4320"):
        _read(path)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 7680 * 4320 * 1.5 / 1024


def test_more_than_ten_seconds_are_refused_before_decoding(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", grey_pictures(56), fps=5)
    with pytest.raises(errors.VideoTooLong) as caught, VideoFile(path):
        pytest.fail("the length is known from the index")
    assert caught.value.code == "VIDEO_TOO_LONG"
    assert caught.value.to_json() == {
        "code": "VIDEO_TOO_LONG",
        "message": "영상 길이가 너무 깁니다. 10초 이하로 업로드해 주세요.",
        "details": {"max_duration_sec": 10.0},
    }


def test_ten_seconds_and_the_recorder_s_last_frames_pass(tmp_path: Path) -> None:
    assert len(_read(write_video(tmp_path / "a.mp4", grey_pictures(51), fps=5))) == 51


def test_bytes_and_frames_have_limits(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", grey_pictures(30))
    with pytest.raises(errors.MediaTooLarge, match="MB at most"):
        _read(path, MediaLimits(max_bytes=500))
    with pytest.raises(errors.MediaTooLarge, match="more than 20 frames"):
        _read(path, MediaLimits(max_frames=20))


def test_a_missing_file_is_the_system_s_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        VideoFile(tmp_path / "none.mp4")


def test_refusals_leave_no_handle_and_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    whole = write_video(folder / "long.mp4", grey_pictures(60), fps=5).read_bytes()
    bad = [b"", HTML, whole, whole[:600], _sound_mp4(folder), b"\x1a\x45\xdf\xa3" + bytes(99)]
    paths = [_file(folder, data, f"{i}.mp4") for i, data in enumerate(bad)]
    names = sorted(entry.name for entry in folder.iterdir())
    before = open_files()
    for path in paths:
        with pytest.raises(errors.AnalysisError):
            _read(path)
    assert open_files() == before
    assert sorted(entry.name for entry in folder.iterdir()) == names


def test_a_missing_pyav_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4", grey_pictures(3))
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(errors.MissingExtra, match=r"daengdong\[video\]"):
        VideoFile(path)


# --- frames in memory ------------------------------------------------------------------------
def test_live_frames_are_held_to_length_and_count_as_they_come() -> None:
    picture = grey_pictures(1)[0]

    def endless() -> Iterator[tuple[float, np.ndarray]]:
        at = 0.0
        while True:
            yield at, picture
            at += 100.0

    with MemorySource(endless()) as source, pytest.raises(errors.VideoTooLong):
        for frame in source:
            assert frame.timestamp_ms <= 10_500
    limits = MediaLimits(max_frames=7)
    with MemorySource(endless(), limits=limits) as source, pytest.raises(errors.MediaTooLarge):
        list(source)


def test_times_that_do_not_rise_are_refused() -> None:
    picture = grey_pictures(1)[0]
    for times in ([0, 40, 40], [0, 40, 30], [0, float("nan")]):
        with pytest.raises(errors.TimestampsNotRising):
            list(MemorySource([(at, picture) for at in times]))


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((96, 160), np.uint8),
        np.zeros((96, 160, 4), np.uint8),
        np.zeros((96, 160, 3), np.float32),
        np.zeros((8, 160, 3), np.uint8),
        [[0, 0, 0]],
    ],
)
def test_what_is_no_picture_is_refused(picture: object) -> None:
    with pytest.raises(errors.InvalidImage):
        list(MemorySource([(0.0, picture)]))  # type: ignore[list-item]


def test_a_generator_is_closed_with_its_source() -> None:
    closed = []

    def camera() -> Iterator[tuple[float, np.ndarray]]:
        try:
            yield from ((40.0 * i, picture) for i, picture in enumerate(grey_pictures(50)))
        finally:
            closed.append(True)

    with MemorySource(camera()) as source:
        next(iter(source))
    assert closed == [True]


def test_frames_at_gives_constant_steps_and_refuses_no_rate() -> None:
    assert [f.timestamp_ms for f in frames_at(grey_pictures(4), 50)] == [0, 20, 40, 60]
    with pytest.raises(ValueError, match="positive"):
        next(frames_at(grey_pictures(1), 0))


def test_the_thinner_keeps_a_jittering_source_of_its_own_rate() -> None:
    rng = np.random.default_rng(5)
    times = np.arange(300) * 1000 / 30 + rng.uniform(-6, 6, 300)
    assert sum(map(Thinner(30).takes, times)) == 300


def test_the_thinner_goes_on_evenly_after_a_gap() -> None:
    times = [*np.arange(0, 1000, 10.0), *np.arange(3000, 4000, 10.0)]
    thinner = Thinner(10)
    kept = np.array([at for at in times if thinner.takes(at)])
    assert len(kept) == pytest.approx(20, abs=1)
    assert np.diff(kept).min() >= 70
