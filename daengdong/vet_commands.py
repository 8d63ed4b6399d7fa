"""Commands of the vet chat and of what it knows."""

from __future__ import annotations

import typer

vet = typer.Typer(no_args_is_help=True, help="The vet chat and what it knows.")
