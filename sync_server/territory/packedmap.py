"""Map cells as compact bytes: docs/map-cells.md describes them for other languages.

`DDM1`, u8 resolution, varint as_of_ms, varint number of owners, 16 bytes of user id each, varint
number of cells, then three columns, each behind its varint length in bytes: CELLS varint deltas
of the ids shifted right by 3 * (15 - resolution); OWNERS varints (0 free, 1 hidden, 2 + index of
owner); VALUES varints (strength at resolution 11, else number of owned cells).
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import numpy as np
import numpy.typing as npt

from sync_server.territory.mapview import HIDDEN, MapView

MAGIC = b"DDM1"


def encode_map(view: MapView, user_ids: Mapping[int, str], as_of_ms: int) -> bytes:
    """Encode a view; `user_ids` maps each owner's number to the public id."""
    present = [int(owner) for owner in np.unique(view.owners) if owner not in (0, HIDDEN)]
    known = [owner for owner in present if owner in user_ids]
    codes = np.where(view.owners == HIDDEN, 1, 0).astype(np.int64)
    if known:
        where = np.searchsorted(np.array(known), view.owners)
        where = np.minimum(where, len(known) - 1)
        codes = np.where(np.array(known)[where] == view.owners, where + 2, codes)
    shift = 3 * (15 - view.resolution)
    short = view.cells >> shift
    deltas = np.diff(short, prepend=0)
    head = MAGIC + bytes([view.resolution]) + _varint(as_of_ms) + _varint(len(known))
    body = b"".join(UUID(user_ids[owner]).bytes for owner in known) + _varint(len(short))
    for column in (deltas, codes, view.values):
        data = _varints(column)
        body += _varint(len(data)) + data
    return head + body


def _varint(value: int) -> bytes:
    return _varints(np.array([value], dtype=np.int64))


def _varints(values: npt.NDArray[np.int64]) -> bytes:
    """Encode non-negative integers as LEB128, all at once."""
    rest = values.astype(np.uint64)
    if not len(rest):
        return b""
    width = max(1, -(-int(rest.max()).bit_length() // 7))
    places = np.arange(width, dtype=np.uint64) * np.uint64(7)
    groups = (rest[:, None] >> places) & np.uint64(0x7F)
    lengths = np.ones(len(rest), dtype=np.int64)
    for place in range(1, width):
        lengths[rest >> np.uint64(7 * place) != 0] = place + 1
    column = np.arange(width)
    more = column[None, :] < (lengths[:, None] - 1)
    data = (groups | (more.astype(np.uint64) << np.uint64(7))).astype(np.uint8)
    return data[column[None, :] < lengths[:, None]].tobytes()
