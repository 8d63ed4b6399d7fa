"""Piccolo queries inside our own transactions.

Piccolo finds its engine by a global, so a query awaited by itself would leave the `Tx` it
belongs to when a process holds two databases (tests, the demo). Compiled here, it runs on the
connection of the `Tx`, on both engines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from piccolo.query.base import Query

from sync_server.platform.database import Tx


async def run(tx: Tx, query: Query[Any, Any]) -> Sequence[Any]:
    """Run a Piccolo query of one statement in a transaction; return its rows."""
    (statement,) = query.querystrings
    sql, args = statement.compile_string(engine_type=tx.dialect)
    return await tx.fetch_all(sql, *args)


async def run_one(tx: Tx, query: Query[Any, Any]) -> Any:
    """Run a Piccolo query; return its first row or None."""
    rows = await run(tx, query)
    return rows[0] if rows else None
