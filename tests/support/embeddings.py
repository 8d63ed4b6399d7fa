"""Local embedding services: OpenAI's `POST /v1/embeddings`, Gemini's `batchEmbedContents`.

Vectors are of the text (hashed letter pairs), so that like texts are alike; they are not of length
1, and OpenAI's come in the order that it likes, with an index each, packed as base64 when asked so.
"""

from __future__ import annotations

import base64
import re
import struct
import zlib
from dataclasses import dataclass

from tests.support.wire_service import Call, Reply, WireService, as_json

OPENAI_KEY = "sk-test-0123456789abcdef0123456789abcdef"
GEMINI_KEY = "gemini-test-key-0123456789abcdef"
OPENAI_MODEL = "text-embedding-3-small"
GEMINI_MODEL = "gemini-embedding-001"
DIMENSIONS = 64
_BATCH = re.compile(r"/v1beta/models/([\w.-]+):batchEmbedContents")


def vector_of(text: str) -> list[float]:
    """A vector of a text, of any length."""
    made = [0.01] * DIMENSIONS
    for start in range(max(1, len(text) - 1)):
        made[zlib.crc32(text[start : start + 2].encode()) % DIMENSIONS] += 1.0
    return made


@dataclass
class OpenAiEmbeddings(WireService):
    """`texts` is all that was asked."""

    model: str = OPENAI_MODEL

    def is_paid(self, call: Call) -> bool:
        return call.path == "/v1/embeddings"

    def respond(self, call: Call) -> Reply:
        if call.headers.get("authorization") != f"Bearer {OPENAI_KEY}":
            return self.error(401)
        body = call.json()
        if not self.is_paid(call) or body["model"] != self.model:
            return self.error(404)
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        if not texts or not all(texts) or len(texts) > 2048:
            return self.error(400)
        return as_json(200, self.reply([vector_of(text) for text in texts], body))

    def reply(self, vectors: list[list[float]], body: dict[str, str]) -> dict[str, object]:
        packed = body.get("encoding_format") == "base64"
        data = [
            {"object": "embedding", "index": index, "embedding": _base64(one) if packed else one}
            for index, one in enumerate(vectors)
        ]
        usage = {"prompt_tokens": 8, "total_tokens": 8}
        return {"object": "list", "data": data[::-1], "model": self.model, "usage": usage}

    def texts(self) -> list[str]:
        return [text for call in self.paid_calls() for text in call.json()["input"]]

    def faulty(self, fault: str, call: Call) -> Reply:
        body = call.json()
        vectors = [vector_of(text) for text in body["input"]]
        if fault == "fewer":
            vectors = vectors[:-1]
        elif fault == "unlike":
            vectors[0] = vectors[0][:-1]
        elif fault == "zeros":
            vectors[0] = [0.0] * DIMENSIONS
        elif fault == "nan":
            vectors[0] = [float("nan")] * DIMENSIONS
        elif fault == "none":
            vectors = []
        else:
            raise AssertionError(f"no such fault: {fault}")
        return as_json(200, self.reply(vectors, body))

    def error(self, status: int) -> Reply:
        kind = "server_error" if status >= 500 else "invalid_request_error"
        return as_json(status, {"error": {"message": "scripted", "type": kind, "code": None}})


@dataclass
class GeminiEmbeddings(WireService):
    """`tasks` is what each text was embedded for."""

    model: str = GEMINI_MODEL

    def is_paid(self, call: Call) -> bool:
        return _BATCH.fullmatch(call.path) is not None

    def respond(self, call: Call) -> Reply:
        if call.headers.get("x-goog-api-key") != GEMINI_KEY:
            return self.error(403)
        asked = _BATCH.fullmatch(call.path)
        if asked is None or asked[1] != self.model:
            return self.error(404)
        requests = call.json()["requests"]
        if not requests or len(requests) > 100:
            return self.error(400)
        return as_json(200, _embeddings([vector_of(text) for text in self._texts(call)]))

    def texts(self) -> list[str]:
        return [text for call in self.paid_calls() for text in self._texts(call)]

    def tasks(self) -> list[str]:
        return [
            one["taskType"] for call in self.paid_calls() for one in call.json()["requests"]
        ]  # fmt: skip

    def _texts(self, call: Call) -> list[str]:
        requests = call.json()["requests"]
        assert all(one["model"] == f"models/{self.model}" for one in requests)
        return ["".join(part["text"] for part in one["content"]["parts"]) for one in requests]

    def faulty(self, fault: str, call: Call) -> Reply:
        vectors = [vector_of(text) for text in self._texts(call)]
        if fault == "fewer":
            vectors = vectors[:-1]
        elif fault == "unlike":
            vectors[0] = vectors[0][:-1]
        elif fault == "zeros":
            vectors[0] = [0.0] * DIMENSIONS
        elif fault == "none":
            return as_json(200, {})
        else:
            raise AssertionError(f"no such fault: {fault}")
        return as_json(200, _embeddings(vectors))

    def error(self, status: int) -> Reply:
        names = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
                 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE",
                 504: "DEADLINE_EXCEEDED", 401: "UNAUTHENTICATED"}  # fmt: skip
        error = {"code": status, "message": "scripted", "status": names[status]}
        return as_json(status, {"error": error})


def _embeddings(vectors: list[list[float]]) -> dict[str, object]:
    return {"embeddings": [{"values": one} for one in vectors]}


def _base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
