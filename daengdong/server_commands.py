"""Commands for the operator: serve, db, regions, users, doctor."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from daengdong.output import console, fail, print_json, print_table, progress

T = TypeVar("T")


class Level(Enum):
    """Levels of regions."""

    province = "province"
    city = "city"
    town = "town"


Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
db = typer.Typer(no_args_is_help=True, help="The database: migrate, mark as restored.")
regions = typer.Typer(no_args_is_help=True, help="Region boundaries.")
users = typer.Typer(no_args_is_help=True, help="Accounts: list, erase.")


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8000,
    workers: Annotated[int, typer.Option(help="Processes (more than one needs PostgreSQL).")] = 1,
    data_dir: Annotated[str, typer.Option(help="Where the embedded database lies.")] = "",
) -> None:
    """Run the server; settings come from DAENGDONG_* (docs/tutorials/server-operator.md)."""
    import uvicorn

    if data_dir:
        os.environ["DAENGDONG_DATA_DIR"] = data_dir
    settings = _settings()
    if workers > 1 and settings.database.startswith("sqlite"):
        raise fail("sqlite_single", "several processes need PostgreSQL: set DAENGDONG_DATABASE_URL")
    uvicorn.run(
        "sync_server.app:app_factory", factory=True, host=host, port=port, workers=workers,
        log_level="warning", access_log=False, timeout_graceful_shutdown=5,
    )  # fmt: skip


@db.command("migrate")
def db_migrate(json: Json = False) -> None:
    """Bring the database to this program's schema (all or nothing)."""
    from sync_server.platform.migrate import migrate

    new = _with_database(migrate, json, migrated=False)
    if json:
        print_json({"migrated": new})
    else:
        console.print(f"{len(new)} migration(s) run" if new else "the schema is up to date")


@db.command("restored")
def db_restored(json: Json = False) -> None:
    """Say that the database was restored from a backup: every phone pulls and pushes anew.

    Run it after a restore and before the server starts. Phones keep their log: they send again
    what the backup does not have.
    """
    epoch = secrets.token_hex(8)

    async def mark(database: Any) -> str:
        async with database.transaction() as tx:
            await tx.execute("UPDATE sync_clock SET epoch = ?", epoch)
        return epoch

    _with_database(mark, json)
    print_json({"epoch": epoch}) if json else console.print(f"new epoch {epoch}")


@regions.command("import")
def regions_import(
    file: Annotated[Path, typer.Argument(help="GeoJSON, TopoJSON or Shapefile (also zipped).")],
    level: Annotated[
        Level | None, typer.Option(help="province, city or town; found by itself if clear.")
    ] = None,
    name_field: Annotated[str, typer.Option(help="Column of the name.")] = "",
    code_field: Annotated[str, typer.Option(help="Column of the code.")] = "",
    json: Json = False,
) -> None:
    """Import region boundaries; cells and rankings are assigned to them anew."""
    from sync_server.regions import importer
    from sync_server.walks import service as walks

    async def work(platform: Any) -> Any:
        with progress("regions", None, quiet=json) as shown:
            report = await importer.import_file(
                platform,
                file,
                level=None if level is None else level.value,
                name_field=name_field or None,
                code_field=code_field or None,
                progress=lambda _stage, done, of: shown(done, of),
            )
        await walks.retally(platform)
        return report

    report = _with_platform(work, json)
    print_json(report) if json else console.print(report)


@users.command("list")
def users_list(
    limit: Annotated[int, typer.Option(help="How many.")] = 50, json: Json = False
) -> None:
    """List accounts, newest first."""

    async def work(database: Any) -> list[dict[str, Any]]:
        async with database.read() as tx:
            rows = await tx.fetch_all(
                """SELECT u.user_id, u.display_name, u.kind, u.created_ms,
                     (SELECT COUNT(*) FROM walk w WHERE w.user_no = u.user_no) AS walks,
                     (SELECT COUNT(*) FROM cell_state c WHERE c.owner = u.user_no) AS cells
                   FROM app_user u WHERE u.deleted_ms IS NULL
                   ORDER BY u.user_no DESC LIMIT ?""",
                limit,
            )
        return [dict(zip(row.keys(), tuple(row.values() if hasattr(row, "values") else row),
                         strict=True)) for row in rows]  # fmt: skip

    found = _with_database(work, json)
    if json:
        print_json({"users": found})
    else:
        columns = ("user_id", "display_name", "kind", "walks", "cells")
        print_table("users", columns, [[user[c] for c in columns] for user in found])


@users.command("erase")
def users_erase(user_id: str, json: Json = False) -> None:
    """Erase an account and everything of it."""
    from sync_server.users import service

    async def work(platform: Any) -> bool:
        erased: bool = await service.erase_by_id(platform, user_id)
        return erased

    if not _with_platform(work, json):
        raise fail("not_found", f"no user {user_id}", json)
    print_json({"erased": user_id}) if json else console.print(f"erased {user_id}")


def doctor(json: Json = False) -> None:
    """Check what this machine has for a phone and for a server."""
    checks: list[dict[str, Any]] = []

    def check(name: str, work: Callable[[], str]) -> None:
        try:
            checks.append({"check": name, "ok": True, "detail": work()})
        except Exception as error:
            checks.append({"check": name, "ok": False, "detail": f"{error}"})

    check("python", lambda: sys.version.split()[0])
    check("sqlite", lambda: _sqlite_version())
    for extra, module in (("sync", "aiosqlite"), ("sync", "httpx"), ("regions", "geopandas"),
                          ("server", "litestar"), ("postgres", "asyncpg")):  # fmt: skip
        check(f"{module} (extra {extra})", lambda module=module: _version(module))  # type: ignore[misc]
    check("settings", lambda: _settings().database.split("@")[-1])
    check("data folder", _data_folder)
    check("database", lambda: _with_database(_schema_state, False, migrated=False))
    check("disk", lambda: f"{shutil.disk_usage(_settings_folder()).free // 2**20} MiB free")
    if json:
        print_json({"checks": checks})
    else:
        for item in checks:
            mark = "[green]ok[/green]  " if item["ok"] else "[red]no[/red]  "
            console.print(f"{mark}{item['check']}: {item['detail']}", highlight=False)
    if not all(item["ok"] for item in checks):
        raise typer.Exit(1)


async def _schema_state(database: Any) -> str:
    from sync_server.platform.migrate import pending

    waiting = await pending(database)
    return f"{len(waiting)} migrations to run" if waiting else "schema up to date"


def _sqlite_version() -> str:
    if sqlite3.sqlite_version_info < (3, 35):
        raise RuntimeError(f"SQLite 3.35 is needed, this is {sqlite3.sqlite_version}")
    return sqlite3.sqlite_version


def _version(module: str) -> str:
    from importlib.metadata import version

    return version(module)


def _settings(as_json: bool = False) -> Any:
    from sync_server.platform.settings import SettingsInvalid, load_settings

    try:
        return load_settings()
    except (SettingsInvalid, OSError) as error:
        raise fail("settings_invalid", str(error), as_json) from None


def _settings_folder() -> Path:
    folder = Path(_settings().data_dir)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _data_folder() -> str:
    folder = _settings_folder()
    probe = folder / f".probe-{os.getpid()}"
    probe.write_text("x")
    probe.unlink()
    return str(folder)


def _with_database(work: Callable[[Any], Awaitable[T]], as_json: bool, migrated: bool = True) -> T:
    """Run work on the database of the settings; faults end the program with a clear line."""
    from sync_server.platform.database import Database, DatabaseError
    from sync_server.platform.logs import configure_logs
    from sync_server.platform.migrate import migrate

    settings = _settings(as_json)
    # Standard output is the command's own.
    configure_logs(settings.log_level)

    async def run() -> T:
        database = Database(settings.database)
        try:
            await database.open()
            if migrated:
                await migrate(database)
            return await work(database)
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except DatabaseError as error:
        raise fail(error.code, str(error), as_json) from None


def _with_platform(work: Callable[[Any], Awaitable[T]], as_json: bool) -> T:
    """Run work on a platform without HTTP; typed errors end the program with a clear line."""
    from sync_server.app import open_platform
    from sync_server.platform.database import DatabaseError
    from sync_server.platform.errors import Problem
    from sync_server.platform.logs import configure_logs
    from sync_server.regions.importer import RegionImportRefused

    settings = _settings(as_json)
    # Standard output is the command's own.
    configure_logs(settings.log_level)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Any]:
        async with open_platform(settings) as platform:
            yield platform

    async def run() -> T:
        async with opened() as platform:
            return await work(platform)

    try:
        return asyncio.run(run())
    except (DatabaseError, Problem, RegionImportRefused) as error:
        raise fail(error.code, str(error), as_json) from None
