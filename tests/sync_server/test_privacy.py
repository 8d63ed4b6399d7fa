"""Home zones and the log of location use."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import h3.api.basic_int as h3
import pytest

from game_engine.privacy import zone_cells
from sync_server.privacy import service
from tests.support.accounts import renew, user_no_of
from tests.support.app import Server, running

pytestmark = pytest.mark.anyio
HOME = {"lat": 37.566512, "lng": 126.978034}
HOUR_MS = 3_600_000


@pytest.fixture
async def server(database_url: str, tmp_path: Path) -> AsyncIterator[Server]:
    async with running(database_url, tmp_path) as running_server:
        yield running_server


async def test_a_home_answers_seven_cells_that_hold_it_and_can_be_forgotten(
    server: Server,
) -> None:
    phone = await server.guest()
    answer = await server.client.put("/api/me/home", json=HOME, headers=phone.headers)
    assert answer.status_code == 200, answer.text
    cells = answer.json()["cells"]
    assert len(cells) == 7
    assert f"{h3.latlng_to_cell(HOME['lat'], HOME['lng'], 8):x}" in cells
    assert (await server.client.get("/api/me/home", headers=phone.headers)).json() == {
        "cells": cells
    }
    gone = await server.client.delete("/api/me/home", headers=phone.headers)
    assert gone.status_code == 204
    empty = await server.client.get("/api/me/home", headers=phone.headers)
    assert empty.json() == {"cells": []}


async def test_only_the_centre_cell_is_stored(server: Server) -> None:
    phone = await server.guest()
    await server.client.put("/api/me/home", json=HOME, headers=phone.headers)
    async with server.platform.database.read() as tx:
        rows = await tx.fetch_all("SELECT * FROM home_zone")
    assert len(rows) == 1
    assert sorted(rows[0].keys()) == ["center", "set_ms", "user_no"]
    assert h3.get_resolution(rows[0]["center"]) == 8


async def test_setting_the_same_home_again_never_draws_another_zone(server: Server) -> None:
    phone = await server.guest()
    dice = random.Random(1)
    seen = set()
    for again in range(30):
        noisy = {k: v + dice.gauss(0, 0.0001) for k, v in HOME.items()}  # 10 m of GPS noise
        answer = await server.client.put("/api/me/home", json=noisy, headers=phone.headers)
        seen.add(tuple(answer.json()["cells"]))
        if again % 3 == 0:
            await server.client.delete("/api/me/home", headers=phone.headers)
    assert len(seen) == 1


async def test_a_move_out_of_the_zone_draws_a_new_one_around_the_new_home(server: Server) -> None:
    phone = await server.guest()
    first = await server.client.put("/api/me/home", json=HOME, headers=phone.headers)
    busan = {"lat": 35.1796, "lng": 129.0756}
    second = await server.client.put("/api/me/home", json=busan, headers=phone.headers)
    assert not set(first.json()["cells"]) & set(second.json()["cells"])
    assert f"{h3.latlng_to_cell(35.1796, 129.0756, 8):x}" in second.json()["cells"]


def _zone(user_no: int, lat: float, lng: float) -> int:
    return service.zone_center("secret", user_no, lat, lng)


def test_the_zones_of_many_users_at_one_home_are_spread_evenly() -> None:
    """Chi-square over the 7 possible centres, 6 degrees of freedom, 99.9 % at 22.46."""
    users = 7_000
    centers = Counter(_zone(n, HOME["lat"], HOME["lng"]) for n in range(users))
    home = h3.latlng_to_cell(HOME["lat"], HOME["lng"], 8)
    assert set(centers) == set(h3.grid_disk(home, 1))
    assert sum((n - users / 7) ** 2 / (users / 7) for n in centers.values()) < 22.46
    assert all(home in zone_cells(center) for center in centers)


def test_hundreds_of_noisy_draws_at_a_corner_give_at_most_six_zones() -> None:
    """The worst case: home on a corner of cells, deleted before each new set."""
    corner = h3.cell_to_boundary(h3.latlng_to_cell(HOME["lat"], HOME["lng"], 8))[0]
    dice = random.Random(2)
    zones = []
    for user_no in range(60):
        drawn = {
            _zone(user_no, corner[0] + dice.gauss(0, 0.0002), corner[1] + dice.gauss(0, 0.0002))
            for _ in range(300)
        }
        zones.append(len(drawn))
    assert max(zones) <= 6
    assert sum(zones) / len(zones) < 4


async def test_zones_are_found_for_many_users_at_once(server: Server) -> None:
    with_home, without = await server.guest(), await server.guest()
    answer = await server.client.put("/api/me/home", json=HOME, headers=with_home.headers)
    numbers = [await user_no_of(server, phone) for phone in (with_home, without)]
    async with server.platform.database.read() as tx:
        zones = await service.zones_by_user(tx, numbers)
        assert await service.zones_by_user(tx, []) == {}
    assert list(zones) == [numbers[0]]
    assert sorted(f"{cell:x}" for cell in zones[numbers[0]]) == answer.json()["cells"]


@pytest.mark.parametrize(
    "home",
    [{"lat": 91, "lng": 0}, {"lat": 0, "lng": 181}, {"lat": "x", "lng": 0}, {"lat": 1}, {}],
)
async def test_a_home_off_the_globe_is_invalid(server: Server, home: dict[str, object]) -> None:
    phone = await server.guest()
    answer = await server.client.put("/api/me/home", json=home, headers=phone.headers)
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_input"


async def test_uses_are_counted_by_hour_and_purpose_without_a_coordinate(server: Server) -> None:
    phone, other = await server.guest(), await server.guest()
    user_no = await user_no_of(server, phone)
    server.clock.now_ms -= server.clock.now_ms % HOUR_MS
    for minute in range(50):
        async with server.platform.database.transaction() as tx:
            await service.log_use(tx, user_no, "walk_recorded", "self", server.clock())
            if minute == 10:
                await service.log_uses(tx, {(user_no, "map_viewed", "friend"): 7}, server.clock())
        server.clock.advance(s=30)
    server.clock.advance(hours=1)
    await renew(server, phone)
    await renew(server, other)
    await server.client.put("/api/me/home", json=HOME, headers=phone.headers)
    log = (await server.client.get("/api/me/location-log", headers=phone.headers)).json()
    assert [(u["purpose"], u["by"], u["count"]) for u in log["uses"]] == [
        ("home_set", "self", 1),
        ("map_viewed", "friend", 7),
        ("walk_recorded", "self", 50),
    ]
    assert log["uses"][2]["last_ms"] - log["uses"][2]["first_ms"] == 49 * 30_000
    assert set(log["uses"][0]) == {"purpose", "by", "hour_ms", "first_ms", "last_ms", "count"}
    foreign = await server.client.get("/api/me/location-log", headers=other.headers)
    assert foreign.json()["uses"] == []
    earlier = await server.client.get(
        "/api/me/location-log",
        params={"before_ms": log["uses"][0]["hour_ms"]},
        headers=phone.headers,
    )
    assert len(earlier.json()["uses"]) == 2


async def test_an_unknown_purpose_is_a_fault_of_the_program(server: Server) -> None:
    async with server.platform.database.transaction() as tx:
        with pytest.raises(ValueError, match="unknown purpose"):
            await service.log_use(tx, 1, "curiosity", "self", server.clock())


async def test_the_log_is_kept_six_months(server: Server) -> None:
    async with server.platform.database.transaction() as tx:
        await service.log_use(tx, 1, "export", "self", server.clock())
    for days, left in ((183, 1), (2, 0)):
        server.clock.advance(days=days)
        await service.sweep(server.platform, server.clock())
        async with server.platform.database.read() as tx:
            assert await tx.fetch_value("SELECT COUNT(*) FROM location_use") == left


async def test_erasing_a_user_leaves_the_others(server: Server) -> None:
    phones = [await server.guest(), await server.guest()]
    for phone in phones:
        await server.client.put("/api/me/home", json=HOME, headers=phone.headers)
    numbers = [await user_no_of(server, phone) for phone in phones]
    async with server.platform.database.transaction() as tx:
        assert await service.erase(tx, numbers[0], server.clock()) == []
    async with server.platform.database.read() as tx:
        for table in ("home_zone", "location_use"):
            rows = await tx.fetch_tuples(f"SELECT user_no FROM {table}")
            assert [row[0] for row in rows] == [numbers[1]]
