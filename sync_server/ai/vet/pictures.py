"""The picture of a turn: fetched by the rules, decoded under limits, small and without metadata."""

from __future__ import annotations

import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import structlog

from sync_server.ai.fetching import MediaFetcher
from sync_server.ai.vet.contract import ChatRefused
from sync_server.ai.vet.ports import Picture
from sync_server.platform.errors import Problem
from sync_server.platform.media_types import PICTURE_TYPES
from sync_server.platform.pictures import clean_picture
from sync_server.platform.safe_fetch import FetchFailed, FetchRefused

log = structlog.get_logger(__name__)
MAX_PICTURE_BYTES: Final = 10 * 1024 * 1024
EDGE_PX: Final = 1_024
KEPT_S: Final = 10 * 60.0
MAX_KEPT: Final = 32
"""At about 200 kB each."""


class PictureReader(Protocol):
    """Brings pictures."""

    async def read(self, url: str) -> Picture:
        """Fetch and check; raises ChatRefused IMAGE_FETCH_FAILED."""
        ...


class FetchedPictures:
    """`PictureReader` by the media fetcher; what was decoded is kept for minutes by its content."""

    def __init__(
        self, fetcher: MediaFetcher, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetcher, self._now = fetcher, monotonic
        self._kept: OrderedDict[str, tuple[float, Picture]] = OrderedDict()

    async def read(self, url: str) -> Picture:
        """Fetch a picture and make it at most 1024 px, JPEG, upright, without metadata.

        Raises ChatRefused IMAGE_FETCH_FAILED whatever is wrong; `details.reason` is a stable code
        of `safe_fetch` or `clean_picture`, never a word of the answer.
        """
        try:
            with tempfile.TemporaryDirectory(prefix="vet-picture-") as folder:
                path = Path(folder) / "picture"
                fetched = await self._fetcher.fetch(
                    url, path, media_types=PICTURE_TYPES, max_bytes=MAX_PICTURE_BYTES
                )
                kept = self._known(fetched.sha256)
                if kept is not None:
                    return kept
                clean = await clean_picture(
                    path.read_bytes(), fetched.media_type, longest_edge_px=EDGE_PX, opaque=True
                )
        except FetchRefused as error:
            raise _failed(error.code) from None
        except FetchFailed as error:
            raise _failed("fetch_timeout" if error.timeout else "fetch_failed") from None
        except Problem as error:
            raise _failed(error.code) from None
        picture = Picture(clean.data, clean.width_px, clean.height_px)
        self._kept[fetched.sha256] = (self._now() + KEPT_S, picture)
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return picture

    def _known(self, sha256: str) -> Picture | None:
        until, picture = self._kept.get(sha256, (0.0, None))
        return picture if until > self._now() else None


def _failed(reason: str) -> ChatRefused:
    log.info("vet_picture_failed", reason=reason)
    return ChatRefused("IMAGE_FETCH_FAILED", details={"reason": reason})
