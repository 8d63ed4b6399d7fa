"""Pictures of whole dogs with their truth: every pose, view, place and camera."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from model_export.synth import poses
from model_export.synth.background import Background
from model_export.synth.body import (
    Dog,
    collar_point,
    figure,
    keypoint_tolerance,
    observe,
)
from model_export.synth.camera import Camera
from model_export.synth.camera_effects import CameraEffects
from model_export.synth.clutter import distractor, occluders
from model_export.synth.coat import Coat
from model_export.synth.company import Person, leash
from model_export.synth.expression import Expression
from model_export.synth.gait import random_gait
from model_export.synth.kinematics import GaitPlan
from model_export.synth.outline import LEAST_SEEN_SHARE, boxes_of, extent_px, seen_share
from model_export.synth.paint import Float32Array
from model_export.synth.posture import PAW_HEIGHT, Pose, Skeleton, rotation, solve, standing
from model_export.synth.primitives import Primitives
from model_export.synth.raster import GBuffer, rasterise
from model_export.synth.shading import Light, contact_shadow, fur_warp, shade

FloatArray = NDArray[np.float64]
Split = Literal["train", "val", "test"]

_SPLIT_STREAM = {"train": 101, "val": 202, "test": 303}
_ACTIONS = ("WALK", "TROT", "STAND", "SIT", "DOWN", "PAW", "JUMP")
_ACTION_ODDS = (0.40, 0.17, 0.15, 0.12, 0.08, 0.04, 0.04)
NO_DOG_SHARE = 0.1
_VISIBLE_STRAND_PX = 1.2
#: Dogs behind dogs are what a detector misses: to learn from there are more of them.
SECOND_DOG_SHARE = {"train": 0.24, "val": 0.08, "test": 0.08}


@dataclass(frozen=True, eq=False)
class BodyImage:
    """A picture (size, size, 3) uint8 RGB and what is true of it.

    `keypoints` (24, 3) x, y px and visibility 0 / 1 / 2, all 0 without a dog; boxes xyxy px cut at
    the border, of what can be seen; `heading_rad` 0 = faces image right, pi/2 = towards us, NaN
    without a dog; `action` one of WALK, TROT, STAND, SIT, DOWN, PAW, JUMP, NONE; `hidden`: less
    of the dog is in sight than `LEAST_SEEN_SHARE`. `other_*` likewise of further dogs.
    """

    image: NDArray[np.uint8]
    keypoints: NDArray[np.float32]
    box_xyxy: NDArray[np.float32] | None
    face_box_xyxy: NDArray[np.float32] | None
    heading_rad: float
    action: str
    has_dog: bool
    breed: str = ""
    hidden: bool = False
    other_boxes: tuple[NDArray[np.float32], ...] = ()
    other_face_boxes: tuple[NDArray[np.float32], ...] = ()
    other_headings_rad: tuple[float, ...] = ()
    other_hidden: tuple[bool, ...] = ()


def random_pose(rng: np.random.Generator, dog: Dog, action: str) -> Skeleton:
    """One moment of an action, T = 1, with the head turned as it happens."""
    body = dog.body
    if action in ("WALK", "TROT"):
        gait = random_gait(rng, body, gait="walk" if action == "WALK" else "trot")
        moment = np.array([rng.uniform(0.0, 1.0) / gait.stride_hz])
        pose = GaitPlan.draw(rng, gait, body, float(moment[0])).pose_at(moment)[0]
    elif action == "SIT":
        pose = poses.sitting(body, rng)
    elif action == "DOWN":
        pose = poses.lying(body, rng)
    elif action == "PAW":
        pose = poses.giving_paw(body, bool(rng.random() < 0.5), rng, float(rng.uniform(0, 1)))
    elif action == "JUMP":
        pose = poses.flying(body, float(rng.uniform(0.1, 0.6)), float(rng.uniform(0, 1)))
    else:
        pose = standing(body)
        paws = pose.paws + rng.normal(0, 1, (1, 4, 3)) * np.array((0.05, 0.012, 0.0))
        pose = pose.with_(paws=paws)
    if action == "SIT" and rng.random() < 0.25:
        # Halfway between standing and sitting.
        pose = Pose.mix(standing(body), pose, rng.uniform(0.4, 1.0, 1))
    if action == "DOWN" and rng.random() < 0.2:
        pose = Pose.mix(poses.sitting(body), pose, rng.uniform(0.3, 1.0, 1))
    neck_low = -35 if action in ("WALK", "STAND") and rng.random() < 0.15 else 0
    neck = pose.neck + np.radians(rng.normal(0, 9) + neck_low)
    head = pose.head + np.radians(
        (rng.normal(0, 24), rng.normal(0, 9) + 0.3 * neck_low, rng.normal(0, 7))
    )
    tail = pose.tail + np.radians((rng.normal(0, 14), rng.normal(0, 12), rng.normal(0, 24)))
    return solve(body, pose.with_(neck=neck, neck_yaw=[rng.normal(0, 0.22)], head=head, tail=tail))


def random_view(rng: np.random.Generator) -> tuple[float, float, float]:
    """Azimuth, elevation (rad) and distance in body units: mostly from the side, as people film."""
    u = rng.random()
    if u < 0.55:
        azimuth = (math.pi / 2 if rng.random() < 0.5 else -math.pi / 2) + rng.uniform(
            -1, 1
        ) * math.radians(20)
    elif u < 0.85:
        azimuth = rng.uniform(-math.pi, math.pi)
    elif u < 0.95:
        azimuth = rng.normal(0, 0.3)
    else:
        azimuth = math.pi + rng.normal(0, 0.3)
    elevation = math.radians(float(np.clip(abs(rng.normal(5, 10)) - 2, -4, 50)))
    if rng.random() < 0.2:
        elevation = math.radians(float(rng.uniform(15, 45)))
    return azimuth, elevation, float(rng.uniform(2.6, 9.0))


def frame_camera(
    rng: np.random.Generator, shapes: Primitives, body_length: float, size: tuple[int, int],
    view: tuple[float, float, float], fill: float,
) -> Camera:  # fmt: skip
    """A camera that shows the shapes at `fill` of the picture (width, height), off centre a bit."""
    azimuth, elevation, distance = view
    width, height = size
    target = (-0.45 * body_length, 0.0, 0.5)
    probe = Camera(azimuth, elevation, distance, 1000.0, (0.0, 0.0), target)
    x0, y0, x1, y1 = extent_px(shapes, probe)
    focal = 1000.0 * fill / max((x1 - x0) / width, (y1 - y0) / height)
    k = focal / 1000.0
    slack_x, slack_y = width - k * (x1 - x0), height - k * (y1 - y0)
    loose = rng.normal(0.5, 0.2, 2) if fill <= 1 else rng.uniform(0, 1, 2)
    centre = (float(slack_x * loose[0] - k * x0), float(slack_y * loose[1] - k * y0))
    return Camera(azimuth, elevation, distance, focal, centre, target, float(rng.normal(0, 0.03)))


def ground_row_px(camera: Camera, body_length: float) -> float:
    """Row of the ground under the middle of the dog."""
    return float(camera.project((-0.45 * body_length, 0.0, 0.0))[1])


def shadow_spots(
    camera: Camera, skeleton: Skeleton, body_length: float, strength: float
) -> FloatArray:
    """Spots for `contact_shadow`: the trunk's and one for each paw near the ground."""
    thorax, pelvis = skeleton.thorax_xyz[0], skeleton.pelvis_xyz[0]
    low = float(min(thorax[2], pelvis[2]))
    middle = camera.project(np.array((0.5 * (thorax[0] + pelvis[0]), 0.0, 0.0)))
    scale = camera.focal_px / middle[2]
    heading = camera.heading_rad
    half = 0.5 * body_length + 0.2
    wide = scale * math.hypot(half * math.cos(heading), 0.22 * math.sin(heading))
    tilt = max(math.sin(camera.elevation_rad), 0.05)
    deep = scale * (tilt * math.hypot(half * math.sin(heading), 0.22 * math.cos(heading)) + 0.02)
    spots = [
        (middle[0], middle[1], wide, deep, strength * float(np.clip(1.25 - 0.7 * low, 0.15, 0.9)))
    ]
    for paw in skeleton.limbs[0, :, 4]:
        lift = paw[2] - PAW_HEIGHT
        at = camera.project((paw[0] + 0.02, paw[1], 0.0))
        k = camera.focal_px / at[2]
        spots.append(
            (
                at[0],
                at[1],
                0.09 * k,
                (0.05 * tilt + 0.02) * k,
                strength * float(np.clip(1 - 7 * lift, 0, 1)),
            )
        )
    return np.asarray(spots)


def body_image(seed: int, size: int = 256, split: Split = "train") -> BodyImage:
    """The picture of this seed; the same seed, size and split give the same bytes.

    One in ten holds no dog but people, furniture or toys; some a second dog
    (`SECOND_DOG_SHARE`).
    """
    rng = np.random.default_rng((_SPLIT_STREAM[split], seed))
    light = Light.random(rng)
    if rng.random() < NO_DOG_SHARE:
        return _without_dog(rng, size, split)
    dog = Dog.random(rng, split)
    action = str(rng.choice(_ACTIONS, p=_ACTION_ODDS))
    view = random_view(rng)
    skeleton = random_pose(rng, dog, action)
    main = figure(dog, skeleton, Expression.neutral(rng))
    truncated = rng.random() < 0.12
    fill = float(rng.uniform(1.02, 1.45)) if truncated else float(rng.uniform(0.35, 1.0))
    camera = frame_camera(rng, main.primitives, dog.body.trunk, (size, size), view, fill)
    dogs, coats, others = [main.primitives], [dog.coat], []
    if rng.random() < SECOND_DOG_SHARE[split]:
        other, coat, heading = _second_dog(rng, split, view[0])
        dogs.append(other)
        coats.append(coat)
        others.append(heading)
    extras = _company(rng, dog, skeleton, camera)
    image, buffer = render_scene(
        rng,
        Primitives.concat(dogs if extras is None else [*dogs, extras]),
        tuple(coats),
        dog,
        skeleton,
        camera,
        light,
        (size, size),
        split,
    )
    covered = np.zeros((size, size), np.float32)
    if rng.random() < 0.16:
        occluders(image, covered, rng, split, None)
    keypoints = observe(main.keypoints_xyz, keypoint_tolerance(dog), camera, buffer)
    keypoints = hide_covered(keypoints, covered)
    box, face = boxes_of(buffer, 0)
    finished = CameraEffects.random(rng).apply(image)
    if box is None:
        return _nothing(finished)
    shares = [seen_share(buffer, k, dogs[k], camera, covered > 0.5) for k in range(len(dogs))]
    hidden = [share < LEAST_SEEN_SHARE for share in shares]
    pairs = [boxes_of(buffer, owner) for owner in range(1, len(dogs))]
    kept = [
        (b, f, h, x)
        for (b, f), h, x in zip(pairs, others, hidden[1:], strict=True)
        if b is not None
    ]
    return BodyImage(
        image=finished, keypoints=keypoints.astype(np.float32), box_xyxy=box.astype(np.float32),
        face_box_xyxy=None if face is None else face.astype(np.float32),
        heading_rad=camera.heading_rad, action=action, has_dog=True, breed=dog.body.archetype,
        hidden=hidden[0],
        other_boxes=tuple(b.astype(np.float32) for b, _, _, _ in kept),
        other_face_boxes=tuple(f.astype(np.float32) for _, f, _, _ in kept if f is not None),
        other_headings_rad=tuple(h for _, _, h, _ in kept),
        other_hidden=tuple(x for _, _, _, x in kept),
    )  # fmt: skip


def render_scene(
    rng: np.random.Generator, shapes: Primitives, coats: tuple[Coat, ...], dog: Dog,
    skeleton: Skeleton, camera: Camera, light: Light, size: tuple[int, int], split: str,
) -> tuple[Float32Array, GBuffer]:  # fmt: skip
    """Place, shadow and shapes: (height, width, 3) float32 0..255 and the buffer."""
    width, height = size
    px_per_m = camera.scale_px / dog.body.withers_m
    place = Background.random(rng, split, height / px_per_m)
    feet = ground_row_px(camera, dog.body.trunk)
    image = place.render(width, height, camera.horizon_px, 0.0, feet)
    distractor(image, rng, split, px_per_m)
    contact_shadow(
        image, shadow_spots(camera, skeleton, dog.body.trunk, float(rng.uniform(0.25, 0.7)))
    )
    buffer = rasterise(shapes, camera, width, height, fray(dog, camera, width, height))
    picture = shade(
        buffer, coats, light, image, detail_px=camera.scale_px,
        head_detail_px=camera.scale_px * dog.body.head_scale,
    )  # fmt: skip
    return picture, buffer


def fray(dog: Dog, camera: Camera, width: int, height: int) -> Float32Array | None:
    """How the outline frays in this view, for `rasterise`; None where hair is below a pixel."""
    strand_px = dog.coat.fur_length * camera.scale_px
    if strand_px < _VISIBLE_STRAND_PX:
        return None
    return fur_warp(height, width, dog.coat, strand_px)


def hide_covered(keypoints: FloatArray, covered: Float32Array) -> FloatArray:
    """Seen keypoints under something opaque become hidden ones; `covered` (H, W) is opacity."""
    out = keypoints.copy()
    height, width = covered.shape
    for row in out:
        if row[2] == 2 and covered[min(int(row[1]), height - 1), min(int(row[0]), width - 1)] > 0.5:
            row[2] = 1
    return out


def _second_dog(
    rng: np.random.Generator, split: str, azimuth: float
) -> tuple[Primitives, Coat, float]:
    dog = Dog.random(rng, split)
    action = str(rng.choice(_ACTIONS[:5], p=np.asarray(_ACTION_ODDS[:5]) / sum(_ACTION_ODDS[:5])))
    shapes = figure(dog, random_pose(rng, dog, action), Expression.neutral(rng)).primitives
    yaw = float(rng.uniform(-math.pi, math.pi))
    # Beside or behind the main dog as the camera sees it.
    angle = azimuth + math.pi + rng.uniform(-1.9, 1.9)
    distance = rng.uniform(0.9, 2.2)
    place = (distance * math.cos(angle) - 0.4, distance * math.sin(angle), 0.0)
    size = float(np.clip(dog.body.withers_m / 0.5, 0.6, 1.5))
    moved = shapes.transformed(rotation(yaw, 0.0, 0.0), place, size).with_owner(1)
    return moved, dog.coat, math.remainder(azimuth - yaw + math.pi / 2, 2 * math.pi)


def _company(
    rng: np.random.Generator, dog: Dog, skeleton: Skeleton, camera: Camera
) -> Primitives | None:
    """A person's legs beside the dog and a leash, or neither."""
    groups = []
    accompanied = rng.random() < 0.16
    hand = np.array(
        (
            rng.uniform(-0.8, 0.6),
            rng.choice((-1.0, 1.0)) * rng.uniform(0.5, 1.4),
            rng.uniform(1.5, 2.6),
        )
    )
    scale = 1.0 / dog.body.withers_m
    if accompanied:
        away = -camera.rotation[2][:2]
        side = away / max(float(np.linalg.norm(away)), 1e-6) if rng.random() < 0.8 else -away
        spot = side * rng.uniform(0.35, 1.0) + np.array((rng.uniform(-1.0, 0.7), 0.0))
        person = Person.random(rng, spot, min(scale, 3.5), float(rng.uniform(0, 2 * math.pi)))
        legs, hand = person.shapes(float(rng.normal(0, 0.16)))
        groups.append(legs)
    if dog.collar > 0.0 and rng.random() < (0.7 if accompanied else 0.25):
        groups.append(_random_leash(rng, collar_point(dog, skeleton), hand))
    return Primitives.concat(groups).with_owner(254) if groups else None


def _random_leash(rng: np.random.Generator, start: FloatArray, end: FloatArray) -> Primitives:
    return leash(start, end, float(rng.uniform(0.0, 0.35)), float(rng.uniform(0.008, 0.016)))


def _without_dog(rng: np.random.Generator, size: int, split: str) -> BodyImage:
    place = Background.random(rng, split, float(rng.uniform(0.6, 2.5)))
    horizon = float(rng.uniform(-0.2, 0.6) * size)
    image = place.render(size, size, horizon, 0.0)
    for _ in range(int(rng.integers(1, 4))):
        distractor(image, rng, split, size / place.metres_high, always=True)
    if rng.random() < 0.3:
        occluders(image, np.zeros((size, size), np.float32), rng, split, None)
    return _nothing(CameraEffects.random(rng).apply(image))


def _nothing(image: NDArray[np.uint8]) -> BodyImage:
    return BodyImage(image, np.zeros((24, 3), np.float32), None, None, float("nan"), "NONE", False)
