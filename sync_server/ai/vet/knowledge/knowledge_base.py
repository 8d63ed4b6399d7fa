"""The knowledge base of a running process: entries kept in step with their folder, and searched.

The folder is looked at before a search (at most once a second) and taken over whole or refused
whole; a broken edit changes nothing but a log line and a metric. Without vectors (none set, the
service away, a question that would wait too long) the search goes by words alone.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray
from prometheus_client import Counter

from sync_server.ai.vet.contract import Language
from sync_server.ai.vet.knowledge.documents import Document, document_of
from sync_server.ai.vet.knowledge.embedding import Embedder, embedder_of
from sync_server.ai.vet.knowledge.entries import KNOWLEDGE, KnowledgeInvalid, load_entries
from sync_server.ai.vet.knowledge.errors import KnowledgeError
from sync_server.ai.vet.knowledge.search import (
    WORDS,
    WORDS_AND_VECTORS,
    VectorIndex,
    find,
    passage_of,
)
from sync_server.ai.vet.knowledge.store import KnowledgeStore
from sync_server.ai.vet.ports import Passage
from sync_server.platform.llm.budget import Budget
from sync_server.platform.llm.errors import LlmError
from sync_server.platform.settings import Settings

log = structlog.get_logger(__name__)
Result = TypeVar("Result")
LOOK_S: Final = 1.0
EMBED_AGAIN_S: Final = 60.0
"""So long after a failure no vectors are asked for in the background."""
EMBED_AT_ONCE: Final = 256
READERS: Final = 2
_RACY_NS: Final = 2_000_000_000
"""A file changed this recently may change again without a new time (as in `ai.references`)."""

REFUSED = Counter("daengdong_knowledge_refused_total", "Edits of knowledge entries refused")
LOADED = Counter("daengdong_knowledge_loaded_total", "Knowledge entries taken over")
WORDS_ONLY = Counter(
    "daengdong_knowledge_words_only_total",
    "Searches without vectors though they are set",
    ("code",),
)


class KnowledgeBase:
    """`ports.Knowledge` over an index file and a folder of entries; `open` first, `close` last."""

    def __init__(
        self,
        path: Path,
        folder: Path | None = None,
        embedder: Embedder | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store = KnowledgeStore(path)
        self._folder = KNOWLEDGE if folder is None else folder
        self._embedder = embedder
        self._model = embedder.name if embedder else ""
        self._monotonic = monotonic
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="knowledge")
        self._looking = asyncio.Lock()
        self._look_at = float("-inf")
        self._mark: object = None
        self._vectors: tuple[int, VectorIndex] | None = None
        self._filling: asyncio.Task[None] | None = None
        self._fill_at = float("-inf")

    async def open(self) -> None:
        """Open the index and bring it in step; raises KnowledgeError, KnowledgeInvalid."""
        await self._run(self.store.open)
        self._mark = await self._run(self._seen)
        documents = await self._run(self._load)
        await self._take(documents)
        self._look_at = self._monotonic() + LOOK_S

    async def close(self) -> None:
        """End background work and close the file."""
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.gather(self._filling, return_exceptions=True)
        await asyncio.to_thread(self._threads.shutdown)
        self.store.close()
        if self._embedder is not None:
            await self._embedder.close()

    async def search(self, query: str, language: Language, limit: int = 5) -> Sequence[Passage]:
        """See `ports.Knowledge`. Raises KnowledgeError where the index cannot be read."""
        await self._look()
        question = await self._question(query)

        def work() -> list[Passage]:
            # Vectors here and not above: the first search after a change reads them all.
            near = self._index().stands_out(question) if question is not None else {}
            calibration = WORDS_AND_VECTORS if near else WORDS
            return find(self.store, query, language, limit, calibration, near)

        return await self._run(work)

    async def document(self, doc_id: str, language: Language) -> Sequence[Passage]:
        """See `ports.Knowledge`."""
        await self._look()
        chunks = await self._run(lambda: self.store.document(doc_id, language))
        return [passage_of(one) for one in chunks]

    async def health(self) -> dict[str, int]:
        """See `ports.Knowledge`."""
        return await self._run(self.store.counts)

    # Entries -------------------------------------------------------------------------------------

    async def _look(self) -> None:
        if self._monotonic() < self._look_at or self._looking.locked():
            return
        async with self._looking:
            self._look_at = self._monotonic() + LOOK_S
            mark = await self._run(self._seen)
            if mark != self._mark or mark is None:
                self._mark = mark
                await self._reload()
            self._fill()

    async def _reload(self) -> None:
        try:
            await self._take(await self._run(self._load))
        except (KnowledgeInvalid, KnowledgeError) as error:
            REFUSED.inc()
            log.error("knowledge_refused", code=error.code, reason=str(error)[:500])

    async def _take(self, documents: Sequence[Document]) -> None:
        stale = await self._run(lambda: self.store.stale(documents))
        chunks = [
            chunk for one in stale if one.review == "reviewed"
            for chunk in one.chunks() if not chunk.refused
        ]  # fmt: skip
        vectors: dict[str, NDArray[np.float32]] = {}
        if self._embedder is not None and chunks:
            try:
                rows = await self._embedder.embed([chunk.to_embed() for chunk in chunks])
                vectors = {one.chunk_id: row for one, row in zip(chunks, rows, strict=True)}
            except LlmError as error:
                self._not_embedded(error)
        changed = await self._run(lambda: self.store.sync_entries(documents, vectors, self._model))
        if changed:
            LOADED.inc()
            log.info("knowledge_loaded", entries=len(documents), changed=changed)

    def _load(self) -> list[Document]:
        return [document_of(entry) for entry in load_entries(self._folder)]

    def _seen(self) -> object:
        """What the folder looks like; None where it must be read to know."""
        found = []
        try:
            with os.scandir(self._folder) as files:
                for file in files:
                    if file.name.endswith(".json"):
                        state = file.stat()
                        found.append((file.name, state.st_mtime_ns, state.st_size, state.st_ino))
        except OSError as error:
            return f"{type(error).__name__}:{error.errno}"
        newest = max((one[1] for one in found), default=0)
        return None if time.time_ns() - newest < _RACY_NS else tuple(sorted(found))

    # Vectors -------------------------------------------------------------------------------------

    async def _question(self, query: str) -> NDArray[np.float32] | None:
        if self._embedder is None or not query.strip():
            return None
        try:
            return await self._embedder.embed_question(query)
        except LlmError as error:
            WORDS_ONLY.labels(error.code).inc()
            return None

    def _index(self) -> VectorIndex:
        generation = self.store.generation()
        known = self._vectors
        if known is None or known[0] != generation:
            known = (generation, VectorIndex(*self.store.vectors(self._model)))
            self._vectors = known
        return known[1]

    def _fill(self) -> None:
        """Make missing vectors (another model, a service that was away) beside searches."""
        if self._embedder is None or self._monotonic() < self._fill_at:
            return
        if self._filling is None or self._filling.done():
            self._filling = asyncio.create_task(self._filled(self._embedder))

    async def _filled(self, embedder: Embedder) -> None:
        try:
            while missing := await self._run(
                lambda: self.store.without_vector(self._model, EMBED_AT_ONCE)
            ):
                rows = await embedder.embed([chunk.to_embed() for chunk in missing])
                vectors = {one.chunk_id: row for one, row in zip(missing, rows, strict=True)}
                await self._run(lambda made=vectors: self.store.put_vectors(made, self._model))  # type: ignore[misc]
        except LlmError as error:
            self._not_embedded(error)
        except KnowledgeError as error:
            self._fill_at = self._monotonic() + EMBED_AGAIN_S
            log.error("knowledge_not_embedded", code=error.code)

    def _not_embedded(self, error: LlmError) -> None:
        self._fill_at = self._monotonic() + EMBED_AGAIN_S
        log.warning("knowledge_not_embedded", code=error.code, detail=error.detail)

    async def _run(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


async def open_knowledge(settings: Settings, budget: Budget) -> KnowledgeBase:
    """The knowledge base of the settings, opened.

    Raises SettingsInvalid, KnowledgeError, KnowledgeInvalid.
    """
    folder = Path(settings.knowledge_dir) if settings.knowledge_dir else None
    base = KnowledgeBase(Path(settings.knowledge_database), folder, embedder_of(settings, budget))
    try:
        await base.open()
    except BaseException:
        await base.close()
        raise
    return base
