"""The lock on the data folder: one embedded AI role a folder.

On SQLite a process with role `all` holds the folder alone, workers and orchestrators share it. On
PostgreSQL everybody shares it; who gets it alone for a moment knows that nobody else is left of
an earlier boot.
"""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path
from typing import IO, Final

FILE: Final = "ai.lock"


class AlreadyRunning(RuntimeError):
    """Another process holds the data folder; two would run the same jobs."""

    code = "already_running"


class FolderLock:
    """A lock that the kernel ends with the process."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._file: IO[str] | None = None
        self.alone = False
        """Nobody else held it when it was taken."""

    @property
    def scope(self) -> str:
        """Name the folder on this machine."""
        return f"{socket.gethostname()}:{self._path.parent.resolve()}"

    def take(self, exclusive: bool) -> None:
        """Take the lock, alone or shared; raise AlreadyRunning when it can't be had."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+")
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.alone = True
            except OSError:
                if exclusive:
                    raise AlreadyRunning(
                        f"another process runs the AI role on {self._path.parent} "
                        f"({_holder(self._path)}): stop it, or use PostgreSQL and role worker"
                    ) from None
            if not exclusive:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except OSError:
                    raise AlreadyRunning(
                        f"a process with role all holds {self._path.parent} ({_holder(self._path)})"
                    ) from None
        except BaseException:
            file.close()
            raise
        if self.alone:
            file.truncate(0)
            file.write(f"pid {os.getpid()}")
            file.flush()
        self._file = file

    def release(self) -> None:
        """Give the lock back."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _holder(path: Path) -> str:
    try:
        return path.read_text() or "unknown"
    except OSError:
        return "unknown"
