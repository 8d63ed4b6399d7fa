"""Rows of conversations and turns; a query names the owner wherever a user asks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from sync_server.ai.vet.contract import PastTurn
from sync_server.platform.database import Tx
from sync_server.vet.memory import Fact
from sync_server.vet.model import WRITER, Conversation, Turn, conversation_of, turn_of

_TURN: Final = ", ".join(
    f"c.{name}" if name == "conversation_id" else f"t.{name}" for name in Turn.__struct_fields__
)
_TURNS: Final = (
    f"SELECT {_TURN} FROM vet_turn t "
    "JOIN vet_conversation c ON c.conversation_no = t.conversation_no"
)


# --- conversations -------------------------------------------------------------------------


async def open_conversation(
    tx: Tx, user_no: int, conversation_id: str, title: str, now_ms: int
) -> tuple[Conversation, bool]:
    """Return a user's conversation, held until the transaction ends, and whether it is new."""
    made = await tx.execute(
        """INSERT INTO vet_conversation (user_no, conversation_id, title, summary, key_facts,
             brought, created_ms, updated_ms) VALUES (?, ?, ?, '', '[]', '[]', ?, ?)
           ON CONFLICT (user_no, conversation_id) DO NOTHING""",
        user_no, conversation_id, title, now_ms, now_ms,
    )  # fmt: skip
    found = await conversation(tx, user_no, conversation_id, lock=True)
    assert found is not None
    return found, bool(made)


async def conversation(
    tx: Tx, user_no: int, conversation_id: str, *, lock: bool = False
) -> Conversation | None:
    """Return a user's conversation; None for an unknown one and for another user's."""
    row = await tx.fetch_one(
        f"""SELECT * FROM vet_conversation WHERE user_no = ? AND conversation_id = ?
            {tx.for_update if lock else ""}""",
        user_no, conversation_id,
    )  # fmt: skip
    return None if row is None else conversation_of(row)


async def conversation_by_no(
    tx: Tx, conversation_no: int, *, lock: bool = False
) -> Conversation | None:
    """Return a conversation whoever owns it (of a turn that is known to be its owner's)."""
    row = await tx.fetch_one(
        f"""SELECT * FROM vet_conversation WHERE conversation_no = ?
            {tx.for_update if lock else ""}""",
        conversation_no,
    )
    return None if row is None else conversation_of(row)


async def list_conversations(
    tx: Tx, user_no: int, before_ms: int | None, limit: int
) -> list[Conversation]:
    """Return a user's conversations, last used first."""
    rows = await tx.fetch_all(
        """SELECT * FROM vet_conversation WHERE user_no = ? AND updated_ms < ?
           ORDER BY updated_ms DESC, conversation_no DESC LIMIT ?""",
        user_no, 2**62 if before_ms is None else before_ms, limit,
    )  # fmt: skip
    return [conversation_of(row) for row in rows]


async def unused_since(tx: Tx, before_ms: int, limit: int) -> list[tuple[int, str]]:
    """Return (user, id) of conversations not used since a time."""
    rows = await tx.fetch_tuples(
        """SELECT user_no, conversation_id FROM vet_conversation WHERE updated_ms < ?
           ORDER BY updated_ms LIMIT ?""",
        before_ms, limit,
    )  # fmt: skip
    return [(int(user_no), conversation_id) for user_no, conversation_id in rows]


async def save_memory(
    tx: Tx,
    conversation_no: int,
    summary: str,
    facts: Sequence[Fact],
    folded_no: int,
    brought: Sequence[PastTurn],
) -> None:
    """Keep what is remembered of a conversation's older turns, and what its client brought."""
    await tx.execute(
        """UPDATE vet_conversation SET summary = ?, key_facts = ?, folded_no = ?, brought = ?
           WHERE conversation_no = ?""",
        summary, _json(facts), folded_no, _json(brought), conversation_no,
    )  # fmt: skip


# --- turns ---------------------------------------------------------------------------------


async def add_turn(tx: Tx, turn: Turn) -> None:
    """Keep a new turn of a conversation that the caller holds."""
    await tx.execute(
        """INSERT INTO vet_turn (turn_id, conversation_no, user_no, turn_no, language, user_text,
             image, image_key, dog_id, user_context, content, state, writer, created_ms, saved_ms)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', 'streaming', ?, ?, ?)""",
        turn.turn_id, turn.conversation_no, turn.user_no, turn.turn_no, turn.language,
        turn.user_text, turn.image, turn.image_key, turn.dog_id, _json(turn.user_context), WRITER,
        turn.created_ms, turn.created_ms,
    )  # fmt: skip
    await tx.execute(
        """UPDATE vet_conversation SET turns = ?, updated_ms = ?, dog_id = ?
           WHERE conversation_no = ?""",
        turn.turn_no, turn.created_ms, turn.dog_id, turn.conversation_no,
    )  # fmt: skip


async def turn(tx: Tx, user_no: int, turn_id: str, *, lock: bool = False) -> Turn | None:
    """Return a user's turn; None for an unknown one and for another user's."""
    if lock and tx.for_update:
        await tx.fetch_one(
            "SELECT 1 FROM vet_turn WHERE turn_id = ? AND user_no = ? FOR UPDATE", turn_id, user_no
        )
    row = await tx.fetch_one(f"{_TURNS} WHERE t.turn_id = ? AND t.user_no = ?", turn_id, user_no)
    return None if row is None else turn_of(row)


async def streaming_turn(tx: Tx, conversation_no: int) -> Turn | None:
    """Return the turn of a conversation that is being answered, or whose answer broke off so."""
    row = await tx.fetch_one(
        f"{_TURNS} WHERE t.conversation_no = ? AND t.state = 'streaming'", conversation_no
    )
    return None if row is None else turn_of(row)


async def answered_before(tx: Tx, conversation_no: int, turn_no: int, limit: int) -> list[Turn]:
    """Return the last turns before one that have something of an answer, oldest first."""
    rows = await tx.fetch_all(
        f"""{_TURNS} WHERE t.conversation_no = ? AND t.turn_no < ?
            AND t.state IN ('done', 'interrupted') AND t.content <> ''
            ORDER BY t.turn_no DESC LIMIT ?""",
        conversation_no, turn_no, limit,
    )  # fmt: skip
    return [turn_of(row) for row in reversed(rows)]


async def turns_between(
    tx: Tx, conversation_no: int, after_no: int, until_no: int, limit: int = 1_000
) -> list[Turn]:
    """Return the turns (after, until] of a conversation in their order."""
    rows = await tx.fetch_all(
        f"""{_TURNS} WHERE t.conversation_no = ? AND t.turn_no > ? AND t.turn_no <= ?
            ORDER BY t.turn_no LIMIT ?""",
        conversation_no, after_no, until_no, limit,
    )  # fmt: skip
    return [turn_of(row) for row in rows]


async def claim(tx: Tx, turn_id: str, revision: int, now_ms: int) -> None:
    """Make this process the writer of a turn that broke off."""
    await tx.execute(
        """UPDATE vet_turn SET state = 'streaming', writer = ?, revision = ?, saved_ms = ?,
             finished_ms = NULL WHERE turn_id = ?""",
        WRITER, revision, now_ms, turn_id,
    )  # fmt: skip


async def interrupt(tx: Tx, turn_id: str, now_ms: int) -> None:
    """Say that a turn's writer is gone: what a reader saw may be more than is kept."""
    await tx.execute(
        """UPDATE vet_turn SET state = 'interrupted', revision = revision + 1, finished_ms = ?
           WHERE turn_id = ? AND state = 'streaming'""",
        now_ms, turn_id,
    )  # fmt: skip


async def interrupt_all(tx: Tx, now_ms: int) -> None:
    """As `interrupt` for whatever an earlier process left (SQLite has one process)."""
    await tx.execute(
        """UPDATE vet_turn SET state = 'interrupted', revision = revision + 1, finished_ms = ?
           WHERE state = 'streaming' AND writer <> ?""",
        now_ms, WRITER,
    )  # fmt: skip


async def save_texts(tx: Tx, texts: Iterable[tuple[str, str, int]], now_ms: int) -> None:
    """Keep what streaming turns have shown: (turn, content, revision)."""
    await tx.executemany(
        """UPDATE vet_turn SET content = ?, revision = ?, saved_ms = ?
           WHERE turn_id = ? AND state = 'streaming' AND writer = ?""",
        [(content, revision, now_ms, turn_id, WRITER) for turn_id, content, revision in texts],
    )


async def end(tx: Tx, turn: Turn) -> bool:
    """Keep how a turn of this process ended; False where it is gone (erased meanwhile)."""
    changed = await tx.execute(
        """UPDATE vet_turn SET content = ?, revision = ?, state = ?, answer = ?, error = ?,
             saved_ms = ?, finished_ms = ? WHERE turn_id = ? AND writer = ?""",
        turn.content, turn.revision, turn.state,
        None if turn.answer is None else _json(turn.answer),
        None if turn.error is None else _json(turn.error), turn.saved_ms, turn.finished_ms,
        turn.turn_id, WRITER,
    )  # fmt: skip
    return changed > 0


async def delete_conversation(tx: Tx, conversation_no: int) -> tuple[set[str], list[str]]:
    """Delete a conversation and its turns; return its pictures' keys and its reports' jobs."""
    keys = await tx.fetch_tuples(
        "SELECT DISTINCT image_key FROM vet_turn WHERE conversation_no = ? "
        "AND image_key IS NOT NULL",
        conversation_no,
    )  # fmt: skip
    job_ids = await tx.fetch_tuples(
        "SELECT job_id FROM vet_report WHERE conversation_no = ?", conversation_no
    )
    for table in ("vet_turn", "vet_report", "vet_conversation"):
        await tx.execute(f"DELETE FROM {table} WHERE conversation_no = ?", conversation_no)
    return {row[0] for row in keys}, [row[0] for row in job_ids]


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
