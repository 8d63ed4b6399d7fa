"""Settings that follow the user: one register per name, last writer wins."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from edge_sdk.errors import HlcError
from edge_sdk.sync.facts import SettingsSet
from edge_sdk.sync.hlc import parse
from sync_server.diary.merging import Register, admit, newest
from sync_server.diary.schemas import MAX_SETTING_BYTES, MAX_SETTINGS, SETTING_NAME, SettingDoc
from sync_server.diary.store import json_text
from sync_server.platform import feed
from sync_server.platform.database import Tx
from sync_server.platform.facts import FactRefused, Outcome

_NAME: Final = re.compile(SETTING_NAME)
LOCK_SETTINGS: Final = 8


async def apply_setting(
    tx: Tx, user_no: int, fact: SettingsSet, client_id: str, now_ms: int
) -> Outcome:
    """Apply `settings.set`; null is a value like any other.

    Raises FactRefused: unknown_field (not a name), invalid_value (over 4 kB), too_many (over 200
    names), invalid_hlc.
    """
    if not _NAME.fullmatch(fact.field):
        raise FactRefused("unknown_field", "a name is a-z, 0-9, dot and underscore")
    value = json_text(fact.value)
    if len(value.encode()) > MAX_SETTING_BYTES:
        raise FactRefused("invalid_value", f"more than {MAX_SETTING_BYTES} bytes")
    try:
        stamp = parse(fact.hlc)
    except HlcError as error:
        raise FactRefused("invalid_hlc", str(error)) from None
    await tx.lock(LOCK_SETTINGS, [user_no])
    row = await tx.fetch_one(
        "SELECT hlc, value FROM user_setting WHERE user_no = ? AND field = ?", user_no, fact.field
    )
    if row is None:
        names = await tx.fetch_value("SELECT COUNT(*) FROM user_setting WHERE user_no = ?", user_no)
        if int(names) >= MAX_SETTINGS:
            raise FactRefused("too_many", f"{MAX_SETTINGS} settings at most")
    old = None if row is None else Register(row["hlc"], row["value"])
    hlc = admit(stamp, [] if old is None else [old.hlc], client_id, now_ms)
    new = Register(hlc, value)
    winner = newest(old, new)
    if winner != old:
        await tx.execute(
            """INSERT INTO user_setting (user_no, field, value, hlc) VALUES (?, ?, ?, ?)
               ON CONFLICT (user_no, field) DO UPDATE SET value = excluded.value,
                 hlc = excluded.hlc""",
            user_no, fact.field, winner.value, winner.hlc,
        )  # fmt: skip
        document = SettingDoc(fact.field, msgspec.json.decode(winner.value), winner.hlc)
        await feed.publish(tx, user_no, "settings", fact.field, document, now_ms)
    return {"field": fact.field, "won": winner == new, "hlc": hlc}
