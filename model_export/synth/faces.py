"""Generated photographs of dogs' faces with an expression, and photographs without a dog.

An expression is a label only where a person could read it: see `_is_legible`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_sdk.vision.keypoints import KEYPOINT_NAMES
from model_export.synth import parts
from model_export.synth.background import Background
from model_export.synth.camera import Camera
from model_export.synth.camera_effects import CameraEffects
from model_export.synth.clutter import distractor, occluders
from model_export.synth.coat import Coat
from model_export.synth.expression import EMOTIONS, Expression
from model_export.synth.head import EYE_RADIUS
from model_export.synth.head_shape import HeadShape
from model_export.synth.noise import SPLITS
from model_export.synth.paint import Float32Array
from model_export.synth.portrait import POSES, Portrait, portrait
from model_export.synth.primitives import Primitives
from model_export.synth.raster import GBuffer, rasterise
from model_export.synth.shading import Light, contact_shadow, fur_warp, shade

UInt8Array = NDArray[np.uint8]

_HEAD = np.zeros(256, np.bool_)
_HEAD[list(parts.HEAD_PARTS)] = True
_POINT = {name: i for i, name in enumerate(KEYPOINT_NAMES)}
_NEEDED = ("nose", "chin", "left_eye", "right_eye")
_HEAD_SPAN = 1.28
"""A head with its ears spans about that many head units, which sets the size on the picture."""
_MOST_BLUR = 0.3
_MOST_COVERED = 0.33
_LEAST_SPREAD = 32.0
_EYE_REACH, _MOUTH_REACH = 2.2, 3.0
"""Limits of `_is_legible`: blur in eye radii, covered share of the head, grey levels; and how far
the surroundings of an eye and of the mouth reach, in eye radii."""
_SMALL_FACE_PX = 84
"""Faces below this size are drawn at twice the resolution: their eyes would alias."""


@dataclass(frozen=True, eq=False)
class FaceImage:
    """A generated photograph.

    `image` (size, size, 3) uint8 RGB; `face_box_xyxy` float64 pixels around everything of the
    head that the frame shows, None without a dog; `other_boxes` (K, 4) of further faces;
    `keypoints` (24, 3) x_px, y_px, visibility (0 absent, 1 hidden, 2 visible); `emotion` and
    `expression` None without a dog; `legible`: whether the picture shows enough of the face to
    name its emotion, see `_is_legible`; `breed` the archetype of its head, "" without a dog.
    """

    image: UInt8Array
    face_box_xyxy: NDArray[np.float64] | None
    other_boxes: NDArray[np.float64]
    keypoints: Float32Array
    emotion: str | None
    expression: Expression | None
    legible: bool = False
    breed: str = ""


def face_image(
    seed: int,
    size: int = 192,
    emotion: str | None = "relaxed",
    split: str = "train",
    *,
    face_share: float | None = None,
) -> FaceImage:
    """A dog's face with one of EMOTIONS, or with `emotion` None a picture without a dog.

    The same seed, size, emotion and split give the same bytes. `face_share`: the face's width as
    a share of the picture, drawn between .2 and .95 (4 to 90 % of the area) when None. Raises
    ValueError for an unknown emotion or split.
    """
    if emotion is not None and emotion not in EMOTIONS:
        raise ValueError(f"emotion {emotion!r} is not one of {EMOTIONS}")
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is not one of {SPLITS}")
    label = -1 if emotion is None else EMOTIONS.index(emotion)
    rng = np.random.default_rng((SPLITS.index(split), label + 1, seed))
    if emotion is None:
        return _without_dog(rng, size, split)
    return _with_dog(rng, size, emotion, split, face_share)


def _random_share(rng: np.random.Generator) -> float:
    return float(rng.uniform(0.2, 0.45) if rng.random() < 0.25 else rng.uniform(0.4, 0.95))


def _dog(
    rng: np.random.Generator, expression: Expression, split: str, yaw: float, look_up: float
) -> tuple[Portrait, Coat, HeadShape]:
    coat = Coat.random(rng, split)
    shape = HeadShape.random(rng, split)
    dog = portrait(
        rng,
        shape,
        expression,
        coat,
        pose=str(rng.choice(POSES, p=(0.4, 0.35, 0.25))),
        head_yaw_rad=yaw,
        collar=bool(rng.random() < 0.35),
        look_up_rad=look_up,
    )
    return dog, coat, shape


def _with_dog(
    rng: np.random.Generator, size: int, emotion: str, split: str, face_share: float | None
) -> FaceImage:
    expression = Expression.random(emotion, rng)
    yaw = float(np.clip(rng.normal(0.0, 0.4), -1.1, 1.1))
    elevation = math.radians(float(np.clip(rng.normal(6.0, 11.0), -14.0, 45.0)))
    dog, coat, shape = _dog(rng, expression, split, yaw, 0.75 * elevation)
    share = _random_share(rng) if face_share is None else face_share
    view = rng.normal(0.0, 0.38) if rng.random() < 0.93 else rng.uniform(-1.4, 1.4)
    distance = float(rng.uniform(2.2, 6.0)) if share < 0.5 else float(rng.uniform(1.6, 4.0))
    room = max(0.0, 0.5 - 0.5 * share)
    camera = Camera(
        azimuth_rad=yaw + view,
        elevation_rad=elevation,
        distance=distance,
        focal_px=distance * share * size / (_HEAD_SPAN * dog.head_scale),
        centre_px=(
            size * (0.5 + room * rng.uniform(-0.9, 0.9)),
            size * (0.5 + room * rng.uniform(-0.9, 0.6)),
        ),
        target_xyz=(
            float(dog.head_centre[0]),
            float(dog.head_centre[1]),
            float(dog.head_centre[2]),
        ),
        roll_rad=float(rng.normal(0.0, 0.06)),
    )
    groups, coats = [dog.primitives], [coat]
    if rng.random() < 0.12:
        other, other_coat, _ = _dog(
            rng, Expression.neutral(rng), split, float(rng.normal(0, 0.5)), elevation
        )
        side = (1 if rng.random() < 0.5 else -1) * rng.uniform(0.5, 1.1)
        across, back = camera.rotation[0], -camera.rotation[2]
        shift = side * across + rng.uniform(0.1, 1.4) * back
        shift[2] = 0.0
        groups.append(other.primitives.transformed(None, shift).with_owner(1))
        coats.append(other_coat)
    primitives = Primitives.concat(groups)

    ground = camera.project((dog.head_centre[0] - 0.3, dog.head_centre[1], 0.0))
    metres_high = size / camera.scale_px * rng.uniform(0.4, 0.7)
    place = Background.random(rng, split, metres_high=max(float(metres_high), 0.25))
    horizon = float(np.clip(camera.horizon_px, -1.5 * size, 1.2 * size))
    backdrop = place.render(size, size, horizon, 0.0, feet_px=float(min(ground[1], 4.0 * size)))
    distractor(backdrop, rng, split, size / max(metres_high, 0.25))
    _shadow(backdrop, camera, dog, rng)

    light = Light.random(rng)
    detail = camera.scale_px
    strand = 0.6 * min(coat.fur_length, 0.07 * dog.head_scale) * detail
    factor = 2 if share * size < _SMALL_FACE_PX else 1
    seen = camera.resized(factor)
    buffer = rasterise(
        primitives,
        seen,
        size * factor,
        size * factor,
        fur_warp(size * factor, size * factor, coat, strand * factor),
    )
    wide = np.repeat(np.repeat(backdrop, 2, axis=0), 2, axis=1) if factor == 2 else backdrop
    picture = shade(
        buffer,
        tuple(coats),
        light,
        wide,
        detail_px=detail * factor,
        head_detail_px=detail * dog.head_scale * factor,
    )
    if factor == 2:
        picture = 0.25 * (
            picture[0::2, 0::2] + picture[1::2, 0::2] + picture[0::2, 1::2] + picture[1::2, 1::2]
        )
    box = _face_box(buffer, 0, factor)
    others = [b for b in (_face_box(buffer, 1, factor),) if b is not None]
    keypoints = _project_keypoints(dog, seen, buffer, factor, size)
    covered = np.zeros((size, size), np.float32)
    if rng.random() < 0.22:
        occluders(picture, covered, rng, split, box)
    _hide(keypoints, covered)
    effects = CameraEffects.random(rng)
    finished = effects.apply(picture, subject_xyxy=box)
    head = _head_mask(buffer, 0)[::factor, ::factor]
    eye_px = EYE_RADIUS * shape.eye_size * dog.head_scale * camera.scale_px
    return FaceImage(
        image=finished,
        face_box_xyxy=box,
        other_boxes=np.asarray(others, np.float64).reshape(-1, 4),
        keypoints=keypoints,
        emotion=emotion,
        expression=expression,
        legible=_is_legible(finished, head, covered, keypoints, eye_px, effects.blur_px(size)),
        breed=shape.archetype,
    )


def _is_legible(
    image: UInt8Array,
    head: NDArray[np.bool_],
    covered: Float32Array,
    keypoints: Float32Array,
    eye_px: float,
    blur_px: float,
) -> bool:
    """Whether a person could name the emotion, by what the picture shows and not by any net.

    The nose and an eye are in sight and the chin is in the frame; no more than a third of the head
    is covered by something in front; the blur is below .3 of an eye's radius; and around that
    eye as around the mouth the grey levels spread (5th to 95th percentile) over at least
    `_LEAST_SPREAD`: neither black in the dark nor washed out. `head` (H, W) where the head is,
    `covered` (H, W) opacity in front of it, `eye_px` an eye's radius.
    """
    nose, chin, left, right = (keypoints[_POINT[name]] for name in _NEEDED)
    if nose[2] != 2 or max(left[2], right[2]) != 2 or chin[2] == 0 or not head.any():
        return False
    if blur_px > _MOST_BLUR * eye_px or float(covered[head].mean()) > _MOST_COVERED:
        return False
    luma = np.asarray(image @ np.array((0.299, 0.587, 0.114), np.float32), np.float32)
    luma[~head | (covered > 0.5)] = np.nan
    eyes = [_spread(luma, eye, _EYE_REACH * eye_px) for eye in (left, right) if eye[2] == 2]
    mouth = _spread(luma, 0.5 * (nose + chin), _MOUTH_REACH * eye_px)
    return min(max(eyes), mouth) >= _LEAST_SPREAD


def _spread(luma: Float32Array, at: Float32Array, reach_px: float) -> float:
    """Grey levels between the 5th and the 95th percentile of a square about a point; NaN is out."""
    low = np.floor(np.maximum(at[:2] - reach_px, 0)).astype(int)
    high = np.ceil(at[:2] + reach_px).astype(int) + 1
    part = luma[low[1] : high[1], low[0] : high[0]]
    if np.isnan(part).all():
        return 0.0
    dark, bright = np.nanpercentile(part, (5, 95))
    return float(bright - dark)


def _without_dog(rng: np.random.Generator, size: int, split: str) -> FaceImage:
    place = Background.random(rng, split, metres_high=float(np.exp(rng.uniform(-1.2, 0.9))))
    backdrop = place.render(size, size, float(rng.uniform(-0.2, 0.8) * size))
    for _ in range(int(rng.integers(0, 4))):
        distractor(backdrop, rng, split, size / place.metres_high, always=True)
    covered = np.zeros((size, size), np.float32)
    if rng.random() < 0.3:
        occluders(backdrop, covered, rng, split, None)
    return FaceImage(
        image=CameraEffects.random(rng).apply(backdrop),
        face_box_xyxy=None,
        other_boxes=np.zeros((0, 4)),
        keypoints=np.zeros((24, 3), np.float32),
        emotion=None,
        expression=None,
    )


def _shadow(
    backdrop: Float32Array, camera: Camera, dog: Portrait, rng: np.random.Generator
) -> None:
    strength = rng.uniform(0.15, 0.6)
    ground = dog.keypoints_xyz.copy()
    ground[:, 2] = 0.0
    paws = camera.project(ground[[0, 3, 6, 9]])
    middle = camera.project(ground[[22, 12]].mean(0))
    k = camera.scale_px
    tilt = max(0.15, math.sin(max(camera.elevation_rad, 0.0)))
    spots = [(p[0], p[1], 0.09 * k, 0.05 * k * (0.4 + tilt), strength) for p in paws]
    spots.append((middle[0], middle[1], 0.55 * k, 0.5 * k * tilt, 0.7 * strength))
    contact_shadow(backdrop, np.asarray(spots))


def _head_mask(buffer: GBuffer, owner: int) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = _HEAD[buffer.part] & (buffer.owner == owner)
    return mask


def _face_box(buffer: GBuffer, owner: int, factor: int) -> NDArray[np.float64] | None:
    head = _head_mask(buffer, owner)
    columns, rows = np.flatnonzero(head.any(axis=0)), np.flatnonzero(head.any(axis=1))
    if len(columns) < 6 * factor or len(rows) < 6 * factor:
        return None
    box = np.array((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1), np.float64)
    return box / factor


def _project_keypoints(
    dog: Portrait, camera: Camera, buffer: GBuffer, factor: int, size: int
) -> Float32Array:
    at = camera.project(dog.keypoints_xyz)
    out = np.zeros((len(at), 3), np.float32)
    out[:, :2] = at[:, :2] / factor
    column, row = np.floor(at[:, 0]).astype(int), np.floor(at[:, 1]).astype(int)
    inside = (column >= 0) & (row >= 0) & (column < size * factor) & (row < size * factor)
    nearest = buffer.depth[row[inside], column[inside]]
    hidden = nearest < at[inside, 2] - dog.tolerance[inside]
    out[inside, 2] = np.where(hidden, 1.0, 2.0)
    return out


def _hide(keypoints: Float32Array, covered: Float32Array) -> None:
    for point in keypoints:
        if point[2] == 2.0 and covered[int(point[1]), int(point[0])] > 0.5:
            point[2] = 1.0
