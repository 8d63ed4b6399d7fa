"""The emotion recipe: honest probabilities, and crops that hold the face."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from model_export.train.emotion import fitted_temperature, jittered_window  # noqa: E402
from model_export.train.examples import Example  # noqa: E402


def test_the_temperature_undoes_a_known_overconfidence():
    generator = torch.Generator().manual_seed(0)
    honest = torch.randn(4000, 4, generator=generator) * 2
    labels = torch.multinomial(torch.softmax(honest, dim=1), 1, generator=generator)[:, 0]
    assert fitted_temperature(honest * 2.5, labels) == pytest.approx(2.5, rel=0.1)
    assert fitted_temperature(honest, labels) == pytest.approx(1.0, rel=0.1)


def test_a_crop_holds_the_face_and_is_mirrored_in_about_half_of_the_cases():
    face = Example(
        image=np.zeros((80, 80, 3), np.uint8),
        face_boxes=np.array([[20, 20, 60, 60]], np.float32),
        emotion=1,
    )
    rng = np.random.default_rng(0)
    windows = [jittered_window(face, rng, 48, 1.3) for _ in range(200)]
    corners = np.array([w.boxes_to_source([0.0, 0.0, 48.0, 48.0]) for w in windows])
    assert (corners[:, :2] < 32).all() and (corners[:, 2:] > 48).all()
    assert 0.35 < np.mean([w.mirrored for w in windows]) < 0.65
