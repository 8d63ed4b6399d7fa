"""GPX: honest files of many kinds are read, hostile ones end in a typed error and little memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_sdk import (
    GpxError,
    GpxInvalid,
    GpxRefused,
    GpxTooLarge,
    GpxWithoutTimes,
    read_gpx,
    read_gpx_track,
)

ROOT = Path(__file__).parents[2]
HEAD = '<gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1">'


def gpx(body: str, head: str = HEAD) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>{head}{body}</gpx>'.encode()


def track(*points: str) -> bytes:
    return gpx(f"<trk><trkseg>{''.join(points)}</trkseg></trk>")


def point(lat: object = 37.5, lng: object = 127.0, inside: str = "") -> str:
    return f'<trkpt lat="{lat}" lon="{lng}">{inside}</trkpt>'


def time(text: str) -> str:
    return f"<time>{text}</time>"


def test_times_with_zone_with_z_and_without_are_utc() -> None:
    texts = [
        "2026-11-21T00:00:00Z",
        "2026-11-21T09:00:01+09:00",
        "2026-11-21T00:00:02",
        "2026-11-21T00:00:03.250Z",
        "2026-11-20T16:30:04-0730",
    ]
    fixes = read_gpx(track(*(point(inside=time(text)) for text in texts)))
    first = 1_795_219_200_000
    assert fixes.t_ms.tolist() == [first, first + 1000, first + 2000, first + 3250, first + 4000]
    assert fixes.accuracy_unknown.all()
    assert fixes.steps is None


@pytest.mark.parametrize(
    "head",
    [
        HEAD,
        '<gpx version="1.0" xmlns="http://www.topografix.com/GPX/1/0">',
        "<gpx>",
        '<gpx xmlns="http://other.example/">',
    ],
)
def test_any_namespace_is_read(head: str) -> None:
    body = f"<trk><trkseg>{point(inside=time('2026-11-21T00:00:00Z'))}</trkseg></trk>"
    assert len(read_gpx(gpx(body, head))) == 1


def test_accuracy_comes_from_an_extension_or_from_hdop() -> None:
    t = time("2026-11-21T00:00:00Z")
    extension = '<extensions><x:accuracy xmlns:x="u">7.5</x:accuracy></extensions>'
    fixes = read_gpx(
        track(
            point(inside=t + "<hdop>1.3</hdop>" + extension),
            point(inside=t + "<hdop>1.3</hdop>"),
            point(inside=t + "<hdop>rubbish</hdop>"),
        )
    )
    assert fixes.accuracy_m.tolist() == [8, 7, 0]
    assert fixes.accuracy_unknown.tolist() == [False, False, True]


def test_steps_come_from_an_extension_and_are_carried_on() -> None:
    def step(second: int, steps: str) -> str:
        inner = f"<extensions><a><steps>{steps}</steps></a></extensions>" if steps else ""
        return point(inside=time(f"2026-11-21T00:00:0{second}Z") + inner)

    fixes = read_gpx(track(step(0, ""), step(1, "40"), step(2, ""), step(3, "44")))
    assert fixes.steps is not None
    assert fixes.steps.tolist() == [40, 40, 40, 44]


def test_tracks_and_segments_are_joined_in_order_and_waypoints_are_not_points() -> None:
    def part(second: int) -> str:
        return f"<trkseg>{point(inside=time(f'2026-11-21T00:00:0{second}Z'))}</trkseg>"

    body = (
        f'<wpt lat="1" lon="1">{time("2020-01-01T00:00:00Z")}</wpt><trk>{part(1)}{part(2)}</trk>'
        f"<trk><name>b</name>{part(3)}<trkseg></trkseg></trk>"
    )
    result = read_gpx_track(gpx(body))
    assert (np.diff(result.fixes.t_ms) == 1000).all()
    assert (len(result.fixes), result.segments) == (3, 4)


def test_points_without_time_are_left_out_and_counted() -> None:
    timed = time("2026-11-21T00:00:00Z")
    result = read_gpx_track(track(point(inside=timed), point(), point(inside="<time/>")))
    assert (len(result.fixes), result.points, result.points_without_time) == (1, 3, 2)


def test_no_times_at_all_need_a_pace() -> None:
    data = track(point(37.5), point(37.501), point(37.502))
    with pytest.raises(GpxWithoutTimes, match="pace"):
        read_gpx(data)
    result = read_gpx_track(data, 1.25, start_ms=5_000)
    assert result.paced
    assert result.fixes.t_ms[0] == 5_000
    assert (np.diff(result.fixes.t_ms) == 1000).all()
    assert len(result.fixes) == pytest.approx(222.4 / 1.25, abs=2)
    with pytest.raises(GpxInvalid):
        read_gpx(data, float("nan"))
    with pytest.raises(GpxTooLarge):
        read_gpx(track(point(-80), point(80)), 0.1)


def test_a_paced_track_begins_at_the_time_of_the_file() -> None:
    head = HEAD + f"<metadata>{time('2026-11-21T00:00:00Z')}</metadata>"
    body = f"<trk><trkseg>{point(0, 179.9999)}{point(0, -179.9999)}</trkseg></trk>"
    fixes = read_gpx(gpx(body, head), 1.0)
    assert fixes.t_ms[0] == 1_795_219_200_000
    assert len(fixes) == 23  # over the date line, not around the earth


@pytest.mark.parametrize(
    "broken",
    [
        point("nan"),
        point("inf"),
        point(90.1),
        point(37.5, -180.1),
        point("1_0"),
        point(""),
        '<trkpt lat="1"/>',
        point(inside=time("yesterday")),
        point(inside=time("2026-13-01T00:00:00Z")),
        point(inside=time("2026-11-21")),
        point(inside=time("2026-11-21T23:59:60Z")),
        point(inside=time("1969-12-31T23:59:59Z")),
        point(inside=time("2" * 5_000)),
    ],
)
def test_broken_points_are_named(broken: str) -> None:
    with pytest.raises(GpxInvalid, match="point 2, line 1"):
        read_gpx(track(point(inside=time("2026-11-21T00:00:00Z")), broken))


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"<kml/>", gpx(""), gpx("<trk>")[:-3], b"\x00" * 100, b"<gpx>" + b"\xff" * 9],
)
def test_what_is_no_gpx_is_invalid(data: bytes) -> None:
    with pytest.raises(GpxInvalid):
        read_gpx(data)


def test_a_missing_file_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(GpxInvalid):
        read_gpx(tmp_path / "nothing.gpx")


def test_document_types_entities_and_deep_nesting_are_refused() -> None:
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 30))
    for data in (
        f'<!DOCTYPE gpx [<!ENTITY a0 "ha">{laughs}]><gpx>&a29;</gpx>'.encode(),
        b'<!DOCTYPE gpx SYSTEM "http://127.0.0.1:9/x.dtd"><gpx/>',
        b'<!DOCTYPE gpx [<!ENTITY x SYSTEM "file:///etc/passwd">]><gpx>&x;</gpx>',
        b"<gpx>" + b"<a>" * 1_000_000,
    ):
        with pytest.raises(GpxRefused):
            read_gpx(data)


@given(st.binary(max_size=300))
def test_random_bytes_end_in_a_typed_error(data: bytes) -> None:
    for whole in (data, b"<gpx><trk><trkseg>" + data):
        with pytest.raises(GpxError):
            read_gpx(whole)


MAKERS = {
    "200 MB of points": 'part = b\'<trkpt lat="1" lon="2"></trkpt>\' * 100000; n = 65',
    "a 60 MB comment": "part = b'<!--' + b'x' * 60_000_000; n = 1",
    "a 60 MB attribute": "part = b'<trkpt lat=\"' + b'1' * 60_000_000; n = 1",
    "60 MB of text": "part = b'<trkpt lat=\"1\" lon=\"1\"><time>' + b'1' * 60_000_000; n = 1",
    "2 M points": 'part = b\'<trkpt lat="1" lon="2"/>\' * 100000; n = 20',
}


@pytest.mark.parametrize("name", MAKERS)
def test_bombs_end_in_a_typed_error_within_100_MB(tmp_path: Path, name: str) -> None:
    path = tmp_path / "bomb.gpx"
    make = (
        f"{MAKERS[name]}\nwith open({str(path)!r}, 'wb') as f:\n"
        " f.write(b'<gpx><trk><trkseg>')\n for _ in range(n): f.write(part)"
    )
    subprocess.run([sys.executable, "-c", make], check=True)
    code = (
        "import resource, sys, edge_sdk\n"
        'data = b\'<gpx><trk><trkseg><trkpt lat="1" lon="1"/></trkseg></trk></gpx>\'\n'
        "edge_sdk.read_gpx(data, 1)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: edge_sdk.read_gpx(sys.argv[1])\n"
        "except edge_sdk.GpxError as error: print(type(error).__name__)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    kind, grown_kb = done.stdout.split()
    assert kind in ("GpxTooLarge", "GpxRefused", "GpxInvalid")
    assert int(grown_kb) < 100_000


@pytest.mark.parametrize(
    ("name", "fixes", "left_out"),
    [
        ("cerknicko-jezero", 296, 0),
        ("korita-zbevnica", 513, 358),
        ("around-visnjan-with-car", 104, 0),
    ],
)
def test_the_real_recordings_are_read(
    data_folder: Path, name: str, fixes: int, left_out: int
) -> None:
    result = read_gpx_track(data_folder / "tracks" / f"{name}.gpx")
    assert (len(result.fixes), result.points_without_time) == (fixes, left_out)
