"""The local store: the phone's log of facts, written before anything else happens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from edge_sdk.errors import FactError
from edge_sdk.ids import is_uuid7, uuid7
from edge_sdk.sync import hlc, replica
from edge_sdk.sync.facts import (
    MAX_FACTS,
    MAX_PUSH_BYTES,
    Body,
    DiarySet,
    Fact,
    SettingsSet,
    encode_payload,
    type_of,
)
from edge_sdk.sync.hashes import fact_hash
from edge_sdk.sync.messages import CollectionChecksum, FactResult, PullAnswer
from edge_sdk.sync.store_file import StoreFile, StoreTx

_PUSH_ENVELOPE_BYTES: Final = 200


class LogState(msgspec.Struct, frozen=True):
    """Where the log stands: last fact written, last one the server has, and where pulling is."""

    client_id: str
    last_seq: int
    acked_seq: int
    cursor: str | None
    epoch: str | None
    territory_version: int


class LoggedFact(msgspec.Struct, frozen=True):
    """A fact of the log and, once the server has answered, what became of it."""

    fact: Fact
    created_ms: int
    result: FactResult | None


class WalkPrediction(msgspec.Struct, frozen=True):
    """What this device believed a walk earns: hex cells and metres."""

    cells: tuple[str, ...]
    distance_m: float


class LocalStore:
    """Facts, open walk, buffered fixes and pulled rows in one SQLite file of one user.

    Only one process can have it open. Every method is one transaction with `synchronous=FULL`:
    when it returns the data is on the disk, when it raises nothing has changed and the next call
    works. Raises StoreReadOnly, StoreFull, StoreCorrupt, StoreInUse, StoreTooNew, StoreClosed.
    """

    def __init__(self, file: StoreFile, client_id: str) -> None:
        """Use `LocalStore.open`."""
        self._file = file
        self._client_id = client_id

    @classmethod
    async def open(cls, path: str | Path, *, client_id: str | None = None) -> LocalStore:
        """Open or create a store; `client_id` is taken only by a new one."""
        if client_id is not None and not is_uuid7(client_id):
            raise FactError(f"client_id must be a UUIDv7, not {client_id[:64]!r}")
        file = await StoreFile.open(Path(path))
        try:
            async with file.write() as tx:
                known = await get_meta(tx, "client_id")
                if known is None:
                    known = client_id or uuid7()
                    await set_meta(tx, "client_id", known)
        except BaseException:
            await file.close()
            raise
        return cls(file, known)

    async def close(self) -> None:
        """Close the file; another process may open it then."""
        await self._file.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def path(self) -> Path:
        """The database file."""
        return self._file.path

    @property
    def client_id(self) -> str:
        """The id under which this device's facts are numbered."""
        return self._client_id

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[StoreTx]:
        """Open one transaction for writes that belong together."""
        async with self._file.write() as tx:
            yield tx

    # --- the log -----------------------------------------------------------------------------
    async def add(self, body: Body, now_ms: int) -> int:
        """Append a fact to the log and return its seq; raise `FactError` for a wrong body."""
        async with self._file.write() as tx:
            return await append_fact(tx, body, now_ms)

    async def set_diary(
        self, entry_id: str, walk_id: str | None, date: str, field: str, value: Any, now_ms: int
    ) -> int:
        """Set one field of a diary entry, stamped with the hybrid clock; return the seq."""
        async with self._file.write() as tx:
            stamp = await _next_stamp(tx, now_ms)
            body = DiarySet(entry_id, walk_id, date, field, value, stamp)
            return await append_fact(tx, body, now_ms)

    async def set_setting(self, field: str, value: Any, now_ms: int) -> int:
        """Set one setting of the user, stamped with the hybrid clock; return the seq."""
        async with self._file.write() as tx:
            stamp = await _next_stamp(tx, now_ms)
            return await append_fact(tx, SettingsSet(field, value, stamp), now_ms)

    async def log_state(self) -> LogState:
        """Return where log and pull stand."""
        async with self._file.write() as tx:
            rows = await tx.rows("SELECT key, value FROM meta")
            meta: dict[str, str] = {row[0]: row[1] for row in rows}
            return LogState(
                client_id=self._client_id,
                last_seq=await _last_seq(tx, self._client_id),
                acked_seq=int(meta.get("acked_seq", "0")),
                cursor=meta.get("cursor"),
                epoch=meta.get("epoch"),
                territory_version=int(meta.get("territory_version", "0")),
            )

    async def facts(self, after_seq: int = 0) -> list[LoggedFact]:
        """Return the facts after a seq with their results, in order."""
        async with self._file.write() as tx:
            rows = await tx.rows(
                "SELECT seq, type, payload, hash, created_ms, result FROM fact"
                " WHERE client_id = ? AND seq > ? ORDER BY seq",
                self._client_id,
                after_seq,
            )
        return [
            LoggedFact(
                Fact(*row[:4]),
                row[4],
                None if row[5] is None else msgspec.json.decode(row[5], type=FactResult),
            )
            for row in rows
        ]

    async def next_batch(
        self, max_facts: int = MAX_FACTS, max_bytes: int = MAX_PUSH_BYTES
    ) -> list[Fact]:
        """Return the first facts that the server has not acknowledged, as many as one push takes.

        At least one where there is any, so that a large fact never blocks the queue.
        """
        async with self._file.write() as tx:
            rows = await tx.rows(
                "SELECT seq, type, payload, hash FROM fact WHERE client_id = ? AND seq >"
                " COALESCE((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'acked_seq'), 0)"
                " ORDER BY seq LIMIT ?",
                self._client_id,
                max_facts,
            )
        batch: list[Fact] = []
        room = max_bytes - _PUSH_ENVELOPE_BYTES
        for row in rows:
            fact = Fact(*row)
            room -= len(msgspec.json.encode(fact)) + 1
            if batch and room < 0:
                break
            batch.append(fact)
        return batch

    async def record_results(self, last: int, results: list[FactResult], epoch: str) -> None:
        """Store what became of facts and that the server has all up to `last`."""
        async with self._file.write() as tx:
            await tx.execute_many(
                "UPDATE fact SET result = ? WHERE client_id = ? AND seq = ?",
                [
                    (msgspec.json.encode(result).decode(), self._client_id, result.seq)
                    for result in results
                ],
            )
            # Not further than the results: those behind, lost with a response, are asked again.
            acked = min(last, results[-1].seq) if results else last
            await set_meta(tx, "acked_seq", str(acked))
            await replica.meet_epoch(tx, epoch)

    async def rewind(self, last: int) -> None:
        """Believe the server that it has facts up to `last` only; the rest is pushed again."""
        async with self._file.write() as tx:
            await set_meta(tx, "acked_seq", str(last))

    async def adopt_client_id(self, client_id: str) -> int:
        """Take a new client id: facts without acknowledgement get new numbers; return how many.

        Acknowledged facts stay in the file under the old id; they are the server's already.
        """
        async with self._file.write() as tx:
            acked = int(await get_meta(tx, "acked_seq") or "0")
            moved = await tx.execute(
                "UPDATE fact SET client_id = ?, seq = seq - ?, result = NULL"
                " WHERE client_id = ? AND seq > ?",
                client_id,
                acked,
                self._client_id,
                acked,
            )
            await set_meta(tx, "client_id", client_id)
            await set_meta(tx, "acked_seq", "0")
        self._client_id = client_id
        return moved

    # --- pulled rows -------------------------------------------------------------------------
    async def apply_page(self, page: PullAnswer, now_ms: int) -> None:
        """Store one page of a pull together with its cursor."""
        async with self._file.write() as tx:
            await replica.apply_page(tx, page, now_ms)

    async def begin_resync(self) -> None:
        """Forget the cursor; rows that the next full pull does not bring again go with its end."""
        async with self._file.write() as tx:
            await replica.begin_round(tx)

    async def checksums(self) -> dict[str, CollectionChecksum]:
        """Return count and checksum of the live rows of each collection that has any."""
        async with self._file.write() as tx:
            return await replica.checksums(tx)

    async def rows(self, collection: str) -> dict[str, Any]:
        """Return the pulled documents of a collection by id."""
        async with self._file.write() as tx:
            found = await tx.rows(
                "SELECT id, doc FROM pulled WHERE collection = ? ORDER BY id", collection
            )
        return {row[0]: msgspec.json.decode(row[1]) for row in found}

    async def predictions(self, walk_ids: list[str]) -> dict[str, WalkPrediction]:
        """Return what this device predicted for those of the walks that it recorded."""
        found: dict[str, WalkPrediction] = {}
        async with self._file.write() as tx:
            for walk_id in walk_ids:
                row = await tx.row(
                    "SELECT predicted_cells, predicted_m FROM walk"
                    " WHERE walk_id = ? AND predicted_cells IS NOT NULL",
                    walk_id,
                )
                if row is not None:
                    found[walk_id] = WalkPrediction(
                        tuple(msgspec.json.decode(row[0])), float(row[1])
                    )
        return found

    # --- what the client of the server keeps ----------------------------------------------------
    async def get_meta(self, key: str) -> str | None:
        """Return a kept value (tokens, names), or None."""
        async with self._file.write() as tx:
            return await get_meta(tx, key)

    async def set_meta(self, values: dict[str, str | None]) -> None:
        """Keep values; None removes one."""
        async with self._file.write() as tx:
            for key, value in values.items():
                await set_meta(tx, key, value)


# --- inside a transaction ------------------------------------------------------------------------
async def append_fact(tx: StoreTx, body: Body, now_ms: int) -> int:
    """Append a fact within a transaction and return its seq."""
    payload = encode_payload(body)
    client_id = await get_meta(tx, "client_id")
    assert client_id is not None, "an open store has a client id"
    seq = await _last_seq(tx, client_id) + 1
    await tx.execute(
        "INSERT INTO fact (client_id, seq, type, payload, hash, created_ms)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        client_id,
        seq,
        type_of(body),
        payload,
        fact_hash(type_of(body), payload),
        now_ms,
    )
    return seq


async def get_meta(tx: StoreTx, key: str) -> str | None:
    """Return a kept value within a transaction."""
    row = await tx.row("SELECT value FROM meta WHERE key = ?", key)
    return None if row is None else str(row[0])


async def set_meta(tx: StoreTx, key: str, value: str | None) -> None:
    """Keep or remove (None) a value within a transaction."""
    if value is None:
        await tx.execute("DELETE FROM meta WHERE key = ?", key)
    else:
        await tx.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", key, value)


async def _last_seq(tx: StoreTx, client_id: str) -> int:
    row = await tx.row("SELECT COALESCE(MAX(seq), 0) FROM fact WHERE client_id = ?", client_id)
    return int(row[0]) if row else 0


async def _next_stamp(tx: StoreTx, now_ms: int) -> str:
    seen = await get_meta(tx, "hlc")
    client_id = await get_meta(tx, "client_id")
    assert client_id is not None, "an open store has a client id"
    stamp = hlc.tick(None if seen is None else hlc.parse(seen), now_ms, client_id)
    await set_meta(tx, "hlc", str(stamp))
    return str(stamp)
