"""Worker processes for decoding and inference that can be killed.

A thread can't be stopped, and a process pool of the library breaks as a whole when one process
dies. Here each call has a process of its own while it lasts: past its time the process is killed
and the next call gets a new one. Processes start when needed and stay, so that a function may
keep its models in its module (loaded once a process).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from typing import Any, Final

import msgspec
import structlog

from sync_server.ai.cpu_worker import failure_of, pack_message

log = structlog.get_logger(__name__)
START_S: Final = 60.0
MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
_ANSWER: Final = msgspec.msgpack.Decoder(tuple[str, Any])


class WorkerDied(Exception):
    """The process died during a call (killed from outside, out of memory, a fault in C code)."""


class CpuCallBroke(Exception):
    """The function raised something that is no StageFailed: a fault of the program."""


class _Worker:
    """One process and its pipes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, nice: int) -> _Worker:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sync_server.ai.cpu_worker", str(nice), str(os.getpid()),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        worker = cls(process)
        try:
            async with asyncio.timeout(START_S):
                await worker.answer()
        except BaseException:
            await worker.kill()
            raise
        return worker

    async def call(self, function: str, args: tuple[Any, ...]) -> tuple[str, Any]:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(pack_message((function, args)))
            await self.process.stdin.drain()
        except (ConnectionError, RuntimeError) as error:
            raise WorkerDied(f"pid {self.process.pid}: {error}") from error
        return await self.answer()

    async def answer(self) -> tuple[str, Any]:
        assert self.process.stdout is not None
        try:
            size = int.from_bytes(await self.process.stdout.readexactly(4), "big")
            if size > MAX_ANSWER_BYTES:
                raise CpuCallBroke(f"an answer of {size} bytes")
            kind, value = _ANSWER.decode(await self.process.stdout.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise WorkerDied(f"worker process {self.process.pid} died") from error
        except msgspec.DecodeError as error:
            raise CpuCallBroke(f"an answer that is no message: {error}") from error
        return kind, value

    @property
    def alive(self) -> bool:
        return self.process.returncode is None

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        # Else the pipe's transport is closed by the garbage collector, after the loop.
        if self.process.stdin is not None:
            self.process.stdin.close()


class ProcessPool:
    """`CpuPool`: up to `size` processes, in order of asking; `nice` lowers their priority."""

    def __init__(self, size: int, nice: int = 0) -> None:
        self.size = max(1, size)
        self._nice = nice
        self._slots = asyncio.Semaphore(self.size)
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._closed = False

    async def call(self, function: str, *args: Any, timeout_s: float) -> Any:
        """Run `package.module:function` in a process (`CpuPool.call`).

        The time starts when a process is there. Raises StageFailed as raised there, TimeoutError,
        WorkerDied, CpuCallBroke; a cancelled call kills its process.
        """
        async with self._slots:
            if self._closed:
                raise WorkerDied("the pool is closed")
            worker = await self._take()
            self._busy.add(worker)
            whole = False
            try:
                async with asyncio.timeout(timeout_s):
                    kind, value = await worker.call(function, args)
                whole = True
            finally:
                self._busy.discard(worker)
                if whole and not self._closed:
                    self._idle.append(worker)
                else:
                    # Shielded: a cancelled call must still end its process.
                    await asyncio.shield(worker.kill())
        if kind == "done":
            return value
        if kind == "failed":
            raise failure_of(value)
        raise CpuCallBroke(f"{function}: {value}")

    async def _take(self) -> _Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                return worker
            await worker.kill()
        return await _Worker.start(self._nice)

    @property
    def pids(self) -> list[int]:
        """The processes that live now."""
        return [worker.process.pid for worker in (*self._idle, *self._busy) if worker.alive]

    async def close(self) -> None:
        """Kill every process; calls under way raise WorkerDied."""
        self._closed = True
        workers = [*self._idle, *self._busy]
        self._idle.clear()
        for worker in workers:
            await worker.kill()
