"""What the prompts of missions and faces share: bullets, and sentences in both languages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from edge_sdk.references.texts import Text

_HANGUL: Final = re.compile(r"[가-힣]")


class Sentence(msgspec.Struct, frozen=True):
    """A text of a model's answer, in Korean and English."""

    ko: Annotated[str, Meta(min_length=1, max_length=600)]
    en: Annotated[str, Meta(min_length=1, max_length=600)]

    def text(self) -> Text:
        """As the product's text."""
        return Text(self.ko.strip(), self.en.strip())

    def in_its_languages(self) -> bool:
        """Whether the Korean has Korean letters and the English none."""
        return bool(_HANGUL.search(self.ko)) and not _HANGUL.search(self.en)


def bullets(items: Iterable[str]) -> str:
    """A list in a prompt."""
    return "\n".join(f"- {item}" for item in items)
