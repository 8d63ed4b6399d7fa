"""From where trunk, paws, head and tail are to all joints of a dog, for many moments at once.

Pure NumPy. Body frame: x forward, y left, z up from the ground, withers height 1; the frame moves
over the ground by `root_xy` and `root_yaw_rad`. Limb order everywhere: FL, RL, FR, RR.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model_export.synth.morphology import Morphology

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

FL, RL, FR, RR = range(4)
FORE, HIND = (FL, FR), (RL, RR)
SIDE = np.array((1.0, 1.0, -1.0, -1.0))
"""+1 for the dog's left limbs."""

TOP, PROXIMAL, MIDDLE, DISTAL, PAW = range(5)
"""Joints of a limb: scapula or pelvis, shoulder or hip, elbow or stifle, carpus or hock, paw."""

PAW_HEIGHT = 0.035
"""Height of the middle of a paw that stands on the ground."""

TAIL_POINTS = 7


@dataclass(frozen=True, eq=False)
class Pose:
    """What is prescribed of T moments; lengths in body units, angles in radians, body frame.

    `thorax` (T, 3): x, z and pitch (nose up) of the rib cage; `pelvis` (T, 3): likewise of the
    hips; `roll` (T, 2) of both; `sway` (T, 2) sideways shift of both; `paws` (T, 4, 3) middle of
    each paw; `pastern` (T, 4) lean of front and rear pasterns, 0 upright, + top forward;
    `splay` (T, 4) sideways push of elbow and stifle; `neck` (T,) carriage above the horizontal and
    `neck_yaw`; `head` (T, 3) yaw, pitch (up), roll; `tail` (T, 3) root angle, curl, wag yaw.
    """

    thorax: FloatArray
    pelvis: FloatArray
    roll: FloatArray
    sway: FloatArray
    paws: FloatArray
    pastern: FloatArray
    splay: FloatArray
    neck: FloatArray
    neck_yaw: FloatArray
    head: FloatArray
    tail: FloatArray

    def __len__(self) -> int:
        return len(self.thorax)

    def with_(self, **changes: ArrayLike) -> Pose:
        """A copy with other columns."""
        return replace(self, **{k: np.asarray(v, np.float64) for k, v in changes.items()})

    def repeated(self, count: int) -> Pose:
        """A single moment held for `count` moments."""
        return Pose(**{f.name: np.repeat(getattr(self, f.name), count, 0) for f in fields(self)})

    @staticmethod
    def mix(a: Pose, b: Pose, weight: FloatArray) -> Pose:
        """(1 - weight) a + weight b, `weight` (T,)."""

        def blend(name: str) -> FloatArray:
            one, two = getattr(a, name), getattr(b, name)
            w = weight.reshape((-1,) + (1,) * (one.ndim - 1))
            return np.asarray(one + w * (two - one))

        return Pose(**{f.name: blend(f.name) for f in fields(Pose)})


@dataclass(frozen=True, eq=False)
class Skeleton:
    """All joints of T moments in the body frame.

    `thorax_xyz`, `pelvis_xyz`, `head_xyz` (T, 3) with rotations `*_rot` (T, 3, 3) (columns: the
    part's own x, y, z); `limbs` (T, 4, 5, 3); `toes` (T, 4, 3); `neck_base_xyz` (T, 3); `tail`
    (T, 7, 3).
    """

    thorax_xyz: FloatArray
    thorax_rot: FloatArray
    pelvis_xyz: FloatArray
    pelvis_rot: FloatArray
    neck_base_xyz: FloatArray
    head_xyz: FloatArray
    head_rot: FloatArray
    limbs: FloatArray
    toes: FloatArray
    tail: FloatArray

    def __len__(self) -> int:
        return len(self.thorax_xyz)

    def at(self, frame: int) -> Skeleton:
        """One moment, T = 1."""
        return Skeleton(
            **{f.name: getattr(self, f.name)[frame : frame + 1] for f in fields(Skeleton)}
        )


def rotation(yaw: ArrayLike, pitch: ArrayLike, roll: ArrayLike) -> FloatArray:
    """(..., 3, 3): roll about x, then pitch (nose up), then yaw (left); arguments broadcast."""
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    cr, sr = np.cos(roll), np.sin(roll)
    out = np.empty((*np.shape(cy * cp * cr), 3, 3))
    out[..., 0, 0], out[..., 1, 0], out[..., 2, 0] = cy * cp, sy * cp, sp
    out[..., 0, 1], out[..., 0, 2] = -sy * cr - cy * sp * sr, sy * sr - cy * sp * cr
    out[..., 1, 1], out[..., 1, 2] = cy * cr - sy * sp * sr, -cy * sr - sy * sp * cr
    out[..., 2, 1], out[..., 2, 2] = cp * sr, cp * cr
    return out


def thorax_height(body: Morphology) -> float:
    """Height of the rib cage's middle when the dog stands."""
    return 1.0 - 0.5 * body.depth


def standing(body: Morphology) -> Pose:
    """The dog on four straight legs, one moment."""
    hip_x = -body.trunk
    neutral = neutral_paws(body)
    return Pose(
        thorax=np.array([[0.0, thorax_height(body), 0.0]]),
        pelvis=np.array([[hip_x, body.hip_height, 0.0]]),
        roll=np.zeros((1, 2)),
        sway=np.zeros((1, 2)),
        paws=neutral[None],
        pastern=np.radians([[-10.0, 3.0, -10.0, 3.0]]),
        splay=np.zeros((1, 4)),
        neck=np.radians([body.neck_deg]),
        neck_yaw=np.zeros(1),
        head=np.radians([[0.0, -8.0, 0.0]]),
        tail=np.radians([[body.tail_deg, body.tail_curl_deg, 0.0]]),
    )


def half_widths(body: Morphology) -> FloatArray:
    """Distance of each paw from the middle plane, (4,)."""
    fore, hind = 0.125 * body.chest_width**0.6, 0.115 * body.chest_width**0.4
    scale = body.depth / 0.48
    return np.array((fore, hind, fore, hind)) * scale


def neutral_paws(body: Morphology) -> FloatArray:
    """Where the paws stand under a standing dog, (4, 3)."""
    paws = np.zeros((4, 3))
    paws[FORE, 0] = 0.035
    paws[HIND, 0] = -body.trunk - 0.07 * body.angulation
    paws[:, 1] = SIDE * half_widths(body)
    paws[:, 2] = PAW_HEIGHT
    return paws


@dataclass(frozen=True)
class LimbLengths:
    """Segment lengths in body units."""

    scapula: float
    humerus: float
    radius: float
    fore_pastern: float
    femur: float
    tibia: float
    rear_pastern: float

    @staticmethod
    def of(body: Morphology) -> LimbLengths:
        """Lengths with which the standing dog is neither stretched nor crouched."""
        e, d = body.elbow_height, body.depth
        pastern = 0.28 * e
        hip = body.hip_height
        stretch = 0.5 * (body.angulation - 1.0)
        return LimbLengths(
            scapula=float(np.hypot(0.15, 0.52 * d)),
            humerus=float(np.hypot(0.16, 0.30 * d)),
            radius=1.01 * (e - pastern - PAW_HEIGHT),
            fore_pastern=pastern,
            femur=0.405 * hip * (1 + 0.3 * stretch),
            tibia=0.43 * hip * (1 + 0.7 * stretch),
            rear_pastern=0.285 * hip,
        )


def two_links(
    top: FloatArray, end: FloatArray, upper: float, lower: float, bend: FloatArray
) -> FloatArray:
    """The joint between `top` and `end` (..., 3) that lies towards `bend` (..., 3).

    Where the end is out of reach both links are drawn longer by the same share.
    """
    gap = end - top
    distance = np.maximum(np.linalg.norm(gap, axis=-1, keepdims=True), 1e-6)
    unit = gap / distance
    grow = np.maximum(distance / (0.9995 * (upper + lower)), 1.0)
    up, low = upper * grow, lower * grow
    along = (up**2 - low**2 + distance**2) / (2 * distance)
    height = np.sqrt(np.maximum(up**2 - along**2, 0.0))
    aside = bend - (bend * unit).sum(-1, keepdims=True) * unit
    aside /= np.maximum(np.linalg.norm(aside, axis=-1, keepdims=True), 1e-6)
    return np.asarray(top + along * unit + height * aside)


def solve(body: Morphology, pose: Pose) -> Skeleton:
    """All joints; paws are where the pose puts them, always."""
    count = len(pose)
    d = body.depth
    lengths = LimbLengths.of(body)
    zero = np.zeros(count)
    thorax = np.stack((pose.thorax[:, 0], pose.sway[:, 0], pose.thorax[:, 1]), -1)
    pelvis = np.stack((pose.pelvis[:, 0], pose.sway[:, 1], pose.pelvis[:, 1]), -1)
    # The spine turns each end towards the other when the trunk swings sideways.
    spine_yaw = np.arctan2(
        thorax[:, 1] - pelvis[:, 1], np.maximum(thorax[:, 0] - pelvis[:, 0], 0.1)
    )
    thorax_rot = rotation(spine_yaw, pose.thorax[:, 2], pose.roll[:, 0])
    pelvis_rot = rotation(spine_yaw, pose.pelvis[:, 2], pose.roll[:, 1])
    limbs = np.empty((count, 4, 5, 3))
    toes = np.empty((count, 4, 3))
    widths = half_widths(body)
    for limb in range(4):
        side = float(SIDE[limb])
        fore = limb in FORE
        paw = pose.paws[:, limb]
        lean = pose.pastern[:, limb]
        pastern = lengths.fore_pastern if fore else lengths.rear_pastern
        direction = np.stack((np.sin(lean), zero, np.cos(lean)), -1)
        distal = paw + pastern * direction
        if fore:
            top = thorax + thorax_rot @ np.array((-0.04, side * 0.06 * body.chest_width, 0.40 * d))
            reach = paw[:, 0] - thorax[:, 0] - 0.035
            swing = (
                pose.thorax[:, 2] + np.arctan2(0.15, 0.52 * d) + np.clip(0.45 * reach, -0.25, 0.3)
            )
            proximal = top + lengths.scapula * np.stack((np.sin(swing), zero, -np.cos(swing)), -1)
            proximal[:, 1] += side * 0.72 * widths[limb] - side * 0.06 * body.chest_width
            bend = -thorax_rot[:, :, 0] + 0.0
            upper, lower = lengths.humerus, lengths.radius
        else:
            top = pelvis + pelvis_rot @ np.array((0.05, side * 0.05, 0.32 * d))
            proximal = pelvis + pelvis_rot @ np.array((0.0, side * 0.72 * widths[limb], 0.0))
            bend = pelvis_rot[:, :, 0] + 0.0
            upper, lower = lengths.femur, lengths.tibia
        distal = _within_reach(proximal, distal, paw, 0.985 * (upper + lower), pastern)
        bend[:, 1] += side * pose.splay[:, limb]
        middle = two_links(proximal, distal, upper, lower, bend)
        for joint, xyz in enumerate((top, proximal, middle, distal, paw)):
            limbs[:, limb, joint] = xyz
        # Toes stay flat on the ground and hang in line with the pastern in the air.
        lift = np.clip((paw[:, 2] - PAW_HEIGHT) / 0.08, 0.0, 1.0)
        droop = lift * np.clip(np.arctan2(direction[:, 0], direction[:, 2]), -0.3, 1.5) * 0.8
        toes[:, limb] = paw + 0.06 * body.leg_thickness * np.stack(
            (np.cos(droop), zero, -np.sin(droop)), -1
        )
    neck_base = thorax + thorax_rot @ np.array((0.10, 0.0, 0.34 * d))
    yaw = pose.neck_yaw
    along = np.stack(
        (np.cos(pose.neck) * np.cos(yaw), np.cos(pose.neck) * np.sin(yaw), np.sin(pose.neck)), -1
    )
    head = neck_base + (body.neck_length + 0.04) * along
    head_rot = rotation(yaw + pose.head[:, 0], pose.head[:, 1], pose.head[:, 2])
    return Skeleton(
        thorax_xyz=thorax, thorax_rot=thorax_rot, pelvis_xyz=pelvis, pelvis_rot=pelvis_rot,
        neck_base_xyz=neck_base, head_xyz=head, head_rot=head_rot, limbs=limbs, toes=toes,
        tail=_tail(body, pose, pelvis, pelvis_rot),
    )  # fmt: skip


def _within_reach(
    proximal: FloatArray, distal: FloatArray, paw: FloatArray, reach: float, pastern: float
) -> FloatArray:
    """Tilt the pastern about the paw until its upper end is within `reach` of hip or shoulder."""
    far = np.linalg.norm(distal - proximal, axis=-1) > reach
    if not far.any():
        return distal
    towards = distal - paw
    towards /= np.maximum(np.linalg.norm(towards, axis=-1, keepdims=True), 1e-9)
    fixed = two_links(proximal[far], paw[far], reach, pastern, towards[far])
    out = distal.copy()
    out[far] = fixed
    return out


def _tail(body: Morphology, pose: Pose, pelvis: FloatArray, pelvis_rot: FloatArray) -> FloatArray:
    d = body.depth
    points = np.empty((len(pose), TAIL_POINTS, 3))
    points[:, 0] = pelvis + pelvis_rot @ np.array((-0.13, 0.0, 0.36 * d))
    step = body.tail_length / (TAIL_POINTS - 1)
    share = np.arange(TAIL_POINTS - 1) / (TAIL_POINTS - 2)
    root = pose.tail[:, 0] - 0.6 * pose.pelvis[:, 2]
    angle = root[:, None] + pose.tail[:, 1, None] * share
    yaw = pose.tail[:, 2, None] * (0.4 + 0.6 * share)
    points[:, 1:, 0] = step * (-np.cos(angle) * np.cos(yaw))
    points[:, 1:, 1] = step * ((np.cos(angle) + 0.25) * np.sin(yaw))
    points[:, 1:, 2] = step * np.sin(angle)
    np.cumsum(points, axis=1, out=points)
    points[:, 1:, 2] = np.maximum(points[:, 1:, 2], 0.03)
    return points
