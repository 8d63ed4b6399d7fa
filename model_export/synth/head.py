"""The dog's head as primitives: skull, muzzle, jaw, mouth, eyes and lids; ears are in `ears`.

Head frame: x towards the nose, y to the dog's left, z up; the origin lies inside the skull between
the ears' bases; one unit is about the width of the head at the cheeks. Everything a face shows is
geometry (eyeballs, lids, teeth, creases), so that a turned head hides what it should.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from model_export.synth import parts
from model_export.synth.ears import add_ears
from model_export.synth.expression import Expression
from model_export.synth.head_shape import HeadShape
from model_export.synth.mouth import add_mouth, mouth_frame
from model_export.synth.primitives import PrimitiveList, Primitives
from model_export.synth.vectors import Vector, clamp, cross, unit


@dataclass(frozen=True)
class HeadPoints:
    """The named points of a head, each (3,) in the head frame; left and right are the dog's."""

    nose: Vector
    chin: Vector
    left_ear_base: Vector
    right_ear_base: Vector
    left_ear_tip: Vector
    right_ear_tip: Vector
    left_eye: Vector
    right_eye: Vector


_FRAY_LIMIT = 0.055
_FUR_SHARE = np.zeros(parts.PART_COUNT)
_FUR_SHARE[[parts.SKULL, parts.CHEEK, parts.BROW, parts.JAW]] = (0.7, 1.0, 0.7, 0.7)
_FUR_SHARE[[parts.MUZZLE, parts.EAR_OUTER, parts.EAR_INNER]] = (0.45, 1.1, 0.4)


def head_primitives(
    shape: HeadShape, expression: Expression, fur: float = 0.0
) -> tuple[Primitives, HeadPoints]:
    """The head of a dog with an expression, as primitives in the head frame and its named points.

    The pitch and roll of the expression are not applied: the caller turns the whole head. `fur` is
    the length of the coat in head units; each part frays by its share of it.
    """
    solids = PrimitiveList()
    _skull(solids, shape, expression)
    nose, chin = add_mouth(solids, shape, expression)
    left_eye = _eye(solids, shape, expression, 1)
    right_eye = _eye(solids, shape, expression, -1)
    _brows(solids, shape, expression)
    ears = add_ears(solids, shape, expression)
    points = HeadPoints(
        nose=nose,
        chin=chin,
        left_ear_base=ears[0][0],
        right_ear_base=ears[1][0],
        left_ear_tip=ears[0][1],
        right_ear_tip=ears[1][1],
        left_eye=left_eye,
        right_eye=right_eye,
    )
    primitives = solids.build()
    return replace(primitives, fur=min(fur, _FRAY_LIMIT) * _FUR_SHARE[primitives.part]), points


def _skull(s: PrimitiveList, h: HeadShape, e: Expression) -> None:
    w, up, long = h.skull_width, h.skull_height, h.skull_length
    s.cone(
        (-0.16 * long, 0, 0.10), (0.06, 0, 0.11 * up), 0.40 * w, 0.37 * w, parts.SKULL, blend=0.06
    )
    s.cone(
        (-0.08 * long, 0, 0.2 * up), (0.1, 0, 0.2 * up), 0.27 * w, 0.24 * w, parts.SKULL, blend=0.1
    )
    cheek = 0.25 * h.cheeks
    for side in (1, -1):
        s.cone(
            (-0.02, 0.19 * side * w, -0.08),
            (0.2, 0.12 * side * w, -0.12),
            cheek,
            0.8 * cheek,
            parts.SKULL,
            blend=0.1,
        )
        if h.ruff > 0.15:
            r = 0.16 + 0.14 * h.ruff
            s.cone(
                (-0.12, 0.3 * side * w, 0.0),
                (0.02, 0.3 * side * w, -0.26),
                r,
                0.8 * r,
                parts.SKULL,
                blend=0.12,
            )
            s.cone(
                (-0.05, 0.12 * side, -0.34), (0.05, 0.0, -0.4), r, 0.8 * r, parts.SKULL, blend=0.12
            )
    if h.folds > 0.2:
        depth = 0.045 * h.folds
        for i in range(2):
            z = 0.32 + 0.09 * i
            x = 0.33 - 0.08 * i
            for side in (1, -1):
                s.cone(
                    (x, 0.02 * side, z * up),
                    (x - 0.06, 0.2 * side, (z - 0.03) * up),
                    depth,
                    depth * 0.6,
                    parts.BROW,
                    blend=0.02,
                )
                s.cone(
                    (x + 0.005, 0.02 * side, (z - 0.05) * up),
                    (x - 0.05, 0.18 * side, (z - 0.08) * up),
                    depth * 0.5,
                    depth * 0.3,
                    parts.WRINKLE,
                    blend=0.01,
                )


EYE_RADIUS = 0.086
"""In head units: a lid opening of about a fifth of the head's width, as photographs show it."""
_LID_STATIONS = np.array((-1.15, -0.55, 0.0, 0.55, 1.15))


def _eye_centre(h: HeadShape, side: int) -> Vector:
    y = 0.178 * h.skull_width * h.eye_spacing
    z = 0.135 * h.skull_height
    reach = max((0.385 * h.skull_width) ** 2 - y * y - 0.0012, 0.04)
    return np.array((0.055 + 0.80 * math.sqrt(reach), side * y, z))


def _outward(side: int) -> tuple[Vector, Vector, Vector]:
    """The eye's axes: outwards, towards the dog's left along the eye's opening, up."""
    yaw = math.radians(27.0) * side
    forward = np.array((math.cos(yaw), math.sin(yaw), 0.10))
    forward = unit(forward)
    across = unit(np.array((-forward[1], forward[0], 0.0)))
    return forward, across, cross(forward, across)


def _eye(s: PrimitiveList, h: HeadShape, e: Expression, side: int) -> Vector:
    index = 0 if side > 0 else 1
    c = _eye_centre(h, side)
    r = EYE_RADIUS * h.eye_size
    forward, across, up = _outward(side)
    gy = math.radians(clamp(e.gaze_yaw_deg, -32, 32))
    gp = math.radians(clamp(e.gaze_pitch_deg, -28, 28))
    ahead = unit(np.array((1.0, 0.25 * side, 0.05)))
    gaze = math.cos(gp) * (math.cos(gy) * ahead + math.sin(gy) * across) + math.sin(gp) * up
    gaze = unit(gaze)
    white = e.eye_white
    s.ball(c, r, parts.EYE_WHITE)
    iris = r * (1.0 - 0.22 * white)
    s.ball(c + gaze * (r * 1.05 - iris * 0.98 + 0.012 * white), iris, parts.IRIS)
    s.ball(c + gaze * r * 0.50, 0.60 * r, parts.PUPIL)

    opening = clamp(e.eye_open[index], 0.0, 1.0)
    raise_inner = e.inner_brow_raise[index]
    upper_edge = math.radians(-16.0 + 66.0 * opening)
    lower_edge = math.radians(-20.0 - 26.0 * opening)
    tilt = math.radians(22.0 * raise_inner - 16.0 * e.brow_knit + 4.0)

    turn = 0.95 * _LID_STATIONS
    around = np.cos(turn)[:, None] * forward + np.sin(turn)[:, None] * across
    droop = 1.0 - 0.42 * np.abs(_LID_STATIONS)
    inner = -tilt * side * _LID_STATIONS

    def lid(angle: float, thickness: float, part: int, blend: float = 0.0) -> None:
        height = angle * droop + inner * (1.0 if angle > lower_edge else 0.5)
        arc = c + 1.04 * r * (np.cos(height)[:, None] * around + np.sin(height)[:, None] * up)
        for a, b in pairwise(arc.tolist()):
            s.cone(a, b, thickness, thickness, part, blend=blend)

    lid(upper_edge, 0.20 * r, parts.EYE_RIM)
    lid(lower_edge, 0.17 * r, parts.EYE_RIM)
    angle = upper_edge
    while angle < math.radians(66.0):
        angle += math.radians(19.0)
        lid(angle, 0.30 * r, parts.EYELID, blend=0.02)
    angle = lower_edge
    while angle > math.radians(-64.0):
        angle -= math.radians(19.0)
        lid(angle, 0.28 * r, parts.EYELID, blend=0.02)
    socket = 0.5 * r
    for t in (-1.0, 1.0):
        corner = c + (forward * 0.35 + across * t * 1.15 - up * 0.04) * r
        s.cone(corner, corner - forward * r * 0.4, socket, socket, parts.EYELID, blend=0.02)
    return c + forward * r


def _brows(s: PrimitiveList, h: HeadShape, e: Expression) -> None:
    for side, index in ((1, 0), (-1, 1)):
        c = _eye_centre(h, side)
        lift = e.inner_brow_raise[index]
        knit = e.brow_knit
        inner = np.array(
            (
                c[0] + 0.03,
                c[1] - 0.115 * side + 0.03 * knit * -side,
                c[2] + 0.135 + 0.14 * lift - 0.05 * knit,
            )
        )
        middle = np.array(
            (c[0] + 0.015, c[1] - 0.01 * side, c[2] + 0.15 + 0.02 * lift - 0.03 * knit)
        )
        outer = np.array((c[0] - 0.075, c[1] + 0.105 * side, c[2] + 0.10 - 0.07 * lift))
        bulk = 0.050 + 0.016 * lift + 0.016 * knit
        s.cone(inner, middle, bulk, bulk * 0.95, parts.BROW, blend=0.09)
        s.cone(middle, outer, bulk * 0.95, bulk * 0.7, parts.BROW, blend=0.09)
        if lift > 0.35:
            crease = np.array((0.015, 0.0, 0.07))
            s.cone(
                inner + crease,
                0.45 * inner + 0.55 * middle + crease,
                0.018 * lift,
                0.009,
                parts.WRINKLE,
                blend=0.01,
            )
        if knit > 0.3:
            top = np.array((c[0] + 0.05, 0.045 * side, c[2] + 0.20))
            s.cone(
                top,
                top + np.array((0.02, 0.012 * side, -0.14)),
                0.012 * knit,
                0.012 * knit,
                parts.WRINKLE,
            )
        if h.fringe > 0.1:
            f = h.fringe
            for t in (-0.6, 0.0, 0.6):
                root = middle + np.array((0.0, t * 0.16, 0.05))
                tip = root + np.array((0.05 + 0.10 * f, t * 0.05, -0.02 - 0.09 * f))
                s.cone(root, tip, 0.05 + 0.03 * f, 0.02, parts.BROW, blend=0.02)
    stop = 0.24 * (1.0 - 0.55 * h.stop) * h.skull_width
    frame = mouth_frame(h)
    s.cone(
        (0.16, 0, 0.18),
        (frame.bridge_x, 0, frame.bridge_z),
        stop,
        0.12 * h.muzzle_width,
        parts.SKULL,
        blend=0.1,
    )


def points_array(points: HeadPoints) -> NDArray[np.float64]:
    """The points as (8, 3): nose, chin, ear bases left right, ear tips, eyes."""
    rows: Sequence[Vector] = (
        points.nose,
        points.chin,
        points.left_ear_base,
        points.right_ear_base,
        points.left_ear_tip,
        points.right_ear_tip,
        points.left_eye,
        points.right_eye,
    )
    return np.stack(rows)
