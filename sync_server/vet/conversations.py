"""Conversations read and erased by their owner, exported with the account, swept after a year."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec
import structlog

from sync_server.jobs import service as jobs
from sync_server.media import service as media
from sync_server.platform.artifact_links import artifact_key
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx
from sync_server.platform.errors import not_found
from sync_server.platform.object_store import ObjectStoreFailed
from sync_server.vet import limits, store
from sync_server.vet.answering import Answering, stop_conversation
from sync_server.vet.model import Conversation, Turn
from sync_server.vet.reports import FILES
from sync_server.vet.schemas import (
    ConversationDoc,
    ConversationList,
    ConversationRead,
    MemoryDoc,
    TurnDoc,
)

log = structlog.get_logger(__name__)
_BATCH: Final = 20
_DAY_MS: Final = 86_400_000


async def listed(tx: Tx, user_no: int, before_ms: int | None, limit: int) -> ConversationList:
    """Return a page of a user's conversations, last used first."""
    found = await store.list_conversations(tx, user_no, before_ms, limit)
    more = found[-1].updated_ms if len(found) == limit else None
    return ConversationList([_document(each) for each in found], more)


async def read(
    tx: Tx, user_no: int, conversation_id: str, after: int, limit: int
) -> ConversationRead:
    """Return a conversation and a page of its turns; Problem not_found for any other id."""
    held = await store.conversation(tx, user_no, conversation_id)
    if held is None:
        raise not_found()
    turns = await store.turns_between(tx, held.conversation_no, after, 2**31 - 1, limit)
    return ConversationRead(
        _document(held),
        MemoryDoc(held.summary, [fact.text for fact in held.facts]),
        [_turn(turn) for turn in turns],
        turns[-1].turn_no if len(turns) == limit else None,
    )


def _document(held: Conversation) -> ConversationDoc:
    return ConversationDoc(
        held.conversation_id, held.title, held.dog_id, held.turns, held.created_ms, held.updated_ms
    )


def _turn(turn: Turn) -> TurnDoc:
    return TurnDoc(
        turn.turn_id, turn.turn_no, turn.user_text, turn.image, turn.content, turn.state,
        turn.answer, None if turn.error is None else turn.error.code, turn.created_ms,
        turn.finished_ms,
    )  # fmt: skip


async def export(tx: Tx, user_no: int) -> list[dict[str, Any]]:
    """Return all of a user's conversations, for the export of the account."""
    found: list[dict[str, Any]] = []
    before_ms: int | None = None
    while True:
        page = await store.list_conversations(tx, user_no, before_ms, 200)
        for held in page:
            turns = await store.turns_between(tx, held.conversation_no, 0, 2**31 - 1, 100_000)
            read_all = ConversationRead(
                _document(held),
                MemoryDoc(held.summary, [fact.text for fact in held.facts]),
                [_turn(turn) for turn in turns],
                None,
            )
            brought = msgspec.to_builtins(held.brought)
            found.append({**msgspec.to_builtins(read_all), "brought": brought})
        if len(page) < 200:
            return found
        before_ms = page[-1].updated_ms


# --- erasure -------------------------------------------------------------------------------


async def delete(platform: Platform, user_no: int, conversation_id: str) -> None:
    """Erase a conversation: messages, memory, pictures shown only there, reports.

    An answer under way ends. Raises Problem not_found for any other id.
    """
    now_ms = platform.clock()
    async with platform.database.transaction() as tx:
        held = await store.conversation(tx, user_no, conversation_id, lock=True)
        if held is None:
            raise not_found()
        pictures, job_ids = await store.delete_conversation(tx, held.conversation_no)
        objects = await media.delete_pictures(tx, user_no, pictures, now_ms)
        objects += await _forget_reports(tx, user_no, job_ids, now_ms)
    stop_conversation(platform, held.conversation_no)
    await delete_objects(platform, objects)


async def _forget_reports(tx: Tx, user_no: int, job_ids: Iterable[str], now_ms: int) -> list[str]:
    objects: list[str] = []
    for job_id in job_ids:
        objects += await jobs.forget(tx, user_no, job_id, now_ms)
        objects += [artifact_key(job_id, name) for name in FILES]
    return objects


async def delete_objects(platform: Platform, keys: Iterable[str]) -> None:
    """Delete objects whose rows are gone; what fails is left for the sweepers of orphans."""
    failed = 0
    for key in keys:
        try:
            await platform.objects.delete(key)
        except ObjectStoreFailed:
            failed += 1
    if failed:
        log.warning("objects_left_for_sweeper", count=failed)


async def erase(tx: Tx, user_no: int, now_ms: int) -> list[str]:
    """Erase all conversations and reports of a user; the pictures are the media domain's."""
    rows = await tx.fetch_tuples("SELECT job_id FROM vet_report WHERE user_no = ?", user_no)
    objects = [artifact_key(row[0], name) for row in rows for name in FILES]
    for table in ("vet_turn", "vet_report", "vet_conversation"):
        await tx.execute(f"DELETE FROM {table} WHERE user_no = ?", user_no)
    return objects


async def stop_erased(platform: Platform) -> None:
    """End the answers of this process whose account was erased."""
    live = {each.turn.user_no for each in platform.texts.values() if isinstance(each, Answering)}
    if not live:
        return
    async with platform.database.read() as tx:
        clause, argument = tx.in_list("user_no", live)
        gone = {
            int(row[0])
            for row in await tx.fetch_tuples(
                f"SELECT user_no FROM app_user WHERE {clause} AND deleted_ms IS NOT NULL", argument
            )
        }
    for each in list(platform.texts.values()):
        if isinstance(each, Answering) and each.turn.user_no in gone:
            each.stop()


async def sweep(platform: Platform, now_ms: int) -> None:
    """Erase conversations not used for a year; end answers of accounts that are gone."""
    await stop_erased(platform)
    async with platform.database.read() as tx:
        old = await store.unused_since(tx, now_ms - limits.KEPT_MS, _BATCH)
    async with platform.database.transaction() as tx:
        await tx.execute(
            "DELETE FROM vet_report WHERE created_ms < ? AND NOT EXISTS "
            "(SELECT 1 FROM analysis_job j WHERE j.job_id = vet_report.job_id)",
            now_ms - _DAY_MS,
        )
    for user_no, conversation_id in old:
        await delete(platform, user_no, conversation_id)
