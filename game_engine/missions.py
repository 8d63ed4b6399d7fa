"""Surprise missions of a walk: when they come and what they ask for, drawn from a seed."""

from __future__ import annotations

from random import Random
from typing import Literal

import msgspec

from game_engine.rules import Rules

Submission = Literal["in_time", "too_early", "too_late"]
CLOCK_OFF_MS = 30_000
"""A phone's clock may be off from the server's by this much."""


class DrawnMission(msgspec.Struct, frozen=True):
    """The mission of one window of a walk.

    `number` counts from 0; `after_ms` since the walk began.
    """

    number: int
    after_ms: int
    mission_type: str


def draw_missions(seed: int, rules: Rules) -> tuple[DrawnMission, ...]:
    """Return a walk's missions, one in each window, no type twice; the same for the same seed."""
    drawn = Random(seed)  # noqa: S311  # not a secret: the server keeps the seed
    windows = rules.mission_offer_windows_ms[: rules.missions_max]
    types = drawn.sample(rules.mission_types, len(windows))
    return tuple(
        DrawnMission(number, drawn.randrange(first_ms, last_ms), name)
        for number, ((first_ms, last_ms), name) in enumerate(zip(windows, types, strict=True))
    )


def mission_type(said: str, rules: Rules) -> str | None:
    """Return the name in the rules of what a client calls a mission (SPIN is TURN), or None."""
    name = said.strip().upper()
    name = dict(rules.mission_aliases).get(name, name)
    return name if name in rules.mission_types else None


def submission_of(at_ms: int, offered_ms: int, deadline_ms: int) -> Submission:
    """Say whether a mission that was filmed at a time was filmed in its time."""
    if at_ms < offered_ms - CLOCK_OFF_MS:
        return "too_early"
    return "in_time" if at_ms <= deadline_ms + CLOCK_OFF_MS else "too_late"
