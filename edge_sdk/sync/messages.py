"""Messages of push, pull and sign-in, as the phone reads and writes them.

Unknown fields of answers are ignored, so that a server may add some.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from edge_sdk.sync.facts import Fact

COLLECTIONS: Final = ("walks", "dogs", "diary", "settings", "analyses", "missions", "photos")


class PushRequest(msgspec.Struct, frozen=True):
    """Body of POST /api/sync/push."""

    client_id: str
    facts: list[Fact]


class FactResult(msgspec.Struct, frozen=True):
    """What became of one fact; a refusal is a result too and consumes the seq."""

    seq: int
    status: Literal["applied", "refused"]
    code: str | None = None
    detail: str | None = None
    data: Any = None


class PushAnswer(msgspec.Struct, frozen=True):
    """Answer of a push: results of the facts sent, and the last seq that the server has."""

    last: int
    results: list[FactResult]
    server_time_ms: int
    epoch: str


class PulledRow(msgspec.Struct, frozen=True):
    """A changed row, or its tombstone; `doc` is JSON text."""

    id: str
    rev: int
    deleted: bool
    doc: str | None = None


class CollectionChecksum(msgspec.Struct, frozen=True):
    """Number of live rows and the sum of their 40-bit checksums."""

    count: int
    sum: int


class PullAnswer(msgspec.Struct, frozen=True):
    """One page of changes; `checksums` only with the last one."""

    cursor: str
    more: bool
    epoch: str
    changes: dict[str, list[PulledRow]]
    clients: dict[str, int]
    server_time_ms: int
    territory_version: int = 0
    checksums: dict[str, CollectionChecksum] | None = None


class Tokens(msgspec.Struct, frozen=True):
    """Answer of a sign-in or a refresh."""

    access_token: str
    refresh_token: str
    expires_in: int
    user_id: str = ""
    client_id: str = ""
    guest_secret: str | None = None


class ProblemAnswer(msgspec.Struct, frozen=True):
    """The part of a problem document (RFC 9457) that the client needs."""

    code: str = ""
    detail: str = ""
    last: int | None = None


class WalkDoc(msgspec.Struct, frozen=True):
    """The part of a `walks` document that the client needs."""

    walk_id: str
    state: Literal["open", "finished", "cancelled", "abandoned"]
    started_at_ms: int
    client_id: str = ""
    ended_at_ms: int | None = None
    chunks: int | None = None
    distance_m: float | None = None
    counts_for_board: bool | None = None
    reasons: list[str] = []
    captured: list[str] | None = None
