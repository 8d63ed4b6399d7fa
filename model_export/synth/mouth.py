"""Muzzle, nose, jaw, lips, teeth and tongue of a head, moved by the expression."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from model_export.synth import parts
from model_export.synth.expression import Expression
from model_export.synth.head_shape import HeadShape
from model_export.synth.primitives import PrimitiveList
from model_export.synth.vectors import Vector

_HINGE_X, _HINGE_Z = 0.08, -0.14


@dataclass(frozen=True)
class MouthFrame:
    """Where the muzzle of a head lies: its tip, its thickness, and the bridge behind the nose."""

    tip_x: float
    tip_z: float
    root_r: float
    tip_r: float
    bridge_x: float
    bridge_z: float


def mouth_frame(h: HeadShape) -> MouthFrame:
    """The muzzle's main measures, in head units."""
    tip_x = 0.34 + 0.56 * h.muzzle
    tip_r = 0.145 * h.muzzle_depth * (0.9 + 0.1 * h.muzzle_width)
    tip_z = -0.10
    root_r = 0.225 * h.muzzle_depth * min(1.0, 0.3 + 0.7 * h.skull_width)
    return MouthFrame(
        tip_x,
        tip_z,
        root_r,
        tip_r,
        bridge_x=0.30 + 0.2 * h.muzzle,
        bridge_z=0.0 + 0.1 * (1 - h.stop),
    )


def add_mouth(s: PrimitiveList, h: HeadShape, e: Expression) -> tuple[Vector, Vector]:
    """Adds everything from the stop forwards; returns nose and chin (3,)."""
    f = mouth_frame(h)
    w = h.muzzle_width
    lift = 0.5 * (e.upper_lip_raise[0] + e.upper_lip_raise[1])
    scrunch = e.nose_wrinkle
    tip_z = f.tip_z + 0.025 * scrunch
    s.cone((0.18, 0, -0.02), (f.tip_x, 0, tip_z), f.root_r, f.tip_r, parts.MUZZLE, blend=0.08)
    for side in (1, -1):
        s.cone(
            (0.2, 0.06 * side * w, -0.06),
            (f.tip_x - 0.03, 0.05 * side * w, tip_z - 0.01),
            0.16 * w,
            0.11 * w,
            parts.MUZZLE,
            blend=0.06,
        )
        _flew(s, h, e, f, side)
    nose = _nose(s, h, f, tip_z)
    _wrinkles(s, h, e, f)
    chin = _jaw(s, h, e, f)
    if h.beard > 0.2:
        b = h.beard * (1.0 - 0.6 * lift)
        for side in (1, -1):
            s.cone(
                (f.tip_x - 0.02, 0.07 * side * w, -0.17),
                (f.tip_x + 0.03, 0.13 * side * w, -0.30 - 0.12 * b),
                0.09 + 0.04 * b,
                0.03 + 0.03 * b,
                parts.MUZZLE,
                blend=0.05,
            )
            s.cone(
                (f.tip_x - 0.2, 0.12 * side * w, -0.16),
                (f.tip_x - 0.12, 0.18 * side * w, -0.30 - 0.1 * b),
                0.09 + 0.03 * b,
                0.04 + 0.02 * b,
                parts.MUZZLE,
                blend=0.05,
            )
    if lift > 0.2:
        _upper_teeth(s, h, e, f)
    return nose, chin


def _flew(s: PrimitiveList, h: HeadShape, e: Expression, f: MouthFrame, side: int) -> None:
    w = h.muzzle_width
    raised = e.upper_lip_raise[0 if side > 0 else 1]
    hang = (
        (0.03 + 0.10 * h.flews)
        * (1.0 - 0.8 * raised)
        * (1.0 - 0.3 * min(1.0, e.jaw_drop_deg / 20.0))
    )
    up = 0.10 * raised
    r_front = 0.085 * (0.9 + 0.25 * h.flews) * w**0.5 * (1 - 0.25 * raised)
    front = (f.tip_x - 0.005, 0.055 * side * w, f.tip_z - 0.055 - 0.5 * hang + up)
    middle = (0.5 * (0.26 + f.tip_x), 0.115 * side * w, f.tip_z - 0.05 - 0.7 * hang + up)
    back = (
        0.20 - 0.05 * max(e.lip_corner, 0),
        0.17 * side * w,
        -0.16 + 0.06 * e.lip_corner + 0.5 * up,
    )
    s.cone(front, middle, r_front, 0.095 * w**0.5, parts.MUZZLE, blend=0.05)
    s.cone(middle, back, 0.095 * w**0.5, 0.10, parts.MUZZLE, blend=0.05)
    low = 0.078 * (1 - 0.25 * raised)
    rim = 0.016 + 0.008 * h.flews
    edge_front = np.array((f.tip_x + 0.03, 0.028 * side * w, front[2] - low))
    edge_middle = np.array((middle[0], middle[1] + 0.03 * side, middle[2] - 0.07 * w**0.5))
    edge_back = np.array((back[0] + 0.03, back[1] + 0.055 * side, back[2] - 0.06))
    s.cone(edge_front, edge_middle, rim, rim, parts.LIP)
    s.cone(edge_middle, edge_back, rim, rim * 1.1, parts.LIP)
    if e.lip_corner > 0.25 and e.jaw_drop_deg > 6:
        fold = np.array((back[0] - 0.03, back[1] + 0.06 * side, back[2] + 0.02))
        s.cone(
            fold + np.array((0, 0, 0.06)),
            fold + np.array((0.02, 0.01 * side, -0.10)),
            0.03,
            0.03,
            parts.SKULL,
            blend=0.02,
        )


def _nose(s: PrimitiveList, h: HeadShape, f: MouthFrame, tip_z: float) -> Vector:
    n = h.nose_size
    x = f.tip_x + f.tip_r * 0.80
    z = tip_z + f.tip_r * 0.52
    for side in (1, -1):
        s.cone(
            (x - 0.03, 0.0, z + 0.02),
            (x - 0.01, 0.052 * side * n, z),
            0.066 * n,
            0.056 * n,
            parts.NOSE,
            blend=0.015,
        )
        s.ball(np.array((x + 0.037 * n, 0.040 * side * n, z - 0.012)), 0.023 * n, parts.NOSTRIL)
    s.cone(
        (x + 0.005, 0, z - 0.02),
        (x - 0.01, 0, z - 0.06 * n),
        0.045 * n,
        0.025 * n,
        parts.NOSE,
        blend=0.01,
    )
    s.cone((x + 0.012, 0, z - 0.06 * n), (x - 0.005, 0, z - 0.15), 0.011, 0.011, parts.LIP)
    return np.array((x + 0.055 * n, 0.0, z))


def _wrinkles(s: PrimitiveList, h: HeadShape, e: Expression, f: MouthFrame) -> None:
    amount = max(e.nose_wrinkle, 0.75 * h.folds if h.muzzle < 0.3 else 0.0)
    if amount < 0.15:
        return
    w = h.muzzle_width
    rows = 3 if h.muzzle > 0.2 else 2
    start, stop = 0.30, f.tip_x - 0.02
    for i in range(rows):
        t = (i + 0.5) / rows
        x = start + (stop - start) * t
        r = f.root_r + (f.tip_r - f.root_r) * (x - 0.18) / max(f.tip_x - 0.18, 0.05)
        z = -0.02 + (f.tip_z + 0.02) * (x - 0.18) / max(f.tip_x - 0.18, 0.05)
        bulk = 0.030 * amount
        top = np.array((x + 0.02, 0.0, z + r + 0.012))
        for side in (1, -1):
            mid = np.array((x, 0.70 * r * side * w, z + 0.80 * r))
            low = np.array((x - 0.06, 1.02 * r * side * w, z + 0.10 * r))
            s.cone(top, mid, bulk, bulk * 1.2, parts.MUZZLE, blend=0.015)
            s.cone(mid, low, bulk * 1.2, bulk * 0.6, parts.MUZZLE, blend=0.015)
            back = np.array((-0.034, 0.0, 0.006))
            s.cone(top + back, mid + back, bulk * 0.55, bulk * 0.6, parts.WRINKLE)
            s.cone(mid + back, low + back, bulk * 0.6, bulk * 0.3, parts.WRINKLE)


def _jaw(s: PrimitiveList, h: HeadShape, e: Expression, f: MouthFrame) -> Vector:
    w = h.muzzle_width
    short = max(0.0, 0.5 - h.muzzle) / 0.5
    angle = math.radians(e.jaw_drop_deg * (1.0 + 0.7 * short))
    cos, sin = math.cos(angle), math.sin(angle)
    hinge = _HINGE_X - 0.16 * short

    def j(x: float, y: float, z: float) -> Vector:
        dx, dz = x - hinge, z - _HINGE_Z
        return np.array((hinge + dx * cos + dz * sin, y, _HINGE_Z - dx * sin + dz * cos))

    front = f.tip_x - 0.045 + 0.07 * h.underbite
    floor = f.tip_z - 0.155
    drop = 0.02 * e.lower_lip_drop
    s.cone(
        j(0.12, 0, floor + 0.0), j(front, 0, floor), 0.15 * w**0.5, 0.082 * w, parts.JAW, blend=0.04
    )
    for side in (1, -1):
        s.cone(
            j(0.14, 0.10 * side * w, floor + 0.02),
            j(front - 0.05, 0.045 * side * w, floor),
            0.09,
            0.06 * w,
            parts.JAW,
            blend=0.04,
        )
    opening = e.jaw_drop_deg
    if opening > 2.0:
        half = angle * 0.5
        reach = front - 0.10 - hinge
        deep = np.array((hinge + 0.06, 0.0, _HINGE_Z - 0.04))
        out = np.array(
            (hinge + reach * math.cos(half), 0.0, f.tip_z - 0.07 - reach * math.sin(half))
        )
        s.cone(deep, out, 0.15 * w**0.5, 0.065 * w, parts.MOUTH)
        for side in (1, -1):
            corner = np.array((0.20, 0.17 * side * w, -0.20 + 0.05 * e.lip_corner))
            lip = j(front - 0.02, 0.06 * side * w, floor + 0.062 - drop)
            mid = j(0.5 * (0.24 + front), 0.115 * side * w, floor + 0.06 - drop)
            s.cone(corner, mid, 0.030, 0.022, parts.LIP)
            s.cone(mid, lip, 0.022, 0.018, parts.LIP)
            s.cone(
                corner + np.array((0.01, -0.02 * side, 0.0)),
                mid - np.array((0, 0.03 * side, 0)),
                0.045,
                0.03,
                parts.MOUTH,
            )
        left, right = (
            j(front + 0.01, 0.06 * w, floor + 0.06 - drop),
            j(front + 0.01, -0.06 * w, floor + 0.06 - drop),
        )
        s.cone(left, right, 0.018, 0.018, parts.LIP)
        _lower_teeth(s, h, e, j, front, floor, opening)
    if e.tongue > 0.05 and opening > 2.0:
        _tongue(s, h, e, j, front, floor)
    return j(front - 0.01, 0.0, floor - 0.075 * w)


def _tongue(
    s: PrimitiveList, h: HeadShape, e: Expression, j: object, front: float, floor: float
) -> None:
    assert callable(j)
    w = h.muzzle_width
    wide = 0.088 * (0.6 + 0.4 * w)
    out = e.tongue
    root = j(0.26, 0.0, floor + 0.10)
    edge = j(front - 0.03, 0.0, floor + 0.085)
    sway = 0.09 * float(np.clip(e.tongue_side, -1, 1))
    tip1 = edge + np.array((0.05 + 0.05 * out, sway * out, 0.0 - 0.06 * out))
    tip2 = tip1 + np.array((0.03 * out, sway * out, -0.04 - 0.17 * out))
    chain = [root, edge] if out < 0.2 else [root, edge, tip1, tip2]
    for i, (a, b) in enumerate(pairwise(chain)):
        shrink = 1.0 if i < 2 else 0.9
        for side in (1, -1):
            offset = np.array((0.0, 0.36 * wide * side, 0.0))
            s.cone(
                a + offset,
                b + offset * (1.12 if i else 1.0) * shrink,
                0.56 * wide,
                0.58 * wide * shrink,
                parts.TONGUE,
                blend=0.05,
            )
    if out > 0.2:
        groove = np.array((0.035, 0.0, 0.035))
        s.cone(edge + groove, tip1 + groove * (0.9, 1, 0.6), 0.008, 0.008, parts.MOUTH)


def _upper_teeth(s: PrimitiveList, h: HeadShape, e: Expression, f: MouthFrame) -> None:
    w = h.muzzle_width
    z = f.tip_z - 0.085
    for side, index in ((1, 0), (-1, 1)):
        shown = e.upper_lip_raise[index]
        if shown < 0.15:
            continue
        front = np.array((f.tip_x + 0.015, 0.06 * side * w, z))
        back = np.array((0.5 * (0.25 + f.tip_x), 0.125 * side * w, z - 0.015))
        s.cone(front, back, 0.046, 0.05, parts.GUM)
        s.cone((f.tip_x + 0.045, 0, z - 0.005), front, 0.04, 0.04, parts.GUM)
        s.cone(
            front + np.array((0.03, 0.012 * side, -0.01)),
            front + np.array((0.035, 0.014 * side, -0.05 - 0.13 * shown)),
            0.032,
            0.009,
            parts.TEETH,
        )
        for i in range(3):
            y = (0.012 + 0.018 * i) * side * w
            s.cone(
                (f.tip_x + 0.078 - 0.010 * i, y, z - 0.02),
                (f.tip_x + 0.08 - 0.010 * i, y, z - 0.05 - 0.03 * shown),
                0.014,
                0.012,
                parts.TEETH,
            )
        for i in range(4):
            t = (i + 0.8) / 4.2
            p = front + (back - front) * t + np.array((0.0, 0.036 * side, -0.02))
            s.cone(p, p + np.array((0.0, 0.0, -0.025 - 0.05 * shown)), 0.030, 0.013, parts.TEETH)


def _lower_teeth(
    s: PrimitiveList,
    h: HeadShape,
    e: Expression,
    j: object,
    front: float,
    floor: float,
    opening: float,
) -> None:
    assert callable(j)
    shown = max(e.lower_lip_drop, 0.45 if opening > 12 else 0.0)
    if shown < 0.2:
        return
    w = h.muzzle_width
    for side in (1, -1):
        base = j(front + 0.01, 0.05 * side * w, floor + 0.07)
        s.cone(
            base,
            base + np.array((0.02, 0.01 * side, 0.03 + 0.08 * shown)),
            0.021,
            0.006,
            parts.TEETH,
        )
        for i in range(2):
            base = j(front + 0.035, (0.012 + 0.018 * i) * side * w, floor + 0.065)
            s.cone(
                base,
                base + np.array((0.006, 0.0, 0.018 + 0.016 * shown)),
                0.011,
                0.008,
                parts.TEETH,
            )
