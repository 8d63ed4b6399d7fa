"""The board as people see it: capture, strength, protection, decay, losses, and who sees what."""

from __future__ import annotations

import gzip
import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import h3
import pytest

from tests.support.accounts import renew, user_no_of
from tests.support.app import Server, running
from tests.support.board_rows import capture
from tests.support.map_bytes import MapAnswer, MapCell, decode
from tests.support.walks import SEOUL, Log, straight

pytestmark = pytest.mark.anyio
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
DELAY_MS = 30 * MINUTE_MS
PACKED = "application/vnd.daengdong.cells"


@pytest.fixture
async def server(database_url: str, tmp_path: Path) -> AsyncIterator[Server]:
    async with running(database_url, tmp_path) as started:
        yield started


def box(lat: float = SEOUL[0], lng: float = SEOUL[1], half: float = 0.02) -> str:
    return f"{lng - half},{lat - half},{lng + half},{lat + half}"


async def look(log: Log, bbox: str | None = None, zoom: float = 15, since_ms: int = 0) -> MapAnswer:
    """Ask for the map as bytes, by the token of this phone."""
    answer = await log.server.client.get(
        "/api/map/cells",
        params={"bbox": bbox or box(), "zoom": zoom, "since_ms": since_ms},
        headers=log.phone.headers,
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == PACKED
    return decode(answer.content)


async def mine(log: Log) -> dict[str, int]:
    """Strength by cell of what the user holds."""
    found = await log.get("/api/territory/me")
    cells = {cell["cell"]: cell["strength"] for cell in found["cells"]}
    assert found["cells_held"] == len(cells)
    return cells


def of_owner(answer: MapAnswer, log: Log) -> dict[str, int]:
    return {c: cell.value for c, cell in answer.cells.items() if cell.owner == log.phone.user_id}


async def wait(server: Server, *logs: Log, **how: float) -> None:
    server.clock.advance(**how)  # type: ignore[arg-type]
    for log in logs:
        await renew(server, log.phone)


async def walk_now(log: Log, seed: int, **how: Any) -> str:
    """Walk a street that ends now."""
    fixes = straight(log.server.clock.now_ms - 400_000, seed=seed, metres=300, **how)
    return await log.walk(fixes)


# What a capture does ------------------------------------------------------------------------


async def test_a_walk_captures_its_trail_and_the_map_shows_it_at_once_to_its_owner(
    server: Server,
) -> None:
    log = await Log.of(server)
    walk_id = await walk_now(log, 1)
    captured = (await log.walk_doc(walk_id))["captured"]
    held = await mine(log)
    assert sorted(held) == sorted(captured) and 6 <= len(held) <= 25
    assert set(held.values()) == {1}
    assert of_owner(await look(log), log) == held
    found = await log.get("/api/territory/me")
    area = sum(h3.cell_area(cell, unit="m^2") for cell in held)
    assert found["area_m2"] == pytest.approx(area, rel=1e-6)
    version = found["version"]
    await walk_now(log, 2, origin=(SEOUL[0] + 0.01, SEOUL[1]))
    assert (await log.get("/api/territory/me"))["version"] > version


async def test_strength_grows_by_one_once_a_local_day(server: Server) -> None:
    log = await Log.of(server)
    # Noon in Seoul, so that two hours later is the same day there.
    noon = (server.clock.now_ms // DAY_MS + 1) * DAY_MS + 3 * HOUR_MS
    await wait(server, log, ms=noon - server.clock.now_ms)
    common: set[str] | None = None
    for seed, (hours, strength) in enumerate([(0, 1), (2, 1), (24, 2), (24, 3), (24, 4), (24, 5),
                                              (24, 5)]):  # fmt: skip
        await wait(server, log, hours=hours)
        doc = await log.walk_doc(await walk_now(log, seed))
        common = set(doc["captured"]) if common is None else common & set(doc["captured"])
        held = await mine(log)
        assert common and {held[cell] for cell in common} == {strength}


async def test_an_enemy_wears_a_stronghold_down_then_takes_it_and_is_protected(
    server: Server,
) -> None:
    owner, enemy = await Log.of(server), await Log.of(server)
    spots: set[str] = set()
    for seed in range(2):
        await wait(server, owner, enemy, hours=24)
        spots = set(await mine(owner)) or spots
        await walk_now(owner, seed)
    held = await mine(owner)
    strong = {cell for cell in held if held[cell] == 2}
    assert strong
    await wait(server, owner, enemy, hours=1)
    await walk_now(enemy, 10)
    worn = {cell for cell in strong if (await mine(owner)).get(cell) == 1}
    assert len(worn) >= len(strong) - 2
    await wait(server, owner, enemy, hours=1)
    await walk_now(enemy, 11)
    taken = worn & set(await mine(enemy))
    assert len(taken) >= len(worn) - 2
    # The enemy is still near: the owner does not learn it yet.
    assert taken <= set(await mine(owner))
    # Within a quarter of an hour nobody takes them back.
    await wait(server, owner, enemy, s=10)
    await walk_now(owner, 12)
    assert taken <= set(await mine(enemy))
    # The loss shows half an hour late, like everything of others.
    assert (await owner.get("/api/territory/losses"))["losses"] == []
    await wait(server, owner, enemy, hours=1)
    assert not taken & set(await mine(owner))
    losses = (await owner.get("/api/territory/losses"))["losses"]
    assert {loss["cell"] for loss in losses} >= taken
    assert {loss["to_user_id"] for loss in losses} == {enemy.phone.user_id}
    await walk_now(owner, 13)
    back = set(await mine(owner))
    assert len(taken & back) >= len(taken) - 2
    await wait(server, owner, enemy, s=1900)
    assert {loss["cell"] for loss in (await enemy.get("/api/territory/losses"))["losses"]} >= (
        taken & back
    )


async def test_a_cell_decays_in_steps_and_falls_free_on_the_map_and_in_the_list(
    server: Server,
) -> None:
    log, other = await Log.of(server), await Log.of(server)
    user_no = await user_no_of(server, log.phone)
    cells = sorted(h3.grid_disk(h3.latlng_to_cell(*SEOUL, 11), 1))
    for back in (3, 2, 1):
        at_ms = server.clock.now_ms - back * DAY_MS
        await capture(server.platform, user_no, [h3.str_to_int(c) for c in cells], at_ms)
    last_ms = server.clock.now_ms - DAY_MS
    for days, strength in (
        (0, 3),
        (12.9, 3),
        (13.1, 2),
        (26.9, 2),
        (27.1, 1),
        (40.9, 1),
        (41.1, 0),
    ):
        target = last_ms + DAY_MS + int(days * DAY_MS)
        await wait(server, log, other, ms=target - server.clock.now_ms)
        expected = dict.fromkeys(cells, strength) if strength else {}
        assert await mine(log) == expected
        assert of_owner(await look(log), log) == expected
        assert of_owner(await look(other), log) == expected
        coarse = await look(other, zoom=12)
        assert sum(cell.value for cell in coarse.cells.values()) == len(expected)
    lost = (await log.get("/api/territory/losses"))["losses"]
    assert sorted(loss["cell"] for loss in lost) == cells
    assert {(loss["at_ms"], loss["to_user_id"]) for loss in lost} == {(last_ms + 42 * DAY_MS, None)}
    assert (await log.get("/api/territory/me"))["area_m2"] == 0


async def test_losses_of_long_ago_are_asked_for(server: Server) -> None:
    log, enemy = await Log.of(server), await Log.of(server)
    cell = h3.str_to_int(h3.latlng_to_cell(*SEOUL, 11))
    now = server.clock.now_ms
    await capture(server.platform, await user_no_of(server, log.phone), [cell], now - 20 * DAY_MS)
    await capture(server.platform, await user_no_of(server, enemy.phone), [cell], now - 9 * DAY_MS)
    assert (await log.get("/api/territory/losses"))["losses"] == []
    (loss,) = (await log.get("/api/territory/losses", since_ms=now - 10 * DAY_MS))["losses"]
    assert loss["at_ms"] == now - 9 * DAY_MS and loss["to_user_id"] == enemy.phone.user_id


# What leaves no trace ---------------------------------------------------------------------------


async def rows_of(server: Server) -> list[tuple[Any, ...]]:
    """The board but for the stamps that say when it was written."""
    async with server.platform.database.read() as tx:
        return list(
            await tx.fetch_tuples(
                """SELECT cell, owner, strength, visited_ms, taken_ms, strengthened_day,
                     prev_owner, last_at_ms, last_walk_no, free_ms FROM cell_state
                   WHERE owner <> 0 ORDER BY cell"""
            )
        )


async def test_a_cancelled_walk_leaves_the_board_as_if_it_had_never_been(server: Server) -> None:
    a, b = await Log.of(server), await Log.of(server)
    for seed in range(3):
        await wait(server, a, b, hours=24)
        await walk_now(a, seed)
        await walk_now(b, 20 + seed, east=False)
        before = await rows_of(server)
        both = await mine(a), await mine(b)
        walk_id = await walk_now(b, 40 + seed)
        assert await rows_of(server) != before
        await wait(server, a, b, hours=1)
        later = await walk_now(a, 60 + seed, origin=(SEOUL[0] + 0.01, SEOUL[1]))
        await a.cancel(later, server.clock.now_ms)
        await b.cancel(walk_id, server.clock.now_ms)
        assert await rows_of(server) == before
        assert (await mine(a), await mine(b)) == both


async def test_an_erased_account_folds_its_cells_away(server: Server) -> None:
    owner, gone, watcher = await Log.of(server), await Log.of(server), await Log.of(server)
    await walk_now(owner, 1)
    before = await rows_of(server)
    await wait(server, owner, gone, watcher, hours=1)
    await walk_now(gone, 2)
    await walk_now(gone, 3, origin=(SEOUL[0] + 0.005, SEOUL[1]))
    await wait(server, owner, gone, watcher, hours=1)
    view = await look(watcher)
    assert of_owner(view, gone)
    answer = await server.client.delete("/api/me", headers=gone.phone.headers)
    assert answer.status_code == 204
    assert await rows_of(server) == before
    after = await look(watcher)
    assert of_owner(after, gone) == {} and of_owner(after, owner) == await mine(owner)
    assert apply(view, await look(watcher, since_ms=view.as_of_ms)) == after.cells
    lost = (await owner.get("/api/territory/losses"))["losses"]
    assert lost == []


# Who sees what ------------------------------------------------------------------------------


async def test_others_see_a_cell_half_an_hour_late(server: Server) -> None:
    log, other = await Log.of(server), await Log.of(server)
    await walk_now(log, 1)
    assert of_owner(await look(other), log) == {}
    assert of_owner(await look(log), log) == await mine(log) != {}
    await wait(server, log, other, s=1550)
    early = of_owner(await look(other), log)
    assert 0 < len(early) < len(await mine(log))
    await wait(server, log, other, s=200)
    assert of_owner(await look(other), log) == await mine(log)


async def test_until_then_others_see_who_held_it_before_with_the_strength_of_now(
    server: Server,
) -> None:
    """A cell that decayed since is not shown with its old strength while an enemy attacks."""
    owner, enemy, watcher = await Log.of(server), await Log.of(server), await Log.of(server)
    cell = h3.latlng_to_cell(*SEOUL, 11)
    now = server.clock.now_ms
    number = await user_no_of(server, owner.phone)
    for back in (22, 21, 20):
        await capture(server.platform, number, [h3.str_to_int(cell)], now - back * DAY_MS)
    assert (await look(watcher)).cells[cell] == MapCell(owner.phone.user_id, False, 2)
    attack = now - 5 * MINUTE_MS
    attacker = await user_no_of(server, enemy.phone)
    await capture(server.platform, attacker, [h3.str_to_int(cell)], attack)
    assert (await look(watcher)).cells[cell] == MapCell(owner.phone.user_id, False, 2)
    await wait(server, owner, enemy, watcher, ms=26 * MINUTE_MS)
    assert (await look(watcher)).cells[cell] == MapCell(owner.phone.user_id, False, 1)


async def set_home(log: Log, lat: float, lng: float) -> set[str]:
    answer = await log.server.client.put(
        "/api/me/home", json={"lat": lat, "lng": lng}, headers=log.phone.headers
    )
    assert answer.status_code == 200, answer.text
    return set(answer.json()["cells"])


async def test_a_home_zone_has_no_owner_for_others_and_one_for_its_own(server: Server) -> None:
    log, other = await Log.of(server), await Log.of(server)
    await walk_now(log, 1)
    await wait(server, log, other, hours=1)
    before = await look(other)
    zone = await set_home(log, *SEOUL)
    held = await mine(log)
    hidden = {cell for cell in held if h3.cell_to_parent(cell, 8) in zone}
    assert hidden
    view = await look(other)
    assert {cell for cell, seen in view.cells.items() if seen.hidden} == hidden
    assert all(view.cells[cell].owner is None for cell in hidden)
    assert of_owner(await look(log), log) == held
    # The change reaches those who had seen the cells before.
    assert apply(before, await look(other, since_ms=before.as_of_ms)) == view.cells
    answer = await server.client.get(
        "/api/map/cells", params={"bbox": box(), "format": "geojson"}, headers=other.phone.headers
    )
    assert log.phone.user_id not in answer.text or len(hidden) < len(held)
    coarse = await look(other, zoom=12)
    assert all(cell.owner is None for cell in coarse.cells.values())
    assert sum(cell.value for cell in coarse.cells.values()) == len(held)


async def test_coarse_cells_count_what_is_owned_inside_and_name_the_most_frequent_owner(
    server: Server,
) -> None:
    logs = [await Log.of(server) for _ in range(3)]
    rng = random.Random(5)
    centre = h3.latlng_to_cell(*SEOUL, 11)
    ground = sorted(h3.grid_disk(centre, 25))
    shares = {log.phone.user_id: rng.sample(ground, 500) for log in logs}
    holder: dict[str, str] = {}
    at_ms = server.clock.now_ms - 2 * DAY_MS
    for log in logs:
        own = [cell for cell in shares[log.phone.user_id] if cell not in holder]
        holder |= dict.fromkeys(own, log.phone.user_id)
        number = await user_no_of(server, log.phone)
        await capture(server.platform, number, [h3.str_to_int(c) for c in own], at_ms)
    for zoom, resolution in ((15, 11), (14, 11), (13.9, 9), (12, 9), (11, 8), (10, 8), (9, 7)):
        view = await look(logs[0], zoom=zoom)
        assert view.resolution == resolution
        if resolution == 11:
            assert {c: cell.owner for c, cell in view.cells.items()} == holder
            continue
        inside: dict[str, Counter[str]] = {}
        for cell, owner in holder.items():
            inside.setdefault(h3.cell_to_parent(cell, resolution), Counter())[owner] += 1
        assert set(view.cells) == set(inside)
        for parent, counts in inside.items():
            found = view.cells[parent]
            assert found.value == counts.total()
            assert found.owner is not None
            assert counts[found.owner] == max(counts.values())


async def test_every_owned_cell_of_a_small_box_is_in_its_answer(server: Server) -> None:
    """Cells do not nest exactly: one inside the box may belong to a parent that is not."""
    log = await Log.of(server)
    number = await user_no_of(server, log.phone)
    edge = h3.cell_to_boundary(h3.latlng_to_cell(*SEOUL, 7))
    rng = random.Random(3)
    boxes: list[tuple[float, float, str]] = []
    for (lat_a, lng_a), (lat_b, lng_b) in zip(edge, [*edge[1:], edge[0]], strict=True):
        for _ in range(6):
            part = rng.random()
            lat, lng = lat_a + part * (lat_b - lat_a), lng_a + part * (lng_b - lng_a)
            boxes.append((lat, lng, box(lat, lng, 0.002)))
    cells = {c for lat, lng, _ in boxes for c in h3.grid_disk(h3.latlng_to_cell(lat, lng, 11), 5)}
    await capture(
        server.platform, number, [h3.str_to_int(c) for c in cells], server.clock.now_ms - DAY_MS
    )
    for lat, lng, asked in boxes:
        inside = {
            cell
            for cell in cells
            if abs(h3.cell_to_latlng(cell)[0] - lat) < 0.002
            and abs(h3.cell_to_latlng(cell)[1] - lng) < 0.002
        }
        assert inside and inside <= set((await look(log, asked)).cells)


# Changes ---------------------------------------------------------------------------------------


def apply(view: MapAnswer, changes: MapAnswer) -> dict[str, MapCell]:
    """Put changes over an older view, as a client does; free cells go."""
    cells = {**view.cells, **changes.cells}
    return {cell: seen for cell, seen in cells.items() if seen.value > 0}


@pytest.mark.parametrize("seed", range(6))
async def test_changes_put_over_any_older_view_give_the_view_of_now(
    server: Server, seed: int
) -> None:
    rng = random.Random(seed)
    logs = [await Log.of(server) for _ in range(3)]
    numbers = [await user_no_of(server, log.phone) for log in logs]
    ground = [h3.str_to_int(c) for c in h3.grid_disk(h3.latlng_to_cell(*SEOUL, 11), 3)]
    older: list[tuple[int, MapAnswer]] = []
    for _ in range(25):
        happening = rng.random()
        if happening < 0.45:
            who = rng.randrange(3)
            age_ms = rng.choice([0, 5, 20, 29, 31, 60, 600, 3000]) * MINUTE_MS
            await stamped(server, numbers[who], rng.sample(ground, rng.randrange(1, 12)), age_ms)
        elif happening < 0.55 and logs:
            await set_home(rng.choice(logs), *SEOUL)
        elif happening < 0.9:
            how = rng.choice([{"s": 1.0}, {"s": 600.0}, {"s": 1800.0}, {"hours": 5.0},
                              {"days": 6.0}, {"days": 14.0}])  # fmt: skip
            await wait(server, *logs, **how)
        viewer = rng.randrange(3)
        now = await look(logs[viewer])
        for who, view in older:
            if who == viewer:
                changes = await look(logs[viewer], since_ms=view.as_of_ms)
                assert apply(view, changes) == now.cells
        older.append((viewer, now))


async def stamped(server: Server, user_no: int, cells: list[int], age_ms: int) -> None:
    """Capture cells some time ago; the rows say that they changed now, as a push does."""
    now_ms = server.clock.now_ms
    await capture(server.platform, user_no, cells, now_ms - age_ms)
    async with server.platform.database.transaction() as tx:
        clause, argument = tx.in_list("cell", cells)
        await tx.execute(f"UPDATE cell_state SET changed_ms = ? WHERE {clause}", now_ms, argument)


async def test_changes_of_a_push_that_ran_while_the_viewer_asked_are_not_missed(
    server: Server,
) -> None:
    log, other = await Log.of(server), await Log.of(server)
    began_ms = server.clock.now_ms
    await wait(server, log, other, s=2)
    view = await look(other)
    cell = h3.str_to_int(h3.latlng_to_cell(*SEOUL, 11))
    number = await user_no_of(server, log.phone)
    await capture(server.platform, number, [cell], began_ms - 2 * HOUR_MS)
    async with server.platform.database.transaction() as tx:
        await tx.execute("UPDATE cell_state SET changed_ms = ?", began_ms)
    await wait(server, log, other, s=5)
    assert len((await look(other, since_ms=view.as_of_ms)).cells) == 1


# The request -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bbox",
    ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "nan,0,1,1", "127,37,126,38", "126,38,127,37",
     "126,37,126,38", "126,37,127,37", "-181,0,-180,1", "179,0,181,1", "0,89,1,91",
     "1e400,0,1,1", "0,0,inf,1",
     "179.9,-16,-179.9,-15.9", "127.0;37.0;127.1;37.1"],
)  # fmt: skip
async def test_an_odd_box_is_a_problem(server: Server, bbox: str) -> None:
    log = await Log.of(server)
    problem = await log.get("/api/map/cells", 400, bbox=bbox)
    assert problem["code"] == "invalid_input"


@pytest.mark.parametrize(
    "bbox",
    ["-180,-90,180,90", "120,30,130,40", "-180,89.99,180,90", "-180,-90,180,-89.99", "0,0,50,0.001",
     "126,36,128,38", "0,-90,0.5,90"],
)  # fmt: skip
async def test_a_huge_box_is_a_problem(server: Server, bbox: str) -> None:
    log = await Log.of(server)
    assert (await log.get("/api/map/cells", 422, bbox=bbox))["code"] == "area_too_large"


@pytest.mark.parametrize(
    ("lat", "lng"),
    [(-16.5, 179.995), (-16.5, -179.995), (89.9, 20.0), (-89.9, -20.0), (89.995, 179.9), (0.0, 0.0),
     (64.7, 10.54), (37.5, 127.0)],
)  # fmt: skip
async def test_boxes_at_the_ends_of_the_world_work(server: Server, lat: float, lng: float) -> None:
    log = await Log.of(server)
    number = await user_no_of(server, log.phone)
    cell = h3.latlng_to_cell(lat, lng, 11)
    await capture(server.platform, number, [h3.str_to_int(cell)], server.clock.now_ms - DAY_MS)
    for half in (0.004, 1e-9):
        west, east = max(-180.0, lng - half), min(180.0, lng + half)
        south, north = max(-90.0, lat - half), min(90.0, lat + half)
        view = await look(log, f"{west:.12f},{south:.12f},{east:.12f},{north:.12f}")
        assert cell in view.cells


@pytest.mark.parametrize("query", [{"zoom": -1}, {"zoom": 25}, {"zoom": "x"}, {"since_ms": -1},
                                   {"since_ms": "x"}, {"format": "png"}])  # fmt: skip
async def test_odd_parameters_are_problems(server: Server, query: dict[str, Any]) -> None:
    log = await Log.of(server)
    problem = await log.get("/api/map/cells", 400, bbox=box(), **query)
    assert problem["code"] == "invalid_input"


async def test_geojson_says_the_same_as_the_bytes(server: Server) -> None:
    log, other = await Log.of(server), await Log.of(server)
    await walk_now(log, 1)
    await walk_now(other, 2, east=False)
    await wait(server, log, other, hours=1)
    await set_home(other, *SEOUL)
    for zoom in (15, 12):
        view = await look(log, zoom=zoom)
        answer = await server.client.get(
            "/api/map/cells",
            params={"bbox": box(), "zoom": zoom, "format": "geojson"},
            headers=log.phone.headers,
        )
        assert answer.headers["content-type"].startswith("application/geo+json")
        found = answer.json()
        assert (found["type"], found["as_of_ms"]) == ("FeatureCollection", view.as_of_ms)
        assert found["resolution"] == view.resolution
        cells = {}
        for feature in found["features"]:
            said = feature["properties"]
            cells[feature["id"]] = MapCell(said["owner_id"], said["hidden"], said["value"])
            assert said["mine"] is (said["owner_id"] == log.phone.user_id)
            (ring,) = feature["geometry"]["coordinates"]
            assert ring[0] == ring[-1]
            corners = [[lng, lat] for lat, lng in h3.cell_to_boundary(feature["id"])]
            assert sorted(ring[:-1]) == sorted(corners)
        assert cells == view.cells != {}


async def test_too_many_cells_for_geojson_is_a_problem_and_bytes_take_them(server: Server) -> None:
    log = await Log.of(server)
    number = await user_no_of(server, log.phone)
    cells = [h3.str_to_int(c) for c in h3.grid_disk(h3.latlng_to_cell(*SEOUL, 11), 41)]
    await capture(server.platform, number, cells, server.clock.now_ms - DAY_MS)
    problem = await log.get("/api/map/cells", 422, bbox=box(), format="geojson")
    assert problem["code"] == "area_too_large"
    assert len((await look(log)).cells) == len(cells) > 5_000


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [("gzip", True), ("br, gzip;q=0.5", True), ("x-gzip", True), ("identity", False),
     ("gzip;q=0", False), ("gzip; q=0.000", False), ("", False), ("deflate, br", False)],
)  # fmt: skip
async def test_the_answer_is_compressed_where_the_client_takes_gzip(
    server: Server, accepted: str, compressed: bool
) -> None:
    log = await Log.of(server)
    await walk_now(log, 1)
    for form in ("packed", "geojson"):
        request = server.client.build_request(
            "GET", "/api/map/cells", params={"bbox": box(), "format": form},
            headers={**log.phone.headers, "Accept-Encoding": accepted},
        )  # fmt: skip
        answer = await server.client.send(request, stream=True)
        data = b"".join([part async for part in answer.aiter_raw()])
        assert ("content-encoding" in answer.headers) is compressed
        assert answer.headers["vary"] == "Accept-Encoding"
        plain = gzip.decompress(data) if compressed else data
        assert plain.startswith(b"DDM1" if form == "packed" else b'{"type"')


async def test_without_regions_everything_works_and_cells_have_none(server: Server) -> None:
    log = await Log.of(server)
    await walk_now(log, 1)
    assert await mine(log)
    async with server.platform.database.read() as tx:
        places = await tx.fetch_tuples("SELECT DISTINCT province, city, town FROM cell_state")
    assert [tuple(row) for row in places] == [(0, 0, 0)]


async def test_nobody_without_a_token_sees_anything(server: Server) -> None:
    for path in (f"/api/map/cells?bbox={box()}", "/api/territory/me", "/api/territory/losses"):
        assert (await server.client.get(path)).status_code == 401
