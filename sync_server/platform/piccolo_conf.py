"""Piccolo's configuration: the engine of the open database and the registered apps."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("PICCOLO_CONF", "sync_server.platform.piccolo_conf")

from piccolo.apps.migrations.tables import Migration
from piccolo.conf.apps import AppRegistry
from piccolo.engine.base import Engine
from piccolo.table import Table

APP_REGISTRY = AppRegistry(apps=["sync_server.platform.piccolo_app"])
DB: Engine[Any] | None = None


def bind(engine: Engine[Any]) -> None:
    """Make every Piccolo table of the process use this engine."""
    global DB
    DB = engine
    tables: list[type[Table]] = [Migration, *_tables(Table)]
    for table in tables:
        table._meta._db = engine


def _tables(base: type[Table]) -> list[type[Table]]:
    found: list[type[Table]] = []
    for table in base.__subclasses__():
        found += [table, *_tables(table)]
    return found
