"""Locks in the data folder, which the kernel ends with their process.

One for the folder: on SQLite a process with role `all` holds it alone; workers and orchestrators,
and everybody on PostgreSQL, share it. One for each executor: who can take it knows that its
process is dead, long before a lease runs out.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import IO, Final

FILE: Final = "ai.lock"


class AlreadyRunning(RuntimeError):
    """Another process holds the data folder; two would run the same jobs."""

    code = "already_running"


def _flock(file: IO[str], shared: bool = False) -> bool:
    """Lock a file without waiting; False when another process holds it."""
    if sys.platform == "win32":  # no flock: there only the leases tell who lives
        return True
    import fcntl

    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


class FolderLock:
    """The lock on the data folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._file: IO[str] | None = None

    @property
    def scope(self) -> str:
        """Name the folder on this machine."""
        return f"{socket.gethostname()}:{self._path.parent.resolve()}"

    def take(self, exclusive: bool) -> None:
        """Take the lock, alone or shared; raise AlreadyRunning when it can't be had."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+")
        if not _flock(file, shared=not exclusive):
            file.close()
            raise AlreadyRunning(
                f"the AI role already runs on {self._path.parent} ({self._holder()}): stop that "
                "process, or use PostgreSQL and role worker for several"
            )
        if exclusive:
            file.truncate(0)
            file.write(f"pid {os.getpid()}")
            file.flush()
        self._file = file

    def release(self) -> None:
        """Give the lock back."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _holder(self) -> str:
        try:
            return self._path.read_text() or "unknown"
        except OSError:
            return "unknown"


class ExecutorLock:
    """Shows the other processes of the same folder on this machine that an executor lives."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "executors"
        self._file: IO[str] | None = None
        self._path: Path | None = None

    def take(self, executor_id: str) -> None:
        """Hold the lock of this executor until the process ends."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._path = self._folder / f"{executor_id}.lock"
        self._file = self._path.open("a+")
        _flock(self._file)

    def is_dead(self, executor_id: str) -> bool:
        """Say whether the process of an executor has ended. Without its file: nobody knows."""
        if sys.platform == "win32":
            return False
        path = self._folder / f"{executor_id}.lock"
        try:
            with path.open("r+") as file:
                if not _flock(file):
                    return False
        except OSError:
            return False
        path.unlink(missing_ok=True)
        return True

    def release(self) -> None:
        """Let the lock go and remove its file."""
        if self._file is not None and self._path is not None:
            self._path.unlink(missing_ok=True)
            self._file.close()
            self._file = None
