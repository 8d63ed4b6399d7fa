"""Texts in two languages, and where the reference files lie."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

REFERENCES: Final = Path(__file__).resolve().parents[2] / "assets" / "references"


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One text in Korean and English."""

    ko: str
    en: str

    def then(self, other: Text) -> Text:
        """This text, a space, the other."""
        return Text(f"{self.ko} {other.ko}", f"{self.en} {other.en}")

    def filled(self, other: Text) -> Text:
        """This text with `{other}` replaced, each language by its own."""
        return Text(self.ko.replace("{other}", other.ko), self.en.replace("{other}", other.en))


class Texts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A list of texts in Korean and English, as long in both."""

    ko: tuple[str, ...]
    en: tuple[str, ...]


class Levels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text for each level of confidence."""

    high: Text
    medium: Text
    low: Text
