"""Commands for the vet chat's knowledge: import, review, documents, search."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from daengdong.output import console, fail, print_json, print_table

if TYPE_CHECKING:
    from sync_server.ai.vet.knowledge.store import KnowledgeStore
    from sync_server.platform.settings import Settings

T = TypeVar("T")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
vet = typer.Typer(no_args_is_help=True, help="The vet chat and what it knows.")


@vet.command("import")
def vet_import(
    paths: Annotated[list[Path], typer.Argument(help="Files or folders: JSON, JSONL, .md, .pdf.")],
    source: Annotated[str, typer.Option(help="Who published it.")] = "",
    licence: Annotated[str, typer.Option(help="Under which licence or agreement.")] = "",
    json: Json = False,
) -> None:
    """Import consultations and papers as drafts; `vet review` decides what is searched."""
    from sync_server.ai.vet.knowledge.errors import ImportRefused
    from sync_server.ai.vet.knowledge.importer import import_paths

    def work(store: KnowledgeStore) -> Any:
        return import_paths(store, paths, source, licence, int(time.time() * 1000))

    try:
        report = _with_store(work, json)
    except ImportRefused as error:
        raise fail(error.code, str(error), json) from None
    whole = {
        "added": report.added,
        "known": report.known,
        "rejected": report.rejected,
        "passages_refused": report.passages_refused,
        "refused": [{"file": file, "reason": why} for file, why in report.refused],
    }
    if json:
        print_json(whole)
    else:
        console.print(
            f"{report.added} new as drafts ({report.rejected} of them rejected: no passage may be "
            f"cited), {report.known} known"
        )
        for why, count in sorted(report.passages_refused.items()):
            console.print(f"{count} passages are never cited: {why}")
        for _, reason in report.refused:
            console.print(f"refused: {reason}", markup=False)
    if report.refused and not report.added and not report.known:
        raise typer.Exit(1)


@vet.command("review")
def vet_review(
    doc_id: str,
    decision: Annotated[str, typer.Argument(help="accept or reject")],
    reason: Annotated[str, typer.Option(help="Why; kept with the document.")] = "",
    json: Json = False,
) -> None:
    """Accept an imported document into the search, or reject it (also later)."""
    from sync_server.ai.vet.knowledge.documents import Review

    states: dict[str, Review] = {"accept": "reviewed", "reject": "rejected"}
    if decision not in states:
        raise fail("invalid_decision", "the decision is accept or reject", json)
    _with_store(lambda store: store.review(doc_id, states[decision], reason), json)
    print_json({doc_id: states[decision]}) if json else console.print(f"{doc_id}: {decision}ed")


@vet.command("documents")
def vet_documents(
    review: Annotated[str, typer.Option(help="Only draft, reviewed or rejected ones.")] = "",
    json: Json = False,
) -> None:
    """List entries and imported documents with their state."""
    import msgspec

    rows = [
        row for row in _with_store(lambda store: store.documents(), json)
        if not review or row.review == review
    ]  # fmt: skip
    if json:
        print_json({"documents": msgspec.to_builtins(rows)})
        return
    columns = ("doc_id", "title", "review", "reason", "source", "licence", "chunks", "refused")
    print_table("documents", columns, [[getattr(row, name) for name in columns] for row in rows])


@vet.command("search")
def vet_search(
    question: str,
    language: Annotated[str, typer.Option(help="ko or en: of the passages.")] = "ko",
    limit: Annotated[int, typer.Option(help="How many passages.", min=1, max=20)] = 5,
    json: Json = False,
) -> None:
    """Search as the chat does: passages with scores, or nothing."""
    import msgspec

    from sync_server.ai.vet.knowledge.entries import KnowledgeInvalid
    from sync_server.ai.vet.knowledge.errors import KnowledgeError
    from sync_server.ai.vet.knowledge.knowledge_base import open_knowledge
    from sync_server.platform.clock import system_clock
    from sync_server.platform.llm.desks import Desks
    from sync_server.platform.settings import SettingsInvalid

    if language not in ("ko", "en"):
        raise fail("invalid_language", "the language is ko or en", json)
    settings = _settings(json)

    async def run() -> Any:
        base = await open_knowledge(settings, Desks(settings, system_clock).budget)
        try:
            return await base.search(question, "en" if language == "en" else "ko", limit)
        finally:
            await base.close()

    try:
        found = asyncio.run(run())
    except SettingsInvalid as error:
        raise fail("settings_invalid", str(error), json) from None
    except (KnowledgeError, KnowledgeInvalid) as error:
        raise fail(error.code, str(error), json) from None
    if json:
        print_json({"passages": msgspec.to_builtins(found)})
    elif not found:
        console.print("nothing found")
    else:
        rows = [
            [f"{one.score:.2f}", one.chunk_id, one.title, one.citation().snippet] for one in found
        ]
        print_table(question, ("score", "chunk", "title", "text"), rows)


def _settings(as_json: bool) -> Settings:
    from sync_server.platform.logs import configure_logs
    from sync_server.platform.settings import SettingsInvalid, load_settings

    try:
        settings = load_settings()
    except (SettingsInvalid, OSError) as error:
        raise fail("settings_invalid", str(error), as_json) from None
    configure_logs(settings.log_level)
    return settings


def _with_store(work: Callable[[KnowledgeStore], T], as_json: bool) -> T:
    """Run work on the index of the settings, brought in step with the entries first."""
    from sync_server.ai.vet.knowledge.errors import ImportRefused, KnowledgeError
    from sync_server.ai.vet.knowledge.store import KnowledgeStore

    store = KnowledgeStore(Path(_settings(as_json).knowledge_database))
    try:
        store.open()
        return work(store)
    except ImportRefused:
        raise
    except KnowledgeError as error:
        raise fail(error.code, str(error), as_json) from None
    finally:
        store.close()
