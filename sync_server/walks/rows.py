"""Finding a user's own walks and dogs; another user's and unknown ones look the same."""

from __future__ import annotations

from typing import Any

from sync_server.platform.database import Tx
from sync_server.platform.facts import FactRefused


async def row(tx: Tx, walk_id: str) -> Any:
    """Return (and on PostgreSQL lock) the row of a walk, or None."""
    return await tx.fetch_one(f"SELECT * FROM walk WHERE walk_id = ?{tx.for_update}", walk_id)


def mine(found: Any, user_no: int) -> Any:
    """Return the row if it is the user's; refuse the fact otherwise."""
    if found is None or found["user_no"] != user_no:
        raise FactRefused("unknown_walk", "no walk of yours has this id")
    return found


async def own_dogs(tx: Tx, user_no: int, dog_ids: list[str]) -> None:
    """Refuse the fact unless all the dogs are the user's (deleted ones included)."""
    wanted = set(dog_ids)
    if not wanted:
        return
    clause, argument = tx.in_list("dog_id", sorted(wanted))
    found = await tx.fetch_value(
        f"SELECT COUNT(*) FROM dog WHERE {clause} AND user_no = ?", argument, user_no
    )
    if found != len(wanted):
        raise FactRefused("not_your_dog", "a dog of this fact is not yours")
