"""Errors of data sets: one class per cause, each with a stable code and a way out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from edge_sdk.errors import EdgeError


class DatasetError(EdgeError):
    """Base of what can be wrong with a data set; the message names the file or sample."""

    code: ClassVar[str] = "dataset_error"


class FormatInvalid(DatasetError):
    """A file is not of the format it was read as; the message names the file and the place."""

    code: ClassVar[str] = "dataset_format_invalid"


class ImageMissing(DatasetError):
    """A label names a picture that does not exist."""

    code: ClassVar[str] = "dataset_image_missing"


class ImageBroken(DatasetError):
    """A picture cannot be decoded to its end, or its size is not the one of its labels."""

    code: ClassVar[str] = "dataset_image_broken"


class BoxInvalid(DatasetError):
    """A box leaves the picture, or has no area."""

    code: ClassVar[str] = "dataset_box_invalid"


class NotANumber(DatasetError):
    """A box or a present keypoint holds NaN or infinity."""

    code: ClassVar[str] = "dataset_not_a_number"


class ClassUnknown(DatasetError):
    """A label names a class that the data set does not have."""

    code: ClassVar[str] = "dataset_class_unknown"


class KeypointCountWrong(DatasetError):
    """An instance does not have as many keypoints as the data set says."""

    code: ClassVar[str] = "dataset_keypoint_count_wrong"


class VisibilityInvalid(DatasetError):
    """A keypoint's visibility is none of 0 (absent), 1 (occluded), 2 (visible)."""

    code: ClassVar[str] = "dataset_visibility_invalid"


class FlipIndexMissing(DatasetError):
    """A pose data set does not say which keypoints change places in a mirror."""

    code: ClassVar[str] = "dataset_flip_index_missing"


class FlipIndexInvalid(DatasetError):
    """A mirror index scrambles left and right, is the identity, or disagrees with the names."""

    code: ClassVar[str] = "dataset_flip_index_invalid"


class NameInvalid(DatasetError):
    """A sample's name is used twice, or cannot be a file's name."""

    code: ClassVar[str] = "dataset_name_invalid"


class SplitLeaks(DatasetError):
    """Near-duplicates, or pictures of one source that was to stay whole, lie in several parts."""

    code: ClassVar[str] = "dataset_split_leaks"


class SchemesDiffer(DatasetError):
    """Data sets with different keypoints or classes cannot be joined as asked."""

    code: ClassVar[str] = "dataset_schemes_differ"


class DatasetInvalid(DatasetError):
    """A data set has problems: all of them are in `problems`, the first few in the message."""

    code: ClassVar[str] = "dataset_invalid"

    def __init__(self, problems: Sequence[DatasetError]) -> None:
        """Keep every problem, and show the first five."""
        shown = "\n".join(f"  {p.code}: {p}" for p in problems[:5])
        rest = f"\n  and {len(problems) - 5} more" if len(problems) > 5 else ""
        super().__init__(f"{len(problems)} problems in the data set:\n{shown}{rest}")
        self.problems = tuple(problems)
