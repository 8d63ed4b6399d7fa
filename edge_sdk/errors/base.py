"""What every error of the SDK is, and the one for a missing library."""

from __future__ import annotations

from typing import ClassVar


class EdgeError(Exception):
    """Base of all errors of `edge_sdk`; `code` is stable and safe to switch on."""

    code: ClassVar[str] = "edge_error"


class MissingExtra(EdgeError):
    """An optional library is not installed; the message names the install command."""

    code: ClassVar[str] = "missing_extra"

    def __init__(self, library: str, extra: str) -> None:
        """Name the library that is missing and the extra that brings it."""
        super().__init__(f"{library} is not installed: pip install 'daengdong[{extra}]'")
        self.library = library
        self.extra = extra
