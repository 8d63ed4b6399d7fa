"""The vet chat's search: does it find the entry that answers, and nothing where there is none?

Run `python benchmarks/vet_search.py [--set dev|exam] [--service] [--json] [--misses] [--fit]` in the
repository root. Tokens, weights, calibration and floor were chosen on `data/vet_search_dev.jsonl` (`--fit`
prints the calibration again); the examination set was written by someone else from the entries and
was not used for any choice.

A question's rank is that of the first passage of an expected entry among the five that a search
returns (two of one entry count as two places); MRR counts 0 where none is among them. False finds:
questions about something else that get any passage at all. Missed: questions about an entry that
get no passage. Times: one search at a time, index on disk and warm, in this process.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.lsa_embedder import LsaEmbedder
from sync_server.ai.vet.knowledge import search
from sync_server.ai.vet.knowledge.documents import document_of
from sync_server.ai.vet.knowledge.embedding import Embedder, embedder_of
from sync_server.ai.vet.knowledge.entries import load_entries
from sync_server.ai.vet.knowledge.knowledge_base import KnowledgeBase
from sync_server.ai.vet.knowledge.tokens import is_concept, tokens
from sync_server.platform.clock import system_clock
from sync_server.platform.llm.desks import Desks
from sync_server.platform.logs import configure_logs
from sync_server.platform.settings import load_settings

DATA = Path(__file__).resolve().parent / "data"
SETS = {"dev": DATA / "vet_search_dev.jsonl", "exam": DATA / "vet_questions.jsonl"}
RESULTS = 5
RECALL_GOAL = 0.90
MRR_GOAL = 0.75
FALSE_FINDS_GOAL = 0.10


class Question(msgspec.Struct, frozen=True):
    """What is asked and the entries that answer it; none for a question about something else."""

    question: str
    language: str
    expected: list[str] = []
    hard: bool = False


class Row(msgspec.Struct, frozen=True):
    """One line of the table."""

    search: str
    language: str
    questions: int
    recall_at_1: float
    recall_at_5: float
    mrr: float
    hard_recall_at_5: float | None
    missed: float
    off_topic: int
    false_finds: float
    p50_ms: float
    p95_ms: float

    @property
    def goal_met(self) -> bool:
        return (
            self.recall_at_5 >= RECALL_GOAL
            and self.mrr >= MRR_GOAL
            and self.false_finds <= FALSE_FINDS_GOAL
        )


class Outcome(msgspec.Struct, frozen=True):
    """What a search returned for a question; `rank` 0 where no expected entry is among it."""

    question: Question
    returned: list[str]
    scores: list[float]
    rank: int
    ms: float


def questions_of(name: str) -> list[Question]:
    """The questions of a set, one a line."""
    lines = SETS[name].read_text("utf-8").splitlines()
    return [msgspec.json.decode(line, type=Question) for line in lines if line.strip()]


async def ask(base: KnowledgeBase, questions: list[Question]) -> list[Outcome]:
    """Ask all questions, one after another."""
    await base.search("warm", "en")
    outcomes = []
    for one in questions:
        started_s = time.perf_counter()
        found = await base.search(one.question, "en" if one.language == "en" else "ko", RESULTS)
        ms = (time.perf_counter() - started_s) * 1000
        returned = [passage.doc_id for passage in found]
        places = [place for place, doc in enumerate(returned, 1) if doc in one.expected]
        scores = [round(passage.score, 3) for passage in found]
        outcomes.append(Outcome(one, returned, scores, min(places, default=0), ms))
    return outcomes


def row(name: str, language: str, outcomes: list[Outcome]) -> Row:
    """Sum up the outcomes of a language, or of all ("all")."""
    own = [one for one in outcomes if language in ("all", one.question.language)]
    on = [one for one in own if one.question.expected]
    off = [one for one in own if not one.question.expected]
    hard = [one for one in on if one.question.hard]
    ranks = np.array([one.rank for one in on])
    ms = np.array([one.ms for one in own])
    found = np.mean([bool(one.returned) for one in off]) if off else 0.0
    return Row(
        search=name,
        language=language,
        questions=len(on),
        recall_at_1=round(float(np.mean(ranks == 1)), 3),
        recall_at_5=round(float(np.mean(ranks > 0)), 3),
        mrr=round(float(np.mean(np.where(ranks > 0, 1 / np.maximum(ranks, 1), 0))), 3),
        hard_recall_at_5=round(float(np.mean([one.rank > 0 for one in hard])), 3) if hard else None,
        missed=round(float(np.mean([not one.returned for one in on])), 3),
        off_topic=len(off),
        false_finds=round(float(found), 3),
        p50_ms=round(float(np.percentile(ms, 50)), 1),
        p95_ms=round(float(np.percentile(ms, 95)), 1),
    )


def local_embedder() -> LsaEmbedder:
    """The embedder that is trained on the entries themselves."""
    documents = [document_of(entry) for entry in load_entries()]
    return LsaEmbedder([chunk.to_embed() for one in documents for chunk in one.chunks()])


async def measured(questions: list[Question], service: bool) -> dict[str, list[Outcome]]:
    """Ask with words alone and with vectors beside them."""
    settings = load_settings()
    beside: Embedder | None = local_embedder()
    if service:
        beside = embedder_of(settings, Desks(settings, system_clock).budget)
        if beside is None:
            sys.exit("--service: set DAENGDONG_VET_EMBEDDING and its key first")
    outcomes = {}
    for name, embedder in (("words", None), (f"words and {beside.name}", beside)):
        with tempfile.TemporaryDirectory() as folder:
            base = KnowledgeBase(Path(folder) / "knowledge.sqlite", embedder=embedder)
            await base.open()
            try:
                outcomes[name] = await ask(base, questions)
            finally:
                await base.close()
    return outcomes


async def fitted(questions: list[Question], with_vectors: bool) -> search.Calibration:
    """Fit the calibration: is a question with these best features one that is answered here?

    Logistic regression by Newton's method, held back towards 0 (ridge) as the sets are small.
    """
    embedder = local_embedder() if with_vectors else None
    with tempfile.TemporaryDirectory() as folder:
        base = KnowledgeBase(Path(folder) / "knowledge.sqlite", embedder=embedder)
        await base.open()
        features, answered = [], []
        for one in questions:
            asked = tokens(one.question).different()
            found = base.store.words(asked, search.WEIGHTS, 1, search.MAX_TOKENS)
            most = 2.2 * sum(found.rarity(word) for word in asked) or 1.0
            points = found.units[0][1] if found.units else 0.0
            near = 0.0
            if embedder is not None:
                vector = await embedder.embed_question(one.question)
                index = search.VectorIndex(*base.store.vectors(embedder.name))
                near = max(index.stands_out(vector).values(), default=0.0)
            named = np.log1p(sum(is_concept(word) for word in asked))
            features.append([1.0, points / most, np.log1p(points), named, near])
            answered.append(float(bool(one.expected)))
        await base.close()
    x, y = np.array(features), np.array(answered)
    ridge = np.array([0.02, 0.1, 0.1, 0.1, 0.1])
    weights = np.zeros(5)
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ weights))
        curve = (x * (p * (1 - p))[:, None]).T @ x + np.diag(ridge)
        weights += np.linalg.solve(curve, x.T @ (y - p) - ridge * weights)
    return search.Calibration(*(round(float(value), 1) for value in weights))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", choices=sorted(SETS), default="exam")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--misses", action="store_true", help="List what went wrong.")
    parser.add_argument("--fit", action="store_true", help="Print the calibration of the dev set.")
    parser.add_argument(
        "--service", action="store_true", help="Vectors of the service that the settings name."
    )
    options = parser.parse_args()
    configure_logs("error")
    if options.fit:
        questions = questions_of("dev")
        print("WORDS", asyncio.run(fitted(questions, with_vectors=False)))
        print("WORDS_AND_VECTORS", asyncio.run(fitted(questions, with_vectors=True)))
        return
    questions = questions_of(options.set)
    outcomes = asyncio.run(measured(questions, options.service))
    rows = [row(name, to, own) for name, own in outcomes.items() for to in ("ko", "en", "all")]
    if options.json:
        print(json.dumps([{**msgspec.to_builtins(one), "goal_met": one.goal_met} for one in rows]))
        return
    print(f"{options.set} set; goals: recall@5 >= {RECALL_GOAL}, MRR >= {MRR_GOAL}, "
          f"false finds <= {FALSE_FINDS_GOAL}")  # fmt: skip
    columns = Row.__struct_fields__
    print(" | ".join((*columns, "goal met")))
    for one in rows:
        print(" | ".join(str(getattr(one, name)) for name in columns), "|", one.goal_met)
    if options.misses:
        for name, own in outcomes.items():
            for one in own:
                if (one.rank != 1) if one.question.expected else bool(one.returned):
                    asked = one.question
                    print(f"{name}: {asked.question} -> {one.returned[:3]} {one.scores[:3]}, "
                          f"expected {asked.expected}")  # fmt: skip


if __name__ == "__main__":
    main()
