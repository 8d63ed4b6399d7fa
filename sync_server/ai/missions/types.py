"""The missions by their names, and what else they are called."""

from __future__ import annotations

from typing import Final

from edge_sdk.mission.result import Mission, mission_of

OTHER_NAMES: Final = {"SPIN": Mission.TURN}
"""The product's judging prompt says SPIN where its tables say TURN."""


def mission_called(name: str) -> Mission:
    """The mission of a name; raises `edge_sdk.errors.InvalidMissionType`."""
    return OTHER_NAMES.get(name) or mission_of(name)
