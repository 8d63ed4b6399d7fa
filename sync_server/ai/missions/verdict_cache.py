"""Verdicts by content: the same video and mission are judged once by the same judge.

The table belongs to the AI role's own store, whose migration takes `STATEMENTS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from edge_sdk.mission.result import Mission
from sync_server.ai.missions.judgement import Judgement
from sync_server.platform.database import Database

STATEMENTS: Final = (
    """CREATE TABLE mission_verdict (
        video_sha256 TEXT NOT NULL, mission_type TEXT NOT NULL, judge_version TEXT NOT NULL,
        reference_version TEXT NOT NULL, judgement TEXT NOT NULL, judged_ms BIGINT NOT NULL,
        PRIMARY KEY (video_sha256, mission_type, judge_version, reference_version)) {clustered}""",
    "CREATE INDEX mission_verdict_at ON mission_verdict (judged_ms)",
)
"""Plain SQL for both engines, with the tokens of `platform.ddl`."""

_COLUMNS: Final = "video_sha256, mission_type, judge_version, reference_version"
_WHERE: Final = (
    "video_sha256 = ? AND mission_type = ? AND judge_version = ? AND reference_version = ?"
)


class VerdictKey(msgspec.Struct, frozen=True):
    """What makes two judgements the same one: content, mission, who judges, by which criteria.

    `judge_version` names judge, model and prompt (`MissionJudge.version`).
    """

    video_sha256: str
    mission: Mission
    judge_version: str
    reference_version: str

    def values(self) -> tuple[str, ...]:
        """The columns of the primary key, in order."""
        return (
            self.video_sha256, str(self.mission), self.judge_version, self.reference_version,
        )  # fmt: skip


class VerdictCache(Protocol):
    """Judgements kept by content."""

    async def get(self, key: VerdictKey) -> Judgement | None:
        """Return what was judged before."""
        ...

    async def put(self, key: VerdictKey, judgement: Judgement, *, replace: bool) -> Judgement:
        """Keep a judgement and return the one in force.

        Without `replace` the first one stays: two jobs that judged the same video at the same
        time both tell what the faster one found.
        """
        ...


class StoredVerdicts:
    """The cache in the AI role's store."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        """Use the table of `STATEMENTS`; `clock` tells UTC milliseconds."""
        self._database = database
        self._clock = clock

    async def get(self, key: VerdictKey) -> Judgement | None:
        """See `VerdictCache.get`; an entry of another program's version counts as none."""
        async with self._database.read() as tx:
            kept = await tx.fetch_value(
                f"SELECT judgement FROM mission_verdict WHERE {_WHERE}", *key.values()
            )
        return None if kept is None else _decoded(kept)

    async def put(self, key: VerdictKey, judgement: Judgement, *, replace: bool) -> Judgement:
        """See `VerdictCache.put`."""
        clash = (
            "DO UPDATE SET judgement = excluded.judgement, judged_ms = excluded.judged_ms"
            if replace
            else "DO NOTHING"
        )
        async with self._database.transaction() as tx:
            await tx.execute(
                f"""INSERT INTO mission_verdict ({_COLUMNS}, judgement, judged_ms)
                    VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT ({_COLUMNS}) {clash}""",
                *key.values(), msgspec.json.encode(judgement).decode(), self._clock(),
            )  # fmt: skip
            kept = await tx.fetch_value(
                f"SELECT judgement FROM mission_verdict WHERE {_WHERE}", *key.values()
            )
        return _decoded(kept) or judgement

    async def forget(self, before_ms: int) -> int:
        """Drop what was judged before a time; return how many."""
        async with self._database.transaction() as tx:
            gone = await tx.fetch_all(
                "DELETE FROM mission_verdict WHERE judged_ms < ? RETURNING 1", before_ms
            )
        return len(gone)


def _decoded(text: str) -> Judgement | None:
    try:
        return msgspec.json.decode(text, type=Judgement)
    except msgspec.ValidationError:
        return None
