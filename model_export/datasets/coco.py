"""COCO instances and keypoints as JSON, with masks, and a licence for each picture.

Format: https://cocodataset.org/#format-data. Boxes are x, y, width, height; keypoints are
x, y, visibility; the licence of a picture is an id into `licenses`. What COCO has no field for
(source, cluster, part) is in `provenance.csv`. Crowd annotations are left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from model_export.datasets.errors import ClassUnknown, FormatInvalid, KeypointCountWrong
from model_export.datasets.files import require_unique_names, save_image
from model_export.datasets.keypoint_schemes import flip_index_of
from model_export.datasets.provenance import with_provenance, write_provenance
from model_export.datasets.rle import Rle
from model_export.datasets.sample import (
    ABSENT,
    Dataset,
    FloatArray,
    Instance,
    KeypointScheme,
    Provenance,
    Sample,
)
from model_export.datasets.validate import require_valid

ANNOTATIONS: Final = "annotations.json"


class _Licence(msgspec.Struct):
    id: int
    name: str = ""
    url: str = ""


class _Image(msgspec.Struct):
    id: int
    file_name: str
    width: int
    height: int
    license: int | None = None


class _Category(msgspec.Struct):
    id: int
    name: str
    keypoints: list[str] | None = None
    skeleton: list[tuple[int, int]] | None = None


class _Rle(msgspec.Struct):
    size: tuple[int, int]
    counts: str | list[int]


class _Annotation(msgspec.Struct):
    id: int
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    area: float = 0.0
    iscrowd: int = 0
    keypoints: list[float] | None = None
    num_keypoints: int = 0
    segmentation: _Rle | list[list[float]] | None = None


class _Coco(msgspec.Struct):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]
    licenses: list[_Licence] = []
    info: dict[str, Any] = {}


def read_coco(annotations: Path, provenance: Provenance, *, images: Path | None = None) -> Dataset:
    """Read one COCO file; pictures lie in `images`, or in the folder `images` beside the file.

    Each picture takes its own licence where the file has one. Categories become classes in the
    order of their ids. Raises FormatInvalid, ClassUnknown, KeypointCountWrong.
    """
    try:
        coco = msgspec.json.decode(annotations.read_bytes(), type=_Coco)
    except (OSError, msgspec.MsgspecError) as error:
        raise FormatInvalid(f"{annotations}: {error}") from error
    folder = annotations.parent / "images" if images is None else images
    categories = sorted(coco.categories, key=lambda category: category.id)
    class_ids = {category.id: at for at, category in enumerate(categories)}
    scheme = _scheme(categories, annotations)
    licences = {licence.id: licence.name or licence.url for licence in coco.licenses}
    of_image: dict[int, list[Instance]] = {image.id: [] for image in coco.images}
    sizes = {image.id: (image.width, image.height) for image in coco.images}
    for annotation in coco.annotations:
        if annotation.category_id not in class_ids:
            raise ClassUnknown(f"{annotations}: annotation {annotation.id} has no category")
        if annotation.image_id not in of_image:
            raise FormatInvalid(f"{annotations}: annotation {annotation.id} has no image")
        if not annotation.iscrowd:
            of_image[annotation.image_id].append(
                _instance(annotation, class_ids, scheme, sizes[annotation.image_id])
            )
    samples = [
        Sample(
            "_".join(Path(image.file_name).with_suffix("").parts),
            folder / image.file_name,
            image.width,
            image.height,
            Provenance(
                provenance.source,
                licences.get(image.license or -1) or provenance.licence,
                provenance.research_only,
                image.file_name,
            ),
            tuple(of_image[image.id]),
        )
        for image in coco.images
    ]
    told = with_provenance(annotations.parent, samples)
    return Dataset(told, tuple(category.name for category in categories), (), scheme)


def write_coco(dataset: Dataset, folder: Path) -> Path:
    """Write `annotations.json`, `images/` and `provenance.csv`; returns the JSON's path.

    Raises DatasetInvalid, NameInvalid.
    """
    require_valid(dataset, read_images=False)
    require_unique_names(dataset.samples)
    texts = sorted({sample.provenance.licence for sample in dataset.samples})
    scheme = dataset.keypoints
    coco = _Coco([], [], [], [_Licence(k, text) for k, text in enumerate(texts, 1)])
    for at, name in enumerate(dataset.classes, 1):
        names = None if scheme is None else list(scheme.names)
        bones = None if scheme is None else [(a + 1, b + 1) for a, b in scheme.skeleton]
        coco.categories.append(_Category(at, name, names, bones))
    for at, sample in enumerate(dataset.samples, 1):
        file = save_image(sample, folder / "images")
        licence = texts.index(sample.provenance.licence) + 1
        coco.images.append(_Image(at, file.name, sample.width_px, sample.height_px, licence))
        for instance in sample.instances:
            coco.annotations.append(_annotation(instance, len(coco.annotations) + 1, at))
    write_provenance(folder, dataset.samples)
    path = folder / ANNOTATIONS
    path.write_bytes(msgspec.json.encode(coco))
    return path


def _annotation(instance: Instance, annotation_id: int, image_id: int) -> _Annotation:
    x0, y0, x1, y1 = (float(v) for v in instance.box_xyxy_px)
    mask, points = instance.mask, instance.keypoints
    area = (x1 - x0) * (y1 - y0) if mask is None else float(sum(mask.counts[1::2]))
    out = _Annotation(annotation_id, image_id, instance.class_id + 1, (x0, y0, x1 - x0, y1 - y0))
    out.area = area
    if mask is not None:
        out.segmentation = _Rle((mask.height_px, mask.width_px), mask.text())
    if points is not None:
        present = points[:, 2:] > ABSENT
        # COCO's rule: an absent point is 0, 0, 0.
        out.keypoints = np.where(present, points, 0.0).ravel().tolist()
        out.num_keypoints = int(present.sum())
    return out


def _scheme(categories: list[_Category], where: Path) -> KeypointScheme | None:
    named = [category for category in categories if category.keypoints]
    if not named:
        return None
    if any(category.keypoints != named[0].keypoints for category in named):
        raise FormatInvalid(f"{where}: categories with different keypoints are not supported")
    names = tuple(named[0].keypoints or ())
    bones = tuple((a - 1, b - 1) for a, b in named[0].skeleton or ())
    return KeypointScheme(names, flip_index_of(names), bones)


def _instance(
    annotation: _Annotation,
    class_ids: dict[int, int],
    scheme: KeypointScheme | None,
    size_px: tuple[int, int],
) -> Instance:
    x, y, width, height = annotation.bbox
    points: FloatArray | None = None
    if scheme is not None and annotation.keypoints is not None:
        if len(annotation.keypoints) != 3 * len(scheme):
            raise KeypointCountWrong(
                f"annotation {annotation.id}: {len(annotation.keypoints)} keypoint numbers, "
                f"not {3 * len(scheme)}"
            )
        points = np.array(annotation.keypoints, dtype=np.float64).reshape(-1, 3)
    box = np.array([x, y, x + width, y + height], dtype=np.float64)
    mask = _mask(annotation.segmentation, size_px)
    return Instance(class_ids[annotation.category_id], box, points, mask)


def _mask(told: _Rle | list[list[float]] | None, size_px: tuple[int, int]) -> Rle | None:
    if not told:
        return None
    if isinstance(told, _Rle):
        if isinstance(told.counts, str):
            return Rle.of_text(told.counts, *told.size)
        return Rle(*told.size, tuple(told.counts))
    canvas = Image.new("1", size_px)
    for polygon in told:
        ImageDraw.Draw(canvas).polygon(polygon, fill=1)
    drawn: npt.NDArray[np.bool_] = np.asarray(canvas, dtype=bool)
    return Rle.of_mask(drawn)
