"""Last writer wins per field, as pure functions: any order of arrival gives the same entry.

A field is a register; the larger (stamp, value) wins, so equal stamps have a winner too. The walk
and the date travel with every fact and belong to the newest one. A deletion wins over every edit,
earlier or later, and leaves the one and only tombstone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from edge_sdk.sync.hlc import MAX_AHEAD_MS, Hlc, parse, tick

DELETED = "deleted"


class Register(NamedTuple):
    """A value (JSON text) and the stamp it was written with; the larger one wins."""

    hlc: str
    value: str


class Head(NamedTuple):
    """Walk (empty for none) and date of an entry, with the stamp of the fact that said so."""

    hlc: str
    walk_id: str
    date: str


class Change(NamedTuple):
    """One fact about an entry; its stamp is already clamped."""

    field: str
    value: str
    hlc: str
    walk_id: str
    date: str


class Entry(msgspec.Struct, frozen=True):
    """The state of one entry."""

    head: Head
    fields: Mapping[str, Register]
    deleted: bool = False


TOMBSTONE = Entry(Head("", "", ""), {}, deleted=True)


def merge(entry: Entry | None, change: Change) -> Entry:
    """Return the entry after one more fact; commutative, associative and idempotent."""
    if change.field == DELETED or (entry is not None and entry.deleted):
        return TOMBSTONE
    head = Head(change.hlc, change.walk_id, change.date)
    register = Register(change.hlc, change.value)
    if entry is None:
        return Entry(head, {change.field: register})
    fields = dict(entry.fields)
    fields[change.field] = newest(fields.get(change.field), register)
    return Entry(max(entry.head, head), fields)


def newest(old: Register | None, new: Register) -> Register:
    """Return the register that wins."""
    return new if old is None else max(old, new)


def admit(stamp: Hlc, seen: Iterable[str], client_id: str, now_ms: int) -> str:
    """Return the stamp to merge with: a clock over 5 minutes ahead is set to the server's.

    Two clamped stamps of one client would be equal within a millisecond, so a clamped stamp
    follows the latest one of the same client among `seen`: its later edit still wins.
    """
    if stamp.ms <= now_ms + MAX_AHEAD_MS:
        return str(stamp)
    own = [each for each in map(parse, seen) if each.client_id == client_id]
    return str(tick(max(own, default=None), now_ms, client_id))


def server_stamp(seen: Iterable[str], client_id: str, now_ms: int) -> Hlc:
    """Return a stamp later than all of `seen`: what is written here now wins over it."""
    return tick(max(map(parse, seen), default=None), now_ms, client_id)
