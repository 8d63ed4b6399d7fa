"""The rasteriser against what geometry says."""

import math

import numpy as np
import pytest

pytest.importorskip("numba")

from model_export.synth import parts
from model_export.synth.camera import Camera
from model_export.synth.posture import rotation
from model_export.synth.raster import GBuffer, PrimitiveList, Primitives, rasterise

SIZE = 96


def camera(azimuth: float = -math.pi / 2, elevation: float = 0.2, distance: float = 4.0) -> Camera:
    return Camera(azimuth, elevation, distance, 200.0, (SIZE / 2, SIZE / 2), (0.0, 0.0, 0.5))


def draw(shapes: PrimitiveList, view: Camera | None = None) -> GBuffer:
    return rasterise(shapes.build(), view or camera(), SIZE, SIZE)


def points_of(buffer: GBuffer, view: Camera) -> np.ndarray:
    """World points of all pixels that see something."""
    y, x = np.nonzero(buffer.part)
    depth = buffer.depth[y, x].astype(float)
    rays = np.stack(
        (
            (x + 0.5 - view.centre_px[0]) / view.focal_px,
            (y + 0.5 - view.centre_px[1]) / view.focal_px,
        )
    )
    return np.stack((rays[0] * depth, rays[1] * depth, -depth), -1) @ view.rotation + view.position


def distance_to_round_cone(p: np.ndarray, a, b, ra: float, rb: float) -> np.ndarray:
    """Signed distance by brute force over the spheres between the ends."""
    t = np.linspace(0, 1, 4001)
    centres = np.asarray(a) + t[:, None] * (np.asarray(b) - np.asarray(a))
    radii = ra + t * (rb - ra)
    return np.array([(np.linalg.norm(centres - q, axis=1) - radii).min() for q in p])


@pytest.mark.parametrize(
    ("b", "radii"),
    [
        ((0.4, 0.1, 0.7), (0.2, 0.1)),
        ((0.0, -0.6, 0.5), (0.15, 0.2)),
        ((0.05, 0.0, 0.5), (0.25, 0.05)),
    ],
    ids=["across", "towards the camera", "one sphere within the other"],
)
def test_every_pixel_of_a_cone_lies_on_its_surface(b, radii):
    a, view = (-0.2, 0.0, 0.45), camera()
    shapes = PrimitiveList()
    shapes.cone(a, b, *radii, parts.TORSO)
    buffer = draw(shapes, view)
    surface = points_of(buffer, view)
    assert len(surface) > 200
    step = np.linspace(0, len(surface) - 1, 60).astype(int)
    assert np.abs(distance_to_round_cone(surface[step], a, b, *radii)).max() < 2e-3


def test_coat_coordinates_are_the_points_themselves_on_a_dog_at_rest():
    shapes = PrimitiveList()
    shapes.cone((-0.3, 0.1, 0.5), (0.3, 0.0, 0.6), 0.2, 0.1, parts.TORSO)
    shapes.triangle((0.0, -0.4, 0.6), (0.3, -0.4, 0.6), (0.1, -0.4, 0.9), parts.EAR_OUTER)
    view = camera()
    buffer = draw(shapes, view)
    seen = buffer.part > 0
    assert np.abs(points_of(buffer, view) - buffer.local_xyz[seen]).max() < 5e-3


def test_coat_coordinates_stay_on_a_shape_that_is_moved():
    shapes = PrimitiveList()
    shapes.cone((-0.2, 0.0, 0.5), (0.2, 0.1, 0.6), 0.2, 0.1, parts.TORSO)
    still = shapes.build()
    turn = rotation(0.7, 0.3, -0.2)
    moved = still.transformed(turn, (0.1, -0.2, 0.05), 1.3)
    view = camera()
    buffer = rasterise(moved, view, SIZE, SIZE)
    world = points_of(buffer, view)
    back = (world - (0.1, -0.2, 0.05)) @ turn / 1.3
    assert np.abs(back - buffer.local_xyz[buffer.part > 0]).max() < 5e-3


def test_nearer_shapes_hide_farther_ones_in_any_order():
    near, far = ((0.0, -0.8, 0.5), parts.PAW), ((0.0, 0.8, 0.5), parts.TAIL)
    for order in ((near, far), (far, near)):
        shapes = PrimitiveList()
        for centre, part in order:
            shapes.ball(centre, 0.2, part)
        assert draw(shapes).part[SIZE // 2 + 8, SIZE // 2] == parts.PAW


def test_blending_fills_the_crease_between_two_shapes():
    def depth_at_crease(blend: float) -> float:
        shapes = PrimitiveList(blend=blend)
        shapes.ball((-0.15, 0.0, 0.5), 0.2, parts.TORSO)
        shapes.ball((0.15, 0.0, 0.5), 0.2, parts.TORSO)
        return float(draw(shapes).depth[SIZE // 2, SIZE // 2])

    assert depth_at_crease(0.15) < depth_at_crease(0.0) - 0.02


def test_the_two_sides_of_a_triangle_are_two_parts():
    corners = ((0.3, 0.0, 0.3), (-0.3, 0.0, 0.3), (0.0, 0.0, 0.8))
    seen = []
    for azimuth in (-math.pi / 2, math.pi / 2):
        shapes = PrimitiveList()
        shapes.triangle(*corners, parts.EAR_OUTER, part_back=parts.EAR_INNER)
        buffer = draw(shapes, camera(azimuth))
        middle = (SIZE // 2, SIZE // 2)
        seen.append(int(buffer.part[middle]))
        assert buffer.normal[middle][2] > 0.9
    # Counter-clockwise from the left of the dog, where y is positive.
    assert seen == [parts.EAR_INNER, parts.EAR_OUTER]


def test_projection_agrees_with_what_is_drawn():
    view = Camera(0.7, 0.3, 3.0, 150.0, (40.0, 55.0), (0.1, 0.0, 0.4), roll_rad=0.2)
    spot = (0.3, -0.2, 0.7)
    shapes = PrimitiveList()
    shapes.ball(spot, 0.03, parts.NOSE)
    y, x = np.nonzero(draw(shapes, view).part)
    expected = view.project(spot)
    assert abs(x.mean() + 0.5 - expected[0]) < 0.3 and abs(y.mean() + 0.5 - expected[1]) < 0.3


def test_a_camera_on_the_right_of_the_dog_sees_it_face_right():
    assert camera(-math.pi / 2).heading_rad == pytest.approx(0.0)
    assert camera(0.0).heading_rad == pytest.approx(math.pi / 2)
    nose, tail = camera(-math.pi / 2).project([(0.5, 0, 0.5), (-0.5, 0, 0.5)])
    assert nose[0] > tail[0]


def test_what_reaches_behind_the_camera_is_left_out():
    shapes = PrimitiveList()
    shapes.cone((0.0, 0.0, 0.5), (0.0, -6.0, 0.5), 0.2, 0.2, parts.TORSO)
    assert draw(shapes).box == (0, 0, 0, 0)


def test_no_shapes_give_an_empty_buffer():
    empty = rasterise(PrimitiveList().build(), camera(), 8, 5)
    assert empty.part.shape == (5, 8) and not empty.part.any() and np.isinf(empty.depth).all()


def test_concatenated_shapes_keep_their_owners():
    shapes = PrimitiveList()
    shapes.ball((0.0, 0.0, 0.5), 0.1, parts.TORSO)
    both = Primitives.concat([shapes.build(), shapes.build().with_owner(3)])
    assert list(both.owner) == [0, 3]
