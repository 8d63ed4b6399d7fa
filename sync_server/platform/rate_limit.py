"""An atomic token bucket in the database: it holds across processes.

One conditional statement takes a token; a get followed by a set admits 40 of 10 (SERVER.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sync_server.platform.database import Tx
from sync_server.platform.errors import Problem

if TYPE_CHECKING:
    from sync_server.platform.context import Platform


class Limit(msgspec.Struct, frozen=True):
    """A bucket that holds `burst` requests and refills at `per_s` a second."""

    name: str
    burst: int
    per_s: float


SIGN_IN = Limit("sign-in", 20, 0.5)
REFRESH = Limit("refresh", 120, 2.0)
PUSH = Limit("push", 600, 60.0)
READ = Limit("read", 600, 50.0)
WRITE = Limit("write", 200, 10.0)
UPLOAD = Limit("upload", 30, 0.5)
JOB = Limit("job", 30, 0.2)
"""Analyses that a user asks for: each is seconds of a processor or a paid call."""


async def limit(platform: Platform, tx: Tx, bucket: Limit, who: str) -> None:
    """Take a token now, unless the operator has switched the limits off; see `take`."""
    if platform.settings.rate_limits == "on":
        await take(tx, bucket, who, platform.clock())


async def take(tx: Tx, limit: Limit, who: str, now_ms: int) -> None:
    """Take one token of `who`'s bucket; raise Problem rate_limited with Retry-After if none."""
    refilled = (
        "CASE WHEN b.tokens + (CAST(? AS BIGINT) - b.at_ms) * CAST(? AS DOUBLE PRECISION) "
        "> CAST(? AS DOUBLE PRECISION) THEN CAST(? AS DOUBLE PRECISION) "
        "ELSE b.tokens + (CAST(? AS BIGINT) - b.at_ms) * CAST(? AS DOUBLE PRECISION) END"
    )
    per_ms = limit.per_s / 1000
    refill = (now_ms, per_ms, float(limit.burst), float(limit.burst), now_ms, per_ms)
    bucket = f"{limit.name}:{who}"
    taken = await tx.execute(
        f"""INSERT INTO rate_bucket AS b (bucket, tokens, at_ms) VALUES (?, ?, ?)
            ON CONFLICT (bucket) DO UPDATE SET tokens = {refilled} - 1, at_ms = ?
            WHERE {refilled} >= 1""",
        bucket, float(limit.burst - 1), now_ms, *refill, now_ms, *refill,
    )  # fmt: skip
    if taken == 0:
        have = float(
            await tx.fetch_value(
                f"SELECT {refilled} FROM rate_bucket b WHERE bucket = ?", *refill, bucket
            )
        )
        raise Problem("rate_limited", retry_after_s=max(1.0, (1 - have) / limit.per_s + 0.5))
