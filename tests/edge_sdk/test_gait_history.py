"""Gait sessions in the phone's log: kept, found again by dog, and compared with the dog itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.gait import GaitReport, history, score
from edge_sdk.ids import uuid7
from edge_sdk.sync.facts import AnalysisAdd
from edge_sdk.sync.store import LocalStore
from tests.support.gait_clips import Dog, Gait, View, make_clip

pytestmark = pytest.mark.anyio
DAY_MS = 86_400_000
START_MS = 1_795_000_000_000


def walks(hind_stance: float, count: int, seed: int) -> list[GaitReport]:
    rng = np.random.default_rng(7)
    gait, dog = Gait.sound(rng, "walk"), Dog.random(rng)
    reports = []
    for number in range(count):
        clip = make_clip(
            np.random.default_rng(seed + number),
            replace(gait, hind_stance=hind_stance),
            View(noise=0.006, far_side=0.2),
            dog,
        )
        reports.append(score(clip.keypoints, clip.timestamps_ms))
    return reports


async def test_a_lasting_change_is_told_and_another_dog_is_not_mixed_in(tmp_path: Path) -> None:
    dog, other = uuid7(), uuid7()
    path = tmp_path / "phone.sqlite"
    async with await LocalStore.open(path) as store:
        for day, report in enumerate(walks(0.0, 4, seed=1)):
            await history.keep(store, dog, report, START_MS + day * DAY_MS)
            await history.keep(store, other, report, START_MS + day * DAY_MS)
        assert (await history.trend_of(store, dog)).alerts == ()
        for day, report in enumerate(walks(0.32, 2, seed=50), start=4):
            await history.keep(store, dog, report, START_MS + day * DAY_MS)
    async with await LocalStore.open(path) as store:
        told = await history.trend_of(store, dog)
        assert told.sessions == 6
        assert "hind_stance_si" in {alert.name for alert in told.alerts}
        assert (await history.trend_of(store, other)).alerts == ()


async def test_sessions_come_back_as_they_were_and_in_time_order(tmp_path: Path) -> None:
    dog = uuid7()
    late, early = walks(0.1, 2, seed=9)
    async with await LocalStore.open(tmp_path / "phone.sqlite") as store:
        await history.keep(store, dog, late, START_MS + DAY_MS)
        analysis_id = await history.keep(store, dog, early, START_MS)
        body = AnalysisAdd(uuid7(), "gait", dog, None, START_MS, {"from": "another version"})
        await store.add(body, START_MS)
        found = await history.sessions(store, dog)
    assert [session.captured_at_ms for session in found] == [START_MS, START_MS + DAY_MS]
    assert found[0].report.analysis_id == analysis_id
    assert found[0].report.measures == early.measures
    assert found[1].report.to_json()["metrics"] == late.to_json()["metrics"]
