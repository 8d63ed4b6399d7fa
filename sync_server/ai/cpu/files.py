"""What stages leave for each other in the scratch folder: arrays and a little JSON in one .npz.

Written aside and renamed, so that a file that is there is whole; nothing in it is ever unpickled.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
_META: Final = "meta"


def written_aside(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` write beside `path` (same suffix), then rename."""
    scratch = path.with_name(f".{secrets.token_hex(6)}.part{path.suffix}")
    try:
        write(scratch)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def save(path: Path, meta: Any, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays and a value that msgspec can encode."""
    encoded = np.frombuffer(msgspec.json.encode(meta), np.uint8)

    def write(scratch: Path) -> None:
        with scratch.open("wb") as file:
            np.savez(file, **cast("Any", {_META: encoded, **arrays}))

    written_aside(path, write)


def load(path: Path, kind: type[T]) -> tuple[T, dict[str, NDArray[Any]]]:
    """Read what `save` has written."""
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return msgspec.json.decode(arrays.pop(_META).tobytes(), type=kind), arrays


def save_jpeg(path: Path, image: NDArray[np.uint8], quality: int = 90) -> None:
    """Write a picture (H, W, 3) uint8 RGB; the same picture gives the same bytes."""
    from PIL import Image

    picture = Image.fromarray(image)
    written_aside(path, lambda scratch: picture.save(scratch, "JPEG", quality=quality))
