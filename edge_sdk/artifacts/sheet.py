"""A sheet to draw on: soft edges, text that fits, and units of the final picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from edge_sdk.artifacts.palette import INK, PANEL, PAPER, Colour, pillow, typeface

FINER: Final = 2
"""Shapes are drawn this many times finer, then reduced."""

Box = tuple[float, float, float, float]


class Sheet:
    """Draws in pixels of the final picture; `image()` gives it."""

    def __init__(self, width: int, height: int) -> None:
        """Begin a white sheet."""
        self.width, self.height = width, height
        self._image = pillow("Image").new("RGB", (width * FINER, height * FINER), PAPER)
        self._pen = pillow("ImageDraw").Draw(self._image)
        self._face = typeface()

    def say(self, words: tuple[str, str]) -> str:
        """Korean where the system can write it, else English."""
        return self._face.say(*words)

    def panel(self, box: Box, fill: Colour = PANEL, radius: float = 14) -> None:
        """A rounded area."""
        self._pen.rounded_rectangle(_finer(box), radius=radius * FINER, fill=fill)

    def bar(self, box: Box, fill: Colour, radius: float = 4) -> None:
        """A filled bar; nothing when it has no width."""
        x0, y0, x1, y1 = _finer(box)
        if x1 - x0 >= 1:
            round_by = min(radius * FINER, (x1 - x0) / 2, (y1 - y0) / 2)
            self._pen.rounded_rectangle([x0, y0, x1, y1], radius=round_by, fill=fill)

    def frame(self, box: Box, colour: Colour, width: float = 1) -> None:
        """An outlined rectangle."""
        self._pen.rectangle(_finer(box), outline=colour, width=round(width * FINER))

    def line(self, points: Sequence[tuple[float, float]], colour: Colour, width: float = 1) -> None:
        """A line through points."""
        path = [(x * FINER, y * FINER) for x, y in points]
        self._pen.line(path, fill=colour, width=max(1, round(width * FINER)), joint="curve")

    def dot(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """A filled circle."""
        self._pen.ellipse(_finer((x - radius, y - radius, x + radius, y + radius)), fill=colour)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: int = 18,
        *,
        colour: Colour = INK,
        bold: bool = False,
        anchor: str = "la",
    ) -> None:
        """One line of text; anchors are Pillow's."""
        font = self._face.font(size * FINER, bold)
        self._pen.text((x * FINER, y * FINER), text, fill=colour, font=font, anchor=anchor)

    def text_width(self, text: str, size: int, bold: bool = False) -> float:
        """Width of a line of text."""
        return float(self._face.font(size * FINER, bold).getlength(text)) / FINER

    def paragraph(
        self, x: float, y: float, width: float, text: str, size: int, colour: Colour = INK,
        most_lines: int = 4,
    ) -> float:  # fmt: skip
        """Text broken into lines at spaces; returns the y below it."""
        for line in self._lines(text, width, size)[:most_lines]:
            self.text(x, y, line, size, colour=colour)
            y += size * 1.5
        return y

    def picture(self, image: Any, box: Box) -> None:
        """A picture scaled into a box, its proportions kept, its corners rounded."""
        x0, y0, x1, y1 = (round(value) for value in _finer(box))
        scale = min((x1 - x0) / image.width, (y1 - y0) / image.height)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        corner = (x0 + (x1 - x0 - size[0]) // 2, y0 + (y1 - y0 - size[1]) // 2)
        modules = pillow("Image"), pillow("ImageDraw")
        mask = modules[0].new("L", size, 0)
        modules[1].Draw(mask).rounded_rectangle(
            [0, 0, size[0] - 1, size[1] - 1], radius=12 * FINER, fill=255
        )
        self._image.paste(image.resize(size, modules[0].Resampling.LANCZOS), corner, mask)

    def image(self) -> Any:
        """The sheet as a picture of Pillow."""
        return self._image.reduce(FINER)

    def _lines(self, text: str, width: float, size: int) -> list[str]:
        lines = [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if lines[-1] and self.text_width(longer, size) > width:
                lines.append(word)
            else:
                lines[-1] = longer
        return lines


def _finer(box: Box) -> list[float]:
    return [value * FINER for value in box]
