"""Which pictures a comparison runs on, by a short name on the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from model_export.datasets import real
from model_export.datasets.errors import DatasetError
from model_export.datasets.formats import read_dataset
from model_export.datasets.generated import generated_dogs, generated_faces
from model_export.datasets.merge import merge
from model_export.datasets.sample import Dataset, Provenance, Split

WEAK_LABELS: Final = (
    "감정 라벨은 검색어라서 약합니다. 그럴듯한 비율은 happy 65-70 %, relaxed 60 %, sad 55 %, "
    "angry 약 10 %입니다: "
    "점수는 대부분 검색어를 잽니다 (weak labels: a score mostly measures the search word)"
)
_REAL: Final[dict[str, Callable[[Path], Dataset]]] = {
    "vizsla-faces": lambda data: merge(
        [real.vizsla_faces(data), real.street_negatives(data)], classes=(real.FACE_CLASS,)
    ),
    "posed-dogs": real.posed_dogs,
    "weak-emotions": lambda data: replace(real.weak_emotions(data), notes=(WEAK_LABELS,)),
    "bulldogs": lambda data: merge([real.masked_bulldogs(data), real.cats(data)]),
}
GENERATED_PX: Final = 256
NAMES: Final = ("generated-faces:N", "generated-dogs:N", *(f"real:{name}" for name in _REAL))


def open_data(text: str, split: Split | None, *, real_data: Path | None = None) -> Dataset:
    """Open `generated-faces:200`, `generated-dogs:200`, `real:<name>`, or a data set's path.

    `split` keeps one part when any sample has one; None keeps all (generated pictures are then
    those of the part test). Raises DatasetError.
    """
    name, _, rest = text.partition(":")
    if name in ("generated-faces", "generated-dogs"):
        if not rest.isdigit() or int(rest) < 1:
            raise DatasetError(f"{text!r}: say how many, such as {name}:200")
        draw = generated_faces if name == "generated-faces" else generated_dogs
        return draw(int(rest), GENERATED_PX, split or "test")
    if name == "real":
        folder = real_data or real.find_real_data()
        if rest not in _REAL:
            raise DatasetError(f"{text!r} is none of {', '.join(NAMES)}")
        if folder is None:
            raise DatasetError(f"{text!r}: ../shared/data is not here; give its folder")
        dataset = _REAL[rest](folder)
    else:
        path = Path(text)
        dataset = read_dataset(path, Provenance(path.resolve().stem, "unstated", True))
    parted = any(sample.split for sample in dataset.samples)
    return dataset.part(split) if split is not None and parted else dataset
