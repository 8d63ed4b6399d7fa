"""A worker process of `CpuPool`: takes calls over a pipe, one at a time, until the pipe closes.

Messages are a length (4 bytes, big-endian) and MessagePack: plain values only, because this process
reads strangers' videos, and what it says must not run code in its parent. The process ends with its
parent: the pipe's end is read in a thread of its own, whatever the call does, and on
Linux the kernel is told besides.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import queue
import signal
import sys
import threading
from typing import Any, BinaryIO

import msgspec

from sync_server.ai.stages import StageFailed, StageUnavailable

_PR_SET_PDEATHSIG = 1


def read_message(pipe: BinaryIO) -> Any:
    """Read one message; raise EOFError at the pipe's end."""
    head = pipe.read(4)
    if len(head) < 4:
        raise EOFError
    body = pipe.read(int.from_bytes(head, "big"))
    return msgspec.msgpack.decode(body)


def pack_message(value: Any) -> bytes:
    """Return a message as bytes."""
    body = msgspec.msgpack.encode(value)
    return len(body).to_bytes(4, "big") + body


def pack_failure(failure: StageFailed) -> dict[str, Any]:
    """Return a StageFailed as plain values, to be raised on the other side."""
    return {name: value for name, value in vars(failure).items() if not name.startswith("_")}


def failure_of(fields: dict[str, Any]) -> StageFailed:
    """Return what `pack_failure` packed."""
    kind: type[StageFailed] = StageUnavailable if "reason" in fields else StageFailed
    return kind(**fields)


def _answer(function: str, args: tuple[Any, ...]) -> tuple[str, Any]:
    module, _, name = function.partition(":")
    try:
        return "done", getattr(importlib.import_module(module), name)(*args)
    except StageFailed as failure:
        return "failed", pack_failure(failure)
    except Exception as error:
        return "broke", f"{type(error).__name__}: {error}"


def main() -> None:
    """Serve calls."""
    nice = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    if nice:
        os.nice(nice)
    parent = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # It may have died before it could be asked for its death.
        if parent and os.getppid() != parent:
            os._exit(0)
    # Ctrl+C in a terminal reaches the whole group: the parent ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    calls: queue.SimpleQueue[Any] = queue.SimpleQueue()
    # What a library prints must not get between our messages.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)

    def listen() -> None:
        while True:
            try:
                calls.put(read_message(sys.stdin.buffer))
            except (EOFError, OSError):
                os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    answers.write(pack_message(("ready", None)))
    while True:
        function, args = calls.get()
        answer = _answer(function, args)
        try:
            message = pack_message(answer)
        except Exception as error:
            message = pack_message(("broke", f"the result can't be sent: {error}"))
        rest = memoryview(message)
        while rest:
            rest = rest[answers.write(rest) :]


if __name__ == "__main__":
    main()
