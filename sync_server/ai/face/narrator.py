"""Who puts an emotion into words; the reference file's own sentences need nobody."""

from __future__ import annotations

from typing import Protocol

import msgspec

from edge_sdk.face.narration import narrate
from edge_sdk.face.result import Probabilities
from edge_sdk.references.texts import Text
from sync_server.ai.references import EmotionReferenceStore


class Narrated(msgspec.Struct, frozen=True, kw_only=True):
    """What the dog says, what an observer would say, and who put it so.

    `fallback_reason` is set when a service should have said it and could not.
    """

    narration: Text
    summary: Text
    narrator: str
    model: str
    reference_version: str
    fallback_reason: str | None = None


class Narrator(Protocol):
    """Says in words what the probabilities say."""

    async def narrate(self, probabilities: Probabilities) -> Narrated:
        """Narrate; raises `edge_sdk.errors.NarrationFailed` where not even the template can."""
        ...


class TemplateNarrator:
    """Picks the sentences of the reference file by emotion and confidence."""

    def __init__(self, references: EmotionReferenceStore) -> None:
        """Ask `references` before each use: they may be edited while running."""
        self._references = references

    async def narrate(self, probabilities: Probabilities) -> Narrated:
        """See `Narrator.narrate`."""
        known = self._references.current()
        words = narrate(probabilities, known.value)
        return Narrated(
            narration=words.narration,
            summary=words.summary,
            narrator="template",
            model="emotions.json",
            reference_version=known.version,
        )
