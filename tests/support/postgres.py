"""A real PostgreSQL of the tests' own: initdb and pg_ctl in a temporary folder, on 127.0.0.1."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

USER = "postgres"


def _binary(name: str) -> str:
    candidates = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    found = str(candidates[0]) if candidates else shutil.which(name)
    if not found:
        raise RuntimeError(f"{name} is missing: apt-get install postgresql")
    return found


def _as_postgres(*command: str) -> list[str]:
    # PostgreSQL refuses to run as root.
    return ["runuser", "-u", USER, "--", *command] if os.geteuid() == 0 else list(command)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Postgres:
    """One server; `url(name)` creates a database in it."""

    folder: Path
    port: int

    @classmethod
    def create(cls) -> Postgres:
        folder = Path(tempfile.mkdtemp(prefix="daengdong-pg-", dir="/tmp"))
        if os.geteuid() == 0:
            shutil.chown(folder, USER)
        _run(_as_postgres(_binary("initdb"), "-D", str(folder / "data"), "-U", USER,
                          "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync"))  # fmt: skip
        server = cls(folder, free_port())
        server.start()
        return server

    def start(self) -> None:
        options = (
            f"-p {self.port} -h 127.0.0.1 -k {self.folder} -c max_connections=120 "
            "-c fsync=off -c synchronous_commit=off -c full_page_writes=off "
            "-c min_wal_size=32MB -c max_wal_size=128MB"
        )
        _run(_as_postgres(_binary("pg_ctl"), "-D", str(self.folder / "data"), "-w", "-t", "30",
                          "-o", options, "-l", str(self.folder / "log"), "start"))  # fmt: skip

    def stop(self, mode: str = "fast") -> None:
        _run(_as_postgres(_binary("pg_ctl"), "-D", str(self.folder / "data"), "-w",
                          "-m", mode, "stop"))  # fmt: skip

    def url(self, name: str) -> str:
        self.sql(f'CREATE DATABASE "{name}"')
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{name}"

    def drop(self, name: str) -> None:
        self.sql(f'DROP DATABASE "{name}" WITH (FORCE)')

    def sql(self, statement: str, database: str = "postgres") -> str:
        return _run([_binary("psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", USER,
                     "-d", database, "-Atqc", statement])  # fmt: skip

    def remove(self) -> None:
        try:
            self.stop("immediate")
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {done.stdout}{done.stderr}")
    return done.stdout
