"""What all event streams share."""

from __future__ import annotations

from typing import Final

from litestar.response import ServerSentEventMessage

PING_S: Final = 15.0
"""A quiet stream says so often that it lives; proxies close what is silent for a minute."""
PING: Final = ServerSentEventMessage(data=None, comment="ping")
"""A comment and nothing else: with Litestar's empty `data` a browser would see a message."""
