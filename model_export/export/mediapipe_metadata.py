"""TFLite metadata, so that MediaPipe Tasks' ImageClassifier takes a .tflite file as it is.

What the task needs: the normalisation of the input and a file of labels for the output, described
by a flatbuffer (schema `tflite.ModelMetadata`, version 1.5, identifier M001) that the model carries
in a buffer named TFLITE_METADATA; the labels travel in a zip archive behind the model. The tables
are written field by field (numbers below are positions in the schema), since the library with the
generated code (tflite-support) does not install beside current NumPy.
"""

import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import flatbuffers

from model_export.export.tflite_file import repack

LABELS_FILE = "labels.txt"
METADATA_NAME = "TFLITE_METADATA"

_IDENTIFIER = b"M001"
# The newest field used here (normalisation, labels) is in the schema since its first version.
_MIN_PARSER_VERSION = "1.0.0"

_CONTENT_FEATURE, _CONTENT_IMAGE = 1, 2
_COLOUR_RGB = 1
_PROCESS_NORMALISE = 1
_FILE_AXIS_LABELS = 2


@dataclass(frozen=True)
class ClassifierCard:
    """What the metadata says of an image classifier.

    `mean` and `std` are in the units of the picture, 0..255 (MediaPipe computes (x - mean) / std);
    `labels` in the order of the output.
    """

    name: str
    description: str
    version: str
    licence: str
    width: int
    height: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    labels: tuple[str, ...]


def with_classifier_metadata(model: bytes, card: ClassifierCard) -> bytes:
    """The same .tflite model with metadata and labels; old ones are replaced."""
    return repack(model, {METADATA_NAME: _metadata(card)}) + _labels_archive(card.labels)


def _labels_archive(labels: Sequence[str]) -> bytes:
    """A zip with the labels, one a line; stored, because MediaPipe maps the file as it lies."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        # A fixed date (the earliest that zip knows) keeps the bytes the same.
        archive.writestr(zipfile.ZipInfo(LABELS_FILE, (1980, 1, 1, 0, 0, 0)), "\n".join(labels))
    return out.getvalue()


def _metadata(card: ClassifierCard) -> bytes:
    """The `tflite.ModelMetadata` flatbuffer of a card."""
    b = flatbuffers.Builder(1024)
    size = _table(b, 2, {0: ("u32", card.width), 1: ("u32", card.height)})
    image = _table(b, 2, {0: ("i8", _COLOUR_RGB), 1: ("ref", size)})
    normalise = _table(b, 2, {0: ("ref", _floats(b, card.mean)), 1: ("ref", _floats(b, card.std))})
    unit = _table(b, 2, {0: ("u8", _PROCESS_NORMALISE), 1: ("ref", normalise)})
    picture = _table(
        b,
        7,
        {
            0: ("ref", b.CreateString("image")),
            1: ("ref", b.CreateString("A square crop around one dog's face, RGB.")),
            3: ("ref", _table(b, 3, {0: ("u8", _CONTENT_IMAGE), 1: ("ref", image)})),
            4: ("ref", _vector(b, [unit])),
        },
    )
    labels = _table(
        b,
        5,
        {
            0: ("ref", b.CreateString(LABELS_FILE)),
            1: ("ref", b.CreateString("One class a line, in the order of the output.")),
            2: ("i8", _FILE_AXIS_LABELS),
        },
    )
    feature = _table(b, 0, {})
    logits = _table(
        b,
        7,
        {
            0: ("ref", b.CreateString("logits")),
            1: ("ref", b.CreateString("Raw logits: their softmax is the probability.")),
            3: ("ref", _table(b, 3, {0: ("u8", _CONTENT_FEATURE), 1: ("ref", feature)})),
            6: ("ref", _vector(b, [labels])),
        },
    )
    graph = _table(b, 10, {2: ("ref", _vector(b, [picture])), 3: ("ref", _vector(b, [logits]))})
    root = _table(
        b,
        8,
        {
            0: ("ref", b.CreateString(card.name)),
            1: ("ref", b.CreateString(card.description)),
            2: ("ref", b.CreateString(card.version)),
            3: ("ref", _vector(b, [graph])),
            4: ("ref", b.CreateString("daengdong")),
            5: ("ref", b.CreateString(card.licence)),
            7: ("ref", b.CreateString(_MIN_PARSER_VERSION)),
        },
    )
    b.Finish(root, file_identifier=_IDENTIFIER)
    return bytes(b.Output())


def _table(b: flatbuffers.Builder, fields: int, values: dict[int, tuple[str, float | int]]) -> int:
    add: dict[str, Callable[[int, float | int], None]] = {
        "ref": lambda i, v: b.PrependUOffsetTRelativeSlot(i, v, 0),
        "u8": lambda i, v: b.PrependUint8Slot(i, v, 0),
        "i8": lambda i, v: b.PrependInt8Slot(i, v, 0),
        "u32": lambda i, v: b.PrependUint32Slot(i, v, 0),
    }
    b.StartObject(fields)
    for position, (kind, value) in values.items():
        add[kind](position, value)
    return int(b.EndObject())


def _vector(b: flatbuffers.Builder, references: Sequence[int]) -> int:
    b.StartVector(4, len(references), 4)
    for reference in reversed(references):
        b.PrependUOffsetTRelative(reference)
    return int(b.EndVector())


def _floats(b: flatbuffers.Builder, values: Sequence[float]) -> int:
    b.StartVector(4, len(values), 4)
    for value in reversed(values):
        b.PrependFloat32(value)
    return int(b.EndVector())
