"""`daengdong models train|export|...`: hand the words to the model toolchain's own environment."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import typer

# Each is a command of `python -m model_export`; help text as `daengdong models --help` shows it.
COMMANDS = {
    "datasets": "Convert, merge, split and report data sets.",
    "train": "Train a detector, pose, face or emotion model.",
    "evaluate": "Print a checkpoint's figures on held-out data.",
    "compare": "Print the comparison tables: face, emotion, pose, pipeline.",
    "export": "Export a checkpoint to ONNX, LiteRT and CoreML.",
    "parity": "Compare every exported variant with torch (`verify` of the toolchain).",
    "bundle": "Write manifest, golden vectors, model card and licence.",
    "release": "Make the shipped bundles from checkpoints.",
    "sign": "Make keys and sign a folder of bundles.",
    "publish": "Publish signed bundles as a static folder.",
}
# `daengdong models verify` checks a bundle on this machine; against torch it is another command.
TOOL_NAMES = {"parity": "verify"}
ROOT = Path(__file__).resolve().parents[1]


def environment() -> Path | None:
    """The Python that can train: this one when torch is here, else the checkout's own."""
    if importlib.util.find_spec("torch") and importlib.util.find_spec("model_export"):
        return Path(sys.executable)
    scripts = "Scripts/python.exe" if os.name == "nt" else "bin/python"
    own = ROOT / ".venv-models" / scripts
    return own if own.exists() else None


def add_toolchain(app: typer.Typer) -> None:
    """Register the toolchain's commands on `daengdong models`."""
    for name, text in COMMANDS.items():
        _add(app, name, text)


def _add(app: typer.Typer, name: str, text: str) -> None:
    # The words are not ours to read: all of them, --help too, go to the other environment.
    @app.command(
        name,
        help=text,
        add_help_option=False,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )
    def call(context: typer.Context) -> None:
        python = environment()
        if python is None:
            typer.echo(
                "training and export need their own environment: "
                f"`python3 run.py models {name} --help` sets it up and runs there",
                err=True,
            )
            raise typer.Exit(2)
        command = [str(python), "-m", "model_export", TOOL_NAMES.get(name, name), *context.args]
        raise typer.Exit(subprocess.call(command))  # noqa: S603 - the user's own words
