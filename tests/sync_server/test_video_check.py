"""The video check: what is taken, what is refused, what is stripped, and that limits hold."""

from __future__ import annotations

import asyncio
import os
import random
import resource
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from sync_server.platform.video_check import (
    VideoFacts,
    VideoLimits,
    VideoRefused,
    check_video,
)
from tests.support.hostile_uploads import (
    VIDEOS,
    HostileUpload,
    box,
    good_mp4,
    good_webm,
    patched,
    repeated_picture,
)
from tests.support.videos import (
    corner_picture,
    corners_of,
    grey_pictures,
    turn,
    write_video,
)

pytestmark = pytest.mark.anyio
LIMITS = VideoLimits(max_duration_s=5)


def children_kb() -> int:
    """The most that any child has had in memory so far.

    A child begins with its parent's high-water mark (execve keeps it), so a large test process
    hides what its children need: see `small_children`.
    """
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def small_children(limit_kb: int) -> bool:
    """Whether no child has needed more than this, as far as this process can tell."""
    own_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return children_kb() < max(limit_kb, own_kb + 1)


async def refused(path: Path, limits: VideoLimits = LIMITS, **how: Any) -> str:
    with pytest.raises(VideoRefused) as error:
        await check_video(path, limits, **how)
    return error.value.code


# Taken ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "codec", "container"),
    [("a.mp4", "libx264", "video/mp4"), ("a.mov", "libx264", "video/quicktime"),
     ("a.webm", "libvpx-vp9", "video/webm"), ("b.webm", "libvpx", "video/webm"),
     ("b.mp4", "libx265", "video/mp4"), ("c.mp4", "mpeg4", "video/mp4")],
)  # fmt: skip
async def test_what_phones_and_browsers_record_is_measured(
    name: str, codec: str, container: str, tmp_path: Path
) -> None:
    path = write_video(tmp_path / name, [corner_picture(160, 96)] * 60, codec=codec)
    facts = await check_video(path, LIMITS, stripped=tmp_path / "clean")
    assert (facts.width_px, facts.height_px, facts.frames) == (160, 96, 60)
    assert facts.container == container and not facts.has_audio
    assert facts.fps == pytest.approx(30, abs=0.2)
    assert facts.duration_s == pytest.approx(2.0, abs=0.04)
    again = await check_video(tmp_path / "clean", LIMITS)
    assert (again.frames, again.codec, again.width_px) == (60, facts.codec, 160)


async def test_a_phone_that_stops_half_a_second_late_is_taken(tmp_path: Path) -> None:
    late = write_video(tmp_path / "late.mp4", grey_pictures(163))
    assert (await check_video(late, LIMITS)).duration_s == pytest.approx(5.43, abs=0.05)
    later = write_video(tmp_path / "later.mp4", grey_pictures(175))
    assert await refused(later) == "too_long"
    assert (await check_video(later, VideoLimits(max_duration_s=10))).frames == 175


async def test_a_header_that_promises_hours_is_not_believed_either(tmp_path: Path) -> None:
    path = good_mp4(tmp_path)
    for kind, offset in ((b"mvhd", 16), (b"tkhd", 20), (b"mdhd", 16)):
        patched(path, kind, offset, (7_200_000).to_bytes(4, "big"))
    facts = await check_video(path, LIMITS, stripped=tmp_path / "clean")
    assert facts.duration_s == pytest.approx(1.0, abs=0.05)
    assert _tags(tmp_path / "clean")["duration_s"] == pytest.approx(1.0, abs=0.05)


async def test_a_recording_without_length_or_index_is_taken(tmp_path: Path) -> None:
    # As browsers write it while they record: nothing is known at the start.
    path = write_video(
        tmp_path / "live.webm", [corner_picture()] * 30, codec="libvpx-vp9",
        container_options={"live": "1"},
    )  # fmt: skip
    assert b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff" in path.read_bytes()
    assert (await check_video(path, LIMITS)).frames == 30


# Stripped ---------------------------------------------------------------------------------------


def _tags(path: Path) -> dict[str, Any]:
    """All that a reader finds beside the pictures."""
    import av

    with av.open(str(path), "r") as source:
        stream = source.streams.video[0]
        return {
            "tracks": [track.type for track in source.streams],
            "file": dict(source.metadata),
            "track": dict(stream.metadata),
            "duration_s": float((source.duration or 0) / 1_000_000),
        }


def with_gps(folder: Path, name: str) -> Path:
    """A clip as a phone writes it: place, model, time of the day, and sound."""
    import av
    import numpy as np

    path = folder / name
    options = {"movflags": "use_metadata_tags"}
    with av.open(str(path), "w", options=options) as out:
        out.metadata["location"] = "+37.5665+126.9780/"
        out.metadata["com.apple.quicktime.location.ISO6709"] = "+37.5665+126.9780+031.000/"
        out.metadata["com.apple.quicktime.model"] = "iPhone 17 Pro"
        out.metadata["creation_time"] = "2026-11-18T09:00:00Z"
        out.metadata["comment"] = "our home"
        stream: Any = out.add_stream("libx264", rate=Fraction(30))
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        stream.metadata["handler_name"] = "Jiwoo's phone"
        sound: Any = out.add_stream("aac", rate=16_000)
        sound.layout = "mono"
        for index in range(20):
            frame = av.VideoFrame.from_ndarray(corner_picture(), format="rgb24")
            frame.pts = index
            out.mux(stream.encode(frame))
        wave = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        wave.sample_rate = 16_000
        out.mux(sound.encode(wave))
        out.mux(stream.encode())
        out.mux(sound.encode())
    return turn(path, 90)


@pytest.mark.parametrize("name", ["phone.mp4", "phone.mov"])
async def test_place_time_model_and_sound_are_gone_and_the_pictures_are_the_same(
    name: str, tmp_path: Path
) -> None:
    path = with_gps(tmp_path, name)
    before = path.read_bytes()
    for word in (b"37.5665", b"iPhone", b"our home", b"Jiwoo"):
        assert word in before  # otherwise nothing would be shown
    clean = tmp_path / "clean"
    facts = await check_video(path, LIMITS, stripped=clean)
    assert facts.has_audio and (facts.width_px, facts.height_px) == (96, 160)
    after = clean.read_bytes()
    for word in (b"37.56", b"126.97", b"iPhone", b"our home", b"Jiwoo", b"2026", b"Lavf", b"ISO67"):
        assert word not in after
    found = _tags(clean)
    assert found["tracks"] == ["video"]
    assert set(found["file"]) <= {"major_brand", "minor_version", "compatible_brands"}
    assert found["track"].get("handler_name") in (None, "VideoHandler")
    assert coded_pictures(clean) == coded_pictures(path)
    assert upright_corners(clean) == upright_corners(path) == (2, 0, 3, 1)
    assert path.read_bytes() == before


def coded_pictures(path: Path) -> list[bytes]:
    import av

    with av.open(str(path)) as source:
        return [bytes(packet) for packet in source.demux(video=0) if packet.size]


def upright_corners(path: Path) -> tuple[int, int, int, int]:
    import av
    import numpy as np

    with av.open(str(path)) as source:
        frame = next(source.decode(video=0))
        return corners_of(np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90)))


async def test_webm_loses_its_tags_too(tmp_path: Path) -> None:
    import av

    with av.open(str(tmp_path / "tags.webm"), "w") as out:
        out.metadata["LOCATION"] = "+37.5665+126.9780/"
        stream: Any = out.add_stream("libvpx-vp9", rate=Fraction(30))
        stream.width, stream.height = 160, 96
        stream.metadata["title"] = "our home"
        for _ in range(10):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(corner_picture(), format="rgb24")))
        out.mux(stream.encode())
    assert b"37.5665" in (tmp_path / "tags.webm").read_bytes()
    await check_video(tmp_path / "tags.webm", LIMITS, stripped=tmp_path / "clean")
    after = (tmp_path / "clean").read_bytes()
    assert b"37.56" not in after and b"our home" not in after


async def test_a_track_of_places_is_not_copied(tmp_path: Path) -> None:
    # Action cameras write where they are into a track of its own; free boxes carry anything.
    path = good_mp4(tmp_path)
    path.write_bytes(path.read_bytes() + box(b"uuid", b"GPS 37.5665 126.9780" * 4))
    await check_video(path, LIMITS, stripped=tmp_path / "clean")
    assert b"GPS" not in (tmp_path / "clean").read_bytes()


# Refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("hostile", VIDEOS, ids=lambda hostile: hostile.name)
async def test_a_hostile_video_is_refused_with_its_code(
    hostile: HostileUpload, tmp_path: Path
) -> None:
    source, work = tmp_path / "source", tmp_path / "work"
    source.mkdir()
    work.mkdir()
    path = hostile.make(source)
    assert path.stat().st_size < 15_000_000
    assert await refused(path, stripped=work / "clean") == hostile.code
    assert list(work.iterdir()) == []
    # The limit of the address space holds more than is ever in memory.
    assert small_children(700_000)
    assert isinstance(await check_video(good_mp4(source, "after.mp4"), LIMITS), VideoFacts)


async def test_a_type_that_is_not_wanted_is_refused(tmp_path: Path) -> None:
    only_mp4 = VideoLimits(max_duration_s=5, media_types=frozenset({"video/mp4"}))
    assert await refused(good_webm(tmp_path), only_mp4) == "wrong_container"


async def test_more_bytes_than_the_limit_are_not_opened(tmp_path: Path) -> None:
    path = good_mp4(tmp_path)
    limits = VideoLimits(max_duration_s=5, max_bytes=path.stat().st_size - 1)
    assert await refused(path, limits) == "too_large"


async def test_a_decoder_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    path = good_mp4(tmp_path)
    assert await refused(path, wall_s=0.001) == "too_large"
    slow = repeated_picture(tmp_path / "many.mp4", 2_000, 1, Fraction(1, 1000))
    assert await refused(slow, cpu_s=0, stripped=tmp_path / "clean") == "too_large"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["good.mp4", "many.mp4"]


async def test_a_decoder_without_memory_is_a_refusal(tmp_path: Path) -> None:
    big = write_video(tmp_path / "big.mp4", [corner_picture(3840, 2160)] * 3)
    assert await refused(big, memory_bytes=120_000_000) in ("broken", "too_large")
    assert (await check_video(big, LIMITS)).width_px == 3840


async def test_a_cancelled_check_leaves_no_decoder_and_no_file(tmp_path: Path) -> None:
    path = repeated_picture(tmp_path / "many.mp4", 2_000, 1, Fraction(1, 1000))
    before = _children()
    task = asyncio.create_task(check_video(path, LIMITS, stripped=tmp_path / "clean"))
    async with asyncio.timeout(30):
        while _children() == before:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert _children() == before
    assert [file.name for file in tmp_path.iterdir()] == ["many.mp4"]


def _children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


async def test_damaged_videos_are_taken_or_refused_and_nothing_else(tmp_path: Path) -> None:
    seed = random.Random(7)
    whole = good_mp4(tmp_path).read_bytes(), good_webm(tmp_path).read_bytes()
    for number in range(24):
        data = bytearray(whole[number % 2])
        for _ in range(seed.choice([1, 8, 64])):
            data[seed.randrange(len(data))] = seed.randrange(256)
        path = tmp_path / "damaged"
        path.write_bytes(bytes(data))
        try:
            facts = await check_video(path, LIMITS, stripped=tmp_path / "clean")
        except VideoRefused:
            assert not (tmp_path / "clean").exists()
        else:
            assert facts.duration_s <= 6 and facts.frames <= 31
            (tmp_path / "clean").unlink()
