"""The AI role's processes, a callback host and a database, to be killed at any moment."""

from __future__ import annotations

import base64
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from sync_server.platform.webhooks import message_id, sign
from tests.conftest import REPOSITORY
from tests.support.postgres import Postgres, free_port

SECRET = "whsec_" + base64.b64encode(b"between the roles of a test!!!!!").decode()


@dataclass
class Process:
    """One process of the program."""

    words: list[str]
    environment: dict[str, str]
    log: Path
    running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(
                [sys.executable, *self.words], env=self.environment, stdout=log, stderr=log,
                cwd=REPOSITORY,
            )  # fmt: skip

    def kill(self, how: signal.Signals = signal.SIGKILL) -> int:
        assert self.running is not None
        pid = self.running.pid
        self.running.send_signal(how)
        self.running.wait(60)
        self.running = None
        return pid

    @property
    def pid(self) -> int:
        return self.running.pid if self.running is not None else 0


@dataclass
class World:
    """All processes of one history. `split`: ai and two workers, else one process."""

    folder: Path
    database_url: str
    split: bool
    postgres: Postgres | None
    stage_s: float = 0.1
    port: int = field(default_factory=free_port)
    callback_port: int = field(default_factory=free_port)
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=10))

    def __post_init__(self) -> None:
        base = {
            **os.environ,
            "PYTHONPATH": str(REPOSITORY),
            "DAENGDONG_DATA_DIR": str(self.folder),
            "DAENGDONG_DATABASE_URL": self.database_url if self.postgres else "",
            "DAENGDONG_LOG_LEVEL": "warning",
            "DAENGDONG_RATE_LIMITS": "off",
            "DAENGDONG_INTERNAL_SECRETS": SECRET,
            "DAENGDONG_FETCH_ALLOW_HOSTS": f"127.0.0.1:{self.callback_port}",
            "DAENGDONG_WORKER_PROCESSES": "1",
            "DAENGDONG_WORKER_JOBS": "4",
            "DAENGDONG_QUEUE_AGE_LIMIT_S": "3600",
            "DAENGDONG_TEST_STAGE_S": str(self.stage_s),
            "DAENGDONG_TEST_NOTES": str(self.folder / "notes"),
        }
        run = ["-m", "tests.faults.job_process"]
        serve = [*run, "serve", "--port", str(self.port)]
        log = self.folder / "log"
        if self.split:
            self.processes = [
                Process(serve, base | {"DAENGDONG_ROLE": "ai"}, log),
                Process([*run, "worker"], base, log),
                Process([*run, "worker"], base, log),
            ]
        else:
            self.processes = [Process(serve, base | {"DAENGDONG_ROLE": "all"}, log)]
        self.calls = self.folder / "calls"
        self.host = Process(
            ["tests/faults/callback_host.py", str(self.callback_port), str(self.calls)], base, log
        )

    def start(self) -> None:
        for process in (self.host, *self.processes):
            process.start()

    def stop(self) -> None:
        for process in (*self.processes, self.host):
            if process.running is not None:
                process.kill()
        self.client.close()

    def supervise(self) -> None:
        """Start again what has ended by itself, as an operator's supervisor does."""
        for process in self.processes:
            if process.running is not None and process.running.poll() is not None:
                process.start()

    # Jobs ----------------------------------------------------------------------------------

    def submit(self, area: str, job: dict[str, Any], within_s: float = 120) -> None:
        """Hand a job over, again and again until it is accepted."""
        job = job | {
            "callback_url": f"http://127.0.0.1:{self.callback_port}/{area}/{job['job_id']}"
        }
        body = json.dumps(job).encode()
        deadline = time.monotonic() + within_s
        while True:
            headers = sign([SECRET], message_id(job["job_id"]), int(time.time()), body)
            said = "nothing"
            with suppress(httpx.TransportError):
                answer = self.client.post(
                    f"http://127.0.0.1:{self.port}/internal/ai/{area}/jobs", content=body,
                    headers={**headers, "content-type": "application/json"},
                )  # fmt: skip
                if answer.status_code == 202:
                    return
                said = answer.text
                assert answer.status_code == 503, said
            assert time.monotonic() < deadline, (said, self.log_tail())
            time.sleep(0.1)

    def log_tail(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-4000:]

    def rows(self, sql: str) -> list[tuple[str, ...]]:
        """Read the AI store from outside; nothing while the database is away."""
        if self.postgres is not None:
            name = self.database_url.rpartition("/")[2]
            with suppress(RuntimeError):
                text = self.postgres.sql(sql, name)
                return [tuple(line.split("|")) for line in text.splitlines()]
            return []
        with (
            suppress(sqlite3.Error),
            closing(
                sqlite3.connect(f"file:{self.folder / 'ai.sqlite'}?mode=ro", uri=True, timeout=10)
            ) as connection,
        ):
            return [tuple(map(str, row)) for row in connection.execute(sql)]
        return []

    def under_way(self, pids: list[int]) -> list[str]:
        """Jobs that executors with these process ids run."""
        names = " OR ".join(f"executor_id LIKE '%-{pid}-%'" for pid in pids)
        return [row[0] for row in self.rows(
            f"SELECT job_id FROM ai_job WHERE status = 'processing' AND ({names})"
        )]  # fmt: skip


class Flapping(threading.Thread):
    """Takes the callback host down and up again, half of the time each."""

    def __init__(self, world: World, period_s: float) -> None:
        super().__init__(daemon=True)
        self._world, self._period_s, self._end = world, period_s, threading.Event()

    def run(self) -> None:
        while not self._end.wait(self._period_s / 2):
            self._world.host.kill()
            self._end.wait(self._period_s / 2)
            self._world.host.start()

    def stop(self) -> None:
        self._end.set()
        self.join(60)
