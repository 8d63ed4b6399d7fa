"""Hybrid search over the index: BM25 of words, and vectors beside it where there are any.

A score says how probably the best unit answers the question, so it compares between questions and
has a floor: under it nothing is returned, and the chat says so instead of citing what is near.
How the constants were found: docs/decisions/0018-vet-knowledge-search.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sync_server.ai.vet.contract import Language
from sync_server.ai.vet.knowledge.store import Found, KnowledgeStore, UnitChunk, Weights
from sync_server.ai.vet.knowledge.tokens import tokens
from sync_server.ai.vet.ports import Passage

WEIGHTS: Final = Weights(title=1.0, asked=1.0, pairs=0.3, concepts=3.0, body=0.8)
MAX_TOKENS: Final = 48
"""So many different tokens of a question are searched: the rarest ones."""
CANDIDATES: Final = 40
FLOOR: Final = 0.7
"""Where the best unit is under this, nothing is found."""
BESIDE: Final = 0.2
"""Beside one that is found, others need this much."""
PER_DOCUMENT: Final = 2
NEXT_CHUNK: Final = 0.25
"""How much nearer to `BESIDE` a document's next best chunk is than the one before it."""
SUMMARY_FIRST: Final = 0.15
MAX_ASKED: Final = 400
"""Different tokens of a question that are looked at."""
MAX_RESULTS: Final = 20
_K1: Final = 1.2


@dataclass(frozen=True)
class Seen:
    """What the score of any unit for a question goes by.

    `rarest`: the rarity of a word that no unit has; `most`: the points that the question's words
    could get at most.
    """

    rarest: float
    most: float

    @classmethod
    def of(cls, asked: Sequence[str], found: Found) -> Seen:
        """See the different tokens of a question."""
        most = (_K1 + 1) * sum(found.rarity(word) for word in asked)
        return cls(max(found.rarity(""), 1.0), most or 1.0)

    def features(self, points: float, vector: float) -> tuple[float, float, float, float]:
        """What `Calibration` weighs. Points count in rarest words: a small index has small ones."""
        in_words = points / self.rarest
        return 1.0, points / self.most, math.log1p(in_words), vector


@dataclass(frozen=True)
class Calibration:
    """score = 1 / (1 + exp(-o)), o = bias + share s + points ln(1+p) + vector z.

    p: points of the unit in rarest words; s: points as a share of the most that could be had;
    z: how far the vector of the best chunk stands out, in standard deviations of the question's
    similarity to all chunks.
    """

    bias: float
    share: float
    points: float
    vector: float = 0.0

    def score(self, seen: Seen, points: float, vector: float) -> float:
        """The score, 0..1, of a unit."""
        weights = (self.bias, self.share, self.points, self.vector)
        features = seen.features(points, vector)
        odds = sum(one * other for one, other in zip(weights, features, strict=True))
        return 1.0 / (1.0 + math.exp(-odds))


WORDS: Final = Calibration(bias=-5.5, share=4.0, points=4.6)
WORDS_AND_VECTORS: Final = Calibration(bias=-7.0, share=4.0, points=4.6, vector=0.5)
"""Not fitted, as no embedding service was at hand: neutral at z = 3, where chance ends."""


@dataclass(frozen=True)
class VectorIndex:
    """All vectors of one model in memory; `rows` (n, dimensions) unit vectors, `units` (n,)."""

    units: NDArray[np.int64]
    rows: NDArray[np.float32]

    def stands_out(self, question: NDArray[np.float32]) -> dict[int, float]:
        """How far each unit's best chunk stands out for a question; at least 0."""
        if self.rows.shape[0] < 2 or self.rows.shape[1] != question.shape[0]:
            return {}
        alike = self.rows @ question
        spread = float(alike.std())
        if not spread > 1e-6:
            return {}
        above = np.maximum((alike - alike.mean()) / spread, 0.0)
        best: dict[int, float] = {}
        for unit, value in zip(self.units.tolist(), above.tolist(), strict=True):
            best[unit] = max(best.get(unit, 0.0), value)
        return best


def ranked(
    store: KnowledgeStore,
    asked: Sequence[str],
    calibration: Calibration,
    vectors: Mapping[int, float],
) -> tuple[list[tuple[int, float]], Found]:
    """Units with scores, best first, no floor yet; and how rare the words are.

    `asked`: different tokens; `vectors` as of `VectorIndex.stands_out`, or empty.
    """
    found = store.words(asked, WEIGHTS, CANDIDATES, MAX_TOKENS)
    seen = Seen.of(asked, found)
    points = dict(found.units)
    near = sorted(vectors, key=lambda unit: -vectors[unit])[:CANDIDATES]
    scored = [
        (unit, calibration.score(seen, points.get(unit, 0.0), vectors.get(unit, 0.0)))
        for unit in dict.fromkeys([*points, *near])
    ]
    return sorted(scored, key=lambda one: (-one[1], one[0])), found


def find(
    store: KnowledgeStore,
    question: str,
    language: Language,
    limit: int,
    calibration: Calibration,
    vectors: Mapping[int, float],
) -> list[Passage]:
    """The best passages above the floor, best first; see `ports.Knowledge`. Blocking."""
    asked = tokens(question).different()[:MAX_ASKED]
    if not asked or limit < 1:
        return []
    # One snapshot: a unit that was found is there to be read, whoever edits it meanwhile.
    with store.snapshot():
        scored, found = ranked(store, asked, calibration, vectors)
        if not scored or scored[0][1] < FLOOR:
            return []
        likely = dict(one for one in scored if one[1] >= BESIDE)
        chunks = store.chunks_of(list(likely), language)
    limit = min(limit, MAX_RESULTS)
    weights = {word: found.rarity(word) for word in asked}
    of_unit: dict[int, list[UnitChunk]] = {}
    for one in chunks:
        if one.chunk.cited:
            of_unit.setdefault(one.unit, []).append(one)
    made: list[Passage] = []
    for unit, score in likely.items():
        best_first = sorted(of_unit.get(unit, []), key=lambda one: -_fit(one, weights))
        for place, one in enumerate(best_first):
            made.append(_passage(one, BESIDE + (score - BESIDE) * NEXT_CHUNK**place))
    made.sort(key=lambda one: -one.score)
    if not made or made[0].score < FLOOR:
        # The best unit is in the other language only: what stands beside it answers nothing.
        return []
    return _varied(made, limit)


def passage_of(one: UnitChunk) -> Passage:
    """A chunk of a document that is read whole."""
    return _passage(one, 1.0)


def _fit(one: UnitChunk, weights: Mapping[str, float]) -> float:
    """How much of a question's words a chunk holds; the summary is read first when in doubt."""
    whole = sum(weights.values())
    shared = sum(weight for word, weight in weights.items() if word in one.words)
    return shared / whole + (SUMMARY_FIRST if one.chunk.section == "summary" else 0.0)


def _varied(passages: Sequence[Passage], limit: int) -> list[Passage]:
    """At most `PER_DOCUMENT` of one document, unless it is the only one."""
    only = len({one.doc_id for one in passages}) == 1
    counts: dict[str, int] = {}
    kept: list[Passage] = []
    for one in passages:
        counts[one.doc_id] = counts.get(one.doc_id, 0) + 1
        if only or counts[one.doc_id] <= PER_DOCUMENT:
            kept.append(one)
    return kept[:limit]


def _passage(one: UnitChunk, score: float) -> Passage:
    chunk = one.chunk
    return Passage(one.doc_id, chunk.chunk_id, chunk.title, chunk.text, score, chunk.section)
