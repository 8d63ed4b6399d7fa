"""How Gemini's answers are read, whole or in pieces, whatever the SDK's major version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from google.genai import types

BLOCKED: Final = frozenset(
    {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY",
     "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR", "LANGUAGE"}
)  # fmt: skip
"""Finish reasons that refuse the content."""


def word(value: object) -> str:
    """The name of an enum of the SDK, whatever its class is in this major; empty for None."""
    return "" if value is None else str(getattr(value, "value", value)).upper()


def output_tokens(usage: types.GenerateContentResponseUsageMetadata | None) -> int | None:
    """Tokens billed as output: thoughts are."""
    if usage is None:
        return None
    return (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
