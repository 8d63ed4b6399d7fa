"""Commands for AI jobs: the worker process, and jobs list, show, retry, cancel."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import typer

from daengdong.output import console, fail, print_json, print_table

T = TypeVar("T")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
jobs = typer.Typer(no_args_is_help=True, help="AI jobs: list, show, retry, cancel.")


def worker(
    port: Annotated[int, typer.Option(help="Port for /healthz and /metrics; 0: none.")] = 0,
    host: Annotated[str, typer.Option(help="Address of that port.")] = "127.0.0.1",
    data_dir: Annotated[str, typer.Option(help="Where scratch files lie.")] = "",
) -> None:
    """Run AI jobs (role worker) until SIGTERM; any number beside each other on PostgreSQL."""
    from sync_server.ai.locks import AlreadyRunning
    from sync_server.platform.database import DatabaseError
    from sync_server.platform.logs import configure_logs
    from sync_server.platform.settings import SettingsInvalid, load_settings
    from sync_server.worker_main import run_worker

    if data_dir:
        os.environ["DAENGDONG_DATA_DIR"] = data_dir
    os.environ["DAENGDONG_ROLE"] = "worker"
    try:
        settings = load_settings()
        configure_logs(settings.log_level)
        asyncio.run(run_worker(settings, port, host))
    except (SettingsInvalid, OSError) as error:
        raise fail("settings_invalid", str(error)) from None
    except (AlreadyRunning, DatabaseError) as error:
        raise fail(error.code, str(error)) from None


@jobs.command("list")
def jobs_list(
    status: Annotated[
        str, typer.Option(help="Only queued, processing, succeeded, failed or cancelled ones.")
    ] = "",
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=10_000)] = 50,
    json: Json = False,
) -> None:
    """List AI jobs, newest first."""
    found = _with_store(lambda store: store.jobs(status or None, limit), json)
    if json:
        print_json({"jobs": [_short(job) for job in found]})
        return
    columns = ("job_id", "job_type", "status", "stage", "percent", "crash_count", "code", "created")
    rows = [[_short(job)[name] or "" for name in columns] for job in found]
    print_table("jobs", columns, rows)


@jobs.command("show")
def jobs_show(job_id: str, json: Json = False) -> None:
    """Show one job: its request, where it stands, how it ended."""
    found = _with_store(lambda store: store.job(job_id), json)
    if found is None:
        raise fail("not_found", f"no job {job_id}", json)
    import msgspec

    whole = {**_short(found), "request": msgspec.to_builtins(found.request),
             "result": found.result, "error": found.error,
             "failure_type": found.failure_type, "version": found.version,
             "run_no": found.run_no, "undelivered": found.undelivered}  # fmt: skip
    if json:
        print_json(whole)
    else:
        shown = [[name, _cell(value)] for name, value in whole.items() if value is not None]
        print_table(job_id, ("field", "value"), shown)


@jobs.command("retry")
def jobs_retry(job_id: str, json: Json = False) -> None:
    """Queue a job that failed or was cancelled again; a running server or worker takes it."""
    from sync_server.ai.orchestrator import QUEUED

    if not _with_store(lambda store: store.retry(job_id, QUEUED), json):
        raise fail("not_found", f"no failed or cancelled job {job_id}", json)
    print_json({"queued": job_id}) if json else console.print(f"queued {job_id}")


@jobs.command("cancel")
def jobs_cancel(job_id: str, json: Json = False) -> None:
    """Cancel a job that waits or runs; a stage under way ends within a second."""
    from sync_server.ai.orchestrator import CANCELLED

    if _with_store(lambda store: store.cancel(job_id, CANCELLED), json) is None:
        raise fail("not_found", f"no open job {job_id}", json)
    print_json({"cancelled": job_id}) if json else console.print(f"cancelled {job_id}")


def _short(job: Any) -> dict[str, Any]:
    return {
        "job_id": job.job_id, "area": job.area, "job_type": job.job_type, "status": job.status,
        "stage": job.stage, "percent": job.percent, "crash_count": job.crash_count,
        "code": job.code, "priority": job.priority,
        "created": datetime.fromtimestamp(job.created_ms / 1000, UTC).isoformat(timespec="seconds"),
    }  # fmt: skip


def _cell(value: Any) -> str:
    import msgspec

    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _with_store(work: Callable[[Any], Awaitable[T]], as_json: bool) -> T:
    """Run work on the AI store of the settings."""
    from sync_server.ai.store import AiStore
    from sync_server.platform.database import Database, DatabaseError
    from sync_server.platform.logs import configure_logs
    from sync_server.platform.settings import SettingsInvalid, load_settings

    try:
        settings = load_settings()
    except (SettingsInvalid, OSError) as error:
        raise fail("settings_invalid", str(error), as_json) from None
    configure_logs(settings.log_level)

    async def run() -> T:
        store = AiStore(Database(settings.ai_database))
        try:
            await store.open()
            return await work(store)
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except DatabaseError as error:
        raise fail(error.code, str(error), as_json) from None
