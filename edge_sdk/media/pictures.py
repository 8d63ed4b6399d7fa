"""Pictures whose memory is used again once nobody holds them."""

from __future__ import annotations

import sys
from typing import Final

import numpy as np

from edge_sdk.media.frames import Image

MOST_KEPT: Final = 12
# A picture in the pool that nobody holds is known to the list, the loop and `getrefcount`.
_UNHELD: Final = 3


class PicturePool:
    """Hands out arrays and takes each again when its last holder has let it go.

    A decoder that allocates every picture anew, aligned as it wants, tears holes into the C heap
    that no later picture fits into: a clip of 10 s at 720p then held 550 MB, of which 45 were in
    use (docs/decisions/0012). Not thread-safe.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._kept: list[Image] = []

    def take(self, shape: tuple[int, ...]) -> Image:
        """Return an array (height, width, 3) uint8 with any content, held by nobody else."""
        for picture in self._kept:
            # A view of a picture holds the picture itself.
            if picture.shape == shape and sys.getrefcount(picture) <= _UNHELD:
                return picture
        picture = np.empty(shape, np.uint8)
        if len(self._kept) < MOST_KEPT:
            self._kept.append(picture)
        return picture

    def clear(self) -> None:
        """Keep nothing; pictures that are held stay with their holders."""
        self._kept.clear()
