"""COCO's run-length coding of masks, as StanfordExtra and COCO use it, in plain Python and NumPy.

Runs go down the columns, beginning with the background. In the compressed text every run length
is a signed number in groups of five bits, lowest first, each as the character with code 48 + group;
bit 0x20 says that more follow, and from the third run on the difference to the run two before is
kept. Source: maskApi.c (rleToString, rleFrString) of https://github.com/cocodataset/cocoapi.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model_export.datasets.errors import FormatInvalid


@dataclass(frozen=True, slots=True)
class Rle:
    """A mask of `height_px` x `width_px` as run lengths down the columns, background first."""

    height_px: int
    width_px: int
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse runs that do not cover the picture exactly."""
        if any(count < 0 for count in self.counts) or sum(self.counts) != (
            self.height_px * self.width_px
        ):
            raise FormatInvalid(
                f"run lengths cover {sum(self.counts)} pixels of {self.height_px * self.width_px}"
            )

    @classmethod
    def of_mask(cls, mask: npt.NDArray[np.bool_]) -> Rle:
        """Code a (H, W) mask."""
        flat = np.concatenate([[False], np.asarray(mask, dtype=bool).ravel(order="F")])
        edges = np.flatnonzero(flat[1:] != flat[:-1])
        bounds = np.concatenate([[0], edges, [flat.size - 1]])
        return cls(mask.shape[0], mask.shape[1], tuple(np.diff(bounds).tolist()))

    @classmethod
    def of_text(cls, text: str, height_px: int, width_px: int) -> Rle:
        """Read COCO's compressed text; raises FormatInvalid."""
        counts: list[int] = []
        at = 0
        while at < len(text):
            value, shift, more = 0, 0, True
            while more:
                if at >= len(text) or not 0 <= ord(text[at]) - 48 < 64:
                    raise FormatInvalid("a run-length text ends early or has a wrong character")
                group = ord(text[at]) - 48
                value |= (group & 0x1F) << shift
                more = bool(group & 0x20)
                at, shift = at + 1, shift + 5
                if not more and group & 0x10:
                    value -= 1 << shift
            counts.append(value + counts[-2] if len(counts) > 2 else value)
        return cls(height_px, width_px, tuple(counts))

    def text(self) -> str:
        """COCO's compressed text."""
        out: list[str] = []
        for at, count in enumerate(self.counts):
            value = count - self.counts[at - 2] if at > 2 else count
            more = True
            while more:
                group = value & 0x1F
                value >>= 5
                more = value != (-1 if group & 0x10 else 0)
                out.append(chr((group | 0x20 if more else group) + 48))
        return "".join(out)

    def mask(self) -> npt.NDArray[np.bool_]:
        """The (H, W) mask."""
        values = np.arange(len(self.counts)) % 2 == 1
        flat = np.repeat(values, self.counts)
        return flat.reshape((self.height_px, self.width_px), order="F")

    def box_xyxy_px(self) -> npt.NDArray[np.float64]:
        """Smallest box (4,) around the mask; raises FormatInvalid when it is empty."""
        mask = self.mask()
        columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
        if columns.size == 0:
            raise FormatInvalid("an empty mask has no box")
        return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=np.float64)
