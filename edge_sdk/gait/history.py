"""A dog's gait sessions in the phone's own log: kept offline, synced like every other fact."""

from __future__ import annotations

import msgspec

from edge_sdk.gait.report import GaitReport
from edge_sdk.gait.trend import Session, Trend, trend
from edge_sdk.ids import uuid7
from edge_sdk.sync.facts import AnalysisAdd
from edge_sdk.sync.store import LocalStore


async def keep(
    store: LocalStore,
    dog_id: str,
    report: GaitReport,
    captured_at_ms: int,
    walk_id: str | None = None,
) -> str:
    """Append a report to the log and return its analysis id; it is on the disk when this returns.

    `captured_at_ms`: when the clip was filmed, UTC ms. Raises `StoreError` and `FactError`.
    """
    analysis_id = uuid7()
    body = AnalysisAdd(
        analysis_id=analysis_id,
        kind="gait",
        dog_id=dog_id,
        walk_id=walk_id,
        at_ms=captured_at_ms,
        result=msgspec.to_builtins(msgspec.structs.replace(report, analysis_id=analysis_id)),
    )
    await store.add(body, captured_at_ms)
    return analysis_id


async def sessions(store: LocalStore, dog_id: str) -> tuple[Session, ...]:
    """A dog's kept reports, oldest first; what another version wrote otherwise is left out."""
    found = []
    for logged in await store.facts():
        if logged.fact.type != "analysis.add":
            continue
        body = msgspec.json.decode(logged.fact.payload, type=AnalysisAdd)
        if body.kind != "gait" or body.dog_id != dog_id:
            continue
        try:
            report = msgspec.convert(body.result, GaitReport)
        except msgspec.ValidationError:
            continue
        found.append(Session(captured_at_ms=body.at_ms, report=report))
    return tuple(sorted(found, key=lambda session: session.captured_at_ms))


async def trend_of(store: LocalStore, dog_id: str) -> Trend:
    """The dog against its own baseline, over all sessions in the log."""
    return trend(await sessions(store, dog_id))
