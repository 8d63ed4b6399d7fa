"""The dog behind a face: neck, trunk and legs that stand, sit or lie, and where its points are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from edge_sdk.vision.keypoints import KEYPOINT_NAMES
from model_export.synth import parts
from model_export.synth.coat import Coat
from model_export.synth.expression import Expression
from model_export.synth.head import HeadPoints, head_primitives
from model_export.synth.head_shape import HeadShape
from model_export.synth.primitives import PrimitiveList, Primitives
from model_export.synth.vectors import Vector, cross, unit

POSES = ("stand", "sit", "lie")
_KEYPOINT = {name: i for i, name in enumerate(KEYPOINT_NAMES)}


@dataclass(frozen=True)
class Build:
    """A trunk in body units (withers height 1) with its limbs, neck and size of head."""

    length: float
    leg: float
    girth: float
    width: float
    limb: float
    neck: float
    head: float
    tail: float

    @staticmethod
    def random(rng: np.random.Generator) -> Build:
        """Any build between terrier and hound."""
        short = rng.random() < 0.2
        return Build(
            length=float(rng.uniform(1.1, 1.5) if short else rng.uniform(0.85, 1.1)),
            leg=float(rng.uniform(0.33, 0.42) if short else rng.uniform(0.46, 0.56)),
            girth=float(rng.uniform(0.85, 1.2)),
            width=float(rng.uniform(0.10, 0.15)),
            limb=float(rng.uniform(0.8, 1.35)),
            neck=float(rng.uniform(0.10, 0.24)),
            head=float(rng.uniform(0.25, 0.37)),
            tail=float(rng.uniform(0.25, 0.6)),
        )


@dataclass(frozen=True, eq=False)
class Portrait:
    """A dog to be drawn; `keypoints_xyz` (24, 3) world and `tolerance` (24,) how deep each lies."""

    primitives: Primitives
    head_centre: Vector
    head_scale: float
    keypoints_xyz: Vector
    tolerance: Vector
    ground_z: float


def rotation(yaw: float, pitch: float, roll: float) -> Vector:
    """Turn about z (left positive), then nose up by pitch, then roll about the nose: (3, 3)."""
    cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    cr, sr = math.cos(roll), math.sin(roll)
    about_z = np.array(((cy, -sy, 0), (sy, cy, 0), (0, 0, 1)))
    about_y = np.array(((cp, 0, -sp), (0, 1, 0), (sp, 0, cp)))
    about_x = np.array(((1, 0, 0), (0, cr, -sr), (0, sr, cr)))
    turn: Vector = about_z @ about_y @ about_x
    return turn


def _joints(b: Build, pose: str) -> dict[str, Vector]:
    depth, length, leg = 1.0 - b.leg, b.length, b.leg
    w = b.width
    if pose == "stand":
        rows = {
            "front_top": (-0.02, 0, 1 - 0.36 * depth),
            "rear_top": (-length, 0, 1 - 0.34 * depth),
            "front_low": (0.0, 0, leg + 0.30 * depth),
            "rear_low": (-0.82 * length, 0, leg + 0.42 * depth),
            "neck": (0.05, 0, 0.9),
            "withers": (-0.02, 0, 1.0),
            "tail": (-length - 0.04, 0, 0.86),
            "shoulder": (0.08, w, leg + 0.4 * depth),
            "elbow": (0.0, w, leg),
            "carpus": (0.05, w, 0.42 * leg),
            "fore_paw": (0.08, w, 0.03),
            "hip": (-length + 0.08, w, leg + 0.5 * depth),
            "stifle": (-length + 0.17, 1.1 * w, 0.9 * leg),
            "hock": (-length - 0.08, w, 0.45 * leg),
            "hind_paw": (-length + 0.0, w, 0.03),
        }
    elif pose == "sit":
        rows = {
            "front_top": (-0.06, 0, 1 - 0.4 * depth),
            "rear_top": (-0.62 * length, 0, 0.32),
            "front_low": (0.0, 0, leg + 0.25 * depth),
            "rear_low": (-0.45 * length, 0, 0.3),
            "neck": (0.02, 0, 0.94),
            "withers": (-0.06, 0, 1.02),
            "tail": (-0.72 * length, 0, 0.14),
            "shoulder": (0.05, w, leg + 0.4 * depth),
            "elbow": (-0.02, w, leg),
            "carpus": (0.03, w, 0.42 * leg),
            "fore_paw": (0.07, w, 0.03),
            "hip": (-0.6 * length, 1.1 * w, 0.3),
            "stifle": (-0.28 * length, 1.9 * w, 0.36),
            "hock": (-0.6 * length, 1.6 * w, 0.06),
            "hind_paw": (-0.24 * length, 1.8 * w, 0.03),
        }
    else:
        low = 0.5 * depth
        rows = {
            "front_top": (-0.02, 0, low + 0.10),
            "rear_top": (-length, 0, low + 0.04),
            "front_low": (0.0, 0, low - 0.06),
            "rear_low": (-0.8 * length, 0, low - 0.06),
            "neck": (0.05, 0, low + 0.24),
            "withers": (-0.02, 0, low + 0.36),
            "tail": (-length - 0.05, 0, 0.2),
            "shoulder": (0.08, w, low),
            "elbow": (-0.02, 1.2 * w, 0.09),
            "carpus": (0.22, 1.1 * w, 0.05),
            "fore_paw": (0.36, 1.1 * w, 0.03),
            "hip": (-length + 0.1, w, low),
            "stifle": (-length + 0.3, 1.8 * w, 0.24),
            "hock": (-length - 0.02, 1.7 * w, 0.05),
            "hind_paw": (-length + 0.24, 1.8 * w, 0.03),
        }
    return {name: np.asarray(row, np.float64) for name, row in rows.items()}


_TRUNK = (
    ("front_top", "rear_top", 0.34, 0.30, parts.TORSO, 0.1),
    ("front_low", "rear_low", 0.30, 0.24, parts.TORSO, 0.12),
    ("front_low", "front_top", 0.27, 0.32, parts.CHEST, 0.12),
    ("rear_low", "rear_top", 0.22, 0.3, parts.TORSO, 0.1),
)
_LIMBS = (
    ("shoulder", "elbow", 0.115, 0.065, parts.FORE_LEG),
    ("elbow", "carpus", 0.058, 0.040, parts.FORE_LEG),
    ("carpus", "fore_paw", 0.038, 0.036, parts.FORE_LEG),
    ("hip", "stifle", 0.15, 0.085, parts.HIND_LEG),
    ("stifle", "hock", 0.075, 0.036, parts.HIND_LEG),
    ("hock", "hind_paw", 0.036, 0.034, parts.HIND_LEG),
)


def portrait(
    rng: np.random.Generator,
    shape: HeadShape,
    expression: Expression,
    coat: Coat,
    *,
    pose: str,
    head_yaw_rad: float,
    collar: bool,
    look_up_rad: float = 0.0,
) -> Portrait:
    """A dog with its whole body, looking `head_yaw_rad` to the left of where its body points.

    `look_up_rad`: how far it raises the head towards a camera above it, besides its expression.

    World: x forward of the body, y left, z up from the ground, body units.
    """
    b = Build.random(rng)
    at, rest = _joints(b, pose), _joints(b, "stand")
    depth = 1.0 - b.leg
    fur = 0.5 * coat.fur_length
    s = PrimitiveList(fur=fur)
    for a, c, ra, rb, part, blend in _TRUNK:
        k = depth * b.girth
        s.cone(at[a], at[c], ra * k, rb * k, part, blend=blend, rest_a=rest[a], rest_b=rest[c])
    flip = np.array((1.0, -1.0, 1.0))
    for side in (np.ones(3), flip):
        for a, c, ra, rb, part in _LIMBS:
            trunk = 1.55 * depth * b.girth if a in ("shoulder", "hip") else b.limb
            s.cone(at[a] * side, at[c] * side, ra * trunk, rb * b.limb, part, blend=0.07,
                   rest_a=rest[a] * side, rest_b=rest[c] * side)  # fmt: skip
        for paw in ("fore_paw", "hind_paw"):
            toe = np.array((0.06, 0.0, 0.0))
            s.cone(at[paw] * side, at[paw] * side + toe, 0.04 * b.limb, 0.034 * b.limb, parts.PAW,
                   blend=0.015, rest_a=rest[paw] * side, rest_b=rest[paw] * side + toe)  # fmt: skip
    up = rng.uniform(-0.3, 1.1)
    tail_end = at["tail"] + b.tail * np.array((-math.cos(up), rng.normal(0, 0.3), math.sin(up)))
    tail_end[2] = max(tail_end[2], 0.05)
    s.cone(at["tail"], tail_end, 0.05 * b.limb, 0.02 * b.limb, parts.TAIL, blend=0.03)

    lean = math.radians(rng.uniform(25, 75) if pose != "lie" else rng.uniform(15, 65))
    lean += math.radians(0.5 * expression.head_pitch_deg)
    reach = b.neck + 0.34 * b.head
    side_shift = 0.35 * math.sin(head_yaw_rad)
    head = at["neck"] + reach * np.array((math.cos(lean), side_shift, math.sin(lean)))
    turn = rotation(
        head_yaw_rad,
        look_up_rad + math.radians(-6.0 + expression.head_pitch_deg),
        math.radians(expression.head_roll_deg),
    )
    nape = head + b.head * (turn @ np.array((-0.22, 0.0, -0.06)))
    gullet = head + b.head * (turn @ np.array((-0.08, 0.0, -0.30)))
    front = at["neck"] + np.array((0.02, 0, -0.34 * depth))
    s.cone(
        at["neck"] - (0.05, 0, 0.12 * depth),
        nape,
        0.30 * depth * b.girth,
        0.43 * b.head,
        parts.NECK,
        blend=0.06,
    )
    s.cone(front, gullet, 0.24 * depth * b.girth, 0.30 * b.head, parts.NECK, blend=0.06)
    if collar:
        _collar(
            s,
            0.5 * (at["neck"] + front),
            0.5 * (nape + gullet),
            0.27 * depth * b.girth,
            0.43 * b.head,
        )
    face, points = head_primitives(shape, expression, coat.fur_length / b.head)
    placed = face.transformed(turn, head, b.head)

    def out(p: Vector) -> Vector:
        return head + b.head * (turn @ p)

    throat = 0.5 * (front + gullet) + np.array((0.16 * depth, 0.0, 0.0))
    return Portrait(
        primitives=Primitives.concat([s.build(), placed]),
        head_centre=out(np.array((0.15, 0.0, 0.0))),
        head_scale=b.head,
        keypoints_xyz=_keypoints(at, points, out, tail_end, throat),
        tolerance=_tolerances(b),
        ground_z=0.0,
    )


def _collar(s: PrimitiveList, low: Vector, high: Vector, r_low: float, r_high: float) -> None:
    axis = unit(high - low)
    centre, radius = low + 0.62 * (high - low), 1.03 * (r_low + 0.62 * (r_high - r_low))
    u = unit(cross(axis, np.array((0.0, 1.0, 0.0))))
    v = cross(axis, u)
    ring = [
        centre + radius * (math.cos(t) * u + math.sin(t) * v)
        for t in np.linspace(0, 2 * math.pi, 13)
    ]
    for a, b in pairwise(ring):
        s.cone(a, b, 0.017, 0.017, parts.COLLAR, fur=0.0)
    front = max(ring, key=lambda p: float(p[0]))
    s.ball(front + np.array((0.01, 0.0, -0.035)), 0.018, parts.TAG, fur=0.0)


def _keypoints(
    at: dict[str, Vector], points: HeadPoints, out: object, tail_end: Vector, throat: Vector
) -> Vector:
    assert callable(out)
    flip = np.array((1.0, -1.0, 1.0))
    named = {
        "tail_start": at["tail"],
        "tail_end": tail_end,
        "withers": at["withers"],
        "throat": throat,
    }
    for side, turn in (("left", np.ones(3)), ("right", flip)):
        for limb, joints in (
            ("front", ("fore_paw", "carpus", "elbow")),
            ("rear", ("hind_paw", "hock", "stifle")),
        ):
            for name, joint in zip(("paw", "knee", "elbow"), joints, strict=True):
                named[f"{limb}_{side}_{name}"] = at[joint] * turn
        for name in ("ear_base", "ear_tip", "eye"):
            named[f"{side}_{name}"] = out(getattr(points, f"{side}_{name}"))
    named["nose"], named["chin"] = out(points.nose), out(points.chin)
    return np.stack([named[name] for name in KEYPOINT_NAMES])


def _tolerances(b: Build) -> Vector:
    depth = np.full(len(KEYPOINT_NAMES), 0.09)
    for name, i in _KEYPOINT.items():
        if name in ("nose", "left_eye", "right_eye"):
            depth[i] = 0.07 * b.head
        elif "ear" in name or name == "chin":
            depth[i] = 0.16 * b.head
        elif name in ("withers", "throat", "tail_start"):
            depth[i] = 0.14
    return depth
