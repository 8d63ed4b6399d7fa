"""A local TwelveLabs v1.3: assets (direct upload) and `POST /analyze`, as its reference has them.

Unsupported keywords of a schema are answered with 422 and a short video, a wrong model or an asset
that is not ready with 400, like the real one.
"""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass, field
from email.parser import BytesParser
from typing import Any

from tests.support import judge_words
from tests.support.wire_service import Call, Reply, WireService, as_json

API_KEY = "tlk_TEST0123456789ABCDEF"
MODELS = ("pegasus1.5", "pegasus1.6")
_REFUSED = frozenset(
    {"additionalProperties", "minLength", "maxLength", "uniqueItems", "maxItems", "oneOf", "allOf"}
)


@dataclass
class TwelveLabs(WireService):
    """The service; `assets` is what it keeps, `deleted` what it kept."""

    assets: dict[str, dict[str, Any]] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    asset_state: str = "ready"
    looks_until_ready: int = 1
    videos: list[bytes] = field(default_factory=list)
    """What was analysed."""

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1.3"

    def is_paid(self, call: Call) -> bool:
        return call.path == "/v1.3/analyze"

    def respond(self, call: Call) -> Reply:
        if call.headers.get("x-api-key") != API_KEY:
            return self.error(401, "api_key_invalid")
        path = call.path.removeprefix("/v1.3/")
        if path == "assets" and call.method == "POST":
            return self._upload(call)
        if path.startswith("assets/"):
            return self._asset(call.method, path.removeprefix("assets/"))
        if self.is_paid(call) and call.method == "POST":
            return self._analyze(call.json())
        return self.error(404, "resource_not_exists")

    def _upload(self, call: Call) -> Reply:
        head = f"Content-Type: {call.headers['content-type']}\r\n\r\n".encode()
        form = {
            part.get_param("name", header="content-disposition"): part
            for part in BytesParser().parsebytes(head + call.body).get_payload()  # type: ignore[union-attr]
        }
        if form["method"].get_payload() != "direct":  # type: ignore[union-attr]
            return self.error(400, "parameter_invalid")
        asset_id = secrets.token_hex(12)
        self.assets[asset_id] = {
            "_id": asset_id,
            "method": "direct",
            "status": "processing",
            "filename": form["file"].get_filename(),  # type: ignore[union-attr]
            "file_type": form["file"].get_content_type(),  # type: ignore[union-attr]
            "created_at": "2026-11-28T03:00:00Z",
            "content": form["file"].get_payload(decode=True),  # type: ignore[union-attr]
            "looks": self.looks_until_ready,
        }
        return as_json(201, self._shown(asset_id))

    def _asset(self, method: str, asset_id: str) -> Reply:
        asset = self.assets.get(asset_id)
        if asset is None:
            return self.error(404, "resource_not_exists")
        if method == "DELETE":
            del self.assets[asset_id]
            self.deleted.append(asset_id)
            return 204, {}, b""
        asset["looks"] -= 1
        if asset["looks"] < 0:
            asset["status"] = self.asset_state
        return as_json(200, self._shown(asset_id))

    def _shown(self, asset_id: str) -> dict[str, Any]:
        asset = self.assets[asset_id]
        return {name: value for name, value in asset.items() if name not in ("content", "looks")}

    def _analyze(self, body: dict[str, Any]) -> Reply:
        if body.get("model_name") not in MODELS:
            return self.error(400, "parameter_invalid")
        schema = body["response_format"]["json_schema"]
        if _keywords(schema) & _REFUSED:
            return self.error(422, "parameter_invalid")
        video = body["video"]
        if video["type"] == "base64_string":
            self.videos.append(base64.b64decode(video["base64_string"], validate=True))
        else:
            asset = self.assets.get(video["asset_id"])
            if asset is None:
                return self.error(404, "resource_not_exists")
            if asset["status"] != "ready":
                return self.error(400, "asset_not_ready")
            self.videos.append(asset["content"])
        return as_json(200, self.analysis(self._words(body)))

    def _words(self, body: dict[str, Any]) -> str:
        if self.said is not None:
            value = self.said(body)
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return json.dumps(judge_words.reply(judge_words.mission_of(body["prompt"])))

    def analysis(self, text: str, finish: str | None = "stop") -> dict[str, Any]:
        made: dict[str, Any] = {
            "id": "7663f9f6-8e6a-4f9f-9b0c-0123456789ab",
            "data": text,
            "usage": {"output_tokens": 131, "input_tokens": 1903},
        }
        if finish is not None:
            made["finish_reason"] = finish
        if finish == "length":
            made["error"] = {"message": "the response reached the maximum response length"}
        return made

    def faulty(self, fault: str, call: Call) -> Reply:
        words = self._words(call.json())
        if fault == "cut_json":
            return as_json(200, self.analysis(words[: len(words) // 2]))
        if fault == "length":
            return as_json(200, self.analysis(words[: len(words) // 2], "length"))
        if fault == "no_finish":
            return as_json(200, self.analysis(words, None))
        if fault == "wrong_schema":
            return as_json(200, self.analysis('{"success": true}'))
        if fault == "empty":
            return as_json(200, self.analysis(""))
        raise AssertionError(f"no such fault: {fault}")

    def error(self, status: int, code: str = "scripted") -> Reply:
        codes = {429: "too_many_requests", 500: "internal_server_error"}
        body = {"code": codes.get(status, code), "message": "A message for people."}
        return as_json(status, body, {"X-Api-Version": "1.3"})


def _keywords(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set().union(*(_keywords(one) for one in schema)) if schema else set()
    if not isinstance(schema, dict):
        return set()
    inner = {name: one for name, one in schema.items() if name != "properties"}
    fields = schema.get("properties", {})
    return set(inner) | _keywords(list(inner.values())) | _keywords(list(fields.values()))
