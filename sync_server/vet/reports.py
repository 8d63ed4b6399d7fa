"""Long reports as durable jobs: material handed over by reference, the text kept beside it.

Neither the AI role's store nor the engine's checkpoints hold a word of it: the job names two
objects, and who erases the job erases them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec
from litestar import Request

from sync_server.ai.vet.contract import Language, Memory, UserContext
from sync_server.ai.vet.report_contract import (
    MATERIAL_NAME,
    MAX_QUESTIONS,
    REPORT_NAME,
    Asked,
    Report,
    ReportMaterial,
)
from sync_server.jobs import service as jobs
from sync_server.platform.artifact_links import artifact_key
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx
from sync_server.platform.object_store import ObjectStoreFailed
from sync_server.platform.tokens import CurrentUser
from sync_server.vet import store
from sync_server.vet.dog_facts import day, gaps_of
from sync_server.vet.errors import VetRefused
from sync_server.vet.memory import Said, remember
from sync_server.vet.model import Conversation, Turn
from sync_server.vet.schemas import ReportBody, ReportResult
from sync_server.vet.turns import facts_of

JOB_TYPES: Final = ("VET_REPORT",)
FILES: Final = (MATERIAL_NAME, REPORT_NAME)


async def begin(
    platform: Platform,
    user: CurrentUser,
    request: Request[Any, Any, Any],
    data: ReportBody,
    language: Language,
) -> str:
    """Make a report job and return its id.

    Raises VetRefused INVALID_INPUT (neither dog nor conversation), CONVERSATION_NOT_FOUND,
    DOG_NOT_FOUND, and what `jobs.begin` raises.
    """
    if data.conversation_id is None and data.dog_id is None:
        raise VetRefused("INVALID_INPUT", details={"field": "conversation_id"})
    job_id = jobs.new_job_id(platform.clock())
    conversation_no: int | None = None

    async def build(tx: Tx, now_ms: int) -> jobs.NewJob:
        nonlocal conversation_no
        material, held = await _material(platform, tx, user.user_no, data, language)
        conversation_no = None if held is None else held.conversation_no
        key = artifact_key(job_id, MATERIAL_NAME)
        await platform.objects.put(key, msgspec.json.encode(material))
        url = jobs.artifacts.signed_url(
            platform, job_id, MATERIAL_NAME, jobs.artifacts.INPUT_LINK_MS
        )
        dog_id = data.dog_id or (None if held is None else held.dog_id)
        return jobs.NewJob(
            job_type="VET_REPORT", user_id=user.user_id, job_id=job_id, dog_id=dog_id,
            document_url=url, language=language,
        )  # fmt: skip

    async def after(tx: Tx, job: jobs.Job) -> None:
        await tx.execute(
            "INSERT INTO vet_report (job_id, user_no, conversation_no, created_ms) "
            "VALUES (?, ?, ?, ?)",
            job.job_id, user.user_no, conversation_no, job.created_ms,
        )  # fmt: skip

    made = None
    try:
        made = await jobs.begin(platform, user, request, build, after)
    finally:
        if made != job_id:  # Refused, or the same request came before.
            await _delete(platform, job_id, FILES)
    return made


async def _material(
    platform: Platform, tx: Tx, user_no: int, data: ReportBody, language: Language
) -> tuple[ReportMaterial, Conversation | None]:
    held, turns = None, list[Turn]()
    if data.conversation_id is not None:
        held = await store.conversation(tx, user_no, data.conversation_id)
        if held is None:
            raise VetRefused("CONVERSATION_NOT_FOUND")
        first_no = max(0, held.turns - MAX_QUESTIONS)
        turns = await store.turns_between(tx, held.conversation_no, first_no, held.turns)
    dog_id = data.dog_id or (None if held is None else held.dog_id)
    facts = await facts_of(platform, tx, user_no, dog_id, language)
    if facts is None and data.dog_id is not None:
        raise VetRefused("DOG_NOT_FOUND", details={"field": "dog_id"})
    said = _last_context(turns)
    memory = Memory() if held is None else _remembered(held, turns, language)
    return (
        ReportMaterial(
            language=language,
            asked=[Asked(day(turn.created_ms), turn.user_text) for turn in turns],
            memory=memory,
            user_context=gaps_of(said, facts),
            dog=facts,
        ),
        held,
    )


def _remembered(held: Conversation, turns: Sequence[Turn], language: Language) -> Memory:
    """What is known of the whole conversation, its last turns included."""
    new = [
        Said(day(turn.created_ms), turn.user_text)
        for turn in turns
        if turn.turn_no > held.folded_no
    ]
    summary, facts = remember(held.summary, held.facts, new, language)
    return Memory(summary, [fact.text for fact in facts])


def _last_context(turns: Sequence[Turn]) -> UserContext:
    return next(
        (turn.user_context for turn in reversed(turns) if turn.user_context != UserContext()),
        UserContext(),
    )


async def result(platform: Platform, tx: Tx, job: jobs.Job, language: Language) -> ReportResult:
    """Return a finished report; JobRefused as `jobs.finished`."""
    told = jobs.finished(job, language)
    data = await platform.objects.get(artifact_key(job.job_id, REPORT_NAME))
    try:
        report = msgspec.json.decode(data or b"", type=Report)
    except msgspec.DecodeError:
        raise jobs.JobRefused("RESULT_NOT_AVAILABLE") from None
    conversation_id = await tx.fetch_value(
        """SELECT c.conversation_id FROM vet_report r
           JOIN vet_conversation c ON c.conversation_no = r.conversation_no
           WHERE r.job_id = ? AND r.user_no = ?""",
        job.job_id, job.user_no,
    )  # fmt: skip
    return ReportResult(
        job.job_id, job.analysis_id, str(told.get("analyze_at") or ""), conversation_id,
        job.dog_id, report.sections, report.disclaimer, job.model_version or report.model_used,
    )  # fmt: skip


async def job_ended(platform: Platform, tx: Tx, job: jobs.Job, now_ms: int) -> None:
    """Delete the material of a job that has ended; the report stays as long as the job."""

    def clear() -> None:
        platform.tasks.start(_delete(platform, job.job_id, (MATERIAL_NAME,)), "vet material")

    tx.after_commit(clear)


async def _delete(platform: Platform, job_id: str, names: Sequence[str]) -> None:
    # What a fault leaves goes with the job, or is swept as an orphan of it.
    with suppress(ObjectStoreFailed):
        for name in names:
            await platform.objects.delete(artifact_key(job_id, name))
