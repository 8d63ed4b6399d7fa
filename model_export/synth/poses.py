"""Poses that dogs hold or pass through: sitting, lying, giving a paw, flying. Pure NumPy."""

from __future__ import annotations

import numpy as np

from model_export.synth.morphology import Morphology
from model_export.synth.posture import (
    FL,
    FORE,
    FR,
    HIND,
    PAW_HEIGHT,
    SIDE,
    LimbLengths,
    Pose,
    half_widths,
    standing,
    thorax_height,
)


def sitting(body: Morphology, rng: np.random.Generator | None = None) -> Pose:
    """On the haunches, fore limbs upright."""
    pose = standing(body)
    d, vary = body.depth, (0.0 if rng is None else 1.0)
    noise = np.zeros(8) if rng is None else rng.normal(0, 1, 8)
    lengths = LimbLengths.of(body)
    hip_z = 0.2 * d + 0.07
    top = thorax_height(body) - 0.035 + 0.015 * noise[0]
    reach = 0.95 * np.hypot(body.trunk, thorax_height(body) - body.hip_height)
    rise = min(top - hip_z, 0.93 * reach)
    back = np.sqrt(reach**2 - rise**2)
    slope = np.arctan2(rise, back)
    paws = pose.paws.copy()
    paws[0, FORE, 0] = 0.09 + 0.02 * noise[1:3]
    width = half_widths(body)
    hock_back = 0.35 * lengths.femur
    paws[0, HIND, 0] = -back - hock_back + lengths.rear_pastern + 0.13 + 0.03 * noise[3:5]
    paws[0, HIND, 1] = SIDE[list(HIND)] * (width[1] * 1.55 + 0.02 * abs(noise[5]))
    pastern = pose.pastern.copy()
    pastern[0, HIND] = np.radians(-80)
    pastern[0, FORE] = np.radians(-8)
    splay = np.array([[0.0, 0.55, 0.0, 0.55]]) * (1 + 0.2 * noise[6])
    return pose.with_(
        thorax=[[0.0, top, 0.55 * slope]],
        pelvis=[[-back, hip_z, 0.95 * slope]],
        paws=paws,
        pastern=pastern,
        splay=splay,
        neck=pose.neck + np.radians(14 + 6 * vary * noise[7]),
        tail=pose.tail * np.array([[0.3, 0.7, 1.0]]),
    )


def lying(body: Morphology, rng: np.random.Generator | None = None) -> Pose:
    """Flat on the breastbone, fore limbs stretched ahead ("down")."""
    pose = standing(body)
    noise = np.zeros(8) if rng is None else rng.normal(0, 1, 8)
    d = body.depth
    lengths = LimbLengths.of(body)
    chest = 0.47 * d * body.girth
    hip_z = 0.24 * d + 0.045
    paws = pose.paws.copy()
    elbow = -0.05
    fore = elbow + lengths.radius + lengths.fore_pastern
    paws[0, FORE, 0] = fore + 0.02 * noise[:2]
    paws[0, FORE, 1] *= 1.1
    width = half_widths(body)
    paws[0, HIND, 0] = (
        -body.trunk + lengths.rear_pastern - 0.3 * lengths.femur + 0.12 + 0.03 * noise[2:4]
    )
    paws[0, HIND, 1] = SIDE[list(HIND)] * (width[1] * 1.7 + 0.02 * abs(noise[4]))
    pastern = np.radians([[-86.0, -82.0, -86.0, -82.0]])
    return pose.with_(
        thorax=[[0.0, chest, 0.03 * noise[5]]],
        pelvis=[[-0.97 * body.trunk, hip_z, 0.08]],
        paws=paws,
        pastern=pastern,
        splay=np.array([[0.1, 0.65, 0.1, 0.65]]),
        neck=np.maximum(pose.neck + np.radians(5 + 9 * noise[6]), np.radians(10)),
        tail=pose.tail * np.array([[0.1, 0.6, 1.0]]) + np.radians([[-14.0, 0.0, 0.0]]),
    )


def giving_paw(
    body: Morphology, left: bool, rng: np.random.Generator | None = None, high: float = 0.5
) -> Pose:
    """Sitting with one fore paw offered; `high` 0..1 how far it is raised."""
    pose = sitting(body, rng)
    lengths = LimbLengths.of(body)
    limb = FL if left else FR
    paws, pastern = pose.paws.copy(), pose.pastern.copy()
    shoulder = thorax_height(body) - 0.1
    length = 0.72 * (lengths.humerus + lengths.radius) + lengths.fore_pastern * 0.6
    angle = np.radians(-62 + 70 * high)
    paws[0, limb, 0] = 0.14 + length * np.cos(angle)
    paws[0, limb, 2] = max(shoulder + length * np.sin(angle), 0.15)
    paws[0, limb, 1] *= 0.8
    pastern[0, limb] = np.radians(-70 + 20 * high)
    lean = -0.015 if left else 0.015
    return pose.with_(paws=paws, pastern=pastern, sway=pose.sway + np.array([[lean, 0.0]]))


def crouching(body: Morphology, depth: float = 1.0) -> Pose:
    """Ready to jump: hind limbs bent by `depth` 0..1, fore end lowered less."""
    pose = standing(body)
    drop = depth * np.array((0.16, 0.22)) * body.hip_height
    thorax, pelvis = pose.thorax.copy(), pose.pelvis.copy()
    thorax[0, 1] -= drop[0]
    pelvis[0, 1] -= drop[1]
    pelvis[0, 0] += 0.03 * depth
    pastern = pose.pastern.copy()
    pastern[0, HIND] = np.radians(-12 * depth)
    return pose.with_(thorax=thorax, pelvis=pelvis, pastern=pastern)


def flying(body: Morphology, height: float, stretch: float) -> Pose:
    """In the air, the trunk `height` above its standing height; `stretch` 1 long .. 0 tucked."""
    pose = standing(body)
    thorax, pelvis = pose.thorax.copy(), pose.pelvis.copy()
    thorax[0, 1] += height
    pelvis[0, 1] += height
    tilt = 0.35 * (stretch - 0.4)
    thorax[0, 1] += 0.25 * body.trunk * np.sin(tilt)
    pelvis[0, 1] -= 0.45 * body.trunk * np.sin(tilt)
    thorax[0, 2] = pelvis[0, 2] = tilt
    paws = pose.paws.copy()
    legs = body.hip_height
    paws[0, FORE, 0] = 0.1 + 0.28 * legs * stretch
    paws[0, FORE, 2] = PAW_HEIGHT + height + legs * (0.34 - 0.1 * stretch)
    paws[0, HIND, 0] = -body.trunk + (0.1 - 0.42 * stretch) * legs
    paws[0, HIND, 2] = pelvis[0, 1] - legs * (0.5 + 0.22 * stretch)
    paws[0, :, 2] = np.maximum(paws[0, :, 2], PAW_HEIGHT + 0.5 * height)
    pastern = np.array(
        [[0.9 - 1.3 * stretch, 0.3 + 0.6 * stretch, 0.9 - 1.3 * stretch, 0.3 + 0.6 * stretch]]
    )
    return pose.with_(thorax=thorax, pelvis=pelvis, paws=paws, pastern=pastern)
