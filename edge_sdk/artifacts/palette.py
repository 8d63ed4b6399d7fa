"""Colours and fonts of everything that is drawn, and the words in two languages."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edge_sdk.errors import MissingExtra

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

Colour = tuple[int, int, int]

LEFT: Final[Colour] = (232, 119, 34)
RIGHT: Final[Colour] = (43, 122, 203)
MIDDLE: Final[Colour] = (96, 108, 118)
"""The dog's left is orange, its right blue (told apart by colour-blind eyes too)."""
INK: Final[Colour] = (33, 37, 41)
FAINT: Final[Colour] = (134, 142, 150)
LINE: Final[Colour] = (222, 226, 230)
PAPER: Final[Colour] = (255, 255, 255)
PANEL: Final[Colour] = (247, 249, 250)
GOOD: Final[Colour] = (47, 158, 106)
FAIR: Final[Colour] = (230, 170, 40)
POOR: Final[Colour] = (214, 81, 72)

FONT_VARIABLE: Final = "DAENGDONG_FONT"
"""Environment variable with the path of a font that has Hangul."""

_HANGUL_FONTS: Final = (
    # (regular, bold, index of the Korean face in a collection)
    ("NotoSansCJK-Regular.ttc", "NotoSansCJK-Bold.ttc", 1),
    ("NotoSansKR-Regular.otf", "NotoSansKR-Bold.otf", 0),
    ("NanumGothic.ttf", "NanumGothicBold.ttf", 0),
    ("NanumBarunGothic.ttf", "NanumBarunGothicBold.ttf", 0),
    ("AppleSDGothicNeo.ttc", "AppleSDGothicNeo.ttc", 0),
    ("malgun.ttf", "malgunbd.ttf", 0),
)
_FONT_FOLDERS: Final = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.local/share/fonts",
    "~/.fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "C:/Windows/Fonts",
)


def pillow(module: str) -> Any:
    """A module of Pillow; raises `MissingExtra` naming the extra."""
    from importlib import import_module

    try:
        return import_module(f"PIL.{module}")
    except ImportError:
        raise MissingExtra("pillow", "artifacts") from None


class Typeface:
    """A font with Hangul where the system has one; else Pillow's own, and English words."""

    def __init__(self) -> None:
        """Look for a font: `DAENGDONG_FONT` first, then the usual ones of each system."""
        self._regular, self._bold, self._index = _find()

    @property
    def korean(self) -> bool:
        """Whether Korean can be written."""
        return self._regular is not None

    def say(self, ko: str, en: str) -> str:
        """The words that can be written."""
        return ko if self.korean else en

    def font(self, size: int, bold: bool = False) -> FreeTypeFont:
        """The font in a size, px."""
        image_font = pillow("ImageFont")
        path = self._bold if bold and self._bold else self._regular
        if path is None:
            default: FreeTypeFont = image_font.load_default(size)
            return default
        loaded: FreeTypeFont = image_font.truetype(str(path), size, index=self._index)
        return loaded


@cache
def typeface() -> Typeface:
    """The typeface of this system."""
    return Typeface()


def score_colour(score: float | None) -> Colour:
    """Green from 70, yellow from 50, red below; grey when unknown."""
    if score is None:
        return FAINT
    return GOOD if score >= 70 else FAIR if score >= 50 else POOR


def _find() -> tuple[Path | None, Path | None, int]:
    given = os.environ.get(FONT_VARIABLE)
    if given and Path(given).is_file():
        return Path(given), None, 0
    found = {
        path.name: path
        for folder in _FONT_FOLDERS
        for path in Path(folder).expanduser().rglob("*")
        if path.suffix.lower() in (".ttf", ".ttc", ".otf")
    }
    for regular, bold, index in _HANGUL_FONTS:
        if regular in found:
            return found[regular], found.get(bold), index
    return None, None, 0
