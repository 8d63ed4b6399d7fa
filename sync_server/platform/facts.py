"""How a domain takes a fact from a phone: in the transaction of the push, once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from game_engine.track import Fixes
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx


class FactRefused(Exception):
    """A rule refuses the fact: a result, stored under its sequence number, not an error."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


@dataclass
class FactContext:
    """What handling a fact needs: the transaction, who pushed it from where, and when."""

    tx: Tx
    platform: Platform
    user_no: int
    client_id: str
    now_ms: int
    poked: set[int] = field(default_factory=set)
    """Users whose other devices should pull once the transaction is committed."""
    unpacked: dict[str, Fixes] = field(default_factory=dict)
    """Chunks decoded in this push, by sha256: a walk that comes whole is decoded once."""


Outcome = dict[str, Any]
Handler = Callable[[FactContext, Any], Awaitable[Outcome]]


@dataclass(frozen=True)
class FactKind:
    """A type of fact: the structure of its payload and who applies it."""

    payload: type[msgspec.Struct]
    apply: Handler
    needs_location_consent: bool = False
