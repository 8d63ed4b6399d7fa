"""The sync protocol on the wire (docs/sync-protocol.md)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from edge_sdk.sync.facts import MAX_FACTS, Fact, Id


class PushRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Facts of one device in the order of their sequence numbers."""

    client_id: Id
    facts: Annotated[list[Fact], Meta(max_length=MAX_FACTS)]


class FactResult(msgspec.Struct, frozen=True):
    """What became of one fact; the same answer whenever the fact is sent again."""

    seq: int
    status: Literal["applied", "refused"]
    code: str
    detail: str
    data: dict[str, Any]


class PushAnswer(msgspec.Struct, frozen=True):
    """The results, and the last sequence number of this device that the server has."""

    last: int
    results: list[FactResult]
    server_time_ms: int
    epoch: str


class Change(msgspec.Struct, frozen=True):
    """One row of a collection; `doc` is JSON text, empty when the row was deleted."""

    id: str
    rev: int
    deleted: bool
    doc: str


class Checksum(msgspec.Struct, frozen=True):
    """Number of live rows of a collection and the sum of their checksums."""

    count: int
    sum: int


class PullAnswer(msgspec.Struct, frozen=True):
    """What changed since the cursor; `checksums` only when there is no more to pull."""

    cursor: str
    more: bool
    epoch: str
    changes: dict[str, list[Change]]
    clients: dict[str, int]
    checksums: dict[str, Checksum] | None
    territory_version: int
    server_time_ms: int


class PullNow(msgspec.Struct, frozen=True):
    """An event of the stream: something changed, pull; the first one comes at once."""

    event: Literal["pull"]
    data: str
