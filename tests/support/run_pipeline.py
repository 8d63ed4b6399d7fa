"""Run a Pipeline stage by stage in this process, by the contract's rules, without an engine.

The worker process, the object store's folder, the AI store and the models are real.
"""

from __future__ import annotations

import asyncio
import hashlib
import multiprocessing
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from sync_server.ai.contract import JobRequest
from sync_server.ai.missions import verdict_cache
from sync_server.ai.missions.judges import MissionJudge
from sync_server.ai.services import AiServices, make_services
from sync_server.ai.stages import (
    Json,
    PartOutcome,
    Pipeline,
    Stage,
    StageContext,
    StageFailed,
    StageUnavailable,
)
from sync_server.platform.database import Database
from sync_server.platform.ddl import render
from sync_server.platform.object_store import ObjectStore
from sync_server.platform.settings import Settings

NOW_MS = 1_767_700_000_000
ATTEMPTS = 3


def call_by_name(function: str, args: tuple[Any, ...]) -> Any:
    """In the worker: import and call."""
    module, _, name = function.partition(":")
    return getattr(import_module(module), name)(*args)


class OneWorker:
    """A CpuPool of one process that stays for the whole test run; `calls` are what was asked."""

    def __init__(self, patience: float = 20.0) -> None:
        # Other programs use this machine too: no test depends on its speed.
        self._patience = patience
        self._pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        self.calls: list[str] = []

    async def call(self, function: str, *args: Any, timeout_s: float) -> Any:
        self.calls.append(function)
        running = asyncio.get_running_loop().run_in_executor(
            self._pool, call_by_name, function, args
        )
        return await asyncio.wait_for(running, self._patience * timeout_s)

    def close(self) -> None:
        self._pool.shutdown()


@dataclass(frozen=True)
class Told:
    """One progress of a part."""

    part: str
    stage: str
    percent: int
    message: str


@dataclass
class Ran:
    """How a job went."""

    told: list[Told] = field(default_factory=list)
    outcomes: list[PartOutcome] = field(default_factory=list)
    result: Json | None = None
    failure: StageFailed | None = None
    second: Json | None = None
    attempts: dict[tuple[str, str], int] = field(default_factory=dict)
    twice: bool = False

    @property
    def done(self) -> Json:
        assert self.result is not None, self.failure
        return self.result

    def check_progress(self, pipeline: Pipeline) -> None:
        """Stages come in their order, and percents never go back nor leave their stage."""
        ranges = {stage.name: stage.percents for stage in pipeline.stages}
        parts = {told.part for told in self.told}
        for part in parts:
            told = [one for one in self.told if one.part == part and one.stage in ranges]
            percents = [one.percent for one in told]
            assert percents == sorted(percents)
            assert all(ranges[one.stage][0] <= one.percent <= ranges[one.stage][1] for one in told)
            order = list(dict.fromkeys(one.stage for one in told))
            assert order == [name for name in ranges if name in order]

    @property
    def failed(self) -> StageFailed:
        assert self.failure is not None, self.result
        return self.failure


@dataclass
class Bench:
    """Services over one folder, and how to run jobs with them."""

    services: AiServices
    scratch: Path
    store_folder: Path

    async def put_media(self, path: Path, name: str = "") -> str:
        """Store a file as an upload is stored; return its signed link."""
        key = name or hashlib.sha256(str(path).encode()).hexdigest()[:32]
        await self.services.objects.put(f"media/{key}", path.read_bytes())
        return self.link(key)

    def link(self, key: str, expires_ms: int = NOW_MS + 600_000) -> str:
        signature = self.services.signer.sign("media", key, expires_ms)
        base = self.services.settings.public_url
        return f"{base}/api/media/{key}?expires={expires_ms}&signature={signature}"

    def stored(self) -> dict[str, str]:
        """Hashes of all objects by key."""
        return hashes(self.store_folder)

    async def run(
        self,
        pipeline: Pipeline,
        job: JobRequest,
        *,
        before: Callable[[str, Path], None] | None = None,
        twice: bool = False,
    ) -> Ran:
        """Run a job; `before(stage, folder)` may disturb. Its folder goes at the end.

        `twice`: run each stage once more, as after a crash before its checkpoint; it must return
        and leave the same.
        """
        ran = Ran(twice=twice)
        folder = self.scratch / job.job_id
        folder.mkdir()
        for part in pipeline.parts(job):
            outcome = await self._part(pipeline.stages, job, part, {}, folder, ran, before)
            ran.outcomes.append(outcome)
        try:
            if pipeline.part_failure_ends_job and ran.outcomes[0].failure is not None:
                raise _again(ran.outcomes[0].failure)
            ran.result = pipeline.combine(job, ran.outcomes, NOW_MS - 1_000, NOW_MS)
        except StageFailed as error:
            ran.failure = error
        if ran.result is not None and pipeline.recombine is not None:
            state = dict(ran.outcomes[0].state or {})
            drawn = await self._part(pipeline.afterwards, job, "", state, folder, ran, before)
            ran.second = pipeline.recombine(job, ran.result, drawn)
        for path in sorted(folder.rglob("*"), reverse=True):
            assert not path.name.startswith("."), f"{path} was left half written"
            path.unlink()
        folder.rmdir()
        return ran

    def left(self, folder: Path) -> dict[str, str]:
        """Hashes of all that a stage can leave: the job's folder and the object store."""
        return {**hashes(folder), **self.stored()}

    async def _part(
        self,
        stages: Sequence[Stage],
        job: JobRequest,
        part: str,
        state: Json,
        folder: Path,
        ran: Ran,
        before: Callable[[str, Path], None] | None,
    ) -> PartOutcome:
        for stage in stages:
            try:
                made = await self._stage(stage, job, part, state, folder, ran, before)
            except StageFailed as error:
                return PartOutcome(part, None, failure_of(stage, error))
            except Exception as error:
                broke = StageUnavailable(
                    "INTERNAL_ERROR", "처리 중 오류가 발생했습니다.", repr(error),
                    reason=type(error).__name__,
                )  # fmt: skip
                return PartOutcome(part, None, failure_of(stage, broke))
            state = {**state, **made}
        return PartOutcome(part, state)

    async def _stage(
        self,
        stage: Stage,
        job: JobRequest,
        part: str,
        state: Json,
        folder: Path,
        ran: Ran,
        before: Callable[[str, Path], None] | None,
    ) -> Json:
        low, high = stage.percents
        start = low if stage.start_percent is None else stage.start_percent
        words = stage.en if job.language == "en" else stage.ko
        ran.told.append(Told(part, stage.name, start, words))

        async def progress(share: float, message: str | None) -> None:
            assert 0 <= share <= 1
            percent = max(start, low + int((high - low) * share))
            ran.told.append(Told(part, stage.name, percent, message or words))

        for attempt in range(1, ATTEMPTS + 1):
            ran.attempts[part, stage.name] = attempt
            if before is not None:
                before(stage.name, folder)
            context = StageContext(job, part, attempt, folder, self.services, progress)
            try:
                made = await stage.run(context, dict(state))
            except (StageUnavailable, TimeoutError) as error:
                if attempt < ATTEMPTS and getattr(error, "again", True):
                    continue
                if isinstance(error, StageFailed):
                    raise
                assert stage.timeout_failure is not None
                raise stage.timeout_failure from error
            if ran.twice:
                left = self.left(folder)
                silent = replace(context, progress=_silent)
                assert await stage.run(silent, dict(state)) == made
                assert self.left(folder) == left
            return made
        raise AssertionError("unreachable")


async def _silent(share: float, message: str | None) -> None:
    """Progress that nobody hears."""


def hashes(folder: Path) -> dict[str, str]:
    """Hashes of all files under a folder, by their paths."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def failure_of(stage: Stage, error: StageFailed) -> Json:
    """A failure as the contract's PartOutcome has it."""
    return {
        "stage": stage.name,
        "percent": stage.percents[0] if error.percent is None else error.percent,
        "code": error.code,
        "message": {"ko": error.ko, "en": error.en},
        "details": error.details,
        "failure_type": "SYSTEM_ERROR" if error.system else "USER_ERROR",
        "reason": getattr(error, "reason", None),
    }


def _again(failure: Json) -> StageFailed:
    words = failure["message"]
    if failure["failure_type"] == "SYSTEM_ERROR":
        return StageUnavailable(
            failure["code"], words["ko"], words["en"], reason=failure["reason"],
            details=failure["details"], percent=failure["percent"],
        )  # fmt: skip
    return StageFailed(
        failure["code"], words["ko"], words["en"], details=failure["details"],
        percent=failure["percent"],
    )  # fmt: skip


@asynccontextmanager
async def bench(
    folder: Path, cpu: OneWorker, database_url: str = "", judge: MissionJudge | None = None,
    **settings: Any,
) -> AsyncIterator[Bench]:  # fmt: skip
    """Services over a folder; `settings` as `Settings`."""
    store_folder = folder / "objects"
    scratch = folder / "scratch"
    scratch.mkdir()
    chosen = Settings(
        data_dir=str(folder), object_store_url=f"file://{store_folder}", secret_key="k" * 32,
        public_url="http://127.0.0.1:9", **settings,
    )  # fmt: skip
    database = Database(database_url or f"sqlite:///{folder / 'ai.sqlite'}")
    await database.open()
    try:
        async with database.transaction() as tx:
            for statement in verdict_cache.STATEMENTS:
                await tx.execute(render(statement, tx.dialect))
        services = make_services(
            chosen, cpu, ObjectStore(chosen.object_store), lambda: NOW_MS, database
        )
        if judge is not None:
            services = replace(services, judge=judge)
        yield Bench(services, scratch, store_folder)
        await services.close()
    finally:
        await database.close()
