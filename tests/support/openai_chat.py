"""A local OpenAI: `POST /v1/chat/completions` with structured outputs, as its API reference has it.

It refuses what the real one refuses in strict mode: objects that are open or have optional fields.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.support.wire_service import Call, Reply, Streamed, WireService, as_json

API_KEY = "sk-test-0123456789abcdef0123456789abcdef"
MODEL = "gpt-4o-mini"
VISION_MODEL = "gpt-4o"


@dataclass
class OpenAi(WireService):
    """The service; `said` makes the answer's value from the request's body."""

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def is_paid(self, call: Call) -> bool:
        return call.path == "/v1/chat/completions"

    def respond(self, call: Call) -> Reply | Streamed:
        if call.headers.get("authorization") != f"Bearer {API_KEY}":
            return self.error(401, "Incorrect API key provided", "invalid_api_key")
        if not self.is_paid(call) or call.method != "POST":
            return self.error(404)
        body = call.json()
        if body["model"] not in (MODEL, VISION_MODEL):
            return self.error(404, "The model does not exist", "model_not_found")
        if body.get("stream"):
            return self._respond_in_parts(body)
        form = body.get("response_format", {})
        if form.get("type") != "json_schema" or not form["json_schema"].get("strict"):
            return self.error(400, "the tests ask with a strict schema")
        problem = _not_strict(form["json_schema"]["schema"])
        if problem:
            return self.error(400, f"Invalid schema for response_format: {problem}")
        return as_json(200, self.completion(self._words(body)))

    def _words(self, body: dict[str, Any]) -> str:
        assert self.said is not None
        value = self.said(body)
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    def completion(self, text: str | None, finish: str | None = "stop", **message: Any) -> Any:
        return {
            "id": "chatcmpl-BxYz0123456789",
            "object": "chat.completion",
            "created": 1795910400,
            "model": f"{MODEL}-2024-07-18",
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant", "content": text, "refusal": None, "annotations": [],
                        **message,
                    },
                    "logprobs": None,
                    "finish_reason": finish,
                }
            ],
            "usage": {"prompt_tokens": 512, "completion_tokens": 96, "total_tokens": 608},
            "service_tier": "default",
            "system_fingerprint": "fp_0123456789",
        }  # fmt: skip

    def _respond_in_parts(self, body: dict[str, Any]) -> Reply | Streamed:
        if "response_format" in body or not body["stream_options"].get("include_usage"):
            return self.error(400, "the tests stream plain text with its usage")
        if body["messages"][0]["role"] != "system" or not body["messages"][1:]:
            return self.error(400, "a conversation begins with the rules")
        steps: list[bytes | float | str] = [self._chunk({"role": "assistant", "content": ""})]
        for piece in self.pieces:
            steps += [self._chunk({"content": piece}), self.pace_s]
        return Streamed((*steps, *self._end("stop")))

    def _end(self, finish: str) -> tuple[bytes, ...]:
        usage = {"prompt_tokens": 512, "completion_tokens": 96, "total_tokens": 608}
        return self._chunk({}, finish), self._chunk(None, usage=usage), b"data: [DONE]\n\n"

    def _chunk(self, delta: dict[str, Any] | None, finish: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _event({
            "id": "chatcmpl-BxYz0123456789", "object": "chat.completion.chunk",
            "created": 1795910400, "model": f"{MODEL}-2024-07-18", "service_tier": "default",
            "system_fingerprint": "fp_0123456789",
            "choices": [] if delta is None else [choice], "usage": None, **more,
        })  # fmt: skip

    def _faulty_stream(self, fault: str) -> Streamed:
        """What a stream says before its fault: its first two parts."""
        said = tuple(self._chunk({"content": piece}) for piece in self.pieces[:2])
        if fault == "stall":
            return Streamed((*said, "hang"))
        if fault == "stall_first":
            return Streamed((self._chunk({"role": "assistant", "content": ""}), "hang"))
        if fault == "eof":
            return Streamed(said)
        if fault == "lost":
            return Streamed((*said, "lost"))
        if fault == "bad_chunk":
            return Streamed((*said, b'data: {"id": "chatcmpl-BxYz", "choi\n\n'))
        if fault == "bad_first":
            return Streamed((b'data: {"id": "chatcmpl-BxYz", "choi\n\n',))
        if fault == "blocked":
            return Streamed((*said, *self._end("content_filter")))
        if fault == "blocked_first":
            return Streamed(self._end("content_filter"))
        if fault == "refusal":
            return Streamed((self._chunk({"refusal": "I cannot help"}), *self._end("stop")))
        if fault == "error_inside":
            error = {"error": {"message": "overloaded", "type": "server_error", "code": None}}
            return Streamed((*said, _event(error)))
        if fault == "empty":
            return Streamed(self._end("stop"))
        if fault == "length":
            return Streamed((*said, *self._end("length")))
        raise AssertionError(f"no such fault of a stream: {fault}")

    def faulty(self, fault: str, call: Call) -> Reply | Streamed:
        if call.json().get("stream"):
            return self._faulty_stream(fault)
        words = self._words(call.json())
        if fault == "cut_json":
            return as_json(200, self.completion(words[: len(words) // 2]))
        if fault == "length":
            return as_json(200, self.completion(words[: len(words) // 2], "length"))
        if fault == "no_finish":
            return as_json(200, self.completion(words, None))
        if fault == "filtered":
            return as_json(200, self.completion("", "content_filter"))
        if fault == "refusal":
            return as_json(200, self.completion(None, "stop", refusal="I cannot help with that."))
        if fault == "no_choices":
            return as_json(200, {**self.completion(""), "choices": []})
        if fault == "quota":
            return self.error(429, "You exceeded your current quota", "insufficient_quota")
        raise AssertionError(f"no such fault: {fault}")

    def error(self, status: int, message: str = "scripted", code: str | None = None) -> Reply:
        kind = "server_error" if status >= 500 else "invalid_request_error"
        error = {"message": message, "type": kind, "param": None, "code": code}
        return as_json(status, {"error": error}, {"x-request-id": "req_0123456789"})


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def _not_strict(schema: dict[str, Any]) -> str:
    if schema.get("type") == "object":
        if schema.get("additionalProperties") is not False:
            return "additionalProperties is required to be supplied and to be false"
        if sorted(schema["required"]) != sorted(schema["properties"]):
            return "required is required to include every key in properties"
        for one in schema["properties"].values():
            if problem := _not_strict(one):
                return problem
    if set(schema) & {"minLength", "maxLength", "minimum", "maximum"}:
        return "unsupported keyword"
    return _not_strict(schema["items"]) if "items" in schema else ""
