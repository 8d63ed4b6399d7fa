"""Which routes and periodic work each domain brings."""

from __future__ import annotations

from litestar.types import ControllerRouterHandler

from sync_server.platform.context import Sweeper

ROUTES: list[ControllerRouterHandler] = []
SWEEPERS: list[Sweeper] = []
