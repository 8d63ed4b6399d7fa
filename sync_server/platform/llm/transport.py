"""Which exceptions of the HTTP libraries under the SDKs mean what.

google-genai 2 speaks httpx, 3 httpx2 (a fork in a name space of its own: no common base class),
and both take aiohttp when it happens to be installed. What is not loaded cannot have been raised.
"""

from __future__ import annotations

import sys

from sync_server.platform.llm.errors import LlmError, LlmTimeout, LlmUnavailable


def error_of_transport(error: Exception) -> LlmError | None:
    """The error of a transport exception of any of the libraries; None for other exceptions."""
    if isinstance(error, TimeoutError) or _is_a(error, "TimeoutException", "httpx", "httpx2"):
        return LlmTimeout(type(error).__name__)
    if (
        isinstance(error, ConnectionError)
        or _is_a(error, "TransportError", "httpx", "httpx2")
        or _is_a(error, "DecodingError", "httpx", "httpx2")
        or _is_a(error, "ClientError", "aiohttp")
    ):
        return LlmUnavailable(type(error).__name__)
    return None


def _is_a(error: Exception, name: str, *libraries: str) -> bool:
    known = (getattr(sys.modules.get(library), name, None) for library in libraries)
    return any(isinstance(error, kind) for kind in known if isinstance(kind, type))
