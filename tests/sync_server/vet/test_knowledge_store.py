"""The index: kept in step with its entries, whole after every failure, shared by processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sync_server.ai.vet.contract import Language
from sync_server.ai.vet.knowledge.documents import Document, document_of
from sync_server.ai.vet.knowledge.entries import KnowledgeInvalid, load_entries
from sync_server.ai.vet.knowledge.errors import (
    DocumentUnknown,
    IndexBroken,
    IndexNewer,
    IndexUnwritable,
)
from sync_server.ai.vet.knowledge.importer import document_of_paper
from sync_server.ai.vet.knowledge.index_file import SCHEMA_VERSION
from sync_server.ai.vet.knowledge.knowledge_base import REFUSED, KnowledgeBase
from sync_server.ai.vet.knowledge.readers import Paper, Section
from sync_server.ai.vet.knowledge.search import WEIGHTS
from sync_server.ai.vet.knowledge.store import KnowledgeStore, UnitChunk
from sync_server.ai.vet.knowledge.tokens import tokens
from tests.support.knowledge import HICCUPS, SIX, SNORING, entry, write_entries

pytestmark = pytest.mark.anyio


def documents(folder: Path) -> list[Document]:
    return [document_of(one) for one in load_entries(folder)]


def opened(path: Path) -> KnowledgeStore:
    store = KnowledgeStore(path)
    store.open()
    return store


def is_whole(path: Path) -> bool:
    """Whether the file is sound, and words and rows of it agree."""
    with sqlite3.connect(path) as read:
        sound = read.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        read.execute("INSERT INTO heads (heads) VALUES ('integrity-check')")
        read.execute("INSERT INTO bodies (bodies) VALUES ('integrity-check')")
        reviewed = read.execute(
            "SELECT unit FROM units JOIN documents USING (doc_id) WHERE review = 'reviewed' "
            "ORDER BY unit"
        ).fetchall()
        heads = read.execute("SELECT rowid FROM heads ORDER BY rowid").fetchall()
        bodies = read.execute("SELECT rowid FROM bodies ORDER BY rowid").fetchall()
    read.close()
    return sound and reviewed == heads == bodies


def found(store: KnowledgeStore, question: str) -> set[str]:
    units = dict(store.units())
    hits = store.words(tokens(question).different(), WEIGHTS, 10, 40)
    return {units[unit] for unit, _ in hits.units}


# Entries -----------------------------------------------------------------------------------------


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    folder = write_entries(tmp_path / "entries", *SIX)
    store = opened(tmp_path / "k.sqlite")
    assert store.sync_entries(documents(folder), {}, "") == len(SIX)
    before = dict(store.units())
    assert store.sync_entries(documents(folder), {}, "") == 0
    write_entries(folder, entry("hiccups", "딸꾹질과 트림", "hiccups and burps"))
    assert [one.doc_id for one in store.stale(documents(folder))] == ["hiccups"]
    assert store.sync_entries(documents(folder), {}, "") == 1
    kept = {unit: doc for unit, doc in before.items() if doc != "hiccups"}
    assert kept.items() <= dict(store.units()).items()
    assert found(store, "트림") == {"hiccups"}
    store.close()
    assert is_whole(tmp_path / "k.sqlite")


def test_an_entry_that_is_gone_is_found_no_more(tmp_path: Path) -> None:
    folder = write_entries(tmp_path / "entries", *SIX)
    store = opened(tmp_path / "k.sqlite")
    store.sync_entries(documents(folder), {}, "")
    (folder / "hiccups.json").unlink()
    store.sync_entries(documents(folder), {}, "")
    assert found(store, "딸꾹질") == set()
    assert store.counts()["documents"] == len(SIX) - 1
    store.close()
    assert is_whole(tmp_path / "k.sqlite")


async def test_edits_while_running_are_taken_over(tmp_path: Path) -> None:
    clock = [0.0]
    folder = write_entries(tmp_path / "entries", *SIX)
    base = KnowledgeBase(tmp_path / "k.sqlite", folder, monotonic=lambda: clock[0])
    await base.open()
    assert await base.search("코막힘", "ko") == []
    write_entries(folder, entry("stuffy", "코막힘", "stuffy nose"))
    assert await base.search("코막힘", "ko") == []  # within the second the folder is not looked at
    clock[0] += 2
    assert (await base.search("코막힘", "ko"))[0].doc_id == "stuffy"
    await base.close()


async def test_a_broken_edit_changes_nothing_and_is_told(tmp_path: Path) -> None:
    clock = [0.0]
    folder = write_entries(tmp_path / "entries", *SIX)
    base = KnowledgeBase(tmp_path / "k.sqlite", folder, monotonic=lambda: clock[0])
    await base.open()
    before = REFUSED._value.get()
    (folder / "snoring.json").write_text('{"id": "snoring"', "utf-8")
    clock[0] += 2
    assert (await base.search("코골이", "ko"))[0].doc_id == "snoring"
    assert REFUSED._value.get() == before + 1
    write_entries(folder, SNORING)
    clock[0] += 2
    assert (await base.search("코골이", "ko"))[0].doc_id == "snoring"
    await base.close()


async def test_a_broken_folder_is_refused_at_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "entries"
    folder.mkdir()
    (folder / "one.json").write_text("[]")
    base = KnowledgeBase(tmp_path / "k.sqlite", folder)
    with pytest.raises(KnowledgeInvalid):
        await base.open()
    await base.close()


async def test_what_is_replaced_between_finding_and_reading_is_read_as_it_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_entries(tmp_path / "entries", *SIX)
    base = KnowledgeBase(tmp_path / "k.sqlite", folder)
    await base.open()
    other = opened(tmp_path / "k.sqlite")
    read, edits = base.store.chunks_of, iter(["새"])

    def edited_before(units: Sequence[int], language: Language) -> list[UnitChunk]:
        for word in edits:
            write_entries(folder, entry("hiccups", f"{word} 딸꾹질", "hiccups"))
            other.sync_entries(documents(folder), {}, "")
        return read(units, language)

    (before, *_) = await base.search("딸꾹질", "ko")
    monkeypatch.setattr(base.store, "chunks_of", edited_before)
    (beside, *_) = await base.search("딸꾹질", "ko")
    assert beside.title == before.title
    (after, *_) = await base.search("딸꾹질", "ko")
    assert after.title == "새 딸꾹질"


async def test_searches_beside_an_edit_see_the_old_or_the_new(tmp_path: Path) -> None:
    folder = write_entries(tmp_path / "entries", *SIX)
    base = KnowledgeBase(tmp_path / "k.sqlite", folder)
    await base.open()
    other = opened(tmp_path / "k.sqlite")

    async def ask() -> Sequence[object]:
        return await base.search("딸꾹질", "ko")

    for turn in range(10):
        write_entries(folder, entry("hiccups", f"딸꾹질 {turn}편", "hiccups"))
        _, *answers = await asyncio.gather(
            asyncio.to_thread(other.sync_entries, documents(folder), {}, ""),
            *(ask() for _ in range(8)),
        )
        assert all(len(one) >= 1 for one in answers)
    other.close()
    await base.close()
    assert is_whole(tmp_path / "k.sqlite")


# The file ----------------------------------------------------------------------------------------


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "k.sqlite"
    path.write_bytes(b"this is no database, but long enough to look at" * 100)
    store = KnowledgeStore(path)
    with pytest.raises(IndexBroken, match="move it away"):
        store.open()
    store.close()


def test_a_file_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "k.sqlite"
    opened(path).close()
    with sqlite3.connect(path) as write:
        write.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    write.close()
    store = KnowledgeStore(path)
    with pytest.raises(IndexNewer):
        store.open()
    store.close()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = KnowledgeStore(tmp_path / "file" / "k.sqlite")
    with pytest.raises(IndexUnwritable):
        store.open()
    store.close()


def test_words_are_made_anew_by_a_program_with_other_tokens(tmp_path: Path) -> None:
    path = tmp_path / "k.sqlite"
    store = opened(path)
    store.sync_entries(documents(write_entries(tmp_path / "entries", *SIX)), {}, "")
    store.close()
    with sqlite3.connect(path) as write:
        write.execute("UPDATE meta SET value = 'older' WHERE name = 'tokens'")
        write.execute("DELETE FROM heads")
        write.execute("DELETE FROM bodies")
    write.close()
    again = opened(path)
    assert found(again, "딸꾹질") == {"hiccups"}
    again.close()
    assert is_whole(path)


def test_a_full_disk_leaves_the_index_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "k.sqlite"
    store = opened(path)
    store.sync_entries(documents(write_entries(tmp_path / "entries", *SIX)), {}, "")
    pages = store._file.rows("PRAGMA page_count")[0][0]
    store._file.rows(f"PRAGMA max_page_count = {pages + 4}")
    many = write_entries(
        tmp_path / "many", *(entry(f"e{n}", f"증상 {n}", f"sign {n}") for n in range(80))
    )
    with pytest.raises(IndexUnwritable, match="SQLITE_FULL"):
        store.sync_entries(documents(many), {}, "")
    assert found(store, "딸꾹질") == {"hiccups"}
    assert store.counts()["documents"] == len(SIX)
    store._file.rows("PRAGMA max_page_count = 100000")
    assert store.sync_entries(documents(many), {}, "") == 80 + len(SIX)
    store.close()
    assert is_whole(path)


def test_a_transaction_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "k.sqlite"
    store = opened(path)
    folder = write_entries(tmp_path / "entries", *SIX)
    same_chunks = replace(documents(folder)[0], doc_id="another")
    with pytest.raises(IndexBroken, match="UNIQUE"):
        store.sync_entries([*documents(folder), same_chunks], {}, "")
    assert store.counts()["documents"] == 0
    assert store.sync_entries(documents(folder), {}, "") == len(SIX)
    store.close()
    assert is_whole(path)


# Processes ---------------------------------------------------------------------------------------

_CHILD = """
import asyncio, sys
from pathlib import Path
from sync_server.ai.vet.knowledge.knowledge_base import KnowledgeBase

async def main():
    base = KnowledgeBase(Path(sys.argv[1]), Path(sys.argv[2]))
    await base.open()
    found = await base.search("딸꾹질", "ko")
    print((await base.health())["documents"], found[0].doc_id)
    await base.close()

asyncio.run(main())
"""


def test_processes_that_start_together_make_one_index(tmp_path: Path) -> None:
    folder = write_entries(tmp_path / "entries", *SIX)
    path = tmp_path / "data" / "k.sqlite"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(path), str(folder)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    for child in children:
        out, err = child.communicate(timeout=120)
        assert child.returncode == 0, err[-2000:]
        assert out.strip().endswith(f"{len(SIX)} hiccups")
    assert is_whole(path)


_IMPORTER = """
import sys, time
from pathlib import Path
from sync_server.ai.vet.knowledge.importer import import_paths
from sync_server.ai.vet.knowledge.store import KnowledgeStore

store = KnowledgeStore(Path(sys.argv[1]))
store.open()
print("started", flush=True)
import_paths(store, [Path(sys.argv[2])], "test", "", 0)
for row in store.documents():
    store.review(row.doc_id, "reviewed", "")
print("done", flush=True)
"""


def test_an_import_killed_in_the_middle_can_go_on(tmp_path: Path) -> None:
    many = [
        {"question": f"증상 {n} 질문", "answer": f"답변 {n} 물을 주고 지켜보세요."}
        for n in range(3000)
    ]
    file = tmp_path / "many.json"
    file.write_text(json.dumps(many, ensure_ascii=False), "utf-8")
    path = tmp_path / "k.sqlite"
    kept: list[int] = []
    for _ in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", _IMPORTER, str(path), str(file)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None and child.stdout.readline() == "started\n"
        time.sleep(0.25)
        os.kill(child.pid, signal.SIGKILL)
        child.wait(30)
        child.stdout.close()
        assert is_whole(path)
        store = opened(path)
        kept.append(len(store.documents()))
        store.close()
    assert kept == sorted(kept)
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTER, str(path), str(file)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.stdout == "started\ndone\n", done.stderr[-2000:]
    store = opened(path)
    assert store.counts()["documents"] == len(many)
    assert all(row.review == "reviewed" for row in store.documents())
    store.close()
    assert is_whole(path)


# Review and vectors ------------------------------------------------------------------------------


def _paper(text: str) -> Document:
    paper = Paper("note", "발톱 무좀", (Section("", "발톱이 자꾸 부서져요", text),))
    return document_of_paper(paper, Path("note.json"), "a clinic", "", 1)


def test_a_draft_is_found_only_after_review(tmp_path: Path) -> None:
    store = opened(tmp_path / "k.sqlite")
    document = _paper("발톱 무좀은 낫는 데 오래 걸려요. 진료를 받으세요.")
    assert store.add(document, {}, "")
    assert found(store, "발톱 무좀") == set()
    store.review(document.doc_id, "reviewed", "read")
    assert found(store, "발톱 무좀") == {document.doc_id}
    store.review(document.doc_id, "rejected", "on second thought")
    assert found(store, "발톱 무좀") == set()
    assert store.document(document.doc_id, "ko") == []
    store.close()
    assert is_whole(tmp_path / "k.sqlite")


def test_known_content_stays_decided_and_changed_content_is_a_draft_again(tmp_path: Path) -> None:
    store = opened(tmp_path / "k.sqlite")
    document = _paper("발톱 무좀은 낫는 데 오래 걸려요. 진료를 받으세요.")
    store.add(document, {}, "")
    store.review(document.doc_id, "reviewed", "")
    assert not store.add(document, {}, "")
    assert store.documents()[0].review == "reviewed"
    assert store.add(_paper("발톱 무좀은 금방 나아요. 물에 적셔 두세요."), {}, "")
    assert store.documents()[0].review == "draft"
    assert found(store, "발톱 무좀") == set()
    store.close()


def test_only_imported_documents_are_decided_here(tmp_path: Path) -> None:
    store = opened(tmp_path / "k.sqlite")
    store.sync_entries(documents(write_entries(tmp_path / "e", HICCUPS)), {}, "")
    for doc_id in ("hiccups", "no-such"):
        with pytest.raises(DocumentUnknown):
            store.review(doc_id, "rejected", "")
    store.close()


def test_imports_survive_a_change_of_the_entries(tmp_path: Path) -> None:
    store = opened(tmp_path / "k.sqlite")
    document = _paper("발톱 무좀은 낫는 데 오래 걸려요. 진료를 받으세요.")
    store.add(document, {}, "")
    store.review(document.doc_id, "reviewed", "")
    store.sync_entries(documents(write_entries(tmp_path / "e", *SIX)), {}, "")
    store.sync_entries(documents(write_entries(tmp_path / "f", HICCUPS)), {}, "")
    assert found(store, "발톱 무좀") == {document.doc_id}
    store.close()


def test_vectors_go_with_their_document(tmp_path: Path) -> None:
    store = opened(tmp_path / "k.sqlite")
    made = documents(write_entries(tmp_path / "e", *SIX))
    chunks = [chunk for one in made for chunk in one.chunks()]
    vectors = {one.chunk_id: np.eye(8, dtype=np.float32)[n % 8] for n, one in enumerate(chunks)}
    store.sync_entries(made, vectors, "test/1")
    units, rows = store.vectors("test/1")
    assert rows.shape == (len(chunks), 8) and set(units) == {unit for unit, _ in store.units()}
    assert store.vectors("test/2")[1].shape == (0, 0)
    assert len(store.without_vector("test/2", 1000)) == len(chunks)
    store.sync_entries(made[1:], {}, "")
    assert store.vectors("test/1")[1].shape[0] == len(chunks) * 5 // 6
    assert store.without_vector("test/1", 1000) == []
    store.close()
