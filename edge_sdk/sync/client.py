"""Push, pull and what they find out: the phone's half of docs/sync-protocol.md."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from random import random as system_random
from typing import Final

import msgspec

from edge_sdk.errors import ChecksumMismatch, ProtocolViolation, ServerUnavailable, Unreachable
from edge_sdk.ids import uuid7
from edge_sdk.sync.backoff import RetryPolicy
from edge_sdk.sync.facts import MAX_FACTS, MAX_PUSH_BYTES, Fact
from edge_sdk.sync.messages import (
    FactResult,
    PullAnswer,
    PushAnswer,
    PushRequest,
    Tokens,
    WalkDoc,
)
from edge_sdk.sync.session import Clock, Problem, Session, Sleep, system_clock
from edge_sdk.sync.store import LocalStore
from edge_sdk.sync.transport import Transport

PAGE_ROWS: Final = 500
_HEALS: Final = 8
"""Most repairs (rewind, new client id, registration) within one push before giving up."""
_PAGES: Final = 100_000


class PushReport(msgspec.Struct, frozen=True):
    """What a push did; `refused` are results too, they are not sent again."""

    sent: int = 0
    applied: int = 0
    refused: tuple[FactResult, ...] = ()
    rewound: bool = False
    new_client_id: bool = False


class WalkCorrection(msgspec.Struct, frozen=True):
    """A walk of this device: what it predicted and what the server decided.

    `missing` were predicted and not given, `extra` given and not predicted (hex cells).
    """

    walk_id: str
    predicted_cells: int
    decided_cells: int
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    predicted_distance_m: float
    decided_distance_m: float
    counts_for_board: bool
    reasons: tuple[str, ...]


class PullReport(msgspec.Struct, frozen=True):
    """What a pull brought: changed and deleted rows by collection, corrected predictions."""

    changed: dict[str, int] = {}
    deleted: dict[str, int] = {}
    corrections: tuple[WalkCorrection, ...] = ()
    resynced: bool = False
    territory_version: int = 0
    server_last_seq: int | None = None


class SyncReport(msgspec.Struct, frozen=True):
    """A push followed by a pull."""

    push: PushReport
    pull: PullReport

    @property
    def corrections(self) -> tuple[WalkCorrection, ...]:
        """Predictions that the server has decided on in this sync."""
        return self.pull.corrections


class SyncClient:
    """Brings a store and the server together; one call at a time, each can be repeated at will.

    Raises Unreachable, ServerUnavailable, SignInNeeded, RequestRefused, ProtocolViolation,
    ChecksumMismatch and the errors of the store. Whatever it raises, the log is complete and the
    next call goes on where this one ended.
    """

    def __init__(
        self,
        store: LocalStore,
        transport: Transport,
        *,
        policy: RetryPolicy | None = None,
        clock: Clock = system_clock,
        sleep: Sleep = asyncio.sleep,
        random: Callable[[], float] = system_random,
    ) -> None:
        """Sync `store` over `transport`; clock, sleep and random are for tests."""
        self._store = store
        self._policy = policy or RetryPolicy()
        self._random = random
        self.session = Session(
            store, transport, policy=self._policy, clock=clock, sleep=sleep, random=random
        )
        self._turn = asyncio.Lock()

    async def sign_in_guest(self, device_name: str) -> str:
        """Make a guest account for this device, or go on with the one it has; return the user."""
        return await self.session.sign_in_guest(device_name)

    async def keep_tokens(self, tokens: Tokens, device_name: str) -> None:
        """Go on with the tokens of a sign-in that the app made by itself (Kakao)."""
        await self.session.keep_tokens(tokens, device_name)

    async def push(self) -> PushReport:
        """Send all facts that the server has not acknowledged, in order."""
        async with self._turn:
            return await self._push()

    async def pull(self) -> PullReport:
        """Fetch what changed on the server, page by page, and compare checksums at the end."""
        async with self._turn:
            return await self._pull()

    async def sync(self) -> SyncReport:
        """Push, then pull; push again where the pull shows that the server lost facts."""
        async with self._turn:
            pushed = await self._push()
            pulled = await self._pull()
            if await self._server_lost_or_gained(pulled.server_last_seq):
                again = await self._push()
                pushed = PushReport(
                    sent=pushed.sent + again.sent,
                    applied=pushed.applied + again.applied,
                    refused=(*pushed.refused, *again.refused),
                    rewound=True,
                    new_client_id=pushed.new_client_id or again.new_client_id,
                )
                second = await self._pull()
                pulled = msgspec.structs.replace(
                    second,
                    changed=_added(pulled.changed, second.changed),
                    deleted=_added(pulled.deleted, second.deleted),
                    corrections=_latest(pulled.corrections, second.corrections),
                    resynced=pulled.resynced or second.resynced,
                )
            return SyncReport(pushed, pulled)

    async def follow(self) -> AsyncIterator[PullReport]:
        """Pull whenever the server says so, for ever; reconnects with back-off."""
        failures = 0
        while True:
            try:
                async for name in self.session.events("/api/sync/events"):
                    if name == "pull":
                        yield await self.pull()
                        failures = 0
            except (Unreachable, ServerUnavailable):
                failures += 1
            await self.session.sleep(self._policy.wait_s(min(failures, 16), None, self._random))

    # --- push ------------------------------------------------------------------------------------
    async def _push(self) -> PushReport:
        sent = applied = heals = 0
        refused: list[FactResult] = []
        rewound = new_client_id = False
        most_facts, most_bytes = MAX_FACTS, MAX_PUSH_BYTES
        while batch := await self._store.next_batch(most_facts, most_bytes):
            try:
                answer = await self._send(batch)
            except Problem as problem:
                heals += 1
                if heals > _HEALS:
                    raise ProtocolViolation(f"push does not get on: {problem}") from problem
                if problem.code in ("seq_reused", "too_large") or problem.status == 413:
                    if len(batch) > 1:
                        # Smaller and smaller pushes end at the very fact; halving is no repair.
                        most_facts, heals = len(batch) // 2, heals - 1
                    elif problem.code == "seq_reused":
                        await self._become_another_client()
                        new_client_id, most_facts = True, MAX_FACTS
                    else:
                        raise problem.refused() from None
                elif problem.code == "gap" and problem.last is not None:
                    await self._rewind(problem.last, batch[0].seq)
                    rewound = True
                elif problem.code == "unknown_client":
                    await self.session.register_client(self._store.client_id)
                else:
                    raise problem.refused() from None
                continue
            results = _checked(answer, batch)
            await self._store.record_results(answer.last, results, answer.epoch)
            sent += len(batch)
            applied += sum(result.status == "applied" for result in results)
            refused += [result for result in results if result.status == "refused"]
        return PushReport(sent, applied, tuple(refused), rewound, new_client_id)

    async def _send(self, batch: list[Fact]) -> PushAnswer:
        body = msgspec.json.encode(PushRequest(self._store.client_id, batch))
        return await self.session.ask("POST", "/api/sync/push", PushAnswer, body=body)

    async def _rewind(self, last: int, first_sent: int) -> None:
        if not 0 <= last < first_sent - 1:
            raise ProtocolViolation(f"gap with last {last} for a push from {first_sent}")
        await self._store.rewind(last)

    async def _become_another_client(self) -> None:
        """This store is a copy of another phone's: go on under an id of its own."""
        client_id = uuid7(self.session.clock())
        # First known to the server, then written: a crash in between leaves an unused id there.
        await self.session.register_client(client_id)
        await self._store.adopt_client_id(client_id)

    async def _server_lost_or_gained(self, server_last: int | None) -> bool:
        """Repair what a pull shows about our log; say whether there is something to push now."""
        state = await self._store.log_state()
        if server_last is None:
            if state.last_seq == 0:
                return False
            # The server was restored to before this device came: it knows none of its facts.
            await self.session.register_client(state.client_id)
            await self._store.rewind(0)
            return True
        if server_last > state.last_seq:
            # A copy of this store has written on under our id, or ours is an old backup.
            await self._become_another_client()
            return (await self._store.log_state()).last_seq > 0
        if server_last < state.acked_seq:
            await self._store.rewind(server_last)
            return True
        return False

    # --- pull ------------------------------------------------------------------------------------
    async def _pull(self) -> PullReport:
        resynced = False
        for _ in range(3):
            report = await self._pull_all()
            if report is not None:
                return msgspec.structs.replace(report, resynced=resynced)
            if resynced:
                break
            resynced = True
            await self._store.begin_resync()
        raise ChecksumMismatch(
            "the rows pulled differ from the server's after pulling all anew: report it"
        )

    async def _pull_all(self) -> PullReport | None:
        """Pull until there is no more; None where the checksums differ or the cursor is void."""
        changed: dict[str, int] = {}
        deleted: dict[str, int] = {}
        walks: dict[str, str] = {}
        for _ in range(_PAGES):
            state = await self._store.log_state()
            query = {"limit": str(PAGE_ROWS)}
            if state.cursor is not None:
                query["cursor"] = state.cursor
            try:
                page = await self.session.ask("GET", "/api/sync/pull", PullAnswer, query=query)
            except Problem as problem:
                if problem.status == 410 and state.cursor is not None:
                    return None
                raise problem.refused() from None
            if state.cursor is not None and state.epoch not in (None, page.epoch):
                return None
            if page.more and page.cursor == state.cursor:
                raise ProtocolViolation("pull: there is more, but the cursor stands still")
            await self._store.apply_page(page, self.session.clock())
            for collection, rows in page.changes.items():
                gone = sum(row.deleted for row in rows)
                deleted[collection] = deleted.get(collection, 0) + gone
                changed[collection] = changed.get(collection, 0) + len(rows) - gone
                if collection == "walks":
                    walks |= {row.id: row.doc for row in rows if row.doc and not row.deleted}
            if not page.more:
                break
        else:
            raise ProtocolViolation("pull does not end")
        if page.checksums is not None:
            mine = await self._store.checksums()
            theirs = {name: value for name, value in page.checksums.items() if value.count}
            if mine != theirs:
                return None
        return PullReport(
            changed={name: count for name, count in changed.items() if count},
            deleted={name: count for name, count in deleted.items() if count},
            corrections=await self._corrections(walks),
            territory_version=page.territory_version,
            server_last_seq=page.clients.get(self._store.client_id),
        )

    async def _corrections(self, walks: dict[str, str]) -> tuple[WalkCorrection, ...]:
        found: list[WalkCorrection] = []
        predictions = await self._store.predictions(list(walks))
        for walk_id, prediction in predictions.items():
            try:
                doc = msgspec.json.decode(walks[walk_id], type=WalkDoc)
            except msgspec.DecodeError as error:
                raise ProtocolViolation(f"walk {walk_id}: {error}") from None
            if doc.state == "open" or doc.counts_for_board is None:
                continue
            predicted, decided = set(prediction.cells), set(doc.captured or [])
            found.append(
                WalkCorrection(
                    walk_id=walk_id,
                    predicted_cells=len(predicted),
                    decided_cells=len(decided),
                    missing=tuple(sorted(predicted - decided)),
                    extra=tuple(sorted(decided - predicted)),
                    predicted_distance_m=prediction.distance_m,
                    decided_distance_m=doc.distance_m or 0.0,
                    counts_for_board=doc.counts_for_board,
                    reasons=tuple(doc.reasons),
                )
            )
        return tuple(found)


def _checked(answer: PushAnswer, batch: list[Fact]) -> list[FactResult]:
    """Return the results of a push that makes sense for what was sent."""
    seqs = [result.seq for result in answer.results]
    if seqs != [fact.seq for fact in batch[: len(seqs)]] or not seqs or answer.last < seqs[-1]:
        raise ProtocolViolation(
            f"push of {batch[0].seq}-{batch[-1].seq}: results of {seqs[:1]}-{seqs[-1:]},"
            f" last {answer.last}"
        )
    # `last` may be past this batch where a response was lost; what was not answered is asked.
    return answer.results


def _added(first: dict[str, int], second: dict[str, int]) -> dict[str, int]:
    return {name: first.get(name, 0) + second.get(name, 0) for name in (*first, *second)}


def _latest(
    first: tuple[WalkCorrection, ...], second: tuple[WalkCorrection, ...]
) -> tuple[WalkCorrection, ...]:
    return tuple({item.walk_id: item for item in (*first, *second)}.values())
