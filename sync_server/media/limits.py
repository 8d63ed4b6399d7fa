"""Limits of uploads and pictures, with their reasons."""

from __future__ import annotations

from typing import Final

DAY_MS: Final = 86_400_000

MAX_UPLOAD_BYTES: Final = 10 * 1024 * 1024
"""Phones write 2-6 MB a photo; the app's body limit is 12 MiB."""
STORED_EDGE_PX: Final = 2_048
"""The longer edge of what is kept: sharp on a phone held sideways, about 500 kB."""

UPLOAD_URL_MS: Final = 15 * 60_000
MEDIA_LINK_MS: Final = 10 * 60_000
JOB_LINK_MS: Final = DAY_MS
"""A job may wait, be tried again and taken over; a day is the longest that callbacks are tried."""
PENDING_KEPT_MS: Final = DAY_MS
"""An upload that is not completed within a day is deleted."""
UNUSED_KEPT_MS: Final = 7 * DAY_MS
"""A picture that no diary entry and no dog shows for a week is deleted."""
MAX_PENDING: Final = 50
"""Announced uploads of one user at a time."""
