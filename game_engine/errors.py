"""Errors of the game: one class per cause, each with a stable code."""

from typing import ClassVar


class GameError(Exception):
    """Base of all errors of `game_engine`; `code` is stable and part of the API."""

    code: ClassVar[str] = "game_error"


class UnknownRulesVersion(GameError):
    """A rules version that this build does not know; update the app or the server."""

    code: ClassVar[str] = "unknown_rules_version"

    def __init__(self, version: str, known: tuple[str, ...]) -> None:
        """Name the version asked for and the ones this build has."""
        super().__init__(
            f"unknown rules version {version!r}; this build knows {', '.join(known)}: "
            "update the side that is older",
        )
        self.version = version
        self.known = known


class InvalidFixes(GameError):
    """Columns of fixes that do not fit together (length, shape or type)."""

    code: ClassVar[str] = "invalid_fixes"


class InvalidCell(GameError):
    """An id that is not an H3 cell of the resolution asked for."""

    code: ClassVar[str] = "invalid_cell"


class InvalidPeriod(GameError):
    """A period kind or key that does not exist."""

    code: ClassVar[str] = "invalid_period"


class InvalidRanking(GameError):
    """Arguments of a ranking that do not fit together."""

    code: ClassVar[str] = "invalid_ranking"


class InvalidRegionShape(GameError):
    """A region whose geometry cannot be read."""

    code: ClassVar[str] = "invalid_region_shape"


class MissingDependency(GameError):
    """An optional library is not installed; the message names the install command."""

    code: ClassVar[str] = "missing_dependency"
