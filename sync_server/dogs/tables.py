"""Piccolo table of dogs (DDL: migrations/m0002_accounts.py)."""

from __future__ import annotations

from piccolo.columns import BigInt, DoublePrecision, SmallInt, Text, Varchar
from piccolo.table import Table


class Dog(Table, tablename="dog"):
    """A dog; a deleted one keeps its id, so that a late copy of its creation stays refused."""

    dog_id = Varchar(length=36, primary_key=True)
    user_no = BigInt()
    name = Text()
    breed_code = Text(null=True)
    sex = Text(null=True)
    neutered = SmallInt(null=True)
    born_on = Text(null=True)
    weight_kg = DoublePrecision(null=True)
    photo_key = Text(null=True)
    created_ms = BigInt()
    changed_ms = BigInt()
    deleted_ms = BigInt(null=True)
