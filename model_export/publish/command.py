"""`sign` and `publish`: keys, a repository of signed bundles, and what goes into it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from edge_sdk.update.metadata import ROLES, Role
from model_export.publish import repository
from model_export.publish.errors import PublishError
from model_export.publish.keys import SigningKey

sign = typer.Typer(no_args_is_help=True, help="Make keys and sign a repository of bundles.")
KeyFolder = Annotated[Path, typer.Option("--keys", help="Folder of the private keys.")]
Repository = Annotated[Path, typer.Argument(help="Folder that a web server publishes.")]


@sign.command()
def keys(
    folder: Annotated[Path, typer.Argument(help="New folder for the private keys.")],
    root_keys: Annotated[int, typer.Option(help="Root keys to make; keep them apart.")] = 2,
) -> None:
    """Make Ed25519 keys: several for root (keep offline), one for each other role."""
    for role in ROLES:
        for number in range(1, (root_keys if role == "root" else 1) + 1):
            SigningKey.create().write(folder / f"{role}-{number}.pem")
    typer.echo(f"wrote {folder}: move root-*.pem to where no server can read them")


@sign.command("init")
def init(
    folder: Repository,
    key_folder: KeyFolder,
    root_threshold: Annotated[int, typer.Option(help="Root signatures needed.")] = 2,
) -> None:
    """Start a repository; ship its 1.root.json inside the app."""
    _run(lambda: repository.create(folder, read_keys(key_folder), {"root": root_threshold}))
    typer.echo(f"ship {folder / '1.root.json'} inside the app")


@sign.command()
def rotate(
    folder: Repository,
    key_folder: KeyFolder,
    old: Annotated[Path, typer.Option(help="Folder with the old root keys.")],
) -> None:
    """Replace the keys; phones follow the chain of roots."""
    _run(lambda: repository.rotate(folder, read_keys(key_folder), read_keys(old)["root"]))


@sign.command()
def refresh(folder: Repository, key_folder: KeyFolder) -> None:
    """Sign the state anew (daily): phones refuse a timestamp older than a week."""
    _run(lambda: repository.refresh(folder, read_keys(key_folder)))


def publish(
    folder: Repository,
    bundles: Annotated[list[Path], typer.Argument(help="Bundle zips, each with a new serial.")],
    key_folder: KeyFolder,
) -> None:
    """Add bundles to a repository and sign its new state."""
    _run(lambda: repository.publish(folder, bundles, read_keys(key_folder)))
    typer.echo(f"published {', '.join(path.name for path in bundles)} in {folder}")


def read_keys(folder: Path) -> dict[Role, list[SigningKey]]:
    """Read every key of a folder by role; a role without a key file has none."""
    return {
        role: [SigningKey.read(path) for path in sorted(folder.glob(f"{role}-*.pem"))]
        for role in ROLES
    }


def _run(action: Callable[[], object]) -> None:
    try:
        action()
    except PublishError as error:
        typer.echo(f"{error.code}: {error}", err=True)
        raise typer.Exit(1) from None
