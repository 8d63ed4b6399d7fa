"""JSON Schema of a msgspec type in the plain subset that Gemini, OpenAI and TwelveLabs all take.

References are written out; bounds, patterns and lengths are left away (TwelveLabs answers 422 to
most of them, OpenAI 400): the decoded value is checked here anyway. Docstrings stay here: they
speak to programmers.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

_KEPT: Final = frozenset({"type", "enum"})


def plain_schema(kind: Any) -> dict[str, Any]:
    """Return the schema of a msgspec Struct; every field required, in the order of declaration."""
    whole = msgspec.json.schema(kind)
    return _plain(whole, whole.get("$defs", {}))


def _plain(node: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in node:
        return _plain(known[node["$ref"].rsplit("/", 1)[-1]], known)
    plain = {name: value for name, value in node.items() if name in _KEPT}
    if "enum" in plain and "type" not in plain:
        plain["type"] = "string"
    if "anyOf" in node:
        plain["anyOf"] = [_plain(one, known) for one in node["anyOf"]]
    if "items" in node:
        plain["items"] = _plain(node["items"], known)
    if "properties" in node:
        fields = node["properties"]
        plain["properties"] = {name: _plain(one, known) for name, one in fields.items()}
        plain["required"] = list(fields)
    return plain
