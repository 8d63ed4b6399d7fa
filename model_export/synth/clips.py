"""Films of a dog with the truth of every frame: walking past, or doing what a mission asks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_export.synth.actions import ACTIONS, Action, act
from model_export.synth.background import Background
from model_export.synth.body import (
    Dog,
    FigureMaker,
    collar_point,
    keypoint_tolerance,
    observe,
)
from model_export.synth.camera import Camera
from model_export.synth.camera_effects import CameraEffects
from model_export.synth.company import Person, leash
from model_export.synth.expression import Expression
from model_export.synth.filming import CameraPath, Filming, plan_cameras, reach_points
from model_export.synth.gait import random_gait, with_other_faults
from model_export.synth.gait_truth import measure
from model_export.synth.images import Split, fray, ground_row_px, shadow_spots
from model_export.synth.kinematics import GaitPlan, Motion
from model_export.synth.outline import boxes_of
from model_export.synth.primitives import Primitives
from model_export.synth.raster import rasterise
from model_export.synth.shading import Light, contact_shadow, shade
from model_export.synth.truth import ActionTruth, GaitTruth

FloatArray = NDArray[np.float64]

FPS = (8.0, 10.0, 12.0, 15.0, 24.0, 25.0, 30.0, 50.0, 60.0)
SIZES = ((320, 240), (384, 288), (426, 240), (480, 270), (640, 360))
"""Usual (width, height) of clips, px."""

_STREAM = {"train": 1101, "val": 1202, "test": 1303}
_LABEL_SIDE_PX = 320
"""Longer side of the buffer from which boxes and visibility are read."""
_SUBFRAMES = 3


@dataclass(frozen=True, eq=False)
class Labels:
    """What is true of each frame: keypoints (T, 24, 3), boxes (T, 4) and face boxes, NaN unseen."""

    keypoints: FloatArray
    boxes: FloatArray
    face_boxes: FloatArray


@dataclass(frozen=True, eq=False)
class Film:
    """A planned clip that can be drawn. `motion` holds `subframes` moments per frame."""

    dog: Dog
    motion: Motion
    subframes: int
    filming: Filming
    path: CameraPath
    timestamps_ms: FloatArray
    width: int
    height: int
    place: Background
    light: Light
    effects: CameraEffects
    expression: Expression
    shadow: float
    person: Person | None
    leashed: bool

    def __len__(self) -> int:
        return len(self.timestamps_ms)

    @cached_property
    def _maker(self) -> FigureMaker:
        return FigureMaker(self.dog, self.expression)

    def _shapes(self, moment: int) -> tuple[Primitives, FloatArray]:
        shown = self._maker.figure(self.motion.skeleton, moment)
        groups = [shown.primitives]
        hand: FloatArray | None = None
        if self.person is not None:
            stride = 0.26 * math.sin(2 * math.pi * 0.9 * float(self.motion.times_s[moment]))
            walker, hand = self.person.shapes(stride)
            groups.append(walker.with_owner(254))
        if self.leashed:
            hook = collar_point(self.dog, self.motion.skeleton, moment)
            end = np.array((0.3, 0.9, 2.2)) if hand is None else hand
            groups.append(leash(hook, end, 0.12, 0.011).with_owner(254))
        return Primitives.concat(groups), shown.keypoints_xyz

    @cached_property
    def labels(self) -> Labels:
        """Keypoints and boxes of all frames, at the middle of the exposure."""
        count = len(self)
        keypoints = np.empty((count, 24, 3))
        boxes, faces = np.full((count, 4), np.nan), np.full((count, 4), np.nan)
        factor = min(1.0, _LABEL_SIDE_PX / max(self.width, self.height))
        width, height = round(self.width * factor), round(self.height * factor)
        tolerance = keypoint_tolerance(self.dog)
        for frame in range(count):
            moment = frame * self.subframes + self.subframes // 2
            shapes, points = self._shapes(moment)
            small = self.path.cameras[moment].resized(factor)
            buffer = rasterise(shapes, small, width, height)
            seen = observe(points, tolerance, small, buffer)
            seen[:, :2] /= factor
            keypoints[frame] = seen
            for rows, box in zip((boxes, faces), boxes_of(buffer, 0), strict=True):
                if box is not None:
                    rows[frame] = np.minimum(box / factor, (self.width, self.height) * 2)
        return Labels(keypoints, boxes, faces)

    def frames(self) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        """(timestamp_ms, image (H, W, 3) uint8 RGB) of every frame; the same bytes each time."""
        for frame in range(len(self)):
            first = frame * self.subframes
            picture = self._draw(first)
            for moment in range(first + 1, first + self.subframes):
                picture += self._draw(moment)
            picture /= np.float32(self.subframes)
            yield float(self.timestamps_ms[frame]), self.effects.apply(picture, frame)

    def _draw(self, moment: int) -> NDArray[np.float32]:
        camera: Camera = self.path.cameras[moment]
        body, coat = self.dog.body, self.dog.coat
        feet = ground_row_px(camera, body.trunk)
        image = self.place.render(
            self.width, self.height, camera.horizon_px, float(self.path.scroll_px[moment]), feet
        )
        skeleton = self.motion.skeleton.at(moment)
        contact_shadow(image, shadow_spots(camera, skeleton, body.trunk, self.shadow))
        shapes, _ = self._shapes(moment)
        warp = fray(self.dog, camera, self.width, self.height)
        buffer = rasterise(shapes, camera, self.width, self.height, warp)
        return shade(
            buffer, coat, self.light, image, detail_px=camera.scale_px,
            head_detail_px=camera.scale_px * body.head_scale,
        )  # fmt: skip


def _timing(
    rng: np.random.Generator, fps: float, seconds: float, exposure: float
) -> tuple[FloatArray, FloatArray, int]:
    """Timestamps (T,) ms, the moments (T * subframes,) s of the exposures, and subframes."""
    count = max(round(fps * seconds), 2)
    stamps = np.arange(count) / fps
    if rng.random() < 0.2:
        # Phones film with a variable frame rate.
        stamps = stamps + rng.uniform(-0.12, 0.12, count) / fps
        stamps -= stamps[0]
    stamps = np.round(stamps * 1000.0, 3)
    subframes = _SUBFRAMES if exposure > 0.0 else 1
    open_s = exposure / fps * np.linspace(-0.5, 0.5, subframes) if subframes > 1 else np.zeros(1)
    return stamps, ((stamps / 1000.0)[:, None] + open_s).ravel(), subframes


def _film(
    rng: np.random.Generator, split: str, dog: Dog, motion: Motion, filming: Filming,
    timestamps_ms: FloatArray, subframes: int, size: tuple[int, int], company: bool,
) -> Film:  # fmt: skip
    path = plan_cameras(rng, filming, motion, dog.body.trunk, size, reach_points(motion))
    first = path.cameras[0]
    px_per_m = first.scale_px / dog.body.withers_m
    place = Background.random(rng, split, size[1] / px_per_m)
    person = None
    if company and rng.random() < 0.3:
        away = -first.rotation[2][:2] / max(float(np.linalg.norm(first.rotation[2][:2])), 1e-6)
        spot = away * rng.uniform(0.45, 1.0) + np.array((rng.uniform(-0.9, 0.5), 0.0))
        person = Person.random(rng, spot, min(1.0 / dog.body.withers_m, 3.5), 0.0)
    leashed = company and dog.collar > 0.0 and rng.random() < (0.8 if person else 0.3)
    return Film(
        dog=dog, motion=motion, subframes=subframes, filming=filming, path=path,
        timestamps_ms=timestamps_ms, width=size[0], height=size[1], place=place,
        light=Light.random(rng), effects=replace(CameraEffects.random(rng), motion=(0.0, 0.0)),
        expression=Expression.neutral(rng), shadow=float(rng.uniform(0.3, 0.7)), person=person,
        leashed=bool(leashed),
    )  # fmt: skip


class _FilmViews:
    """What walks and actions show alike of their film."""

    film: Film

    def __len__(self) -> int:
        return len(self.film)

    def frames(self) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        """(timestamp_ms, image (H, W, 3) uint8 RGB) of every frame, drawn as they are asked for."""
        return self.film.frames()

    @property
    def timestamps_ms(self) -> FloatArray:
        """When each frame was taken, (T,) rising from 0."""
        return self.film.timestamps_ms

    @property
    def keypoints(self) -> FloatArray:
        """(T, 24, 3): x px, y px, visibility 0 absent / 1 hidden / 2 seen."""
        return self.film.labels.keypoints

    @property
    def boxes(self) -> FloatArray:
        """(T, 4) xyxy px of what is seen of the dog; NaN where it is out of sight."""
        return self.film.labels.boxes

    @property
    def face_boxes(self) -> FloatArray:
        """(T, 4) xyxy px of the head; NaN where it is hidden."""
        return self.film.labels.face_boxes

    @property
    def _middles(self) -> NDArray[np.int64]:
        film = self.film
        return np.arange(len(film)) * film.subframes + film.subframes // 2

    @property
    def headings_rad(self) -> FloatArray:
        """(T,): 0 = the dog faces image right, pi/2 = it comes towards us."""
        return np.array([self.film.path.cameras[m].heading_rad for m in self._middles])

    @property
    def contacts(self) -> NDArray[np.bool_]:
        """(T, 4): which paws FL, RL, FR, RR stand on the ground."""
        return self.film.motion.contacts[self._middles]

    @property
    def fps(self) -> float:
        """Frames per second."""
        return 1000.0 / float(np.diff(self.film.timestamps_ms).mean())


@dataclass(frozen=True, eq=False)
class WalkClip(_FilmViews):
    """A dog that walks or trots past, and the truth about its gait."""

    film: Film
    plan: GaitPlan
    truth: GaitTruth
    seed: int
    split: Split

    @staticmethod
    def random(
        seed: int,
        split: Split = "train",
        fps: float | None = None,
        seconds: float | None = None,
        width: int | None = None,
        height: int | None = None,
        *,
        filming: Filming | None = None,
        side_view: bool = True,
        dog: Dog | None = None,
        **gait: Any,
    ) -> WalkClip:
        """The clip of this seed. What is None is drawn: fps 8-60, 4-10 s, a usual size.

        `side_view`: within 20 degrees of the side (what gait analysis asks for), else any view.
        `gait`: arguments of `random_gait` and fields of GaitParams, as `severity=0.0`,
        `gait="trot"`, `hind_stance_si=-20.0`, `skip_rate=.3`. Faults beside lameness are drawn too
        (`with_other_faults`), but not where `unsteady` or `fold_hind` is given.
        """
        rng = np.random.default_rng((_STREAM[split], seed))
        animal = dog or Dog.random(rng, split)
        params = random_gait(rng, animal.body, **gait)
        if not {"unsteady", "fold_hind"} & set(gait):
            params = with_other_faults(rng.spawn(1)[0], params)
        how = filming or Filming.random(rng, side_view)
        usual = SIZES[int(rng.integers(len(SIZES)))]
        size = (width or usual[0], height or usual[1])
        rate = fps or float(FPS[int(rng.integers(len(FPS)))])
        length = seconds or float(rng.uniform(4.0, 10.0))
        stamps, moments, subframes = _timing(rng, rate, length, how.exposure)
        plan = GaitPlan.draw(rng, params, animal.body, length)
        film = _film(rng, split, animal, plan.at(moments), how, stamps, subframes, size, True)
        return WalkClip(film, plan, measure(plan, float(stamps[-1]) / 1000.0), seed, split)


@dataclass(frozen=True, eq=False)
class ActionClip(_FilmViews):
    """A dog that does what a mission asks, and when it does what."""

    film: Film
    truth: ActionTruth
    seed: int
    split: Split

    @staticmethod
    def random(
        seed: int,
        action: Action | None = None,
        split: Split = "train",
        fps: float | None = None,
        seconds: float | None = None,
        width: int | None = None,
        height: int | None = None,
        *,
        filming: Filming | None = None,
        dog: Dog | None = None,
    ) -> ActionClip:
        """The clip of this seed; what is None is drawn (any view, 3-6 s)."""
        rng = np.random.default_rng((_STREAM[split], 77, seed))
        animal = dog or Dog.random(rng, split)
        name = action or ACTIONS[int(rng.integers(len(ACTIONS)))]
        how = filming or Filming.random(rng, bool(rng.random() < 0.55))
        usual = SIZES[int(rng.integers(len(SIZES)))]
        size = (width or usual[0], height or usual[1])
        rate = fps or float(FPS[int(rng.integers(1, len(FPS)))])
        length = seconds or float(rng.uniform(3.0, 6.0))
        stamps, moments, subframes = _timing(rng, rate, length, how.exposure)
        acted = act(rng, name, animal.body, moments)
        film = _film(rng, split, animal, acted.motion, how, stamps, subframes, size, False)
        return ActionClip(film, acted.truth, seed, split)
