"""The operations of the OpenAPI document, and where each of them takes an id."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from litestar import Litestar

METHODS = ("get", "post", "put", "patch", "delete")
_ID_NAME = re.compile(r"(^|_)(id|ids|key|keys|photos|owner|user)$")


@dataclass(frozen=True)
class Operation:
    """One method of one path, as documented."""

    method: str
    path: str
    document: dict[str, Any]
    schemas: dict[str, Any]

    @property
    def label(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def security(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.document.get("security", [])
        return found

    @property
    def is_signed_in(self) -> bool:
        """Whether every call needs a token."""
        return self.security == [{"bearer": []}]

    def id_places(self) -> set[str]:
        """Where ids stand: `path.dog_id`, `query.region_id`, `body.photos`."""
        places = {
            f"{parameter['in']}.{parameter['name']}"
            for parameter in self.document.get("parameters", [])
            if parameter["in"] == "path"
            or (parameter["in"] == "query" and _ID_NAME.search(parameter["name"]))
        }
        body = self.document.get("requestBody", {}).get("content", {}).get("application/json")
        if body is not None:
            names = _property_names(body["schema"], self.schemas)
            places |= {f"body.{name}" for name in names if _ID_NAME.search(name)}
        return places


def operations_of(app: Litestar) -> list[Operation]:
    """Return every documented operation of the application."""
    document = app.openapi_schema.to_schema()
    return [
        Operation(method.upper(), path, item[method], document["components"]["schemas"])
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    ]


def _property_names(schema: dict[str, Any], schemas: dict[str, Any]) -> Iterator[str]:
    if "$ref" in schema:
        yield from _property_names(schemas[schema["$ref"].rsplit("/", 1)[-1]], schemas)
    for name, inner in schema.get("properties", {}).items():
        yield name
        yield from _property_names(inner, schemas)
    for inner in (*schema.get("oneOf", []), *schema.get("anyOf", [])):
        yield from _property_names(inner, schemas)
    if "items" in schema:
        yield from _property_names(schema["items"], schemas)
