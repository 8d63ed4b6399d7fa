"""Piccolo's configuration: the engine of the open database and the registered apps."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("PICCOLO_CONF", "sync_server.platform.piccolo_conf")

from piccolo.apps.migrations.tables import Migration  # noqa: E402
from piccolo.conf.apps import AppRegistry  # noqa: E402
from piccolo.engine.base import Engine  # noqa: E402
from piccolo.table import Table  # noqa: E402

APP_REGISTRY = AppRegistry(apps=["sync_server.platform.piccolo_app"])
DB: Engine[Any] | None = None


def bind(engine: Engine[Any]) -> None:
    """Make every Piccolo table of the process use this engine."""
    global DB
    DB = engine
    for table in (Migration, *_tables(Table)):
        table._meta._db = engine


def _tables(base: type[Table]) -> list[type[Table]]:
    found: list[type[Table]] = []
    for table in base.__subclasses__():
        found += [table, *_tables(table)]
    return found
