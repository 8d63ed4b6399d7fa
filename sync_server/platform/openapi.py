"""What Litestar cannot say of a route in its OpenAPI document, said for all routes at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import (
    OpenAPI,
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    Reference,
    RequestBody,
    Schema,
    SecurityScheme,
)
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType
from litestar.plugins import OpenAPISchemaPlugin
from litestar.routes import HTTPRoute
from litestar.typing import FieldDefinition
from litestar.utils.predicates import is_class_and_subclass
from msgspec import Struct

from sync_server.platform.errors import TITLES
from sync_server.platform.problem_details import MEDIA_TYPE

if TYPE_CHECKING:
    from litestar._openapi.schema_generation import SchemaCreator

BEARER = SecurityScheme(
    type="http", scheme="bearer", bearer_format="JWT", description="An access token"
)
SECURITY_SCHEMES: dict[str, SecurityScheme | Reference] = {"bearer": BEARER}
EITHER_WAY: list[dict[str, list[str]]] = [{}, {"bearer": []}]
"""`security=` of a route that also works without signing in."""
_SIGNED_IN = {"user", "token_user"}
_BYTES = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)


class DocumentConfig(OpenAPIConfig):
    """OpenAPI settings whose document is completed when it is first asked for, not at the start."""

    app: Litestar | None = None

    def to_openapi_schema(self) -> OpenAPI:
        """Return the document that Litestar puts the routes into."""
        document = _Document(**vars(super().to_openapi_schema()))
        document.__dict__["owner"] = self
        return document


class _Document(OpenAPI):
    # No field of the document: a dataclass's to_schema writes every field.
    owner: ClassVar[DocumentConfig]

    def to_schema(self) -> dict[str, Any]:
        if self.owner.app is not None:
            _complete_document(self, self.owner.app)
        return super().to_schema()


class ArrayStructs(OpenAPISchemaPlugin):
    """Documents array-like structs as the arrays they are on the wire."""

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        """Say whether a type is an array-like struct."""
        kind = field_definition.annotation
        return is_class_and_subclass(kind, Struct) and kind.__struct_config__.array_like

    def to_openapi_schema(
        self, field_definition: FieldDefinition, schema_creator: SchemaCreator
    ) -> Schema:
        """Return an array of exactly the struct's fields."""
        fields = field_definition.get_type_hints(include_extras=True).values()
        return Schema(
            type=OpenAPIType.ARRAY,
            title=field_definition.annotation.__name__,
            description=field_definition.annotation.__doc__,
            prefix_items=[
                schema_creator.for_field_definition(FieldDefinition.from_annotation(kind))
                for kind in fields
            ],
            min_items=len(fields),
            max_items=len(fields),
        )


def _complete_document(document: OpenAPI, app: Litestar) -> None:
    """Add who must sign in, the answers to a wrong body, headers of errors and raw bodies."""
    paths = document.paths or {}
    for route in app.routes:
        if not isinstance(route, HTTPRoute) or route.path_format not in paths:
            continue
        for handler in route.route_handlers:
            for method in handler.http_methods:
                operation = getattr(paths[route.path_format], method.lower(), None)
                if isinstance(operation, Operation):
                    _complete(operation, handler)


def _complete(operation: Operation, handler: HTTPRouteHandler) -> None:
    if not operation.security:
        signed_in = bool(_SIGNED_IN & set(handler.parsed_fn_signature.parameters))
        operation.security = [{"bearer": []}] if signed_in else []
    responses = operation.responses = operation.responses or {}
    for media_type in handler.opt.get("takes_bytes", ()):
        body = operation.request_body or RequestBody(content={}, required=True)
        assert isinstance(body, RequestBody)
        body.content[media_type] = OpenAPIMediaType(schema=_BYTES)
        operation.request_body = body
    takes = handler.opt.get("takes")
    if takes:
        operation.request_body = RequestBody(
            required=True,
            content={name: OpenAPIMediaType(schema=schema) for name, schema in takes.items()},
        )
    for media_type in handler.opt.get("answers_bytes", ()):
        answer = responses["200"]
        assert isinstance(answer, OpenAPIResponse)
        answer.content = {**(answer.content or {}), media_type: OpenAPIMediaType(schema=_BYTES)}
    if operation.request_body is not None:
        _add_problem(responses, "too_large")
    if "data" in handler.parsed_fn_signature.parameters:
        _add_problem(responses, "unsupported_media_type")
    _add_headers(responses)


def _add_problem(responses: dict[str, Any], code: str) -> None:
    status, _, title = TITLES[code]
    any_problem = responses["500"].content
    responses.setdefault(str(status), OpenAPIResponse(description=title, content=any_problem))


def _add_headers(responses: dict[str, Any]) -> None:
    for status, name, kind, said in (
        ("401", "WWW-Authenticate", OpenAPIType.STRING, "Bearer"),
        ("429", "Retry-After", OpenAPIType.INTEGER, "Seconds until the request may be repeated"),
        ("503", "Retry-After", OpenAPIType.INTEGER, "Seconds until the request may be repeated"),
    ):
        answer = responses.get(status)
        if isinstance(answer, OpenAPIResponse) and MEDIA_TYPE in (answer.content or {}):
            header = OpenAPIHeader(schema=Schema(type=kind), description=said, required=True)
            answer.headers = {**(answer.headers or {}), name: header}
