"""Scratch folders of jobs."""

from __future__ import annotations

import hashlib
import shutil
import time
from pathlib import Path


def job_folder(data_dir: Path, job_id: str) -> Path:
    """Return a job's folder. By hash: an id may be `..`, or differ from another by case only."""
    return data_dir / "jobs" / hashlib.sha256(job_id.encode()).hexdigest()[:32]


def remove_folder(folder: Path) -> None:
    """Remove a folder and what is in it."""
    shutil.rmtree(folder, ignore_errors=True)


def sweep_folders(data_dir: Path, older_than_s: float) -> int:
    """Remove folders that nothing has touched for that long; return how many."""
    count = 0
    for folder in (data_dir / "jobs").glob("*"):
        if time.time() - folder.stat().st_mtime > older_than_s:
            remove_folder(folder)
            count += 1
    return count
