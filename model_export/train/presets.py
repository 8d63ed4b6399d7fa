"""What each model takes and gives, and the sizes of its training: the default and a tiny one.

The tiny presets prove the road (64 images, one epoch, seconds); the default presets make bundles
of the product's kind on two CPU cores. Minutes on one core of an AMD EPYC: emotion 15, face
detector 20, dog detector 48, pose 67. The shipped face and emotion are theirs; the shipped pose and
dog detector went on from earlier weights in several runs: docs/decisions/0010 and 0011.
"""

from dataclasses import dataclass, field, replace
from typing import Any

MODELS = ("pose", "dog-detector", "face-detector", "emotion")

#: (x / 255 - 0.5) / 0.25: centred, and about unit variance on photographs.
_MEAN, _STD = [0.5, 0.5, 0.5], [0.25, 0.25, 0.25]


def input_spec(size_px: int, fit: str, padding: float) -> dict[str, Any]:
    """The InputSpec of the bundle as a dictionary; `fit` "letterbox" or "square_crop"."""
    return {
        "width": size_px,
        "height": size_px,
        "channels": 3,
        "dtype": "float32",
        "colour": "RGB",
        "fit": fit,
        "padding": padding,
        "pad_value": 114,
        "mean": list(_MEAN),
        "std": list(_STD),
        "resample": "box-then-bilinear/1",
    }


@dataclass(frozen=True)
class Preset:
    """One training: net, input, data counts and schedule.

    `images`: generated training images; `val_images`, `test_images`: held out, of other breeds,
    backgrounds and seeds; `image_px`: side of the generated images; `input_px`: side of the net's
    input; `padding`: side of a crop / longer side of its box.
    """

    model: str
    arch: str
    config: dict[str, Any]
    classes: tuple[str, ...]
    images: int
    val_images: int
    test_images: int
    image_px: int
    input_px: int
    padding: float
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.02
    seed: int = 2026
    thresholds: dict[str, float] = field(default_factory=dict)

    @property
    def fit(self) -> str:
        """How an image comes to the net's input."""
        return "letterbox" if self.model.endswith("detector") else "square_crop"

    def input(self) -> dict[str, Any]:
        """The InputSpec of this model's stage."""
        return input_spec(self.input_px, self.fit, self.padding)

    def output(self) -> dict[str, Any]:
        """The OutputSpec of this model's stage as a dictionary."""
        if self.model == "pose":
            return {"head": "heatmap", "stride": 4}
        classes = list(self.classes)
        if self.model == "emotion":
            return {"head": "logits", "classes": classes, "temperature": 1.0}
        heading = self.model == "dog-detector"
        return {"head": "centre", "stride": 8, "heading": heading, "classes": classes}


_DETECTOR_THRESHOLDS = {"score": 0.35, "nms_iou": 0.5}

DEFAULT: dict[str, Preset] = {
    "pose": Preset(
        model="pose",
        arch="canonical_pose",
        config={},
        classes=(),
        images=81_920,
        val_images=512,
        test_images=1_024,
        image_px=256,
        input_px=160,
        padding=1.2,
        epochs=8,
        batch_size=32,
        learning_rate=1.8e-3,
        thresholds={"keypoint": 0.3},
    ),
    "dog-detector": Preset(
        model="dog-detector",
        arch="centre_detector",
        config={"classes": 1, "heading": True},
        classes=("dog",),
        images=81_920,
        val_images=512,
        test_images=1_024,
        image_px=256,
        input_px=224,
        padding=1.0,
        epochs=5,
        batch_size=32,
        learning_rate=1.8e-3,
        thresholds=dict(_DETECTOR_THRESHOLDS),
    ),
    "face-detector": Preset(
        model="face-detector",
        arch="centre_detector",
        config={"classes": 1, "heading": False},
        classes=("dog_face",),
        images=16_384,
        val_images=512,
        test_images=1_024,
        image_px=256,
        input_px=224,
        padding=1.0,
        epochs=12,
        batch_size=32,
        learning_rate=1.8e-3,
        thresholds=dict(_DETECTOR_THRESHOLDS),
    ),
    "emotion": Preset(
        model="emotion",
        arch="tiny_emotion",
        config={"classes": 4},
        classes=("happy", "sad", "angry", "relaxed"),
        images=16_384,
        val_images=512,
        test_images=1_024,
        image_px=256,
        input_px=128,
        padding=1.15,
        epochs=24,
        batch_size=32,
        learning_rate=1.8e-3,
    ),
}

_TINY_CONFIG: dict[str, dict[str, Any]] = {
    "pose": {"widths": [8, 12, 16, 24, 32], "depths": [0, 1, 1, 1], "neck": [24, 16, 16]},
    "dog-detector": {"widths": [8, 12, 16, 24, 32], "depths": [0, 0, 1, 1], "neck": [24, 16]},
    "face-detector": {"widths": [8, 12, 16, 24, 32], "depths": [0, 0, 1, 1], "neck": [24, 16]},
    "emotion": {"widths": [8, 12, 16, 24, 32], "depths": [0, 0, 1, 1], "features": 32},
}


def preset(model: str, name: str = "default") -> Preset:
    """The preset of a model, "default" or "tiny"; raises KeyError naming the known ones."""
    if model not in DEFAULT:
        raise KeyError(f"unknown model {model!r}: known are {', '.join(MODELS)}")
    chosen = DEFAULT[model]
    if name == "default":
        return chosen
    if name != "tiny":
        raise KeyError(f"unknown preset {name!r}: known are default, tiny")
    return replace(
        chosen,
        config={**chosen.config, **_TINY_CONFIG[model]},
        images=64,
        val_images=16,
        test_images=16,
        image_px=128,
        input_px=64 if model == "emotion" else 96,
        epochs=1,
        batch_size=16,
    )
