"""Tables of the media domain (created by migrations m0005 and m0007)."""

from __future__ import annotations

from typing import Final

from piccolo.columns import BigInt, Text, Varchar
from piccolo.table import Table

LOCK_MEDIA: Final = 7
"""Lock space: writers of one user's rows take turns, so that an object shared by two rows is not
deleted while a third begins to share it."""


class MediaObject(Table, tablename="media_object"):
    """One upload: declared first (`pending`), then checked and stored (`ready`).

    `object_key` is where the checked picture lies; two rows of a user with the same upload
    share one object. `check_ms` is when the sweeper looks at the row next.
    """

    media_key = Varchar(length=64, primary_key=True)
    user_no = BigInt()
    kind = Text()
    state = Text()
    declared_type = Text()
    declared_bytes = BigInt()
    declared_sha256 = Text(null=True)
    created_ms = BigInt()
    object_key = Text(null=True)
    content_type = Text(null=True)
    size_bytes = BigInt()
    width_px = BigInt(null=True)
    height_px = BigInt(null=True)
    upload_sha256 = Text(null=True)
    sha256 = Text(null=True)
    ready_ms = BigInt(null=True)
    check_ms = BigInt()
    duration_ms = BigInt(null=True)
    frames = BigInt(null=True)
