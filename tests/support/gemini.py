"""A local Gemini: `generateContent` and the resumable Files API, as REST v1beta has them.

It checks what the real one checks: the key, that a file is ACTIVE before it is used, that upload
offsets follow one another, that a schema comes with the JSON MIME type.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from dataclasses import dataclass, field
from typing import Any

from tests.support import judge_words
from tests.support.wire_service import Call, Reply, Streamed, WireService, as_json

API_KEY = "gemini-test-key-0123456789abcdef"
MODEL = "gemini-2.5-flash-lite"
VISION_MODEL = "gemini-2.5-flash"
_ALPHABET = str.maketrans("-_", "+/")
_GENERATE = re.compile(r"/v1beta/models/([\w.-]+):(?:g|streamG)enerateContent")
_FILE = re.compile(r"/v1beta/(files/[\w-]+)")
_STATUSES = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
             429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE",
             504: "DEADLINE_EXCEEDED"}  # fmt: skip


@dataclass
class StoredFile:
    """A file at Google."""

    name: str
    mime_type: str
    size: int
    content: bytearray = field(default_factory=bytearray)
    state: str = "PROCESSING"
    looks_until_active: int = 1


@dataclass
class Gemini(WireService):
    """The service; `files` is what it keeps, `deleted` what it kept."""

    files: dict[str, StoredFile] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    file_state: str = "ACTIVE"
    chunks: int = 0

    def is_paid(self, call: Call) -> bool:
        return call.method == "POST" and _GENERATE.fullmatch(call.path) is not None

    def respond(self, call: Call) -> Reply | Streamed:
        if call.headers.get("x-goog-api-key") != API_KEY and "upload_id" not in call.path:
            return self.error(400, "API key not valid.", [
                {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
            ])  # fmt: skip
        if call.path == "/upload/v1beta/files":
            return self._start(call)
        if call.path.startswith("/upload_id/"):
            return self._chunk(call)
        if (found := _FILE.fullmatch(call.path)) is not None:
            return self._file(call.method, found[1])
        if (asked := _GENERATE.fullmatch(call.path)) is not None and call.method == "POST":
            if call.path.endswith(":streamGenerateContent"):
                return self._generate_in_parts(asked[1], request_of(call))
            return self._generate(asked[1], request_of(call))
        return self.error(404)

    def _generate(self, model: str, body: dict[str, Any]) -> Reply:
        if model != MODEL:
            return self.error(404, f"models/{model} is not found for API version v1beta")
        config = body.get("generationConfig", {})
        if config.get("responseMimeType") != "application/json" or not config.get(
            "responseJsonSchema"
        ):
            return self.error(400, "the tests ask with a schema")
        for part in _parts(body):
            if "inlineData" in part:
                bytes_of(part)
            if "fileData" in part:
                name = part["fileData"]["fileUri"].removeprefix(f"{self.url}/v1beta/")
                stored = self.files.get(name)
                if stored is None:
                    return self.error(403, "You do not have permission to access the File")
                if stored.state != "ACTIVE":
                    return self.error(400, "The File is not in an ACTIVE state")
        return as_json(200, self.candidate(self._words(body)))

    def _generate_in_parts(self, model: str, body: dict[str, Any]) -> Reply | Streamed:
        if model not in (MODEL, VISION_MODEL):
            return self.error(404, f"models/{model} is not found for API version v1beta")
        if "responseMimeType" in body.get("generationConfig", {}):
            return self.error(400, "the tests stream plain text")
        if not body["systemInstruction"]["parts"] or body["contents"][0]["role"] != "user":
            return self.error(400, "a conversation begins with the rules and the user")
        for part in _parts(body):
            if "inlineData" in part:
                bytes_of(part)
        steps: list[bytes | float | str] = []
        for piece in self.pieces:
            steps += [self._part(piece), self.pace_s]
        return Streamed((*steps, self._part("", "STOP")))

    def _part(self, text: str, finish: str | None = None) -> bytes:
        made = self.candidate(text, finish)
        if finish is None:
            made["usageMetadata"] = {"promptTokenCount": 2011, "totalTokenCount": 2011}
        return _event(made)

    def _faulty_stream(self, fault: str) -> Streamed:
        """What a stream says before its fault: its first two parts."""
        said = tuple(self._part(piece) for piece in self.pieces[:2])
        usage = {"promptTokenCount": 2011, "totalTokenCount": 2011}
        if fault == "stall":
            return Streamed((*said, "hang"))
        if fault == "stall_first":
            return Streamed((_event({"usageMetadata": usage, "modelVersion": MODEL}), "hang"))
        if fault == "eof":
            return Streamed(said)
        if fault == "lost":
            return Streamed((*said, "lost"))
        if fault == "bad_chunk":
            return Streamed((*said, b'data: {"candidates": [{"cont\r\n\r\n'))
        if fault == "bad_first":
            return Streamed((b'data: {"candidates": [{"cont\r\n\r\n',))
        if fault == "blocked":
            return Streamed((*said, self._part("", "SAFETY")))
        if fault in ("blocked_first", "refusal"):
            feedback = {"blockReason": "SAFETY" if fault == "refusal" else "PROHIBITED_CONTENT"}
            return Streamed((_event({
                "promptFeedback": feedback, "usageMetadata": usage, "modelVersion": MODEL,
            }),))  # fmt: skip
        if fault == "error_inside":
            error = {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}
            return Streamed((*said, _event(error)))
        if fault == "empty":
            return Streamed((self._part("", "STOP"),))
        if fault == "length":
            return Streamed((*said, self._part("", "MAX_TOKENS")))
        raise AssertionError(f"no such fault of a stream: {fault}")

    def _words(self, body: dict[str, Any]) -> str:
        if self.said is not None:
            value = self.said(body)
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return json.dumps(judge_words.reply(judge_words.mission_of(prompt_of(body))))

    def candidate(self, text: str, finish: str | None = "STOP") -> dict[str, Any]:
        one: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
        if finish is not None:
            one["finishReason"] = finish
        return {
            "candidates": [one],
            "usageMetadata": {
                "promptTokenCount": 2011,
                "candidatesTokenCount": 143,
                "totalTokenCount": 2154,
                "promptTokensDetails": [{"modality": "VIDEO", "tokenCount": 1400}],
            },
            "modelVersion": f"{MODEL}-001",
            "responseId": secrets.token_urlsafe(12),
        }

    def faulty(self, fault: str, call: Call) -> Reply | Streamed:
        if call.path.endswith(":streamGenerateContent"):
            return self._faulty_stream(fault)
        words = self._words(request_of(call))
        usage = {"promptTokenCount": 2011, "totalTokenCount": 2011}
        if fault == "cut_json":
            return as_json(200, self.candidate(words[: len(words) // 2]))
        if fault == "max_tokens":
            return as_json(200, self.candidate(words[: len(words) // 2], "MAX_TOKENS"))
        if fault == "no_finish":
            return as_json(200, self.candidate(words, None))
        if fault == "wrong_schema":
            return as_json(200, self.candidate('{"success": "yes", "confidence": "high"}'))
        if fault == "prose":
            return as_json(200, self.candidate("The dog sits down and looks happy."))
        if fault == "fenced":
            return as_json(200, self.candidate(f"```json\n{words}\n```"))
        if fault == "thinking":
            made = self.candidate(words)
            thought = {"text": "Let me look at the hips first.", "thought": True}
            made["candidates"][0]["content"]["parts"].insert(0, thought)
            return as_json(200, made)
        if fault == "safety_prompt":
            return as_json(200, {
                "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": usage,
                "modelVersion": MODEL,
            })  # fmt: skip
        if fault == "safety_answer":
            ratings = [
                {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH",
                 "blocked": True}
            ]  # fmt: skip
            return as_json(200, {
                "candidates": [{"finishReason": "SAFETY", "index": 0, "safetyRatings": ratings}],
                "usageMetadata": usage, "modelVersion": MODEL,
            })  # fmt: skip
        if fault == "empty":
            return as_json(200, {"candidates": [], "usageMetadata": usage, "modelVersion": MODEL})
        if fault == "empty_content":
            return as_json(200, {
                "candidates": [{"content": {"role": "model"}, "finishReason": "STOP", "index": 0}],
                "usageMetadata": usage, "modelVersion": MODEL,
            })  # fmt: skip
        if fault == "429_in_body":
            return self.error(429, "You exceeded your current quota", [
                {"@type": "type.googleapis.com/google.rpc.RetryInfo",
                 "retryDelay": f"{self.retry_after}s"}
            ])  # fmt: skip
        raise AssertionError(f"no such fault: {fault}")

    def error(
        self, status: int, message: str = "scripted", details: list[Any] | None = None
    ) -> Reply:
        said: dict[str, Any] = {
            "code": status,
            "message": message,
            "status": _STATUSES.get(status, "UNKNOWN"),
        }
        if details:
            said["details"] = details
        return as_json(status, {"error": said})

    # Files API ---------------------------------------------------------------------------------

    def _start(self, call: Call) -> Reply:
        if (call.headers.get("x-goog-upload-protocol") != "resumable"
                or call.headers.get("x-goog-upload-command") != "start"):  # fmt: skip
            return self.error(400, "not the start of a resumable upload")
        name = f"files/{secrets.token_hex(6)}"
        self.files[name] = StoredFile(
            name,
            call.headers["x-goog-upload-header-content-type"],
            int(call.headers["x-goog-upload-header-content-length"]),
        )
        upload = f"{self.url}/upload_id/{name.removeprefix('files/')}"
        return 200, {"X-Goog-Upload-URL": upload, "X-Goog-Upload-Status": "active"}, b""

    def _chunk(self, call: Call) -> Reply:
        stored = self.files[f"files/{call.path.removeprefix('/upload_id/')}"]
        if int(call.headers["x-goog-upload-offset"]) != len(stored.content):
            return self.error(400, "offset")
        stored.content += call.body
        self.chunks += 1
        if "finalize" not in call.headers["x-goog-upload-command"]:
            return 200, {"X-Goog-Upload-Status": "active"}, b""
        if len(stored.content) != stored.size:
            return self.error(400, "size")
        status, headers, content = as_json(200, {"file": self._shown(stored)})
        return status, {**headers, "X-Goog-Upload-Status": "final"}, content

    def _file(self, method: str, name: str) -> Reply:
        stored = self.files.get(name)
        if stored is None:
            return self.error(
                403, "You do not have permission to access the File or it may not exist"
            )
        if method == "DELETE":
            del self.files[name]
            self.deleted.append(name)
            return as_json(200, {})
        if stored.looks_until_active > 0:
            stored.looks_until_active -= 1
        else:
            stored.state = self.file_state
        return as_json(200, self._shown(stored))

    def _shown(self, stored: StoredFile) -> dict[str, Any]:
        return {
            "name": stored.name,
            "mimeType": stored.mime_type,
            "sizeBytes": str(stored.size),
            "createTime": "2026-11-28T03:00:00.000000Z",
            "updateTime": "2026-11-28T03:00:00.000000Z",
            "expirationTime": "2026-11-30T03:00:00.000000Z",
            "uri": f"{self.url}/v1beta/{stored.name}",
            "state": stored.state,
            "source": "UPLOADED",
        }


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\r\n\r\n"


def request_of(call: Call) -> dict[str, Any]:
    """The body of a request, its names as documented: snake case is taken as well."""
    named: dict[str, Any] = _camel(call.json())
    return named


def _camel(value: Any) -> Any:
    if isinstance(value, list):
        return [_camel(one) for one in value]
    if not isinstance(value, dict):
        return value
    made = {}
    for name, one in value.items():
        first, *rest = name.split("_")
        made[first + "".join(word.title() for word in rest)] = (
            one if name in ("responseJsonSchema", "response_json_schema") else _camel(one)
        )
    return made


def _parts(body: dict[str, Any]) -> list[dict[str, Any]]:
    contents = body["contents"]
    return [part for content in contents for part in content["parts"]]


def prompt_of(body: dict[str, Any]) -> str:
    """The text of a request."""
    return "\n".join(part["text"] for part in _parts(body) if "text" in part)


def bytes_of(part: dict[str, Any]) -> bytes:
    """The inline data of a part; JSON of protocol buffers takes both alphabets of base64."""
    return base64.b64decode(part["inlineData"]["data"].translate(_ALPHABET), validate=True)


def video_of(body: dict[str, Any]) -> dict[str, Any]:
    """The part of a request that holds the video."""
    (found,) = [part for part in _parts(body) if "inlineData" in part or "fileData" in part]
    return found
