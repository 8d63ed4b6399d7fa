"""The real server as a process of its own, to be killed, starved of disk and restarted."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.support.postgres import free_port

START_S = 60.0


@dataclass
class ServerProcess:
    """`daengdong serve` on a fixed port over one database."""

    folder: Path
    database_url: str
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DAENGDONG_DATA_DIR": str(self.folder),
            "DAENGDONG_DATABASE_URL": self.database_url,
            "DAENGDONG_LOG_LEVEL": "warning",
            "DAENGDONG_RATE_LIMITS": "off",
            **self.settings,
        }

    def command(self) -> list[str]:
        """What is run."""
        return [sys.executable, "-m", "daengdong", "serve", "--port", str(self.port)]

    def start(self) -> None:
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), env=self.environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.address}/readyz", timeout=5).status_code == 200:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"no server: {self.log()[-3000:]}")

    def log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")

    def kill(self) -> None:
        """End it with SIGKILL, in the middle of whatever it does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None

    def limit_files_to(self, size: int | None) -> None:
        """Let no file of the server grow past `size` bytes (None: no limit): a full disk."""
        assert self.process is not None
        unlimited = resource.RLIM_INFINITY
        soft = unlimited if size is None else size
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (soft, unlimited))

    def run(self, *words: str) -> str:
        """Run another command of the program on the same settings."""
        done = subprocess.run(
            [sys.executable, "-m", "daengdong", *words], env=self.environment,
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"{words}: {done.stdout}{done.stderr}")
        return done.stdout
