"""What no route takes: checked once for all of them, before a request is read any further."""

from __future__ import annotations

from typing import Any

from litestar import Request

from sync_server.platform.errors import Problem, not_found

async def check_request(request: Request[Any, Any, Any]) -> None:
    """Litestar's `before_request`: refuse NUL in path and query, and bodies that are not JSON.

    PostgreSQL takes no NUL in a text, so nothing has a name with one. Raises Problem not_found
    (NUL in the path), invalid_input (in the query), unsupported_media_type.
    """
    if any("\x00" in str(value) for value in request.path_params.values()):
        raise not_found()
    if b"%00" in request.scope["query_string"]:
        raise Problem("invalid_input", "a NUL character in the query")
    if "data" not in request.route_handler.parsed_fn_signature.parameters:
        return
    kind = request.headers.get("content-type", "application/json")
    if kind.partition(";")[0].strip().lower() != "application/json":
        raise Problem("unsupported_media_type", "the body is application/json")
