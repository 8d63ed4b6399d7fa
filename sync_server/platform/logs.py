"""Structured logs that never hold bodies, tokens, coordinates or messages."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRET_NAME = re.compile(
    r"token(?!s_(?:in|out)\Z)|secret|password|authorization|cookie|verifier|signature|payload|body|packed|"
    r"\blat|\blng|\blon|coordinate|message_text",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(r"(Bearer\s+\S+|eyJ[\w-]{8,}\.[\w-]+\.[\w-]+|sig(nature)?=[^&\s]+)")


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace values that must not be logged, by the name of the field and by their look."""
    for name, value in event.items():
        if name != "event" and _SECRET_NAME.search(name):
            event[name] = "[redacted]"
        elif isinstance(value, str):
            event[name] = _SECRET_VALUE.sub("[redacted]", value)
    return event


def configure_logs(level: str) -> None:
    """Write JSON lines to standard error from this level on."""
    logging.getLogger("uvicorn.access").disabled = True
    for chatty in ("httpx", "httpx2", "httpcore", "httpcore2", "piccolo", "piccolo.engine.base"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
