"""The rules of the game as pure code: the phone predicts and the server decides with it.

Names are imported when first used, so `import game_engine` loads neither NumPy nor H3. Where a
function has the name of its module (`capture`, `judge`) the package gives the module: write
`from game_engine.judge import judge`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from game_engine.board import (
        CaptureEvent,
        CellState,
        apply,
        effective_strength,
        fold,
        free_at_ms,
        is_protected,
        local_day,
        owner_at,
    )
    from game_engine.capture import Captures, Dwell, dwell_of_current
    from game_engine.cells import (
        area_m2,
        boundary,
        center,
        classify,
        descendant_range,
        from_hex,
        parent,
        to_hex,
    )
    from game_engine.errors import GameError, InvalidFixes, UnknownRulesVersion
    from game_engine.judge import Verdict
    from game_engine.periods import Period, is_final, period_from_key, period_of
    from game_engine.privacy import in_zone, private_zone, zone_cells
    from game_engine.ranking import (
        Measure,
        around,
        board_hash,
        draw_cohorts,
        rank_order,
        shares,
    )
    from game_engine.regions import RegionIndex, RegionShape
    from game_engine.report import describe, summarise
    from game_engine.rules import CURRENT_RULES, RULES, Rules, rules_for
    from game_engine.track import (
        FLAG_ACCURACY_UNKNOWN,
        FLAG_MOCK,
        CleanTrack,
        Drop,
        Fixes,
        clean,
    )
    from game_engine.trust import (
        LastEnd,
        Signal,
        Trust,
        TrustContext,
        assess,
        fingerprint,
        is_same_track,
    )

_NAMES_BY_MODULE = {
    "board": (
        "CaptureEvent",
        "CellState",
        "apply",
        "effective_strength",
        "fold",
        "free_at_ms",
        "is_protected",
        "local_day",
        "owner_at",
    ),
    "capture": ("Captures", "Dwell", "dwell_of_current"),
    "cells": (
        "area_m2",
        "boundary",
        "center",
        "classify",
        "descendant_range",
        "from_hex",
        "parent",
        "to_hex",
    ),
    "errors": ("GameError", "InvalidFixes", "UnknownRulesVersion"),
    "judge": ("Verdict",),
    "periods": ("Period", "is_final", "period_from_key", "period_of"),
    "privacy": ("in_zone", "private_zone", "zone_cells"),
    "ranking": ("Measure", "around", "board_hash", "draw_cohorts", "rank_order", "shares"),
    "regions": ("RegionIndex", "RegionShape"),
    "report": ("describe", "summarise"),
    "rules": ("CURRENT_RULES", "RULES", "Rules", "rules_for"),
    "track": ("FLAG_ACCURACY_UNKNOWN", "FLAG_MOCK", "CleanTrack", "Drop", "Fixes", "clean"),
    "trust": (
        "LastEnd",
        "Signal",
        "Trust",
        "TrustContext",
        "assess",
        "fingerprint",
        "is_same_track",
    ),
}
_MODULE_OF = {name: module for module, names in _NAMES_BY_MODULE.items() for name in names}

__all__ = [
    "CURRENT_RULES",
    "FLAG_ACCURACY_UNKNOWN",
    "FLAG_MOCK",
    "RULES",
    "CaptureEvent",
    "Captures",
    "CellState",
    "CleanTrack",
    "Drop",
    "Dwell",
    "Fixes",
    "GameError",
    "InvalidFixes",
    "LastEnd",
    "Measure",
    "Period",
    "RegionIndex",
    "RegionShape",
    "Rules",
    "Signal",
    "Trust",
    "TrustContext",
    "UnknownRulesVersion",
    "Verdict",
    "apply",
    "area_m2",
    "around",
    "assess",
    "board_hash",
    "boundary",
    "center",
    "classify",
    "clean",
    "descendant_range",
    "describe",
    "draw_cohorts",
    "dwell_of_current",
    "effective_strength",
    "fingerprint",
    "fold",
    "free_at_ms",
    "from_hex",
    "in_zone",
    "is_final",
    "is_protected",
    "is_same_track",
    "local_day",
    "owner_at",
    "parent",
    "period_from_key",
    "period_of",
    "private_zone",
    "rank_order",
    "rules_for",
    "shares",
    "summarise",
    "to_hex",
    "zone_cells",
]


def __getattr__(name: str) -> object:
    if name in _NAMES_BY_MODULE:
        return import_module(f"game_engine.{name}")
    try:
        module = import_module(f"game_engine.{_MODULE_OF[name]}")
    except KeyError:
        raise AttributeError(f"module 'game_engine' has no attribute {name!r}") from None
    value: object = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_NAMES_BY_MODULE})
