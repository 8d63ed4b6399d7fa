"""`Idempotency-Key`: a POST that is sent twice is executed once and answered the same again.

    async with idempotent(platform, user.user_no, request) as once:
        if once.is_first:
            once.answer(201, await service.create(once.tx, ...))
    return once.response()

The key is claimed, the work done and the answer stored in one transaction, so a duplicate that
comes meanwhile waits for the first and then gets its answer, and work that fails leaves no key
behind: the client may try again. Answers are kept 24 hours.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response
from litestar.params import FromHeader, HeaderParameter

from sync_server.platform.context import Platform
from sync_server.platform.database import Tx
from sync_server.platform.errors import Problem

KEPT_MS: Final = 24 * 3_600_000
_VISIBLE = re.compile(r"[\x21-\x7e]{1,64}")
_RUNNING = 0

IdempotencyKey = FromHeader[
    Annotated[
        str | None,
        HeaderParameter(
            name="Idempotency-Key",
            min_length=1,
            max_length=64,
            pattern=r"^[\x21-\x7e]+$",
            description="The same key with the same request answers the same again for 24 hours.",
        ),
    ]
]
"""Parameter type that documents the header: `idempotency_key: IdempotencyKey = None`."""


class Once:
    """One execution of a request under its key (or without one)."""

    def __init__(self, tx: Tx, stored: tuple[int, bytes] | None) -> None:
        self.tx = tx
        self.is_first = stored is None
        self._answer = stored

    def answer(self, status: int, body: msgspec.Struct) -> None:
        """Set the answer; it is stored with the key when the block ends."""
        self._answer = (status, msgspec.json.encode(body))

    @property
    def stored(self) -> tuple[int, bytes]:
        """Status and JSON body of the answer; RuntimeError where none was set."""
        if self._answer is None:
            raise RuntimeError("an idempotent block ended without an answer")
        return self._answer

    def response(self) -> Response[Any]:
        """Return the answer, the same bytes each time."""
        status, body = self.stored
        return Response(body, status_code=status, media_type="application/json")


@asynccontextmanager
async def idempotent(
    platform: Platform,
    user_no: int,
    request: Request[Any, Any, Any],
    content_sha256: str | None = None,
) -> AsyncIterator[Once]:
    """Open the transaction of a POST and execute it once per `Idempotency-Key`.

    `content_sha256` stands for the body where that is not kept in memory (an upload).

    Raises Problem invalid_input for a key that is not 1-64 visible ASCII characters,
    idempotency_mismatch for a key that was used for another request.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        async with platform.database.transaction() as tx:
            once = Once(tx, None)
            yield once
        return
    if not _VISIBLE.fullmatch(key):
        raise Problem("invalid_input", "Idempotency-Key is 1 to 64 visible ASCII characters")
    wanted, now_ms = await request_hash(request, content_sha256), platform.clock()
    async with platform.database.transaction() as tx:
        # PostgreSQL waits here for a transaction that has inserted the same key; SQLite's
        # writer is alone anyway.
        claimed = await tx.execute(
            """INSERT INTO idempotent_answer AS a (user_no, key, request_hash, status, body, at_ms)
               VALUES (?, ?, ?, ?, '', ?)
               ON CONFLICT (user_no, key) DO UPDATE SET request_hash = excluded.request_hash,
                 status = excluded.status, body = excluded.body, at_ms = excluded.at_ms
               WHERE a.at_ms <= ?""",
            user_no, key, wanted, _RUNNING, now_ms, now_ms - KEPT_MS,
        )  # fmt: skip
        if claimed:
            once = Once(tx, None)
            yield once
            status, body = once.stored
            await tx.execute(
                "UPDATE idempotent_answer SET status = ?, body = ? WHERE user_no = ? AND key = ?",
                status, body.decode(), user_no, key,
            )  # fmt: skip
            return
        row = await tx.fetch_one(
            "SELECT request_hash, status, body FROM idempotent_answer "
            "WHERE user_no = ? AND key = ?",
            user_no, key,
        )  # fmt: skip
        if row is None or row["request_hash"] != wanted:
            raise Problem("idempotency_mismatch")
        yield Once(tx, (int(row["status"]), row["body"].encode()))


async def request_hash(request: Request[Any, Any, Any], content_sha256: str | None = None) -> str:
    """Return what tells two requests apart: method, path with query, and body (or its hash)."""
    digest = hashlib.sha256()
    query = request.scope.get("query_string", b"")
    body = await request.body() if content_sha256 is None else content_sha256.encode()
    for part in (request.method.encode(), request.url.path.encode(), query, body):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


async def forget(tx: Tx, user_no: int, request: Request[Any, Any, Any]) -> None:
    """Free the key of a request whose work was undone after all: it may be tried again."""
    key = request.headers.get("idempotency-key")
    if key is not None:
        await tx.execute(
            "DELETE FROM idempotent_answer WHERE user_no = ? AND key = ?", user_no, key
        )


async def sweep(platform: Platform, now_ms: int) -> None:
    """Forget answers older than 24 hours."""
    async with platform.database.transaction() as tx:
        await tx.execute("DELETE FROM idempotent_answer WHERE at_ms <= ?", now_ms - KEPT_MS)


async def erase(tx: Tx, user_no: int, now_ms: int) -> list[str]:
    """Delete the stored answers of a user; there are no objects in the store."""
    await tx.execute("DELETE FROM idempotent_answer WHERE user_no = ?", user_no)
    return []
