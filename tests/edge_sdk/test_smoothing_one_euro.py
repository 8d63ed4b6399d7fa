"""The One Euro filter against the published algorithm, and against its reference code's faults."""

import math

import numpy as np
import pytest

from edge_sdk.errors import FilterTimeNotRising
from edge_sdk.smoothing import OneEuroFilter

# Input and output of Algorithm 1 in Casiez, Roussel and Vogel (CHI 2012), computed by `published`
# below at 120 Hz with min cutoff 1 Hz, beta 0.5, derivative cutoff 1 Hz; kept as numbers so that a
# port in another language can be held to the same.
INPUT = (0.0, 0.12, 0.31, 0.28, 0.75, 1.4, 1.35, 1.1, 1.12, 1.11, 0.2, -0.6)
OUTPUT = (0.0, 0.007967, 0.039699, 0.071355, 0.208321, 0.566162, 0.838664, 0.931381, 0.99867,
          1.038035, 0.802296, 0.61375)  # fmt: skip


def published(values, rate_hz, min_cutoff, beta, derivative_cutoff):
    """The paper's pseudo-code, one number at a time, written from the paper alone."""

    def alpha(cutoff):
        return 1.0 / (1.0 + rate_hz / (2 * math.pi * cutoff))

    out, filtered, speed = [], None, 0.0
    for x in values:
        if filtered is None:
            filtered = x
        else:
            raw = (x - filtered) * rate_hz
            a = alpha(derivative_cutoff)
            speed = a * raw + (1 - a) * speed
            a = alpha(min_cutoff + beta * abs(speed))
            filtered = a * x + (1 - a) * filtered
        out.append(filtered)
    return out


def run(f, values, step_ms=1000 / 120, start_ms=0.0):
    return [float(f(v, start_ms + i * step_ms)) for i, v in enumerate(values)]


def test_the_published_vectors_come_out_to_1e_4():
    filtered = run(OneEuroFilter(1.0, 0.5, 1.0), INPUT)
    assert np.abs(np.array(filtered) - OUTPUT).max() <= 1e-4
    assert published(INPUT, 120, 1.0, 0.5, 1.0) == pytest.approx(OUTPUT, abs=1e-6)


@pytest.mark.parametrize(("cutoff", "beta", "derivative"), [(1, 0, 1), (0.3, 2, 1), (2, 0.05, 5)])
@pytest.mark.parametrize("rate_hz", [12, 30, 120])
def test_any_signal_equals_the_published_algorithm(cutoff, beta, derivative, rate_hz):
    values = np.cumsum(np.random.default_rng(rate_hz).normal(size=200))
    filtered = run(OneEuroFilter(cutoff, beta, derivative), values, 1000 / rate_hz)
    expected = published(values, rate_hz, cutoff, beta, derivative)
    assert np.abs(np.array(filtered) - expected).max() <= 1e-9


def test_points_are_filtered_each_for_itself():
    values = np.random.default_rng(3).normal(size=(50, 24, 2))
    together, alone = OneEuroFilter(1, 0.3), OneEuroFilter(1, 0.3)
    for i, frame in enumerate(values):
        out = together(frame, i * 33.0)
        one = alone(frame[7, 1], i * 33.0)
    assert out.shape == (24, 2)
    assert float(out[7, 1]) == pytest.approx(float(one), abs=1e-12)


def test_time_zero_is_a_time():
    from_zero, later = OneEuroFilter(), OneEuroFilter()
    assert run(from_zero, INPUT, 100, 0.0) == pytest.approx(run(later, INPUT, 100, 5_000.0))


def test_reset_forgets_value_speed_and_time():
    f = OneEuroFilter(1, 1)
    run(f, INPUT, start_ms=10_000)
    f.reset()
    assert run(f, INPUT) == pytest.approx(run(OneEuroFilter(1, 1), INPUT))


def test_nan_neither_poisons_nor_moves_a_point():
    f = OneEuroFilter()
    f([1.0, 5.0], 0)
    held = f([math.nan, 5.0], 50)
    assert held.tolist() == [1.0, 5.0]
    back = f([2.0, 5.0], 100)
    # The point that was gone has a step of 100 ms behind it, not of 50.
    assert back[0] == pytest.approx(run(OneEuroFilter(), (1.0, 2.0), 100)[1])


def test_low_confidence_is_skipped():
    f = OneEuroFilter(min_confidence=0.3)
    f([1.0, 1.0], 0, confidence=[0.9, 0.9])
    out = f([9.0, 9.0], 33, confidence=[0.9, 0.1])
    assert out[0] > 1.0
    assert out[1] == 1.0


def test_a_point_never_seen_is_nan_until_it_is():
    f = OneEuroFilter()
    assert np.isnan(f([math.nan], 0))[0]
    assert f([4.0], 33)[0] == 4.0


def test_object_size_makes_zoom_irrelevant():
    near, far = OneEuroFilter(1, 3), OneEuroFilter(1, 3)
    for i, x in enumerate(INPUT):
        big = near(300 * x, i * 33.0, object_size=300.0)
        small = far(50 * x, i * 33.0, object_size=50.0)
    assert float(big) / 300 == pytest.approx(float(small) / 50, abs=1e-12)


@pytest.mark.parametrize("late_ms", [100.0, 99.0, math.nan])
def test_time_must_rise(late_ms):
    f = OneEuroFilter()
    f(1.0, 100.0)
    with pytest.raises(FilterTimeNotRising):
        f(1.0, late_ms)


def test_another_number_of_points_needs_a_reset():
    f = OneEuroFilter()
    f(np.zeros(3), 0)
    with pytest.raises(ValueError, match="reset"):
        f(np.zeros(4), 33)
