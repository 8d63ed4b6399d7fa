"""A dog's body as primitives, and its 24 keypoints with what hides them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from model_export.synth import parts
from model_export.synth.camera import Camera
from model_export.synth.coat import Coat
from model_export.synth.expression import Expression
from model_export.synth.head import HeadPoints, head_primitives
from model_export.synth.head_shape import CROSS, HeadShape
from model_export.synth.morphology import Morphology
from model_export.synth.posture import (
    DISTAL,
    FORE,
    MIDDLE,
    PAW,
    Skeleton,
    solve,
    standing,
)
from model_export.synth.primitives import PrimitiveList, Primitives
from model_export.synth.raster import GBuffer
from model_export.synth.vectors import cross, unit

FloatArray = NDArray[np.float64]

FL, RL, FR, RR = range(4)

_FUR_SHARE = np.zeros(parts.PART_COUNT)
for _part, _share in (
    (parts.TORSO, 1.0), (parts.CHEST, 1.3), (parts.BELLY, 1.3), (parts.NECK, 1.2),
    (parts.FORE_LEG, 0.55), (parts.HIND_LEG, 0.65), (parts.PAW, 0.3), (parts.TAIL, 1.7),
):  # fmt: skip
    _FUR_SHARE[_part] = _share


@dataclass(frozen=True)
class Dog:
    """One individual: build, head, coat, and what it wears."""

    body: Morphology
    head: HeadShape
    coat: Coat
    collar: float = 0.0

    @staticmethod
    def random(rng: np.random.Generator, split: str) -> Dog:
        """A dog of the split's breeds; body and head are of one archetype, a cross has any head."""
        body = Morphology.random(rng, split)
        head = HeadShape.random(rng, split, None if body.archetype == CROSS else body.archetype)
        return Dog(
            body,
            head,
            Coat.random(rng, split),
            float(rng.uniform(0.6, 1.3)) if rng.random() < 0.45 else 0.0,
        )


@dataclass(frozen=True, eq=False)
class Figure:
    """A dog at one moment: shapes and keypoints (24, 3) in the body frame."""

    primitives: Primitives
    keypoints_xyz: FloatArray


@dataclass(frozen=True, eq=False)
class FigureMaker:
    """Makes the shapes of one dog with one expression for any number of moments."""

    dog: Dog
    expression: Expression

    @cached_property
    def _rest(self) -> Primitives:
        return _body_shapes(self.dog, solve(self.dog.body, standing(self.dog.body)), 0)

    @cached_property
    def _head(self) -> tuple[Primitives, HeadPoints]:
        fur = self.dog.coat.fur_length / self.dog.body.head_scale
        return head_primitives(self.dog.head, self.expression, fur)

    def figure(self, skeleton: Skeleton, frame: int = 0) -> Figure:
        """The shapes and keypoints of one moment of a skeleton."""
        dog, rest = self.dog, self._rest
        posed = _body_shapes(dog, skeleton, frame)
        fur = (0.8 * dog.coat.fur_length + 0.15 * dog.body.coat_bulk) * _FUR_SHARE[posed.part]
        posed = replace(
            posed, fur=fur, rest_a=rest.a_xyz, rest_b=rest.b_xyz, rest_c=rest.c_xyz,
            rest_frame=_turn_back(posed, rest),
        )  # fmt: skip
        head, points = self._head
        turn, place = skeleton.head_rot[frame], skeleton.head_xyz[frame]
        shapes = Primitives.concat((posed, head.transformed(turn, place, dog.body.head_scale)))
        return Figure(shapes, _keypoints(dog, skeleton, points, frame))


def figure(dog: Dog, skeleton: Skeleton, expression: Expression, frame: int = 0) -> Figure:
    """The shapes and keypoints of one moment of a skeleton."""
    return FigureMaker(dog, expression).figure(skeleton, frame)


def _turn_back(posed: Primitives, rest: Primitives) -> FloatArray:
    """(N, 3, 3) least turn that takes each posed axis to the axis at rest."""
    a, b = posed.b_xyz - posed.a_xyz, rest.b_xyz - rest.a_xyz
    a /= np.maximum(np.linalg.norm(a, axis=1, keepdims=True), 1e-9)
    b /= np.maximum(np.linalg.norm(b, axis=1, keepdims=True), 1e-9)
    v = np.cross(a, b)
    c = (a * b).sum(1)
    k = np.zeros((len(a), 3, 3))
    k[:, 0, 1], k[:, 0, 2], k[:, 1, 2] = -v[:, 2], v[:, 1], -v[:, 0]
    k -= k.transpose(0, 2, 1)
    factor = 1.0 / np.maximum(1.0 + c, 1e-2)
    return np.asarray(np.eye(3) + k + (k @ k) * factor[:, None, None])


def _body_shapes(dog: Dog, skeleton: Skeleton, frame: int) -> Primitives:
    s = PrimitiveList()
    _trunk(s, dog.body, skeleton, frame)
    _tail(s, dog.body, skeleton.tail[frame])
    # Far limbs first: what is drawn later melts into what is there.
    for limb in range(4):
        (_fore_limb if limb in FORE else _hind_limb)(s, dog.body, skeleton, frame, limb)
    _neck(s, dog, skeleton, frame)
    return s.build()


def _trunk(s: PrimitiveList, body: Morphology, k: Skeleton, f: int) -> None:
    d, t, g, w = body.depth, body.trunk, body.girth, body.chest_width
    fluff = body.coat_bulk

    def thorax(x: float, z: float) -> FloatArray:
        return np.asarray(k.thorax_xyz[f] + k.thorax_rot[f] @ np.array((x, 0.0, z * d)))

    def pelvis(x: float, z: float) -> FloatArray:
        return np.asarray(k.pelvis_xyz[f] + k.pelvis_rot[f] @ np.array((x, 0.0, z * d)))

    def add(a: FloatArray, b: FloatArray, ra: float, rb: float, part: int, blend: float) -> None:
        s.cone(a, b, ra * d * g + fluff, rb * d * g + fluff, part, blend=blend)

    soft = 0.12
    add(thorax(0.02, 0.21), thorax(-0.42 * t, 0.19), 0.26, 0.26, parts.TORSO, 0.0)
    add(thorax(0.06, -0.02), thorax(-0.42 * t, -0.01), 0.28 * w, 0.285 * w, parts.TORSO, soft)
    add(thorax(-0.03, 0.37), thorax(-0.3 * t, 0.33), 0.105, 0.12, parts.TORSO, 0.08)
    add(
        thorax(0.03, -0.235),
        thorax(-0.34 * t, -0.19),
        0.255 * w**0.6,
        0.25 * w**0.6,
        parts.CHEST,
        soft,
    )
    add(thorax(0.13, 0.0), thorax(0.05, -0.2), 0.2 * w**0.5, 0.21 * w**0.5, parts.CHEST, soft)
    rise = -0.5 + 0.42 * body.tuck
    add(thorax(-0.42 * t, 0.14), pelvis(0.1, 0.2), 0.275, 0.235, parts.TORSO, soft)
    add(thorax(-0.34 * t, -0.15), pelvis(0.14, rise + 0.2), 0.26, 0.19, parts.BELLY, soft)
    add(thorax(-0.4 * t, 0.0), pelvis(0.1, 0.05), 0.27 * w**0.5, 0.22, parts.TORSO, soft)
    add(pelvis(0.1, 0.2), pelvis(-0.08, 0.16), 0.235, 0.17, parts.TORSO, soft)
    add(pelvis(0.04, 0.0), pelvis(-0.09, 0.02), 0.22, 0.15, parts.TORSO, soft)


def _tail(s: PrimitiveList, body: Morphology, points: FloatArray) -> None:
    count = len(points) - 1
    base, bush = 0.042, 0.02 * max(0.0, body.tail_thickness - 1.0) + 0.7 * body.coat_bulk

    def radius(at: float) -> float:
        taper = base * math.pow(body.tail_thickness, 0.4) * (1 - 0.68 * at)
        return taper + bush * 4 * at * (1.15 - at)

    for i in range(count):
        s.cone(
            points[i], points[i + 1], radius(i / count), radius((i + 1) / count), parts.TAIL,
            blend=0.05 if i == 0 else 0.015,
        )  # fmt: skip


def _fore_limb(s: PrimitiveList, body: Morphology, k: Skeleton, f: int, limb: int) -> None:
    d, lt, fluff = body.depth, body.leg_thickness, 0.55 * body.coat_bulk
    top, shoulder, elbow, carpus, paw = k.limbs[f, limb]
    part = parts.FORE_LEG
    s.cone(0.4 * top + 0.6 * shoulder, shoulder, 0.12 * d, 0.17 * d, part, blend=0.1)
    s.cone(shoulder, elbow, 0.17 * d, 0.075 * lt + fluff, part, blend=0.08)
    s.cone(
        elbow,
        0.45 * elbow + 0.55 * carpus,
        0.062 * lt + fluff,
        0.046 * lt + fluff,
        part,
        blend=0.04,
    )
    s.cone(
        0.45 * elbow + 0.55 * carpus,
        carpus,
        0.046 * lt + fluff,
        0.041 * lt + fluff,
        part,
        blend=0.02,
    )
    s.cone(carpus, paw, 0.041 * lt + fluff, 0.035 * lt + fluff, part, blend=0.02)
    _paw(s, body, k.toes[f, limb], paw, 0.041)


def _hind_limb(s: PrimitiveList, body: Morphology, k: Skeleton, f: int, limb: int) -> None:
    d, lt, th = body.depth, body.leg_thickness, body.thigh
    fluff = 0.55 * body.coat_bulk
    _, hip, stifle, hock, paw = k.limbs[f, limb]
    rot = k.pelvis_rot[f]
    part = parts.HIND_LEG
    seat = hip + rot @ np.array((-0.085, 0.0, -0.02 * d))
    back_of_knee = 0.62 * stifle + 0.38 * hock
    flank = hip + rot @ np.array((0.02, 0.0, 0.06 * d))
    s.cone(flank, stifle, 0.2 * d * th, 0.085 * lt * th + fluff, part, blend=0.09)
    s.cone(seat, back_of_knee, 0.145 * d * th, 0.058 * lt + fluff, part, blend=0.06)
    calf = 0.55 * stifle + 0.45 * hock
    s.cone(stifle, calf, 0.08 * lt + fluff, 0.056 * lt + fluff, part, blend=0.04)
    s.cone(calf, hock, 0.056 * lt + fluff, 0.037 * lt + fluff, part, blend=0.02)
    # The point of the hock stands out behind: the heel bone carries on the line of the pastern.
    heel = hock + 0.035 * lt * unit(hock - paw) + 0.02 * lt * unit(hock - stifle)
    s.cone(hock, heel, 0.034 * lt + fluff, 0.026 * lt + fluff, part, blend=0.02)
    s.cone(hock, paw, 0.036 * lt + fluff, 0.034 * lt + fluff, part, blend=0.02)
    _paw(s, body, k.toes[f, limb], paw, 0.038)


def _paw(
    s: PrimitiveList, body: Morphology, toe: FloatArray, paw: FloatArray, radius: float
) -> None:
    r = radius * body.leg_thickness + 0.4 * body.coat_bulk
    lift = np.array((0.0, 0.0, max(r - 0.035, 0.0)))
    s.cone(paw - 0.25 * (toe - paw) + lift, toe + lift, r, 0.86 * r, parts.PAW, blend=0.015)


def _neck_axis(
    dog: Dog, k: Skeleton, f: int
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Lower and upper ends of the nape and of the throat line."""
    d, sc = dog.body.depth, dog.body.head_scale
    withers, breast = (
        np.asarray(k.thorax_xyz[f] + k.thorax_rot[f] @ np.array((x, 0.0, z * d)))
        for x, z in ((-0.01, 0.25), (0.10, -0.02))
    )
    nape, gullet = (
        np.asarray(k.head_xyz[f] + sc * (k.head_rot[f] @ np.array((x, 0.0, z))))
        for x, z in ((-0.18, 0.0), (-0.08, -0.2))
    )
    return withers, nape, breast, gullet


def _neck_radii(body: Morphology) -> tuple[float, float, float, float]:
    d, n, sc = body.depth, body.neck_thickness, body.head_scale
    fluff = 1.2 * body.coat_bulk
    return 0.24 * d + fluff, 0.36 * sc * n + fluff, 0.2 * d + fluff, 0.27 * sc * n + fluff


def _neck(s: PrimitiveList, dog: Dog, k: Skeleton, f: int) -> None:
    a0, a1, b0, b1 = _neck_axis(dog, k, f)
    r0, r1, q0, q1 = _neck_radii(dog.body)
    s.cone(a0, a1, r0, r1, parts.NECK, blend=0.07)
    s.cone(b0, b1, q0, q1, parts.NECK, blend=0.07)
    if dog.collar > 0.0:
        _collar(s, dog, 0.5 * (a0 + b0), 0.5 * (a1 + b1), (a0, a1, b0, b1), (r0, r1, q0, q1))


def _collar(
    s: PrimitiveList, dog: Dog, low: FloatArray, high: FloatArray,
    axis: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    radii: tuple[float, float, float, float],
) -> None:  # fmt: skip
    share = 0.6
    along = unit(high - low)
    a0, a1, b0, b1 = axis
    nape, throat = a0 + share * (a1 - a0), b0 + share * (b1 - b0)
    rn = radii[0] + share * (radii[1] - radii[0])
    rt = radii[2] + share * (radii[3] - radii[2])
    across = nape - throat
    across -= (across @ along) * along
    centre = 0.5 * (nape + throat)
    up = unit(across)
    side = cross(along, up)
    reach = 0.5 * float(np.linalg.norm(across)) + 0.5 * (rn + rt)
    middle = centre + up * 0.5 * (rn - rt)
    width = max(rn, rt) * 1.01
    angles = np.linspace(0, 2 * np.pi, 15)
    ring = [middle + up * (reach * np.cos(q)) + side * (width * np.sin(q)) for q in angles]
    thick = 0.014 * dog.collar
    for one, two in pairwise(ring):
        s.cone(one, two, thick, thick, parts.COLLAR, blend=0.0)


def collar_point(dog: Dog, skeleton: Skeleton, frame: int = 0) -> FloatArray:
    """Where a leash is hooked in: the nape side of the collar, (3,) body frame."""
    a0, a1, _, _ = _neck_axis(dog, skeleton, frame)
    r0, r1, _, _ = _neck_radii(dog.body)
    out = a0 + 0.6 * (a1 - a0)
    return np.asarray(out + np.array((0.0, 0.0, 0.9 * (0.4 * r0 + 0.6 * r1))))


def _keypoints(dog: Dog, k: Skeleton, head: HeadPoints, f: int) -> FloatArray:
    body = dog.body
    turn, place, scale = k.head_rot[f], k.head_xyz[f], body.head_scale
    out = np.empty((24, 3))
    for limb, row in ((FL, 0), (RL, 3), (FR, 6), (RR, 9)):
        for offset, joint in enumerate((PAW, DISTAL, MIDDLE)):
            out[row + offset] = k.limbs[f, limb, joint]
    out[12], out[13] = k.tail[f, 0], k.tail[f, -1]
    for row, point in (
        (14, head.left_ear_base), (15, head.right_ear_base), (16, head.nose), (17, head.chin),
        (18, head.left_ear_tip), (19, head.right_ear_tip), (20, head.left_eye),
        (21, head.right_eye),
    ):  # fmt: skip
        out[row] = place + scale * (turn @ np.asarray(point))
    out[22] = k.thorax_xyz[f] + k.thorax_rot[f] @ np.array((-0.04, 0.0, 0.46 * body.depth))
    a0, a1, b0, b1 = _neck_axis(dog, k, f)
    _, _, q0, q1 = _neck_radii(body)
    middle = b0 + 0.72 * (b1 - b0)
    front = unit(0.5 * (b0 + b1) - 0.5 * (a0 + a1) + 1e-9)
    out[23] = middle + front * (0.28 * q0 + 0.72 * q1) * 0.9
    return out


def keypoint_tolerance(dog: Dog) -> FloatArray:
    """How far behind the surface each keypoint may lie and still be seen, (24,) body units."""
    body = dog.body
    d, lt, sc = body.depth, body.leg_thickness, body.head_scale
    fore = (0.09 * lt, 0.09 * lt, 0.03 + 0.10 * lt)
    hind = (0.09 * lt, 0.09 * lt, 0.03 + 0.11 * lt)
    trunk = 0.03 + 0.2 * d
    ears, tips, eyes = (0.22 * sc,) * 2, (0.18 * sc,) * 2, (0.17 * sc,) * 2
    rest = (trunk, 0.1, *ears, 0.15 * sc, 0.3 * sc, *tips, *eyes, trunk, 0.13)
    return np.asarray((*fore, *hind, *fore, *hind, *rest)) + body.coat_bulk


def observe(
    keypoints_xyz: FloatArray, tolerance: FloatArray, camera: Camera, buffer: GBuffer
) -> FloatArray:
    """Keypoints (24, 3) in pixels of the buffer: x, y, 0 absent / 1 hidden / 2 seen.

    A point outside the picture is absent; one that lies deeper than `tolerance` behind the first
    surface in its pixel is hidden.
    """
    height, width = buffer.depth.shape
    seen = camera.project(keypoints_xyz)
    x, y = np.floor(seen[:, 0]).astype(int), np.floor(seen[:, 1]).astype(int)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    surface = buffer.depth[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    hidden = surface < seen[:, 2] - tolerance
    visibility = np.where(inside, np.where(hidden, 1.0, 2.0), 0.0)
    return np.column_stack((seen[:, :2], visibility))
