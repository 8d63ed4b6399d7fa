"""Tables of the diary domain (created by migration m0005)."""

from __future__ import annotations

from piccolo.columns import BigInt, SmallInt, Text, Varchar
from piccolo.table import Table


class DiaryEntry(Table, tablename="diary_entry"):
    """One entry; a deleted one stays as a tombstone without content."""

    entry_id = Varchar(length=36, primary_key=True)
    user_no = BigInt()
    walk_id = Varchar(length=36, null=True)
    entry_date = Varchar(length=10)
    head_hlc = Text()
    deleted = SmallInt()
    created_ms = BigInt()


class DiaryField(Table, tablename="diary_field"):
    """The last writer of one field of an entry; `value` is JSON text."""

    entry_id = Varchar(length=36, primary_key=True)
    field = Text()
    user_no = BigInt()
    value = Text()
    hlc = Text()


class DiaryPhoto(Table, tablename="diary_photo"):
    """Which pictures an entry shows; the media sweeper keeps those."""

    media_key = Varchar(length=64, primary_key=True)
    entry_id = Varchar(length=36)
    user_no = BigInt()


class UserSetting(Table, tablename="user_setting"):
    """The last writer of one setting; `value` is JSON text."""

    user_no = BigInt(primary_key=True)
    field = Text()
    value = Text()
    hlc = Text()
