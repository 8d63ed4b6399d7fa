"""What `daengdong demo` found out: the content of demo-out/result.json, and what map.html draws."""

from typing import Annotated, Final

import msgspec

LatLng = tuple[float, float]
"""Degrees, latitude first."""

SegmentRange = tuple[int, int]
"""Points `first..last` of a track, both included."""

# Told apart with every common kind of colour blindness (a test simulates them); patterns and
# initials on the map repeat what colour says.
PLAYER_COLOURS: Final = (
    "#2461a8",
    "#d9542b",
    "#0f9b7a",
    "#e0a100",
    "#6b2fd6",
    "#7a1f1f",
    "#46bee1",
    "#461e46",
)


class PlayerRow(msgspec.Struct, frozen=True, kw_only=True):
    """One owner with the totals of the run; `rank` is by cells held, from 1.

    `colour` is `#rrggbb` (anything else is drawn in a colour of `PLAYER_COLOURS`).
    """

    user_id: str
    name: str
    dog: str
    colour: str
    cells_held: int
    area_m2: float
    distance_m: float
    walking_ms: int
    new_captures: int
    rank: int


class CellRow(msgspec.Struct, frozen=True, kw_only=True):
    """One owned cell: H3 id as hex, its owner, strength from 1, and its outline (not closed)."""

    cell: str
    owner: str
    strength: Annotated[int, msgspec.Meta(ge=1)]
    boundary: tuple[LatLng, ...]


class WalkRow(msgspec.Struct, frozen=True, kw_only=True):
    """One walk as the server judged it, with the track its owner may see.

    `events` tell what happened on the way and `notes` why something does not count: codes the
    page knows (`offline`, `killed_resumed`, `vehicle`, ...) or plain sentences. `dropped` names
    the pieces of `track` that did not count.
    """

    walk_id: str
    user_id: str
    title: str
    state: str
    distance_m: float
    moving_ms: int
    captured: int
    loop_cells: int
    trust: int
    counts_for_board: bool
    notes: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    track: tuple[LatLng, ...] = ()
    dropped: tuple[SegmentRange, ...] = ()


class RankingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a ranking; `value` in the unit of the measure, `share_permille` of the total."""

    rank: int
    user_id: str
    name: str
    value: float
    share_permille: int


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """One board: who it is about, what is measured, over which time, as of when (UTC ms).

    Values are cells (`cells_held`, `new_captures`), square metres (`area_held`), metres
    (`distance`), milliseconds (`walking_time`) or days (`walk_days`).
    """

    scope: str
    measure: str
    period: str
    as_of_ms: int
    rows: tuple[RankingRow, ...]


class DemoResult(msgspec.Struct, frozen=True, kw_only=True):
    """The whole result of one demo run.

    `source_note` says where the tracks come from (generated or recorded), `region_note` whether
    boundaries were imported.
    """

    generated_at_ms: int
    rules_version: str
    source_note: str
    players: tuple[PlayerRow, ...]
    cells: tuple[CellRow, ...]
    walks: tuple[WalkRow, ...]
    rankings: tuple[Ranking, ...]
    region_note: str
