"""The four emotions that the product tells apart, in the order of every class index."""

from __future__ import annotations

from typing import Final

EMOTIONS: Final[tuple[str, ...]] = ("happy", "sad", "angry", "relaxed")
