"""Tables of the privacy domain (created by migration m0005)."""

from __future__ import annotations

from piccolo.columns import BigInt, Varchar
from piccolo.table import Table


class HomeZone(Table, tablename="home_zone"):
    """The private zone of a user: its centre cell only, never the home itself."""

    user_no = BigInt(primary_key=True)
    center = BigInt()
    set_ms = BigInt()


class LocationUse(Table, tablename="location_use"):
    """How often a user's location was used for a purpose within one hour (UTC)."""

    user_no = BigInt(primary_key=True)
    hour_ms = BigInt()
    purpose = Varchar(length=40)
    used_by = Varchar(length=64)
    uses = BigInt()
    first_ms = BigInt()
    last_ms = BigInt()
