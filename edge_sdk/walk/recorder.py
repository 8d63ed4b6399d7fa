"""Recording a walk: every fix is on the disk before anything else happens to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, Self

import msgspec
import numpy as np

from edge_sdk.errors import FixInvalid, NoOpenWalk, UnknownWalk, WalkIsOpen, WalkTooLong
from edge_sdk.ids import uuid7
from edge_sdk.sync.facts import MAX_WALK_CHUNKS, Prediction, WalkCancel, WalkFinish, WalkStart
from edge_sdk.sync.hlc import MAX_AHEAD_MS
from edge_sdk.sync.messages import WalkDoc
from edge_sdk.sync.packed import MAX_FIXES, unpack
from edge_sdk.sync.store import LocalStore, append_fact
from edge_sdk.sync.store_file import StoreTx
from edge_sdk.walk import walk_table as table
from edge_sdk.walk.walk_table import Fix, FixRow, LocalWalk
from game_engine.capture import Dwell, capture, dwell_of_current
from game_engine.cells import to_hex
from game_engine.errors import UnknownRulesVersion
from game_engine.judge import judge
from game_engine.rules import CURRENT_RULES, Rules, rules_for
from game_engine.track import Drop, Fixes, clean
from game_engine.trust import TrustContext

_REPLAY_ROWS: Final = 10 * MAX_FIXES


class WalkProgress(msgspec.Struct, frozen=True):
    """What a walk has so far, computed by the rules of the game: a prediction.

    `dwell` is the cell of the last fix (None before the first), `drops` what does not count.
    """

    walk_id: str
    started_at_ms: int
    fixes: int
    distance_m: float
    moving_ms: int
    paused_ms: int
    mean_speed_mps: float
    cells: tuple[str, ...]
    dwell: Dwell | None
    drops: tuple[Drop, ...]


class WalkEnd(msgspec.Struct, frozen=True):
    """How a walk of this device ended and what it is predicted to earn."""

    walk_id: str
    ended_at_ms: int
    auto: bool
    chunks: int
    predicted_cells: tuple[str, ...]
    predicted_distance_m: float


class WalkRecorder:
    """Records the one open walk of this device into a store.

    The walk lives in the store, not in this object: a new recorder over the same store goes on
    where the last one was killed. All methods raise the errors of `LocalStore` too.
    """

    def __init__(self, store: LocalStore, rules: Rules | None = None) -> None:
        """Record into `store`; `rules` are those of new walks (default: the current ones)."""
        self._store = store
        self._rules = rules_for(CURRENT_RULES) if rules is None else rules
        self.auto_ended: WalkEnd | None = None
        """The walk that `resume` found without movement and ended."""
        # Decoded chunks never change; kept so that progress does not decode them each time.
        self._decoded: tuple[str, list[Fixes]] = ("", [])
        self._moved: tuple[str, int] = ("", 0)

    @classmethod
    async def resume(cls, store: LocalStore, now_ms: int, rules: Rules | None = None) -> Self:
        """Go on after a restart; a walk without movement for 30 minutes is ended (`auto_ended`)."""
        recorder = cls(store, rules)
        recorder.auto_ended = await recorder.tick(now_ms)
        return recorder

    async def current(self) -> LocalWalk | None:
        """Return the open walk of this device."""
        async with self._store.transaction() as tx:
            return await table.open_walk(tx)

    async def start(
        self,
        dog_ids: Iterable[str],
        now_ms: int,
        *,
        source: Literal["live", "gpx"] = "live",
        supersede: bool = False,
    ) -> str:
        """Begin a walk and return its id.

        An open walk that has stood still for 30 minutes is ended first; one that has not raises
        `WalkIsOpen`, or is finished now with `supersede=True`.
        """
        await self.tick(now_ms)
        walk = LocalWalk(
            walk_id=uuid7(now_ms),
            state="open",
            started_ms=now_ms,
            ended_ms=None,
            dog_ids=list(dog_ids),
            source=source,
            rules_version=self._rules.version,
            chunks=0,
            auto=False,
            predicted_m=None,
            predicted_cells=None,
        )
        fact = WalkStart(walk.walk_id, walk.dog_ids, now_ms, walk.rules_version, source)
        async with self._store.transaction() as tx:
            before = await table.open_walk(tx)
            if before is not None:
                if not supersede:
                    raise WalkIsOpen(before.walk_id, before.started_ms)
                await self._finish(tx, before, now_ms, now_ms, auto=False)
            await table.insert_walk(tx, walk)
            await append_fact(tx, fact, now_ms)
        return walk.walk_id

    async def add(self, fix: Fix) -> None:
        """Store one fix; raise `FixInvalid` for one that is not a place and a time."""
        await self._append([table.fix_row(fix)])

    async def add_many(self, fixes: Iterable[Fix]) -> None:
        """Store fixes; the sound ones are stored even where `FixInvalid` names broken ones."""
        rows: list[FixRow] = []
        broken: list[str] = []
        for place, fix in enumerate(fixes):
            try:
                rows.append(table.fix_row(fix))
            except FixInvalid as error:
                broken.append(f"fix {place}: {error}")
        await self._append(rows)
        if broken:
            raise FixInvalid("; ".join(broken[:5]) + f" ({len(broken)} of {place + 1})")

    async def replay(self, fixes: Fixes) -> None:
        """Store a recorded track (`read_gpx`)."""
        for start in range(0, len(fixes), _REPLAY_ROWS):
            await self._append(table.rows_of(fixes.take(slice(start, start + _REPLAY_ROWS))))

    async def seal(self) -> int:
        """Turn the buffered fixes into a fact now, so that they can be pushed; return their number.

        Does nothing (returns 0) once half of the chunks of a walk are used: the rest is kept for
        full ones.
        """
        async with self._store.transaction() as tx:
            walk = await self._open(tx)
            if walk.chunks >= MAX_WALK_CHUNKS // 2:
                return 0
            rows = await table.buffered(tx, walk.walk_id)
            await table.seal(tx, walk, rows)
            await table.clear_buffer(tx, walk.walk_id)
            return len(rows)

    async def tick(self, now_ms: int) -> WalkEnd | None:
        """End the walk where it has not moved for 30 minutes (it ends with its last movement).

        Also ends a walk that another device has finished, and drops one it has cancelled.
        """
        async with self._store.transaction() as tx:
            walk = await table.open_walk(tx)
            if walk is None:
                return None
            elsewhere = await _pulled_walk(tx, walk.walk_id)
            if elsewhere is not None and elsewhere.state == "cancelled":
                return await self._cancel(tx, walk, now_ms)
            closed = elsewhere is not None and elsewhere.state == "finished"
            if not closed and now_ms - self._known_movement(walk) < self._still_ms(walk):
                return None
            fixes = await self._all_fixes(tx, walk)
            moved_ms = self._last_movement(walk, fixes, now_ms)
            if not closed and now_ms - moved_ms < self._still_ms(walk):
                return None
            return await self._finish(tx, walk, moved_ms, now_ms, auto=True)

    async def finish(self, now_ms: int) -> WalkEnd:
        """End the walk: seal what is buffered and log the finish, in one transaction."""
        async with self._store.transaction() as tx:
            return await self._finish(tx, await self._open(tx), now_ms, now_ms, auto=False)

    async def cancel(self, now_ms: int) -> WalkEnd:
        """Give the walk up: it will not count."""
        async with self._store.transaction() as tx:
            return await self._cancel(tx, await self._open(tx), now_ms)

    async def progress(self) -> WalkProgress:
        """Compute distance, moving time, cells and dwell from all fixes so far."""
        async with self._store.transaction() as tx:
            walk = await self._open(tx)
            fixes = await self._all_fixes(tx, walk)
        rules = self._rules_of(walk)
        track = clean(fixes, rules)
        return WalkProgress(
            walk_id=walk.walk_id,
            started_at_ms=walk.started_ms,
            fixes=len(fixes),
            distance_m=track.distance_m,
            moving_ms=track.moving_ms,
            paused_ms=track.paused_ms,
            mean_speed_mps=track.mean_speed_mps,
            cells=tuple(to_hex(cell) for cell in capture(track, rules).cells.tolist()),
            dwell=dwell_of_current(track, rules),
            drops=track.drops,
        )

    async def track(self, walk_id: str) -> Fixes:
        """Return all fixes of a walk of this device; raise `UnknownWalk`."""
        async with self._store.transaction() as tx:
            walk = await table.find_walk(tx, walk_id)
            if walk is None:
                raise UnknownWalk(f"walk {walk_id} was not recorded by this device")
            chunks = await table.sealed_chunks(tx, walk_id, 0)
            rows = await table.buffered(tx, walk_id)
        return Fixes.concat([*(unpack(chunk) for chunk in chunks), table.columns_of(rows)])

    # --- walks of other devices ----------------------------------------------------------------
    async def other_open_walks(self) -> list[WalkDoc]:
        """Return the walks that the last pull shows open and this device has not closed."""
        async with self._store.transaction() as tx:
            rows = await tx.rows(
                "SELECT doc FROM pulled WHERE collection = 'walks'"
                " AND id NOT IN (SELECT walk_id FROM walk) ORDER BY id"
            )
        docs = [msgspec.json.decode(row[0], type=WalkDoc) for row in rows]
        return [doc for doc in docs if doc.state == "open"]

    async def finish_other(
        self, walk_id: str, now_ms: int, *, ended_at_ms: int | None = None
    ) -> None:
        """Finish an open walk of another device; raise `UnknownWalk`.

        The server keeps the latest end that any device claims, so the claim here is the earliest
        possible (its start) unless `ended_at_ms` says better: the other device may know more.
        """
        async with self._store.transaction() as tx:
            doc = await _other_walk(tx, walk_id)
            end_ms = doc.started_at_ms if ended_at_ms is None else ended_at_ms
            nothing = Prediction(0, 0.0)
            await append_fact(tx, WalkFinish(walk_id, end_ms, 0, False, nothing), now_ms)
            await table.close_foreign_walk(tx, walk_id, "finished", doc.started_at_ms, end_ms)

    async def cancel_other(self, walk_id: str, now_ms: int) -> None:
        """Cancel an open walk of another device; raise `UnknownWalk`."""
        async with self._store.transaction() as tx:
            doc = await _other_walk(tx, walk_id)
            await append_fact(tx, WalkCancel(walk_id, now_ms), now_ms)
            await table.close_foreign_walk(tx, walk_id, "cancelled", doc.started_at_ms, now_ms)

    # --- inside ----------------------------------------------------------------------------------
    async def _open(self, tx: StoreTx) -> LocalWalk:
        walk = await table.open_walk(tx)
        if walk is None:
            raise NoOpenWalk("no walk is open: call start() first")
        return walk

    async def _append(self, rows: list[FixRow]) -> None:
        async with self._store.transaction() as tx:
            walk = await self._open(tx)
            waiting = await tx.row("SELECT COUNT(*) FROM fix WHERE walk_id = ?", walk.walk_id)
            count = int(waiting[0]) if waiting else 0
            if count + len(rows) < MAX_FIXES:
                await table.buffer_rows(tx, walk.walk_id, rows)
                return
            rows = [*await table.buffered(tx, walk.walk_id), *rows]
            full = len(rows) - len(rows) % MAX_FIXES
            if walk.chunks + -(-len(rows) // MAX_FIXES) > MAX_WALK_CHUNKS:
                raise WalkTooLong(f"walk {walk.walk_id} is full: finish() it and start another")
            await table.seal(tx, walk, rows[:full])
            await table.clear_buffer(tx, walk.walk_id)
            await table.buffer_rows(tx, walk.walk_id, rows[full:])

    async def _all_fixes(self, tx: StoreTx, walk: LocalWalk) -> Fixes:
        known_id, known = self._decoded
        if known_id != walk.walk_id or len(known) > walk.chunks:
            known = []
        more = await table.sealed_chunks(tx, walk.walk_id, len(known))
        known = [*known, *(unpack(chunk) for chunk in more)]
        self._decoded = (walk.walk_id, known)
        return Fixes.concat([*known, table.columns_of(await table.buffered(tx, walk.walk_id))])

    async def _finish(
        self, tx: StoreTx, walk: LocalWalk, ended_at_ms: int, now_ms: int, *, auto: bool
    ) -> WalkEnd:
        fixes = await self._all_fixes(tx, walk)
        verdict = judge(fixes, TrustContext(), self._rules_of(walk))
        cells = verdict.captures.cells.tolist() if verdict.counts_for_board else []
        walk = await table.seal(tx, walk, await table.buffered(tx, walk.walk_id))
        await table.clear_buffer(tx, walk.walk_id)
        end = WalkEnd(
            walk_id=walk.walk_id,
            # A clock set back during the walk must not end it before it began.
            ended_at_ms=max(ended_at_ms, walk.started_ms),
            auto=auto,
            chunks=walk.chunks,
            predicted_cells=tuple(to_hex(cell) for cell in cells),
            predicted_distance_m=round(verdict.distance_m, 1),
        )
        predicted = Prediction(len(cells), end.predicted_distance_m)
        fact = WalkFinish(walk.walk_id, end.ended_at_ms, walk.chunks, auto, predicted)
        await append_fact(tx, fact, now_ms)
        await table.close_walk(
            tx,
            msgspec.structs.replace(
                walk,
                state="finished",
                ended_ms=end.ended_at_ms,
                auto=auto,
                predicted_m=end.predicted_distance_m,
                predicted_cells=list(end.predicted_cells),
            ),
        )
        return end

    async def _cancel(self, tx: StoreTx, walk: LocalWalk, now_ms: int) -> WalkEnd:
        await append_fact(tx, WalkCancel(walk.walk_id, now_ms), now_ms)
        await table.clear_buffer(tx, walk.walk_id)
        walk = msgspec.structs.replace(walk, state="cancelled", ended_ms=now_ms)
        await table.close_walk(tx, walk)
        return WalkEnd(walk.walk_id, now_ms, False, walk.chunks, (), 0.0)

    def _rules_of(self, walk: LocalWalk) -> Rules:
        if walk.rules_version == self._rules.version:
            return self._rules
        try:
            return rules_for(walk.rules_version)
        except UnknownRulesVersion:
            # An older app over a newer store: a prediction by other rules beats a locked user.
            return self._rules

    def _still_ms(self, walk: LocalWalk) -> int:
        return self._rules_of(walk).auto_end_still_ms

    def _known_movement(self, walk: LocalWalk) -> int:
        walk_id, moved_ms = self._moved
        return moved_ms if walk_id == walk.walk_id else walk.started_ms

    def _last_movement(self, walk: LocalWalk, fixes: Fixes, now_ms: int) -> int:
        """Return when the walk last moved; a fix from the future says nothing about that."""
        track = clean(fixes.take(fixes.t_ms <= now_ms + MAX_AHEAD_MS), self._rules_of(walk))
        moved = np.flatnonzero(track.moving)
        moved_ms = walk.started_ms
        if len(moved):
            moved_ms = max(moved_ms, int(track.fixes.t_ms[moved[-1] + 1]))
        self._moved = (walk.walk_id, moved_ms)
        return moved_ms


async def _pulled_walk(tx: StoreTx, walk_id: str) -> WalkDoc | None:
    row = await tx.row("SELECT doc FROM pulled WHERE collection = 'walks' AND id = ?", walk_id)
    return None if row is None else msgspec.json.decode(row[0], type=WalkDoc)


async def _other_walk(tx: StoreTx, walk_id: str) -> WalkDoc:
    doc = await _pulled_walk(tx, walk_id)
    mine = await tx.row("SELECT 1 FROM walk WHERE walk_id = ?", walk_id)
    if doc is None or doc.state != "open" or mine is not None:
        raise UnknownWalk(f"no open walk {walk_id} of another device is known: pull first")
    return doc
