"""How every request is read: no NUL, JSON bodies decoded once and strictly by their type."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.routes import HTTPRoute

from sync_server.platform.context import provide_token_user
from sync_server.platform.errors import Problem, not_found


class StrictRequest(Request[Any, Any, Any]):
    """A request whose JSON body is decoded straight into the type that its route takes.

    Litestar decodes to plain values and converts them leniently: `0` and `"false"` would pass
    as a boolean, `"12"` as a number. This is strict, and once instead of twice.
    """

    async def json(self) -> Any:
        """Return the body as the route's type; raise msgspec.ValidationError."""
        field = self.route_handler.parsed_fn_signature.parameters["data"]
        raw = await self.body()
        try:
            return _decoder(field.annotation).decode(raw)
        except msgspec.DecodeError:
            # Some error answers name the request that was refused.
            self.state["refused_body"] = raw
            raise


@lru_cache(maxsize=256)
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


async def check_request(request: Request[Any, Any, Any]) -> Response[None] | None:
    """Litestar's `before_request`: who must sign in, NUL in path and query, bodies not JSON.

    PostgreSQL takes no NUL in a text, so nothing has a name with one. Raises Problem
    unauthorized, token_expired, not_found (NUL in the path), invalid_input (NUL in the query),
    unsupported_media_type. Answers OPTIONS with
    all methods of the path; Litestar's own answer names those of its first handler only.
    The token is read here, before a stranger can make the server read a body.
    """
    if request.method == "OPTIONS":
        return _options(request)
    parameters = request.route_handler.parsed_fn_signature.parameters
    if "user" in parameters or "token_user" in parameters:
        provide_token_user(request, request.app.state.platform)
    if any("\x00" in str(value) for value in request.path_params.values()):
        raise not_found()
    if b"%00" in request.scope["query_string"]:
        raise Problem("invalid_input", "a NUL character in the query")
    if "data" in parameters:
        kind = request.headers.get("content-type", "application/json")
        if kind.partition(";")[0].strip().lower() != "application/json":
            raise Problem("unsupported_media_type", "the body is application/json")
    return None


def _options(request: Request[Any, Any, Any]) -> Response[None]:
    here = request.scope["path_template"]
    methods = {
        method
        for route in request.app.routes
        if isinstance(route, HTTPRoute) and route.path_format == here
        for method in route.methods
    }
    return Response(None, status_code=204, headers={"Allow": ", ".join(sorted(methods))})
