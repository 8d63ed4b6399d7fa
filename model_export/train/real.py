"""Real pictures beside the generated ones: a list file with boxes, keypoints and emotions.

A list is JSON lines, one picture a line, paths relative to the list:

    {"image": "a.jpg", "dogs": [{"box": [x0, y0, x1, y1], "heading_rad": 0.1,
     "keypoints": [[x, y, v], ... 24]}], "faces": [{"box": [...], "emotion": "happy"}],
     "dogs_complete": true, "faces_complete": false}

`heading_rad`, `keypoints` and `emotion` may be null. `*_complete` says that nothing unlabelled is
in the picture: only then a missing box teaches the detector "none there".
"""

import functools
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_sdk.errors import MissingExtra
from edge_sdk.face.emotions import EMOTIONS
from model_export.train.examples import KEYPOINTS, UNKNOWN_EMOTION, Example

#: Pictures are kept in memory at this longest side: more than any input of ours needs.
_KEPT_SIDE_PX = 448


class DogLabel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A dog in a real picture; boxes and keypoints in px of the file."""

    box: tuple[float, float, float, float]
    heading_rad: float | None = None
    keypoints: list[tuple[float, float, float]] | None = None


class FaceLabel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A dog's face in a real picture."""

    box: tuple[float, float, float, float]
    emotion: str | None = None


class Picture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a list."""

    image: str
    dogs: list[DogLabel] = []
    faces: list[FaceLabel] = []
    dogs_complete: bool = False
    faces_complete: bool = False


def read_list(path: Path) -> list[Picture]:
    """The pictures of a list; raises msgspec.ValidationError naming the field that is wrong."""
    lines = path.read_bytes().splitlines()
    return [msgspec.json.decode(line, type=Picture) for line in lines if line.strip()]


def _decoded(path: Path) -> NDArray[np.uint8]:
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise MissingExtra("Pillow", "artifacts") from error
    with Image.open(path) as file:
        upright = ImageOps.exif_transpose(file)
        assert upright is not None
        return np.asarray(upright.convert("RGB"))


@functools.lru_cache(maxsize=8192)
def _shrunk(path: Path) -> tuple[NDArray[np.uint8], float]:
    """The pixels at no more than the kept side, and kept px per px of the file."""
    from PIL import Image

    image = _decoded(path)
    scale = min(1.0, _KEPT_SIDE_PX / max(image.shape[:2]))
    if scale == 1.0:
        return image, 1.0
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    small = Image.fromarray(image).resize(size, Image.Resampling.BOX, reducing_gap=3.0)
    return np.asarray(small), scale


class RealPictures:
    """The examples of a list for one model.

    For the detectors an example is a picture, for the pose net a dog with keypoints, for the
    emotion a face with a label; what has no such label is left out.
    """

    def __init__(self, pictures: Sequence[Picture], root: Path, model: str):
        self._root = root
        self._items: list[tuple[Picture, int]] = []
        for picture in pictures:
            if model == "pose":
                numbers = [k for k, d in enumerate(picture.dogs) if d.keypoints is not None]
            elif model == "emotion":
                numbers = [k for k, f in enumerate(picture.faces) if f.emotion is not None]
            elif model == "dog-detector":
                numbers = [0] if picture.dogs_complete else []
            else:
                numbers = [0] if picture.faces_complete else []
            self._items += [(picture, k) for k in numbers]
        self._model = model

    @classmethod
    def open(cls, path: Path, model: str) -> "RealPictures":
        """The examples of a list file; see the module for its format."""
        return cls(read_list(path), path.parent, model)

    def __len__(self) -> int:
        return len(self._items)

    def example(self, index: int) -> Example:
        """The picture (dog, face) of this number with its labels in px of the kept size."""
        picture, number = self._items[index]
        image, scale = _shrunk(self._root / picture.image)
        dogs, faces = list(picture.dogs), list(picture.faces)
        if self._model == "pose":
            dogs = [dogs[number]]
        if self._model == "emotion":
            faces = [faces[number]]
        headings = [np.nan if d.heading_rad is None else d.heading_rad for d in dogs]
        keypoints = np.zeros((KEYPOINTS, 3), np.float32)
        if dogs and dogs[0].keypoints is not None:
            keypoints[:] = dogs[0].keypoints
            keypoints[:, :2] *= scale
        emotion = faces[0].emotion if faces else None
        return Example(
            image=image,
            dog_boxes=np.array([d.box for d in dogs], np.float32).reshape(-1, 4) * scale,
            dog_headings_rad=np.array(headings, np.float32),
            keypoints=keypoints,
            face_boxes=np.array([f.box for f in faces], np.float32).reshape(-1, 4) * scale,
            emotion=UNKNOWN_EMOTION if emotion is None else EMOTIONS.index(emotion),
            dogs_labelled=picture.dogs_complete,
            faces_labelled=picture.faces_complete,
        )
