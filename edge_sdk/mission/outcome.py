"""What a judge hands back before it is put into words."""

from __future__ import annotations

from dataclasses import dataclass

from edge_sdk.mission.result import Evidence, Verdict
from edge_sdk.references.texts import Text


@dataclass(frozen=True, slots=True)
class Outcome:
    """Verdict, length of what was held (ms, None without), (ms, words) seen, confidence 0..1."""

    verdict: Verdict
    hold_ms: float | None
    evidence: tuple[tuple[float, Text], ...]
    confidence: float


def seen_at(at_ms: float, words: Text) -> Evidence:
    """Evidence at a time."""
    return Evidence(round(at_ms / 1000, 3), words)
