"""The diary: facts of phones and whole entries of the routes, one merge for both."""

from __future__ import annotations

import datetime
import re
from typing import Any, Final

import msgspec

from edge_sdk.errors import HlcError
from edge_sdk.sync.facts import DiarySet
from edge_sdk.sync.hlc import parse
from sync_server.diary import store
from sync_server.diary.merging import DELETED, Change, Entry, admit, merge, server_stamp
from sync_server.diary.schemas import FIELD_TYPES, MAX_EMOTION_BYTES, DiaryDoc, DiaryInput
from sync_server.diary.settings import apply_setting
from sync_server.diary.store import json_text
from sync_server.diary.tables import DiaryEntry, DiaryField, DiaryPhoto, UserSetting
from sync_server.media import service as media
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx
from sync_server.platform.errors import Problem, not_found
from sync_server.platform.facts import FactRefused, Outcome

__all__ = [
    "apply_set", "apply_setting", "delete", "entries", "entry", "erase", "put", "show_emotion",
]  # fmt: skip

SERVER_ID: Final = "00000000-0000-7000-8000-000000000000"
"""Who writes what the server itself adds to an entry."""
_ENTRY_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def apply_set(tx: Tx, user_no: int, fact: DiarySet, client_id: str, now_ms: int) -> Outcome:
    """Apply `diary.set`; the result says whether the value stands (`won`) and with which stamp.

    Raises FactRefused: unknown_field, invalid_value, invalid_hlc, or not_found for an entry, a
    walk or a picture of somebody else.
    """
    value = _checked_value(fact)
    try:
        stamp = parse(fact.hlc)
    except HlcError as error:
        raise FactRefused("invalid_hlc", str(error)) from None
    known = await _open(tx, user_no, fact.entry_id, now_ms)
    if fact.walk_id is not None and await _foreign_walk(tx, user_no, fact.walk_id):
        raise FactRefused("not_found", "the walk")
    if fact.field == "photos":
        await _check_photos(tx, user_no, value)
    hlc = admit(stamp, _stamps(known), client_id, now_ms)
    change = Change(fact.field, json_text(value), hlc, fact.walk_id or "", fact.date)
    after = merge(known, change)
    await store.save(tx, user_no, fact.entry_id, known, after, now_ms)
    won = after.deleted if fact.field == DELETED else _stands(after, change)
    return {"entry_id": fact.entry_id, "won": won, "hlc": hlc}


def _checked_value(fact: DiarySet) -> Any:
    kind = FIELD_TYPES.get(fact.field)
    if kind is None:
        raise FactRefused("unknown_field", fact.field)
    try:
        value = msgspec.convert(fact.value, kind)
        datetime.date.fromisoformat(fact.date)
    except (msgspec.ValidationError, ValueError) as error:
        raise FactRefused("invalid_value", f"{fact.field}: {error}") from None
    if fact.field == "emotion" and len(json_text(value)) > MAX_EMOTION_BYTES:
        raise FactRefused("invalid_value", f"emotion: more than {MAX_EMOTION_BYTES} bytes")
    if fact.field == "photos":
        return list(dict.fromkeys(value))
    return value


async def _open(tx: Tx, user_no: int, entry_id: str, now_ms: int) -> Entry | None:
    """Lock the entry, making its row if needed; FactRefused not_found for another user's."""
    if not await store.claim(tx, user_no, entry_id, now_ms):
        raise FactRefused("not_found", "the entry")
    return await store.load(tx, user_no, entry_id)


async def _foreign_walk(tx: Tx, user_no: int, walk_id: str) -> bool:
    """Say whether the walk is somebody else's; one that is not here yet may still arrive."""
    owner = await tx.fetch_value("SELECT user_no FROM walk WHERE walk_id = ?", walk_id)
    return owner is not None and int(owner) != user_no


async def _check_photos(tx: Tx, user_no: int, keys: list[str]) -> None:
    foreign = set(keys) - await media.owned_photos(tx, user_no, keys)
    if foreign:
        raise FactRefused("not_found", f"{len(foreign)} of the photos")


def _stamps(entry: Entry | None) -> list[str]:
    if entry is None or entry.deleted:
        return []
    return [entry.head.hlc, *(register.hlc for register in entry.fields.values())]


def _stands(after: Entry, change: Change) -> bool:
    register = after.fields.get(change.field)
    return register is not None and tuple(register) == (change.hlc, change.value)


# --- routes ---------------------------------------------------------------------------------


async def entry(tx: Tx, user_no: int, entry_id: str) -> DiaryDoc:
    """Return one entry; Problem not_found for unknown, deleted and foreign ones."""
    found = await store.load(tx, user_no, entry_id) if _ENTRY_ID.fullmatch(entry_id) else None
    if found is None or found.deleted:
        raise not_found()
    return store.document(entry_id, found)


async def entries(tx: Tx, user_no: int, from_date: str, to_date: str) -> list[DiaryDoc]:
    """Return the entries of these days (both included), newest day first."""
    return await store.load_days(tx, user_no, from_date, to_date)


async def put(
    platform: Platform, tx: Tx, user_no: int, client_id: str, entry_id: str, data: DiaryInput
) -> DiaryDoc:
    """Make the entry what `data` says, as one `diary.set` per field that differs.

    Raises Problem not_found for a deleted entry and anything of somebody else, invalid_input
    for a value no entry can have.
    """
    now_ms = platform.clock()
    if not _ENTRY_ID.fullmatch(entry_id) or entry_id[14] != "7":
        raise Problem("invalid_input", "entry_id is a UUIDv7 in lower case")
    if data.walk_id is not None and not await tx.fetch_value(
        "SELECT 1 FROM walk WHERE walk_id = ? AND user_no = ?", data.walk_id, user_no
    ):
        raise not_found()
    if not await store.claim(tx, user_no, entry_id, now_ms):
        raise not_found()
    known = await store.load(tx, user_no, entry_id)
    if known is not None and known.deleted:
        raise not_found()
    for field, value in _differences(known, data).items():
        now_known = await store.load(tx, user_no, entry_id)
        hlc = str(server_stamp(_stamps(now_known), client_id, now_ms))
        fact = DiarySet(entry_id, data.walk_id, data.date, field, value, hlc)
        try:
            await apply_set(tx, user_no, fact, client_id, now_ms)
        except FactRefused as refused:
            code = "not_found" if refused.code == "not_found" else "invalid_input"
            raise Problem(code, refused.detail) from None
    return await entry(tx, user_no, entry_id)


def _differences(known: Entry | None, data: DiaryInput) -> dict[str, Any]:
    """Return the fields to set; at least one where the entry, its walk or its date is new."""
    wanted = {
        field: getattr(data, field)
        for field in ("title", "text", "mood", "weather", "emotion", "photos")
    }
    if known is None:
        empty: tuple[Any, ...] = (None, [])
        return {f: v for f, v in wanted.items() if v not in empty or f == "text"}
    changed = {
        field: value
        for field, value in wanted.items()
        if (register := known.fields.get(field)) is None or register.value != json_text(value)
        if not (register is None and value in (None, []))
    }
    if not changed and known.head[1:] != (data.walk_id or "", data.date):
        changed["text"] = data.text
    return changed


async def show_emotion(
    tx: Tx, user_no: int, walk_id: str, emotion: dict[str, Any], now_ms: int
) -> None:
    """Put an emotion into the walk's entries that have none: what a user wrote stays."""
    rows = await tx.fetch_tuples(
        "SELECT entry_id FROM diary_entry WHERE user_no = ? AND walk_id = ? AND deleted = 0 "
        "ORDER BY entry_id",
        user_no, walk_id,
    )  # fmt: skip
    for (entry_id,) in rows:
        known = await store.load(tx, user_no, entry_id)
        if known is None or known.deleted:
            continue
        register = known.fields.get("emotion")
        if register is not None and register.value != json_text(None):
            continue
        hlc = str(server_stamp(_stamps(known), SERVER_ID, now_ms))
        fact = DiarySet(entry_id, walk_id, known.head.date, "emotion", emotion, hlc)
        await apply_set(tx, user_no, fact, SERVER_ID, now_ms)


async def delete(tx: Tx, user_no: int, client_id: str, entry_id: str, now_ms: int) -> None:
    """Delete an entry for ever; again is no error, an unknown or foreign one is not_found."""
    known = await store.load(tx, user_no, entry_id) if _ENTRY_ID.fullmatch(entry_id) else None
    if known is None:
        raise not_found()
    if not known.deleted:
        hlc = str(server_stamp(_stamps(known), client_id, now_ms))
        fact = DiarySet(entry_id, None, known.head.date, DELETED, True, hlc)
        await apply_set(tx, user_no, fact, client_id, now_ms)


async def erase(tx: Tx, user_no: int, now_ms: int) -> list[str]:
    """Delete diary and settings of a user; the pictures are the media domain's."""
    await DiaryPhoto.delete().where(DiaryPhoto.user_no == user_no)
    await DiaryField.delete().where(DiaryField.user_no == user_no)
    await DiaryEntry.delete().where(DiaryEntry.user_no == user_no)
    await UserSetting.delete().where(UserSetting.user_no == user_no)
    return []
