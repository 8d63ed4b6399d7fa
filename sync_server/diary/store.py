"""How an entry lies in the database: a row, a row per field, and the pictures it shows."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import msgspec

from edge_sdk.sync.hlc import parse
from sync_server.diary.merging import TOMBSTONE, Entry, Head, Register
from sync_server.diary.schemas import DiaryDoc
from sync_server.media import service as media
from sync_server.platform import feed
from sync_server.platform.database import Tx


def json_text(value: Any) -> str:
    """Return the one JSON text of a value (keys sorted), so that equal values are equal text."""
    return msgspec.json.encode(value, order="sorted").decode()


async def claim(tx: Tx, user_no: int, entry_id: str, now_ms: int) -> bool:
    """Make and lock the entry's row; False where the id is another user's.

    A new row has no stamp yet; `load` answers None for it.
    """
    await tx.execute(
        """INSERT INTO diary_entry (entry_id, user_no, walk_id, entry_date, head_hlc, deleted,
             created_ms) VALUES (?, ?, NULL, '', '', 0, ?) ON CONFLICT (entry_id) DO NOTHING""",
        entry_id, user_no, now_ms,
    )  # fmt: skip
    owner = await tx.fetch_value(
        f"SELECT user_no FROM diary_entry WHERE entry_id = ?{tx.for_update}", entry_id
    )
    return owner is not None and int(owner) == user_no


async def load(tx: Tx, user_no: int, entry_id: str) -> Entry | None:
    """Return an entry of the user, None where there is none."""
    row = await tx.fetch_one(
        "SELECT head_hlc, walk_id, entry_date, deleted FROM diary_entry "
        "WHERE entry_id = ? AND user_no = ?",
        entry_id, user_no,
    )  # fmt: skip
    if row is None or (not row["deleted"] and not row["head_hlc"]):
        return None
    if row["deleted"]:
        return TOMBSTONE
    fields = await tx.fetch_tuples(
        "SELECT field, hlc, value FROM diary_field WHERE entry_id = ? AND user_no = ?",
        entry_id, user_no,
    )  # fmt: skip
    return Entry(
        Head(row["head_hlc"], row["walk_id"] or "", row["entry_date"]),
        {field: Register(hlc, value) for field, hlc, value in fields},
    )


async def load_days(tx: Tx, user_no: int, from_date: str, to_date: str) -> list[DiaryDoc]:
    """Return the live entries of these days (both included), newest day first."""
    rows = await tx.fetch_tuples(
        """SELECT entry_id, head_hlc, walk_id, entry_date FROM diary_entry
           WHERE user_no = ? AND entry_date >= ? AND entry_date <= ? AND deleted = 0
           ORDER BY entry_date DESC, entry_id DESC""",
        user_no, from_date, to_date,
    )  # fmt: skip
    clause, argument = tx.in_list("entry_id", [row[0] for row in rows])
    fields: dict[str, dict[str, Register]] = defaultdict(dict)
    if rows:
        for entry_id, field, hlc, value in await tx.fetch_tuples(
            f"SELECT entry_id, field, hlc, value FROM diary_field WHERE user_no = ? AND {clause}",
            user_no, argument,
        ):  # fmt: skip
            fields[entry_id][field] = Register(hlc, value)
    return [
        document(entry_id, Entry(Head(head, walk_id or "", day), fields[entry_id]))
        for entry_id, head, walk_id, day in rows
    ]


async def save(
    tx: Tx, user_no: int, entry_id: str, before: Entry | None, after: Entry, now_ms: int
) -> None:
    """Write what a merge changed, and tell the user's phones."""
    if after == before:
        return
    await tx.execute(
        """UPDATE diary_entry SET walk_id = ?, entry_date = ?, head_hlc = ?, deleted = ?
           WHERE entry_id = ? AND user_no = ?""",
        after.head.walk_id or None, after.head.date, after.head.hlc, int(after.deleted),
        entry_id, user_no,
    )  # fmt: skip
    old = {} if before is None else before.fields
    if after.deleted:
        await tx.execute(
            "DELETE FROM diary_field WHERE entry_id = ? AND user_no = ?", entry_id, user_no
        )
    await tx.executemany(
        """INSERT INTO diary_field (entry_id, field, user_no, value, hlc) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (entry_id, field) DO UPDATE SET value = excluded.value,
             hlc = excluded.hlc""",
        [
            (entry_id, field, user_no, register.value, register.hlc)
            for field, register in after.fields.items()
            if old.get(field) != register
        ],
    )
    await _save_photos(tx, user_no, entry_id, _photos(before), _photos(after), now_ms)
    doc = None if after.deleted else document(entry_id, after)
    if not (after.deleted and before is None):
        await feed.publish(tx, user_no, "diary", entry_id, doc, now_ms)


async def _save_photos(
    tx: Tx, user_no: int, entry_id: str, old: list[str], new: list[str], now_ms: int
) -> None:
    gone, come = set(old) - set(new), set(new) - set(old)
    await tx.executemany(
        "DELETE FROM diary_photo WHERE media_key = ? AND entry_id = ?",
        [(key, entry_id) for key in sorted(gone)],
    )
    await tx.executemany(
        "INSERT INTO diary_photo (media_key, entry_id, user_no) VALUES (?, ?, ?)",
        [(key, entry_id, user_no) for key in sorted(come)],
    )
    await media.touch(tx, user_no, gone | come, now_ms)


def _photos(entry: Entry | None) -> list[str]:
    register = None if entry is None else entry.fields.get("photos")
    return [] if register is None else list(msgspec.json.decode(register.value))


def document(entry_id: str, entry: Entry) -> DiaryDoc:
    """Return the entry as clients see it; the same facts give the same document."""
    values = {
        field: msgspec.json.decode(register.value) for field, register in entry.fields.items()
    }
    return DiaryDoc(
        entry_id=entry_id,
        walk_id=entry.head.walk_id or None,
        date=entry.head.date,
        title=values.get("title"),
        text=values.get("text"),
        mood=values.get("mood"),
        weather=values.get("weather"),
        emotion=values.get("emotion"),
        photos=values.get("photos", []),
        hlc={field: entry.fields[field].hlc for field in sorted(entry.fields)},
        edited_ms=parse(entry.head.hlc).ms,
    )
