"""The families by name, and which one a file belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from model_export.families.family import Family, FamilyError, TrainedNet
from model_export.families.own import OwnFamily, TorchvisionFamily
from model_export.families.yolo import YoloFamily

FAMILIES: Final[tuple[Family, ...]] = (OwnFamily(), TorchvisionFamily(), YoloFamily())


def family(name: str) -> Family:
    """Return a family; raises FamilyError naming the known ones."""
    for known in FAMILIES:
        if known.name == name:
            return known
    raise FamilyError(f"{name!r} is none of {', '.join(known.name for known in FAMILIES)}")


def family_of_arch(arch: str) -> Family:
    """Return the family of `yolo:yolo26n`, `torchvision:efficientnet_b0` or `centre_detector`."""
    prefix, _, rest = arch.partition(":")
    return family(prefix if rest else "own")


def load_net(file: Path) -> TrainedNet:
    """Load a checkpoint of any family.

    Ours are read without running code. A file that is none of ours is given to Ultralytics only
    when `model.json` beside it says that this project wrote it, as its format is a pickle.
    Raises FamilyError.
    """
    if (file.parent / "model.json").is_file():
        return family("yolo").load(file)
    return family("own").load(file)
