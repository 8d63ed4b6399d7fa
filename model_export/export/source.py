"""What is exported: a trained net of any family with everything that its bundle has to say."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from torch import nn

from edge_sdk.bundle.manifest import (
    Calibration,
    DataSource,
    InputSpec,
    KeypointSpec,
    Licence,
    OutputSpec,
    StageName,
    Training,
)
from edge_sdk.vision.keypoints import FLIP_INDEX, KEYPOINT_NAMES, SKELETON
from model_export import nets
from model_export.export.precision import ExportFailed
from model_export.train.presets import DEFAULT

_STAGE_OF_HEAD: dict[str, StageName] = {
    "centre": "detector",
    "yolo_detect": "detector",
    "yolo_pose": "detector",
    "heatmap": "pose",
    "logits": "classifier",
}

#: Licences of pictures from which weights may go into any app. Everything else is research only
#: until somebody has read its terms.
PERMISSIVE_DATA = frozenset(
    {"Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CC-BY-4.0", "own"}
)

#: Code under these lets an app embed the weights without opening its own source.
PERMISSIVE_CODE = frozenset({"Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause"})


@dataclass(frozen=True, eq=False)
class ExportSource:
    """A trained net (`module`: normalised (N, 3, H, W) -> raw head) and what its bundle says of it.

    `file`: the checkpoint, from which `load_source` reads the same again; `metrics`: numbers of
    the evaluation, as they are; `began_with`: the bundle or checkpoint of the first weights;
    `options`: of `train`, where the training was not the preset's.
    """

    file: Path
    arch: str
    stage: StageName
    module: nn.Module
    input: InputSpec
    output: OutputSpec
    thresholds: Mapping[str, float]
    keypoints: KeypointSpec | None
    licence: Licence
    training: Training
    calibration: Calibration | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    began_with: str | None = None
    options: tuple[str, ...] = ()

    @property
    def head(self) -> str:
        """Name of the output head."""
        return str(type(self.output).__struct_config__.tag)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; empty for heat maps."""
        return tuple(getattr(self.output, "classes", ()))


def load_source(file: Path) -> ExportSource:
    """Read a checkpoint of our own nets, of torchvision's, or of the YOLO family.

    Raises `ExportFailed` when it is none of them or a field of its specification is wrong.
    """
    if not file.is_file():
        raise ExportFailed(f"{file} does not exist")
    try:
        module, meta = nets.load(file)
    except (nets.CheckpointInvalid, ValueError, RuntimeError, OSError, KeyError) as error:
        raise ExportFailed(f"{file} is no checkpoint of model_export: {error}") from error
    except Exception as error:
        # torch refuses a pickle that runs code with an error class of its own: another family.
        return _yolo_source(file, error)
    return _source(file, module, meta, _code_licence(str(meta["arch"])))


def _source(
    file: Path, module: nn.Module, meta: Mapping[str, Any], licence: tuple[str, str]
) -> ExportSource:
    output = dict(meta["output"])
    head = str(output["head"])
    if head not in _STAGE_OF_HEAD:
        raise ExportFailed(f"{file}: head {head!r} is none of {', '.join(_STAGE_OF_HEAD)}")
    output |= _missing(output, head, tuple(meta["classes"]))
    calibrated = dict(meta.get("calibration") or {})
    if "temperature" in calibrated:
        # Fitted after the training, so it is the later word.
        output["temperature"] = float(calibrated["temperature"])
    try:
        return ExportSource(
            file=file,
            arch=str(meta["arch"]),
            stage=_STAGE_OF_HEAD[head],
            module=module.eval(),
            input=msgspec.convert(dict(meta["input"]), InputSpec),
            output=msgspec.convert(output, OutputSpec),
            thresholds={k: float(v) for k, v in dict(meta.get("thresholds") or {}).items()},
            keypoints=_keypoints(head),
            licence=_licence(licence, meta["training"]),
            training=_training(meta["training"]),
            calibration=_calibration(meta.get("calibration") or {}),
            metrics=dict(meta.get("metrics") or {}),
            began_with=_began_with(meta["training"]),
            options=_options(meta["training"]),
        )
    except msgspec.ValidationError as error:
        raise ExportFailed(f"{file}: {error}") from error


def _missing(output: Mapping[str, Any], head: str, classes: tuple[str, ...]) -> dict[str, Any]:
    """What the manifest says of a head and the checkpoint keeps elsewhere."""
    known: dict[str, Any] = {"classes": classes, "temperature": 1.0, "box_units": "px"}
    if head == "yolo_pose":
        known["keypoints"] = len(KEYPOINT_NAMES)
    of_head = {
        "centre": {"classes"},
        "heatmap": set[str](),
        "logits": {"classes", "temperature"},
        "yolo_detect": {"classes", "box_units"},
        "yolo_pose": {"classes", "box_units", "keypoints"},
    }[head]
    return {k: v for k, v in known.items() if k in of_head and k not in output}


def _keypoints(head: str) -> KeypointSpec | None:
    if head not in ("heatmap", "yolo_pose"):
        return None
    return KeypointSpec(names=KEYPOINT_NAMES, flip_index=FLIP_INDEX, skeleton=SKELETON)


def _training(told: Mapping[str, Any]) -> Training:
    data = tuple(
        DataSource(
            name=str(source["name"]),
            licence=str(source.get("licence", "unknown")),
            images=int(source.get("images") or 0),
        )
        for source in told.get("data", ())
    )
    began = _began_with(told)
    recipe = str(told.get("recipe", "unknown"))
    return Training(
        data=data,
        recipe=recipe if began is None else f"{recipe}, begun with {began}",
        seed=int(told.get("seed", 0)),
        minutes=float(told.get("minutes", 0.0)),
    )


def _began_with(told: Mapping[str, Any]) -> str | None:
    """The bundle, or the checkpoint without the folders above it, which are nobody's business."""
    began = told.get("started_from")
    if began is None or str(began).startswith("bundle "):
        return began
    return "/".join(Path(str(began)).parts[-2:])


def _options(told: Mapping[str, Any]) -> tuple[str, ...]:
    """What to tell `train` so that it does the same again, where the preset says otherwise."""
    done = told.get("preset")
    if not isinstance(done, Mapping) or done.get("model") not in DEFAULT:
        return ()
    default = DEFAULT[str(done["model"])]
    options = [
        f"--{name.replace('_', '-')} {done[name]}"
        for name in ("epochs", "images", "learning_rate", "seed")
        if name in done and done[name] != getattr(default, name)
    ]
    weights = {source["weight"]: None for source in told.get("data", ()) if "weight" in source}
    return (*options, *(f"--extra LIST={weight:g}" for weight in weights))


def _code_licence(arch: str) -> tuple[str, str]:
    if arch.startswith("torchvision:"):
        return "Apache-2.0", "Net by torchvision (BSD-3-Clause), trained by daengdong."
    return "Apache-2.0", "Net and training by daengdong (Apache-2.0)."


def _licence(code: tuple[str, str], training: Mapping[str, Any]) -> Licence:
    """The licence of code and data together; `research_only` unless every picture is free."""
    spdx, notice = code
    licences = {str(source.get("licence", "unknown")) for source in training.get("data", ())}
    bound = sorted(licences - PERMISSIVE_DATA)
    research_only = bool(bound) or bool(training.get("research_only", False))
    if research_only:
        notice += (
            " RESEARCH ONLY: trained with pictures whose terms allow no more, or are not known"
            f" ({', '.join(bound) or 'see the training data'}). Do not put it into an app."
        )
    return Licence(spdx=spdx, notice=notice, research_only=research_only)


def _calibration(told: Mapping[str, Any]) -> Calibration | None:
    if not {"method", "images", "ece_before", "ece_after"} <= set(told):
        return None
    return Calibration(
        method=str(told["method"]),
        images=int(told["images"]),
        ece_before=float(told["ece_before"]),
        ece_after=float(told["ece_after"]),
    )


def _yolo_source(file: Path, refused: Exception) -> ExportSource:
    from model_export.families.family import FamilyError
    from model_export.families.yolo import YoloFamily

    try:
        net = YoloFamily().load(file)
    except FamilyError as error:
        raise ExportFailed(f"{file} is no checkpoint: {refused}; {error}") from error
    training = dict(net.training)
    if "data" not in training:
        licence = "research only" if training.get("research_only") else "unknown"
        images = int(training.get("images", 0))
        training["data"] = [{"name": "data set of the training", "licence": licence,
                             "images": images}]  # fmt: skip
    meta = {
        "arch": net.arch,
        "classes": net.classes,
        "input": net.input,
        "output": net.output,
        "thresholds": net.thresholds,
        "training": training,
    }
    return _source(file, net.module, meta, (net.licence.spdx, net.licence.notice))


def describe(source: ExportSource) -> str:
    """One sentence for files that carry their own description."""
    size = f"{source.input.width}x{source.input.height}"
    classes = f" of {', '.join(source.classes)}" if source.classes else ""
    return f"{source.arch}, {source.stage}{classes}, input {size} RGB, raw head {source.head}"


def metrics_as_json(source: ExportSource) -> str:
    """The numbers of the evaluation as JSON, NaN as null."""
    return json.dumps(_without_nan(source.metrics), ensure_ascii=False, sort_keys=True)


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _without_nan(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(v) for v in value]
    if isinstance(value, float) and value != value:
        return None
    return value
