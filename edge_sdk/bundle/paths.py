"""Paths inside a bundle: what they may be, so that none leads out of it."""

from __future__ import annotations

import re
from typing import Final

from edge_sdk.errors import BundlePathUnsafe

MAX_PATH_CHARS: Final = 200

# Letters that mean the same on every file system; no leading dot, so no "." or "..", no hidden
# file, no drive, no alternate stream, no separator of another system.
_PART: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def safe_path(path: str, where: str) -> str:
    """Return `path` when it is relative, with "/" between plain names; else `BundlePathUnsafe`.

    `where` is named in the error.
    """
    parts = path.split("/")
    plain = all(_PART.fullmatch(part) and not part.endswith(".") for part in parts)
    if len(path) > MAX_PATH_CHARS or not plain or any(map(_RESERVED.fullmatch, parts)):
        raise BundlePathUnsafe(f"{where}: {path[:MAX_PATH_CHARS]!r} is no plain relative path")
    return path


def parents(path: str) -> list[str]:
    """The folders above a path: "a/b/c" gives "a" and "a/b"."""
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]
