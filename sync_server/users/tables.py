"""Piccolo tables of consents (DDL: migrations/m0002_accounts.py)."""

from __future__ import annotations

from piccolo.columns import BigInt, BigSerial, SmallInt, Text
from piccolo.table import Table


class Consent(Table, tablename="consent"):
    """What a user agrees to now, one row a kind (key: user_no, kind)."""

    user_no = BigInt(primary_key=True)
    kind = Text()
    version = Text()
    granted = SmallInt()
    at_ms = BigInt()


class ConsentLog(Table, tablename="consent_log"):
    """Every grant and withdrawal, append only."""

    log_no = BigSerial(primary_key=True)
    user_no = BigInt()
    kind = Text()
    version = Text()
    granted = SmallInt()
    at_ms = BigInt()
