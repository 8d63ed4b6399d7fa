"""The home zone and the log of location use.

The rule against averaging the jitter away, in two parts:

1. A zone is kept as long as it hides the new point (`holds_home`). The home a zone was drawn
   for always is hidden by it, so setting the same home again, with any GPS noise that stays
   inside, changes nothing.
2. The centre is not drawn anew each time. Each user has a secret order of all cells (the
   HMAC-SHA256 of user and cell under the server's secret, which `secrets` made), and of the
   centres that `private_zone` can draw for a home the first one in that order is taken. To
   others that is an even draw; but deleting the home and setting it again gives the same zone.
   Noise across an edge of cells changes the candidates: where three cells meet, the worst
   place, there are six sets of them (each cell, and each pair where H3's two readings of
   "inside" differ), so a user has at most six zones there however often the home is deleted
   and set, each made of whole res-8 cells. There is nothing finer to average.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Final

from game_engine.privacy import holds_home, private_zone, zone_cells
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx
from sync_server.privacy.schemas import LocationUseEntry
from sync_server.privacy.tables import HomeZone, LocationUse

PURPOSES: Final = frozenset(
    {"walk_recorded", "walk_judged", "track_viewed", "map_viewed", "home_set", "export"}
)
HOUR_MS: Final = 3_600_000
KEEP_LOG_MS: Final = 184 * 24 * HOUR_MS
"""Six months, the longest six of a year (Korean location law: at least 6 months)."""


# --- home ---------------------------------------------------------------------------------


async def set_home(
    platform: Platform, tx: Tx, user_no: int, lat: float, lng: float, now_ms: int
) -> frozenset[int]:
    """Make the zone around this home private; return its cells (resolution 8).

    The zone stays as it is while the point lies inside it (see the rule above). Only the zone's
    centre cell is stored.
    """
    center = await tx.fetch_value("SELECT center FROM home_zone WHERE user_no = ?", user_no)
    if center is None or not holds_home(int(center), lat, lng):
        center = zone_center(platform.settings.secret_key, user_no, lat, lng)
        await tx.execute(
            """INSERT INTO home_zone (user_no, center, set_ms) VALUES (?, ?, ?)
               ON CONFLICT (user_no) DO UPDATE SET center = excluded.center,
                 set_ms = excluded.set_ms""",
            user_no, center, now_ms,
        )  # fmt: skip
    await log_use(tx, user_no, "home_set", "self", now_ms)
    return zone_cells(int(center))


def zone_center(secret_key: str, user_no: int, lat: float, lng: float) -> int:
    """Return the centre of the zone of this user for this home: always the same one."""
    own = private_zone(lat, lng, (0.0, 0.0))
    # Every centre that can be drawn: the own cell, and each of at most six neighbours.
    candidates = {own, *(private_zone(lat, lng, (0.99, (way + 0.5) / 6)) for way in range(6))}

    def place(cell: int) -> bytes:
        text = f"home zone\n{user_no}\n{cell:x}"
        return hmac.new(secret_key.encode(), text.encode(), hashlib.sha256).digest()

    return min(candidates, key=place)


async def home_cells(tx: Tx, user_no: int) -> frozenset[int]:
    """Return the cells of the user's zone; empty without a home."""
    return (await zones_by_user(tx, [user_no])).get(user_no, frozenset())


async def delete_home(tx: Tx, user_no: int) -> None:
    """Forget the zone; no zone is no error."""
    await HomeZone.delete().where(HomeZone.user_no == user_no)


async def zones_by_user(tx: Tx, user_nos: Iterable[int]) -> dict[int, frozenset[int]]:
    """Return the private res-8 cells of those of these users who have a home zone."""
    wanted = list(user_nos)
    if not wanted:
        return {}
    clause, argument = tx.in_list("user_no", wanted)
    rows = await tx.fetch_tuples(f"SELECT user_no, center FROM home_zone WHERE {clause}", argument)
    return {int(user_no): zone_cells(int(center)) for user_no, center in rows}


# --- log of location use ------------------------------------------------------------------


async def log_use(tx: Tx, user_no: int, purpose: str, by: str, now_ms: int) -> None:
    """Count one use of a user's location: one small row an hour and purpose, no coordinate.

    `purpose` is one of PURPOSES (ValueError otherwise); `by` names who used it: `self`, `game`,
    or a public name of a part of the service, at most 64 characters.
    """
    if purpose not in PURPOSES:
        raise ValueError(f"unknown purpose of location use: {purpose!r}")
    await tx.execute(
        """INSERT INTO location_use AS u
             (user_no, hour_ms, purpose, used_by, uses, first_ms, last_ms)
           VALUES (?, ?, ?, ?, 1, ?, ?)
           ON CONFLICT (user_no, hour_ms, purpose, used_by) DO UPDATE SET uses = u.uses + 1,
             last_ms = CASE WHEN excluded.last_ms > u.last_ms
                       THEN excluded.last_ms ELSE u.last_ms END""",
        user_no, now_ms - now_ms % HOUR_MS, purpose, by[:64], now_ms, now_ms,
    )  # fmt: skip


async def log_uses(tx: Tx, counts: Mapping[tuple[int, str, str], int], now_ms: int) -> None:
    """Count many uses at once, keyed by (user_no, purpose, by)."""
    unknown = {purpose for _, purpose, _ in counts} - PURPOSES
    if unknown:
        raise ValueError(f"unknown purposes of location use: {sorted(unknown)}")
    hour_ms = now_ms - now_ms % HOUR_MS
    await tx.executemany(
        """INSERT INTO location_use AS u
             (user_no, hour_ms, purpose, used_by, uses, first_ms, last_ms)
           VALUES (?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (user_no, hour_ms, purpose, used_by) DO UPDATE SET
             uses = u.uses + excluded.uses, last_ms = excluded.last_ms""",
        [
            (user_no, hour_ms, purpose, by[:64], count, now_ms, now_ms)
            # Sorted, so that two transactions take the rows in one order: no deadlock.
            for (user_no, purpose, by), count in sorted(counts.items())
        ],
    )


async def location_log(tx: Tx, user_no: int, from_ms: int, to_ms: int) -> list[LocationUseEntry]:
    """Return the hours of use that begin in [from_ms, to_ms), newest first."""
    rows = await tx.fetch_tuples(
        """SELECT purpose, used_by, hour_ms, first_ms, last_ms, uses FROM location_use
           WHERE user_no = ? AND hour_ms >= ? AND hour_ms < ?
           ORDER BY hour_ms DESC, purpose, used_by""",
        user_no, from_ms, to_ms,
    )  # fmt: skip
    return [LocationUseEntry(*row) for row in rows]


# --- housekeeping -------------------------------------------------------------------------


async def sweep(platform: Platform, now_ms: int) -> None:
    """Delete log rows older than six months."""
    async with platform.database.transaction() as tx:
        await tx.execute("DELETE FROM location_use WHERE hour_ms < ?", now_ms - KEEP_LOG_MS)


async def erase(tx: Tx, user_no: int, now_ms: int) -> list[str]:
    """Delete everything of a user here; there are no objects in the store."""
    await HomeZone.delete().where(HomeZone.user_no == user_no)
    await LocationUse.delete().where(LocationUse.user_no == user_no)
    return []
