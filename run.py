"""Set up and run: `python3 run.py demo` or `python3 run.py test`; needs Python 3.11, nothing else.

Makes `.venv`, installs the pinned and hashed requirements and this project into it, then runs the
command there. A second run finds everything in place. Further words go to the command:
`python3 run.py demo --keep`, `python3 run.py test tests/game_engine`.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
DEBIAN = {"initdb": "postgresql", "chromium": "chromium"}


def main() -> int:
    words = sys.argv[1:]
    if not words or words[0] not in ("demo", "test", "setup"):
        print(__doc__)
        return 2
    if sys.version_info < (3, 11):
        print(f"Python 3.11 or later is needed, this is {sys.version.split()[0]}")
        return 2
    task, rest = words[0], words[1:]
    install("server" if task == "demo" else "dev")
    if task == "setup":
        return 0
    if task == "test":
        install_debian()
        return subprocess.call([str(PYTHON), "-m", "pytest", *rest], cwd=ROOT)
    return subprocess.call([str(PYTHON), "-m", "daengdong", "demo", *rest], cwd=ROOT)


def install(kind: str) -> None:
    """Install requirements/KIND.txt into .venv unless that very file is installed already."""
    folder = ROOT / "requirements"
    wanted = [folder / "build.txt", folder / f"{kind}.txt"]
    sources = [*wanted, ROOT / "pyproject.toml"]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in sources)).hexdigest()
    stamp = VENV / f"installed-{kind}"
    if PYTHON.exists() and stamp.exists() and stamp.read_text() == digest:
        return
    print(f"setting up {VENV} ({kind}), a minute or two the first time", flush=True)
    if not PYTHON.exists():
        subprocess.check_call([sys.executable, "-m", "venv", str(VENV)])
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    for file in wanted:
        subprocess.check_call([*pip, "--require-hashes", "-r", str(file)])
    subprocess.check_call([*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT)])
    stamp.write_text(digest)


def install_debian() -> None:
    """Install what the tests run for real beside Python: PostgreSQL and Chromium (Debian)."""
    present = {
        "initdb": bool(shutil.which("initdb") or list(Path("/usr/lib/postgresql").glob("*/bin"))),
        "chromium": bool(shutil.which("chromium")),
    }
    missing = [DEBIAN[tool] for tool, found in present.items() if not found]
    if not missing:
        return
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        sudo = "sudo " if os.name == "posix" else ""
        sys.exit(f"the tests need {', '.join(missing)}: {sudo}apt-get install {' '.join(missing)}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.check_call([apt, "update", "-qq"], env=quiet)
    subprocess.check_call([apt, "install", "-y", "-qq", *missing], env=quiet)


if __name__ == "__main__":
    sys.exit(main())
