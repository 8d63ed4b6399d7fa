"""A believable demo result in Seongsu, Seoul: made from H3 cells, without the game or a server."""

import math

import h3

from daengdong.result import (
    PLAYER_COLOURS,
    CellRow,
    DemoResult,
    LatLng,
    PlayerRow,
    Ranking,
    RankingRow,
    WalkRow,
)

SEOUL_FOREST: LatLng = (37.5443, 127.0374)
GENERATED_AT_MS = 1_795_240_800_000
RESOLUTION = 11
NAMES = (("보리네", "보리"), ("초코 누나", "초코"), ("Mina", "Taro"), ("두부아빠", "두부"))


def loop(centre: LatLng, radius_m: float, points: int, *, wobble: float = 0.16) -> list[LatLng]:
    """A closed walk around `centre`, uneven as streets make it."""
    track = []
    for step in range(points + 1):
        turn = 2 * math.pi * step / points
        reach = radius_m * (1 + wobble * math.sin(3 * turn) + wobble / 3 * math.sin(11 * turn + 1))
        track.append(_moved(centre, reach * math.sin(turn), reach * 0.8 * math.cos(turn)))
    return track


def line(start: LatLng, end: LatLng, points: int) -> list[LatLng]:
    """A bent way from `start` to `end`."""
    track = []
    for step in range(points + 1):
        share = step / points
        bend = 60 * math.sin(share * 7) + 8 * math.sin(share * 40)
        at = tuple(a + (b - a) * share for a, b in zip(start, end, strict=True))
        track.append(_moved((at[0], at[1]), bend * 0.4, bend))
    return track


def cell_row(cell: str, owner: str, strength: int) -> CellRow:
    """One cell with its true outline."""
    boundary = tuple(h3.cell_to_boundary(cell))
    return CellRow(cell=cell, owner=owner, strength=strength, boundary=boundary)


def sample_result() -> DemoResult:
    """Four owners, four walks (offline, killed and resumed, by car), three rankings."""
    tracks = {
        "u1": loop(SEOUL_FOREST, 330, 420),
        "u2": loop((37.5447, 127.0448), 290, 380),
        "u3": line((37.5406, 127.0395), (37.5487, 127.0489), 320),
        "u4": line((37.5372, 127.0300), (37.5520, 127.0560), 160),
    }
    owner_of: dict[str, str] = {}
    for user_id in ("u1", "u2"):
        edge = [h3.latlng_to_cell(lat, lng, RESOLUTION) for lat, lng in tracks[user_id]]
        inside = h3.polygon_to_cells(h3.LatLngPoly(tracks[user_id]), RESOLUTION)
        owner_of.update(dict.fromkeys([*edge, *inside], user_id))
    for lat, lng in tracks["u3"]:
        owner_of[h3.latlng_to_cell(lat, lng, RESOLUTION)] = "u3"
    cells = tuple(
        cell_row(cell, owner, _strength(cell, tracks[owner])) for cell, owner in owner_of.items()
    )
    return DemoResult(
        generated_at_ms=GENERATED_AT_MS,
        rules_version="2026.1",
        source_note="산책길은 GPS 오차 모형으로 만들어 낸 것입니다 (실제 기록 아님).",
        players=_players(cells),
        cells=cells,
        walks=_walks(tracks, owner_of),
        rankings=_rankings(_players(cells)),
        region_note="no_region",
    )


def large_result(cells: int) -> DemoResult:
    """`cells` cells of four owners in sectors around one point."""
    rings = math.ceil(math.sqrt(cells / 3)) + 1
    centre = h3.latlng_to_cell(*SEOUL_FOREST, RESOLUTION)
    rows = []
    for cell in sorted(h3.grid_disk(centre, rings))[:cells]:
        lat, lng = h3.cell_to_latlng(cell)
        turn = math.atan2(lat - SEOUL_FOREST[0], lng - SEOUL_FOREST[1])
        owner = f"u{1 + int((turn + math.pi) / (2 * math.pi) * 4) % 4}"
        rows.append(cell_row(cell, owner, 1 + hash(lat) % 5))
    return DemoResult(
        generated_at_ms=GENERATED_AT_MS,
        rules_version="2026.1",
        source_note="",
        players=_players(tuple(rows)),
        cells=tuple(rows),
        walks=(),
        rankings=(),
        region_note="no_region",
    )


def empty_result() -> DemoResult:
    """A run in which nothing happened."""
    return DemoResult(
        generated_at_ms=GENERATED_AT_MS,
        rules_version="2026.1",
        source_note="",
        players=(),
        cells=(),
        walks=(),
        rankings=(),
        region_note="",
    )


def _moved(point: LatLng, east_m: float, north_m: float) -> LatLng:
    metres_per_degree = 111_195
    lng_scale = metres_per_degree * math.cos(math.radians(point[0]))
    return (point[0] + north_m / metres_per_degree, point[1] + east_m / lng_scale)


def _strength(cell: str, track: list[LatLng]) -> int:
    lat, lng = h3.cell_to_latlng(cell)
    start = track[0]
    near_m = math.hypot((lat - start[0]) * 111_195, (lng - start[1]) * 88_000)
    return max(1, 5 - int(near_m / 90))


def _players(cells: tuple[CellRow, ...]) -> tuple[PlayerRow, ...]:
    held = {f"u{n}": [row.cell for row in cells if row.owner == f"u{n}"] for n in range(1, 5)}
    ranked = sorted(held, key=lambda user_id: -len(held[user_id]))
    return tuple(
        PlayerRow(
            user_id=f"u{n + 1}",
            name=name,
            dog=dog,
            colour=PLAYER_COLOURS[n],
            cells_held=len(held[f"u{n + 1}"]),
            area_m2=sum(h3.cell_area(cell, "m^2") for cell in held[f"u{n + 1}"]),
            distance_m=(2_310.4, 1_980.0, 1_324.8, 0.0)[n],
            walking_ms=(1_860_000, 1_690_000, 1_140_000, 0)[n],
            new_captures=len(held[f"u{n + 1}"]) + 3 * (n < 3),
            rank=ranked.index(f"u{n + 1}") + 1,
        )
        for n, (name, dog) in enumerate(NAMES)
    )


def _walks(tracks: dict[str, list[LatLng]], owner_of: dict[str, str]) -> tuple[WalkRow, ...]:
    held = list(owner_of.values())
    return tuple(
        WalkRow(
            walk_id=f"w{n}",
            user_id=f"u{n}",
            title=title,
            state="finished",
            distance_m=distance_m,
            moving_ms=moving_ms,
            captured=held.count(f"u{n}"),
            loop_cells=loop_cells,
            trust=trust,
            counts_for_board=n != 4,
            notes=notes,
            events=events,
            track=tuple(tracks[f"u{n}"]),
            dropped=((120, 165),) if n == 3 else (),
        )
        for n, title, distance_m, moving_ms, loop_cells, trust, notes, events in (
            (1, "서울숲 한 바퀴", 2_310.4, 1_860_000, 141, 100, (), ("offline",)),
            (2, "성수동 골목", 1_980.0, 1_690_000, 96, 96, (), ("offline", "killed_resumed")),
            (3, "뚝섬에서 성수까지", 1_324.8, 1_140_000, 0, 92, ("gap",), ("late",)),
            (4, "차 타고 한 바퀴", 0.0, 0, 0, 35, ("vehicle", "low_trust"), ("car",)),
        )
    )


def _rankings(players: tuple[PlayerRow, ...]) -> tuple[Ranking, ...]:
    values = {
        "cells_held": [float(player.cells_held) for player in players],
        "area_held": [player.area_m2 for player in players],
        "new_captures": [float(player.new_captures) for player in players],
        "distance": [player.distance_m for player in players],
        "walking_time": [float(player.walking_ms) for player in players],
        "walk_days": [1.0, 1.0, 1.0, 0.0],
    }
    return tuple(
        Ranking(
            scope="everyone",
            measure=measure,
            period=period,
            as_of_ms=GENERATED_AT_MS,
            rows=tuple(
                RankingRow(
                    rank=rank,
                    user_id=player.user_id,
                    name=player.name,
                    value=value,
                    share_permille=int(1000 * value / sum(of)),
                )
                for rank, (value, player) in enumerate(
                    sorted(zip(of, players, strict=True), key=lambda pair: -pair[0]), 1
                )
            ),
        )
        for period in ("week", "all")
        for measure, of in values.items()
    )
