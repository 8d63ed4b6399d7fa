"""The console script `daengdong`."""

from __future__ import annotations

import gc
import sys

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="댕동여지도: walks become territory. `daengdong demo` shows everything at work.",
)


def main() -> None:
    """Run the command line; what a command needs is imported with it."""
    # Modules make no garbage: to look for it as often as Python does takes a tenth of a start.
    gc.set_threshold(10_000, 20, 100)
    _register()
    app()


def _register() -> None:
    try:
        from daengdong import (
            analyze_commands,
            bench_commands,
            demo_command,
            job_commands,
            model_commands,
            phone_commands,
            server_commands,
            toolchain,
            vet_chat,
            vet_commands,
        )
    except ImportError as error:
        sys.exit(f"{error.name} is not installed: pip install 'daengdong[server]'")
    app.command("demo")(demo_command.demo)
    app.command("serve")(server_commands.serve)
    app.command("worker")(job_commands.worker)
    app.add_typer(job_commands.jobs, name="jobs")
    app.add_typer(phone_commands.walk, name="walk")
    app.command("sync")(phone_commands.sync)
    app.command("territory")(phone_commands.territory)
    app.command("rankings")(phone_commands.rankings)
    app.add_typer(analyze_commands.analyze, name="analyze")
    toolchain.add_toolchain(model_commands.models)
    app.add_typer(model_commands.models, name="models")
    app.add_typer(bench_commands.bench, name="bench")
    vet_commands.vet.command("chat")(vet_chat.chat)
    app.add_typer(vet_commands.vet, name="vet")
    app.add_typer(server_commands.regions, name="regions")
    app.add_typer(server_commands.users, name="users")
    app.add_typer(server_commands.db, name="db")
    app.command("doctor")(server_commands.doctor)
