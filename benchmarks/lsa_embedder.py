"""An embedder without a model from elsewhere: latent semantic analysis of the knowledge texts.

Letter sequences of 2 to 4, hashed to 2^14 columns, TF-IDF, the first singular directions of the
texts themselves. It stands in for an embedding service in the benchmark's "with vectors" column:
what it knows of meaning it has from the entries alone, so a service can only do better.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sync_server.ai.vet.knowledge.tokens import plain

COLUMNS = 1 << 14
Rows = NDArray[np.float32]


class LsaEmbedder:
    """`knowledge.embedding.Embedder`, trained on texts at hand."""

    def __init__(self, texts: Sequence[str], dimensions: int = 200) -> None:
        counts = np.stack([_counts(text) for text in texts])
        self._idf = np.log((1 + len(texts)) / (1 + (counts > 0).sum(0))).astype(np.float32)
        weighed = _unit(counts * self._idf)
        # The Gram matrix of some 1,000 texts is small; its eigenvectors are the singular ones.
        values, vectors = np.linalg.eigh(weighed @ weighed.T)
        kept = np.argsort(values)[::-1][: min(dimensions, len(texts))]
        self._basis = (
            weighed.T @ vectors[:, kept] / np.sqrt(np.maximum(values[kept], 1e-6))
        ).astype(np.float32)
        digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:8]
        self.name = f"local-lsa/{self._basis.shape[1]}-{digest}"

    async def embed(self, texts: Sequence[str]) -> Rows:
        """Return (texts, dimensions) unit rows."""
        return _unit(_unit(np.stack([_counts(one) for one in texts]) * self._idf) @ self._basis)

    async def embed_question(self, text: str) -> Rows:
        """Return (dimensions,)."""
        made: Rows = (await self.embed([text]))[0]
        return made

    async def close(self) -> None:
        """Nothing is open."""


def _counts(text: str) -> Rows:
    row = np.zeros(COLUMNS, np.float32)
    words = f" {' '.join(plain(text).split())} "
    for length in (2, 3, 4):
        for start in range(len(words) - length + 1):
            row[zlib.crc32(words[start : start + length].encode()) % COLUMNS] += 1
    return np.log1p(row)


def _unit(rows: Rows) -> Rows:
    made: Rows = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-6)
    return made.astype(np.float32)
