"""What every filter promises: its declared gain and lag are what a sine meets; holes; purposes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_sdk.errors import DisplayFilteredInput, FilterTimeNotRising
from edge_sdk.gait import score
from edge_sdk.smoothing import (
    DisplayFilter,
    EmaFilter,
    MeasurementFilter,
    OneEuroFilter,
    SavitzkyGolayFilter,
    fill_gaps,
)
from edge_sdk.smoothing.medians import median

RATE_HZ = 30.0
TIMES_MS = np.arange(0, 20_000, 1000 / RATE_HZ)


def sine(frequency_hz):
    return np.sin(2 * np.pi * frequency_hz * TIMES_MS / 1000)


def through(f, values):
    if hasattr(f, "reset"):
        f.reset()
    if isinstance(f, OneEuroFilter | EmaFilter):
        return np.array([float(f(v, t)) for v, t in zip(values, TIMES_MS, strict=True)])
    if isinstance(f, SavitzkyGolayFilter):
        return f(values, TIMES_MS)
    points = np.zeros((len(values), 24, 3))
    points[:, :, 0], points[:, :, 2] = 500 + values[:, None], 1.0
    points[:, 12, 0] += 4_000  # a large dog: a sine of 1 px is rest to One Euro
    if isinstance(f, DisplayFilter):
        frames = zip(points, TIMES_MS, strict=True)
        return np.array([f(p, t).points[0, 0] for p, t in frames]) - 500
    return f(points, TIMES_MS).keypoints[:, 0, 0] - 500


def filters():
    return [
        OneEuroFilter(),
        OneEuroFilter(2.5),
        EmaFilter(),
        EmaFilter(0.4),
        SavitzkyGolayFilter(),
        SavitzkyGolayFilter(0.25),
        DisplayFilter(),
        MeasurementFilter(),
    ]


@pytest.mark.parametrize("f", filters(), ids=repr)
class TestEveryFilter:
    @pytest.mark.parametrize("frequency_hz", [0.5, 1.0, 2.0, 3.0])
    def test_keeps_of_a_sine_what_it_declares(self, f, frequency_hz):
        middle = slice(180, 420)  # eight seconds: whole periods only
        wave = np.exp(-2j * np.pi * frequency_hz * TIMES_MS[middle] / 1000)
        kept = through(f, sine(frequency_hz))[middle] @ wave / (sine(frequency_hz)[middle] @ wave)
        assert abs(kept) == pytest.approx(abs(f.gain(frequency_hz, RATE_HZ)), abs=0.02)

    def test_is_as_late_as_it_declares(self, f):
        ramp = TIMES_MS / 1000
        late = (ramp - through(f, ramp))[250:-250]
        # One Euro opens with speed: on a ramp it is at most as late as at rest.
        assert late.max() <= f.lag_s(RATE_HZ) + 1e-6
        assert late.min() >= -1e-6

    def test_leaves_rest_alone(self, f):
        assert f.gain(0.0, RATE_HZ) == pytest.approx(1.0)
        assert through(f, np.full(len(TIMES_MS), 7.0)) == pytest.approx(7.0)


def test_measuring_keeps_two_strides_a_second_where_one_euro_loses_them():
    at_12_fps = [SavitzkyGolayFilter().gain(f, 12.0) for f in (1.0, 2.0, 3.0)]
    assert at_12_fps == pytest.approx([0.99, 0.91, 0.66], abs=0.01)
    assert [OneEuroFilter().gain(f, 12.0) for f in (1, 2, 3)] == pytest.approx(
        [0.63, 0.39, 0.29], abs=0.01
    )


class TestSavitzkyGolay:
    def test_a_parabola_comes_back_whole_at_irregular_times_and_at_the_ends(self):
        t_ms = np.sort(np.random.default_rng(1).uniform(0, 5000, 120))
        parabola = 3 - 2 * t_ms / 1000 + 0.7 * (t_ms / 1000) ** 2
        assert SavitzkyGolayFilter()(parabola, t_ms) == pytest.approx(parabola, abs=1e-7)

    def test_an_outlier_without_confidence_does_nothing(self):
        line = TIMES_MS / 1000
        bent, trust = line.copy(), np.ones(len(line))
        bent[100], trust[100] = 1e6, 0.0
        assert SavitzkyGolayFilter()(bent, TIMES_MS, trust) == pytest.approx(line, abs=1e-6)

    def test_nan_weighs_nothing(self):
        line = TIMES_MS / 1000
        holed = line.copy()
        holed[50:53] = np.nan
        assert SavitzkyGolayFilter()(holed, TIMES_MS) == pytest.approx(line, abs=1e-6)

    def test_a_window_without_any_frame_is_nan(self):
        values = np.full(40, np.nan)
        values[:5] = 1.0
        out = SavitzkyGolayFilter()(values, TIMES_MS[:40])
        assert np.isfinite(out[:5]).all()
        assert np.isnan(out[20:]).all()

    def test_one_frame_and_none(self):
        assert SavitzkyGolayFilter()([5.0], [0.0]).tolist() == [5.0]
        assert SavitzkyGolayFilter()(np.zeros((0, 3)), []).shape == (0, 3)

    def test_time_must_rise(self):
        with pytest.raises(FilterTimeNotRising):
            SavitzkyGolayFilter()([1.0, 2.0], [5.0, 5.0])


class TestGaps:
    T_MS = np.arange(0.0, 2000.0, 50.0)

    def holed(self, first, last):
        values = np.stack([self.T_MS, 2 * self.T_MS], axis=1)
        values[first:last, 0] = np.nan
        return values

    def test_a_hole_of_150_ms_is_filled_and_marked(self):
        filled = fill_gaps(self.holed(10, 13), self.T_MS)
        assert filled.values[:, 0] == pytest.approx(self.T_MS)
        assert np.flatnonzero(filled.imputed[:, 0]).tolist() == [10, 11, 12]
        assert not filled.imputed[:, 1].any()
        assert set(filled.segment[:, 0].tolist()) == {0}

    def test_a_longer_one_splits(self):
        filled = fill_gaps(self.holed(10, 14), self.T_MS)
        assert not filled.imputed.any()
        assert np.isnan(filled.values[10:14, 0]).all()
        assert filled.segment[[9, 10, 14], 0].tolist() == [0, -1, 1]
        assert set(filled.segment[:, 1].tolist()) == {0}

    def test_the_ends_are_never_invented(self):
        filled = fill_gaps(self.holed(0, 2), self.T_MS)
        assert np.isnan(filled.values[:2, 0]).all()
        assert filled.segment[2, 0] == 0

    def test_frames_that_are_missing_altogether_split_too(self):
        at = np.r_[self.T_MS[:10], self.T_MS[20:]]
        filled = fill_gaps(np.ones((len(at), 1)), at)
        assert filled.segment[[9, 10], 0].tolist() == [0, 1]


def test_the_measurement_filter_fills_and_splits_each_point():
    points = np.ones((60, 24, 3))
    points[:, :, 0] = np.arange(60)[:, None]
    points[20:23, 3] = (np.nan, np.nan, 0.0)
    points[30:45, 5, 2] = 0.05
    track = MeasurementFilter()(points, TIMES_MS[:60])
    assert track.imputed[20:23, 3].all() and track.imputed.sum() == 3
    assert track.keypoints[20:23, 3, 0] == pytest.approx([20, 21, 22])
    assert np.isnan(track.keypoints[30:45, 5, 0]).all()
    assert track.segment[50, 5] == 1


def test_the_measurement_filter_smooths_each_unbroken_piece_for_itself():
    rng = np.random.default_rng(5)
    times_ms = np.cumsum(rng.uniform(60, 100, 90))
    keypoints = np.dstack([rng.normal(0, 5, (90, 6, 2)), rng.uniform(0.3, 1, (90, 6))])
    for point, holes in enumerate(([], [20], [30, 60], [5, 45], [88], [40])):
        for at in holes:
            keypoints[at : at + 5, point] = np.nan
    track = MeasurementFilter()(keypoints, times_ms)
    alone = SavitzkyGolayFilter()
    assert track.segment.max() == 2
    for point in range(6):
        for piece in range(track.segment[:, point].max() + 1):
            rows = track.segment[:, point] == piece
            path, trust = keypoints[rows, point, :2], keypoints[rows, point, 2]
            wanted = alone(path, times_ms[rows], trust)
            np.testing.assert_allclose(track.keypoints[rows, point, :2], wanted, atol=1e-9)


def test_the_measurement_filter_takes_no_frames_as_well():
    track = MeasurementFilter()(np.empty((0, 24, 3)), np.empty(0))
    assert track.keypoints.shape == (0, 24, 3)


def test_a_new_track_starts_the_display_filter_anew():
    f = DisplayFilter()
    there, elsewhere = np.ones((24, 3)), np.full((24, 3), 500.0)
    elsewhere[:, 2] = 1.0
    f(there, 0, track_id="a")
    assert f(elsewhere, 33, track_id="b").points[0, 0] == 500.0
    assert 1.0 < f(there, 66, track_id="b").points[0, 0] < 500.0


def test_metrics_refuse_what_was_smoothed_for_the_screen():
    f = DisplayFilter()
    frames = [f(np.ones((24, 3)), t) for t in TIMES_MS[:30]]
    with pytest.raises(DisplayFilteredInput):
        score(frames, TIMES_MS[:30])
    with pytest.raises(DisplayFilteredInput):
        MeasurementFilter()(frames, TIMES_MS[:30])


@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=40))
def test_the_median_is_that_of_numpy(values):
    assert np.array_equal([median(values)], [np.median(values)], equal_nan=True)
