"""What the dog says: `assets/references/emotions.json`, picked by emotion and confidence.

The same reading always gives the same sentences, so an owner who looks twice is not told two
things. A server may let a language model rewrite them; these are its fallback.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final, Literal

import msgspec

from edge_sdk.errors import NarrationFailed
from edge_sdk.face.emotions import EMOTIONS
from edge_sdk.face.result import Probabilities
from edge_sdk.references.texts import REFERENCES, Levels, Text, Texts

EMOTIONS_FILE: Final = REFERENCES / "emotions.json"
SUM_TOLERANCE: Final = 1e-3


class EmotionReference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of one emotion: cues, how to read them, and what to say at each level."""

    emotion_type: str
    emotion_name: Text
    visual_cues: Texts
    interpretation_guideline: Texts
    confidence_guideline: Levels
    tone: Text
    narration: Levels
    summary: Levels


class EmotionReferences(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file.

    Below `softer_below` the dog speaks carefully, from `stronger_from` on plainly; a second
    emotion is named when its probability is within `mixed_within` of the first.
    """

    version: int
    softer_below: float
    stronger_from: float
    mixed_within: float
    low_confidence_notice: Text
    fallback: Text
    mixed: Text
    emotions: dict[str, EmotionReference]


class Narration(msgspec.Struct, frozen=True):
    """What the dog says in the first person, and what an observer would say."""

    narration: Text
    summary: Text


@cache
def load_references(path: Path = EMOTIONS_FILE) -> EmotionReferences:
    """Read and check the references; raises `NarrationFailed` for a file that is not sound."""
    try:
        references = msgspec.json.decode(path.read_bytes(), type=EmotionReferences)
    except (OSError, msgspec.DecodeError) as error:
        raise NarrationFailed(f"{path}: {error}; restore the file") from None
    check_references(references, path)
    return references


def check_references(references: EmotionReferences, path: Path) -> None:
    """Check what the types do not say; raises `NarrationFailed` naming the file."""
    if set(references.emotions) != set(EMOTIONS):
        raise NarrationFailed(f"{path}: emotions are {', '.join(EMOTIONS)}, each exactly once")
    if not 0 < references.softer_below < references.stronger_from < 1:
        raise NarrationFailed(f"{path}: 0 < softer_below < stronger_from < 1 must hold")


def narrate(probabilities: Probabilities, references: EmotionReferences | None = None) -> Narration:
    """Say in words what the probabilities say.

    Raises `NarrationFailed` when they are not four numbers of 0..1 that sum to 1.
    """
    known = references or load_references()
    ranked = probabilities.ranked()
    values = [value for _, value in ranked]
    if not all(0 <= value <= 1 for value in values) or abs(sum(values) - 1) > SUM_TOLERANCE:
        raise NarrationFailed(f"probabilities {values} are not of 0..1 with the sum 1")
    (first, confidence), (second, runner_up) = ranked[:2]
    emotion = known.emotions[first]
    level = level_of(confidence, known)
    narration: Text = getattr(emotion.narration, level)
    if confidence - runner_up < known.mixed_within:
        narration = narration.then(known.mixed.filled(known.emotions[second].emotion_name))
    return Narration(narration, getattr(emotion.summary, level))


def level_of(confidence: float, known: EmotionReferences) -> Literal["high", "medium", "low"]:
    """The level of confidence that the references' texts are written for."""
    if confidence < known.softer_below:
        return "low"
    return "high" if confidence >= known.stronger_from else "medium"
