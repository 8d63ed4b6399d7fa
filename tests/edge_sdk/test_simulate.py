"""The simulator: the same seed gives the same walk, and the labels mean what they say."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.walk.gps_error import Float64, GpsError, correlated, observe
from edge_sdk.walk.shipped_tracks import TRACKS, ShippedTrack, generate, gpx_text
from edge_sdk.walk.simulate import BEYOND_KINDS, CHEAT_KINDS, HONEST_KINDS, simulate

KINDS = (*HONEST_KINDS, *CHEAT_KINDS, *BEYOND_KINDS)
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_the_same_walk_again_and_another_seed_another(kind: str) -> None:
    one, again, other = simulate(kind, 1), simulate(kind, 1), simulate(kind, 2)
    assert np.array_equal(one.fixes.t_ms, again.fixes.t_ms)
    assert np.array_equal(one.fixes.lat_e5, again.fixes.lat_e5)
    assert not np.array_equal(one.fixes.lat_e5, other.fixes.lat_e5)
    assert one.label == kind
    assert one.honest == (kind in HONEST_KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_times_rise_unless_a_replay_kept_them_and_positions_are_near_the_origin(kind: str) -> None:
    walk = simulate(kind, 4, origin=(35.1, 129.0), duration_s=600)
    assert np.all(np.diff(walk.fixes.t_ms) > 0)
    assert np.abs(walk.fixes.lat - 35.1).max() < 0.2
    assert len(walk.truth_lat) == len(walk.truth_lng) == len(walk.truth_t_ms) == 601


def test_the_truth_has_the_length_it_states() -> None:
    walk = simulate("park", 6)
    east = np.diff(walk.truth_lng) * np.cos(np.radians(37.544)) * 111_195.0
    north = np.diff(walk.truth_lat) * 111_195.0
    assert np.hypot(east, north).sum() == pytest.approx(walk.truth_distance_m, rel=0.001)


def test_a_runner_stays_below_four_metres_a_second_and_a_bike_is_mostly_faster() -> None:
    def speeds(kind: str) -> Float64:
        walk = simulate(kind, 2)
        east = np.diff(walk.truth_lng) * np.cos(np.radians(37.544)) * 111_195.0
        metres: Float64 = np.hypot(east, np.diff(walk.truth_lat) * 111_195.0)
        return metres

    assert np.percentile(speeds("runner"), 99) <= 4.1
    assert np.median(speeds("bike")) > 4.2


def test_a_replay_carries_what_it_copied() -> None:
    walk = simulate("replay", 11)
    assert walk.original is not None
    copied = set(zip(walk.fixes.lat_e5.tolist(), walk.fixes.lng_e5.tolist(), strict=True))
    source = set(zip(walk.original.lat_e5.tolist(), walk.original.lng_e5.tolist(), strict=True))
    assert copied <= source


def test_the_error_model_has_the_spread_and_memory_it_documents() -> None:
    rng = np.random.default_rng(0)
    t_s = np.arange(0.0, 200_000.0)
    values = correlated(rng, t_s, 5.0, 30.0)
    assert values.std() == pytest.approx(5.0, rel=0.05)
    lagged = np.corrcoef(values[:-30], values[30:])[0, 1]
    assert lagged == pytest.approx(np.exp(-1.0), abs=0.05)


def test_reported_accuracy_covers_about_68_percent() -> None:
    rng = np.random.default_rng(1)
    t_s = np.arange(0.0, 100_000.0)
    seen = observe(rng, t_s, 0 * t_s, 0 * t_s, GpsError(sigma_m=4.0, tau_s=10.0))
    inside = np.hypot(seen.x_m, seen.y_m) <= seen.accuracy_m
    assert 0.60 < inside.mean() < 0.78


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [("teleport", {}), ("walk", {"duration_s": 3}), ("walk", {"interval_s": 0})],
)
def test_what_cannot_be_simulated_is_refused(kind: str, arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"known are|at least"):
        simulate(kind, 0, **arguments)  # type: ignore[arg-type]


def test_background_gaps_and_sparse_tracks_are_what_they_say() -> None:
    gaps = np.concatenate([np.diff(simulate("background_gaps", s).fixes.t_ms) for s in range(5)])
    assert gaps.max() > 60_000
    assert np.median(np.diff(simulate("sparse", 1).fixes.t_ms)) >= 5_000


@pytest.mark.parametrize("track", TRACKS, ids=lambda track: track.name)
def test_the_shipped_files_are_what_the_command_writes(track: ShippedTrack) -> None:
    shipped = REPOSITORY / "assets" / "tracks" / f"{track.name}.gpx"
    text = gpx_text(track, generate(track))
    assert shipped.stat().st_size <= 250_000
    assert "Generated, not recorded" in text
    # Rounding in the last place may differ between processors; the shape of the file may not.
    assert abs(len(text) - shipped.stat().st_size) <= 50
    assert text.count("<trkpt") == shipped.read_text(encoding="utf-8").count("<trkpt")


def test_the_command_writes_every_track(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge_sdk.walk.simulate", "--write", str(tmp_path)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    assert {path.stem for path in tmp_path.glob("*.gpx")} == {track.name for track in TRACKS}
