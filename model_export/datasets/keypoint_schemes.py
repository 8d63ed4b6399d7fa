"""Which keypoints change places in a mirror: told by a data set, and checked against its names.

Training with mirrored pictures and an identity index teaches a net that left and right are the
same thing; the published `dog-pose.yaml` has no index at all, and trains exactly so.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Literal

from model_export.datasets.errors import FlipIndexInvalid, FlipIndexMissing
from model_export.datasets.sample import DOG_24, KeypointScheme

OnFlipFault = Literal["fail", "derive"]
_SIDES = re.compile(r"(?i)(?<![a-z])(left|right|l|r)(?![a-z])|^(left|right)")
_OTHER = {"left": "right", "right": "left", "l": "r", "r": "l"}


def mirrored_name(name: str) -> str:
    """`front_left_paw` becomes `front_right_paw`; a name without a side stays."""

    def swap(match: re.Match[str]) -> str:
        side = match.group(0)
        other = _OTHER[side.lower()]
        if side.isupper():
            return other.upper()
        return other.capitalize() if side[0].isupper() else other

    return _SIDES.sub(swap, name)


def flip_index_of(names: Sequence[str]) -> tuple[int, ...]:
    """Return the mirror index that the names tell; raises FlipIndexInvalid when a side is alone."""
    where = {name: at for at, name in enumerate(names)}
    out: list[int] = []
    for name in names:
        other = mirrored_name(name)
        if other not in where:
            raise FlipIndexInvalid(f"keypoint {name!r} has no {other!r} to change places with")
        out.append(where[other])
    return tuple(out)


def check_flip_index(names: Sequence[str] | None, flip_index: Sequence[int]) -> None:
    """Raise FlipIndexInvalid unless the index is its own inverse and agrees with the names.

    Without names the identity is refused for two or more points: it cannot be told from a fault.
    """
    index = list(flip_index)
    if sorted(index) != list(range(len(index))) or any(index[k] != i for i, k in enumerate(index)):
        raise FlipIndexInvalid(f"a mirror index swaps pairs, but this one does not: {index}")
    identity = index == list(range(len(index)))
    if names is None:
        if identity and len(index) > 1:
            raise FlipIndexInvalid(
                "the mirror index is the identity, which scrambles left and right; "
                "name the keypoints if they really have no sides"
            )
        return
    told = list(flip_index_of(names))
    if index != told:
        raise FlipIndexInvalid(
            f"the mirror index {'is the identity' if identity else 'disagrees with the names'}; "
            f"the names tell flip_idx: {told}"
        )


def scheme_of(
    count: int,
    names: Sequence[str] | None,
    flip_index: Sequence[int] | None,
    where: str,
    on_flip_fault: OnFlipFault = "fail",
) -> KeypointScheme:
    """Keypoints of a file that may lack names or mirror index.

    24 points without names are taken for the dog-pose order. A missing, identity or wrong index
    raises FlipIndexMissing or FlipIndexInvalid, or with `derive` is told from the names with a
    warning; without names it raises always.
    """
    known = tuple(names) if names is not None else DOG_24.names if count == len(DOG_24) else None
    try:
        if flip_index is None:
            told = f": add flip_idx: {list(flip_index_of(known))}" if known else ""
            raise FlipIndexMissing(f"{where} has no flip_idx{told}")
        if len(flip_index) != count:
            raise FlipIndexInvalid(f"{where}: flip_idx has {len(flip_index)} of {count} entries")
        check_flip_index(known, flip_index)
        index = tuple(flip_index)
    except (FlipIndexMissing, FlipIndexInvalid) as error:
        if on_flip_fault == "fail" or known is None:
            raise
        warnings.warn(f"{error} (told from the names instead)", stacklevel=2)
        index = flip_index_of(known)
    named = known or tuple(f"keypoint_{k}" for k in range(count))
    skeleton = DOG_24.skeleton if named == DOG_24.names else ()
    return KeypointScheme(named, index, skeleton)
