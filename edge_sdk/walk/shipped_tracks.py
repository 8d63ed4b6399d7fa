"""The generated GPX tracks in assets/tracks: which they are, and the command that writes them."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from edge_sdk.walk.gps_error import GpsError
from edge_sdk.walk.simulate import SimulatedWalk, record
from edge_sdk.walk.truth import CAR, Drive, Gait

COMMAND: Final = "python -m edge_sdk.walk.simulate --write assets/tracks"
_INTERVAL_S: Final = 2
_NAMESPACE: Final = "https://daengdong.example/gpx/1"
# GPX has no accuracy; readers that know only hdop take 5 m a unit.
_METRES_PER_HDOP: Final = 5.0

# Corners in metres east and north of simulate.ORIGIN.
_LOOP: Final = (
    (0, 0), (156, 48), (396, 72), (624, 12), (708, 204), (672, 456), (480, 624), (252, 672),
    (48, 600), (-108, 432), (-132, 216), (0, 0),
)  # fmt: skip
_STREETS: Final = (
    (396, 72), (504, 72), (504, 204), (624, 204), (624, 360), (768, 360), (768, 516), (912, 516),
    (912, 672), (768, 672), (768, 840), (624, 840), (624, 672), (480, 672), (480, 516),
)  # fmt: skip
_RETAKE: Final = ((672, 456), (708, 204), (624, 12), (396, 72), (156, 48), (0, 0), (-132, 216))
_DRIVE: Final = (
    (-480, -360), (396, -312), (456, 72), (624, 360), (768, 840), (1560, 1080), (2880, 1200),
    (4320, 1800), (4800, 3600), (6720, 3840),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ShippedTrack:
    """One file: name, what it shows, seed, start (UTC) and what moves along which way."""

    name: str
    about: str
    seed: int
    started_at: datetime
    corners_m: tuple[tuple[float, float], ...]
    gait: Gait | None = None
    vehicle: Drive | None = None
    error: GpsError | None = None


def _stroll_corners() -> tuple[tuple[float, float], ...]:
    """Lissajous curve over the lawns inside the loop: crosses its own way, never far."""
    turn = np.linspace(0.0, 2.0 * np.pi, 60)
    return tuple(
        zip(
            (290 + 180 * np.sin(turn)).tolist(),
            (350 + 155 * np.sin(2 * turn)).tolist(),
            strict=True,
        )
    )


TRACKS: Final = (
    ShippedTrack(
        name="seoul-forest-loop",
        about="a closed loop of about 2.5 km on foot: captures its trail and all that it encloses",
        seed=101,
        started_at=datetime(2025, 10, 17, 22, 30, tzinfo=UTC),
        corners_m=_LOOP,
        gait=Gait(speed_mps=1.3, pauses_per_min=0.2),
        error=GpsError(sigma_m=2.5, tau_s=60.0),
    ),
    ShippedTrack(
        name="seongsu-streets",
        about="a street walk that begins on the loop and leaves it for the blocks to its east",
        seed=102,
        started_at=datetime(2025, 10, 18, 0, 10, tzinfo=UTC),
        corners_m=_STREETS,
        gait=Gait(speed_mps=1.2, pauses_per_min=0.3),
        error=GpsError(sigma_m=4.0, tau_s=40.0),
    ),
    ShippedTrack(
        name="forest-stroll",
        about="a slow stroll with many sniffing pauses on the lawns inside the loop",
        seed=103,
        started_at=datetime(2025, 10, 18, 2, 0, tzinfo=UTC),
        corners_m=_stroll_corners(),
        gait=Gait(speed_mps=0.85, pauses_per_min=0.8, pause_s=20.0),
        error=GpsError(sigma_m=2.0, tau_s=80.0),
    ),
    ShippedTrack(
        name="loop-retaken",
        about="a later walk, the other way round, over half of the loop: takes cells of the first",
        seed=104,
        started_at=datetime(2025, 10, 18, 9, 15, tzinfo=UTC),
        corners_m=_RETAKE,
        gait=Gait(speed_mps=1.15, pauses_per_min=0.3),
        error=GpsError(sigma_m=3.0, tau_s=50.0),
    ),
    ShippedTrack(
        name="seongsu-by-car",
        about="a car through the same blocks and on across town: must capture nothing",
        seed=105,
        started_at=datetime(2025, 10, 18, 10, 0, tzinfo=UTC),
        corners_m=_DRIVE,
        vehicle=CAR,
        error=GpsError(sigma_m=2.5, tau_s=60.0),
    ),
    ShippedTrack(
        name="seongsu-canyon",
        about="a walk between tall buildings: reflections, jumps and lost fixes, still honest",
        seed=106,
        started_at=datetime(2025, 10, 18, 22, 0, tzinfo=UTC),
        corners_m=_STREETS[::-1],
        gait=Gait(speed_mps=1.25, pauses_per_min=0.3),
        error=GpsError(
            sigma_m=5.0,
            tau_s=25.0,
            white_m=0.6,
            jumps_per_min=0.8,
            outliers_per_min=0.3,
            dropout=0.04,
        ),
    ),
)


def generate(track: ShippedTrack) -> SimulatedWalk:
    """Simulate one shipped track from its seed."""
    return record(
        np.array(track.corners_m, dtype=np.float64),
        track.seed,
        vehicle=track.vehicle,
        gait=track.gait,
        duration_s=5_400,
        interval_s=_INTERVAL_S,
        started_at_ms=int(track.started_at.timestamp() * 1_000),
        error=track.error,
    )


def gpx_text(track: ShippedTrack, walk: SimulatedWalk) -> str:
    """GPX 1.1 of a generated track, with accuracy (hdop and metres) and steps per point."""
    return "\n".join(_gpx_lines(track, walk)) + "\n"


def _gpx_lines(track: ShippedTrack, walk: SimulatedWalk) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f"<!-- Generated, not recorded: edge_sdk.walk.simulate, seed {track.seed}."
    # The command stands in desc: a comment of XML may not contain two hyphens.
    yield "     GPS error model: edge_sdk/walk/gps_error.py -->"
    yield (
        '<gpx version="1.1" creator="edge_sdk.walk.simulate" '
        f'xmlns="http://www.topografix.com/GPX/1/1" xmlns:d="{_NAMESPACE}">'
    )
    yield f"<metadata><desc>Generated by {COMMAND}: {track.about}</desc></metadata>"
    yield f"<trk><name>{track.name}</name><trkseg>"
    fixes = walk.fixes
    steps = fixes.steps if fixes.steps is not None else np.zeros(len(fixes), dtype=np.int32)
    rows = zip(
        fixes.t_ms.tolist(),
        fixes.lat.tolist(),
        fixes.lng.tolist(),
        fixes.accuracy_m.tolist(),
        steps.tolist(),
        strict=True,
    )
    for t_ms, lat, lng, accuracy_m, count in rows:
        time = datetime(1970, 1, 1) + timedelta(milliseconds=t_ms)
        yield (
            f'<trkpt lat="{lat:.5f}" lon="{lng:.5f}">'
            f"<time>{time.isoformat(timespec='milliseconds')}Z</time>"
            f"<hdop>{accuracy_m / _METRES_PER_HDOP:.1f}</hdop>"
            f"<extensions><d:accuracy>{accuracy_m}</d:accuracy><d:steps>{count}</d:steps>"
            "</extensions></trkpt>"
        )
    yield "</trkseg></trk></gpx>"


def write(folder: Path) -> list[Path]:
    """Write every shipped track into `folder` (created if missing); return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for track in TRACKS:
        path = folder / f"{track.name}.gpx"
        path.write_text(gpx_text(track, generate(track)), encoding="utf-8")
        written.append(path)
    return written


def main() -> None:
    """Write the shipped tracks from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m edge_sdk.walk.simulate",
        description="Write the generated GPX tracks that ship with the repository.",
    )
    parser.add_argument("--write", metavar="FOLDER", type=Path, required=True)
    for path in write(parser.parse_args().write):
        print(f"{path}  {path.stat().st_size / 1_000:.0f} kB")
