"""The detector's recipe: labels follow the window, targets sit where the decoder looks."""

import math
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edge_sdk.vision import resample  # noqa: E402
from model_export.train.detector import (  # noqa: E402
    centre_targets,
    detector_loss,
    edge_distances,
    giou_of_distances,
    picture,
    place,
    random_window,
)
from model_export.train.examples import Example  # noqa: E402

NAN = float("nan")


def dog(box=(20, 30, 60, 50), heading=0.3, size=80):
    image = np.full((size, size, 3), 100, np.uint8)
    x0, y0, x1, y1 = box
    image[y0:y1, x0:x1] = 255
    return Example(
        image=image,
        dog_boxes=np.array([box], np.float32),
        dog_headings_rad=np.array([heading], np.float32),
    )


def batch_of(box, heading=0.3, ignored=(NAN,) * 4):
    rows = torch.full((1, 3, 4), NAN)
    rows[0, 0] = torch.tensor(box, dtype=torch.float32)
    headings = torch.full((1, 3, 1), NAN)
    headings[0, 0] = heading
    away = torch.full((1, 3, 4), NAN)
    away[0, 0] = torch.tensor(ignored)
    return {"boxes": rows, "headings": headings, "ignored": away}


def perfect_raw(box, heading=0.3, side=8):
    """What a net that knows everything says."""
    raw = torch.zeros(1, 7, side, side)
    target, _ = centre_targets(batch_of(box)["boxes"], side, side)
    raw[:, 0] = torch.logit(target.clamp(1e-4, 1 - 1e-4))
    truth = edge_distances(torch.tensor([box], dtype=torch.float32)[:, :, None, None], side, side)
    raw[:, 1:5] = truth.clamp(min=1e-3).log()
    raw[:, 5], raw[:, 6] = math.cos(heading), math.sin(heading)
    return raw


def test_the_peak_is_at_the_cell_of_the_centre():
    target, owner = centre_targets(batch_of((16, -12, 40, 68))["boxes"], 8, 8)
    # The centre (28, 28) lies in cell 3, 3 of eight pixels each.
    assert target.shape == (1, 8, 8)
    assert torch.nonzero(target[0] == 1).tolist() == [[3, 3]]
    assert owner[0, 3, 3] == 0
    assert target[0, 3, 4] < target[0, 4, 3], "a tall box has a tall peak"


def test_no_box_has_no_peak():
    target, _ = centre_targets(torch.full((2, 3, 4), NAN), 8, 8)
    assert float(target.max()) == 0


def test_giou_of_equal_boxes_is_one_and_falls_below_zero_far_away():
    same = torch.tensor([[1.0], [2.0], [3.0], [4.0]])
    assert float(giou_of_distances(same, same)) == pytest.approx(1)
    # Half as wide and as high, inside: IoU 1/4, the hull is the larger box itself.
    assert float(giou_of_distances(same / 2, same)) == pytest.approx(0.25)


def test_the_truth_has_nearly_no_loss_and_each_fault_raises_it():
    box = (10, 14, 50, 46)
    best, parts = detector_loss(perfect_raw(box), batch_of(box))
    assert parts["box"] < 0.01 and parts["heading"] < 1e-6

    def with_fault(change):
        raw = perfect_raw(box)
        change(raw)
        return float(detector_loss(raw, batch_of(box))[0])

    def no_peak(raw):
        raw[:, 0] = -6

    def second_peak(raw):
        raw[:, 0, 0, 7] = 4

    def wide(raw):
        raw[:, 1:5] += 0.5

    def turned(raw):
        raw[:, 5] *= -1

    for fault in (no_peak, second_peak, wide, turned):
        assert with_fault(fault) > float(best) + 0.1, fault.__name__


def test_what_is_ignored_is_neither_dog_nor_background():
    box = (4, 4, 28, 28)
    raw = perfect_raw(box)
    raw[:, 0, 6, 6] = 5
    blamed, _ = detector_loss(raw, batch_of(box))
    spared, _ = detector_loss(raw, batch_of(box, ignored=(44.0, 44.0, 60.0, 60.0)))
    assert float(spared) < float(blamed) - 0.5


def test_an_unknown_heading_teaches_nothing():
    box = (10, 14, 50, 46)
    raw = perfect_raw(box, heading=2.0).requires_grad_()
    loss, parts = detector_loss(raw, batch_of(box, heading=NAN))
    loss.backward()
    assert parts["heading"] == 0 and not raw.grad[:, 5:7].any()


def test_pictures_without_a_dog_have_a_finite_loss():
    empty = {
        "boxes": torch.full((2, 3, 4), NAN),
        "headings": torch.full((2, 3, 1), NAN),
        "ignored": torch.full((2, 3, 4), NAN),
    }
    loss, _ = detector_loss(torch.zeros(2, 7, 8, 8), empty)
    assert torch.isfinite(loss)


@pytest.mark.parametrize("mirrored", [False, True])
def test_labels_follow_the_pixels_through_a_window(mirrored):
    window = resample.Window(10.0, 5.0, 1.0, 64, 64, mirrored)
    placed = place(dog(), window, face=False)
    x0, y0, x1, y1 = placed.boxes[0].round().astype(int)
    assert placed.pixels[y0:y1, x0:x1].min() == 255
    assert (placed.pixels[..., 0] == 255).sum() == (x1 - x0) * (y1 - y0)
    assert math.cos(placed.headings_rad[0]) == pytest.approx(
        -math.cos(0.3) if mirrored else math.cos(0.3)
    )
    assert math.sin(placed.headings_rad[0]) == pytest.approx(math.sin(0.3))


def test_a_dog_mostly_out_of_sight_is_ignored_and_a_clipped_one_keeps_its_visible_part():
    mostly_out = place(dog(), resample.Window(48.0, 0.0, 1.0, 64, 64), face=False)
    assert len(mostly_out.boxes) == 0 and len(mostly_out.ignored) == 1
    clipped = place(dog(), resample.Window(30.0, 0.0, 1.0, 64, 64), face=False)
    np.testing.assert_allclose(clipped.boxes, [[0, 30, 30, 50]])
    gone = place(dog(), resample.Window(70.0, 0.0, 1.0, 64, 64), face=False)
    assert len(gone.boxes) == 0 and len(gone.ignored) == 0


def test_a_hidden_dog_is_ignored_and_its_face_is_not():
    hidden = replace(dog(), dogs_hidden=np.array([True]), face_boxes=dog().dog_boxes)
    window = resample.Window(0.0, 0.0, 1.0, 80, 80)
    placed = place(hidden, window, face=False)
    assert len(placed.boxes) == 0
    np.testing.assert_allclose(placed.ignored, [[20, 30, 60, 50]])
    assert len(place(hidden, window, face=True).boxes) == 1


def test_a_mosaic_holds_the_dogs_of_its_four_tiles_where_they_are_drawn():
    rng = np.random.default_rng(0)
    for _ in range(10):
        mosaic = picture([dog()] * 4, rng, 128, face=False)
        for box in mosaic.boxes:
            x, y = ((box[:2] + box[2:]) / 2).astype(int)
            assert mosaic.pixels[y, x].min() > 200


def test_random_windows_show_the_middle_of_the_picture():
    rng = np.random.default_rng(0)
    for _ in range(50):
        window = random_window(rng, 200, 100, 64, (0.6, 1.5))
        u, v = window.to_target(np.array([100.0, 50.0]))
        assert 0 <= u <= 64 and 0 <= v <= 64
