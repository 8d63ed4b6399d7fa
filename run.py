"""Set up and run: `python3 run.py demo` or `python3 run.py test`; needs Python 3.11, nothing else.

Makes `.venv` (phone, server, command line) and, for the tests, `.venv-models` (training and export:
its converters pin libraries that the server cannot live with), installs the pinned and hashed
requirements and this project, then runs the command. A second run finds everything in place.
Further words go to the command: `python3 run.py demo --keep`, `python3 run.py test
tests/game_engine`, `python3 run.py models train pose`.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
MODEL_TESTS = "tests/model_export"
# A worker a core, each a file at a time: what a file builds once is built once. The order is ours:
# slow files first (tests/conftest.py).
ON_ALL_CORES = ["-n", "auto", "--dist", "loadfile", "--no-loadscope-reorder"]
DEBIAN = {"initdb": "postgresql", "chromium": "chromium"}


def main() -> int:
    words = sys.argv[1:]
    if not words or words[0] not in ("demo", "test", "models", "setup"):
        print(__doc__)
        return 2
    if sys.version_info < (3, 11):
        print(f"Python 3.11 or later is needed, this is {sys.version.split()[0]}")
        return 2
    task, rest = words[0], words[1:]
    if task == "test":
        return test(rest)
    if task == "models":
        return run(install(".venv-models", "models"), "-m", "model_export", *rest)
    python = install(".venv", "server" if task == "demo" else "dev")
    return 0 if task == "setup" else run(python, "-m", "daengdong", "demo", *rest)


def test(rest: list[str]) -> int:
    """Run the tests that `rest` names, each in its environment; without names, all of them."""
    for_models = [word for word in rest if word.startswith(MODEL_TESTS)]
    if for_models or not rest:
        python = install(".venv-models", "models")
        failed = run(python, "-m", "pytest", *(rest or [MODEL_TESTS, *ON_ALL_CORES]))
        if failed or rest:
            return failed
    python = install(".venv", "dev")
    install_debian()
    install_node(python)
    return run(python, "-m", "pytest", *(rest or ON_ALL_CORES))


def run(python: Path, *words: str) -> int:
    return subprocess.call([str(python), *words], cwd=ROOT)


def install(folder: str, kind: str) -> Path:
    """Install requirements/KIND.txt into `folder` unless that very file is installed already."""
    venv = ROOT / folder
    scripts = venv / ("Scripts" if os.name == "nt" else "bin")
    python, stamp = scripts / "python", venv / f"installed-{kind}"
    build, wanted = (ROOT / "requirements" / f"{name}.txt" for name in ("build", kind))
    sources = [build, wanted, ROOT / "pyproject.toml"]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in sources)).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return python
    print(f"setting up {venv} ({kind}), a minute or two the first time", flush=True)
    if not venv.exists():
        subprocess.check_call([sys.executable, "-m", "venv", str(venv)])
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.check_call([*pip, "--require-hashes", "-r", str(build)])
    uv = [str(scripts / "uv"), "pip", "install", "--quiet", "--python", str(python)]
    subprocess.check_call([*uv, "--require-hashes", "-r", str(wanted)])
    subprocess.check_call([*uv, "--no-deps", "--no-build-isolation", "-e", str(ROOT)])
    stamp.write_text(digest)
    return python


def install_node(python: Path) -> None:
    """Install what the JavaScript example needs; Node itself is one of the Python packages."""
    example = ROOT / "docs" / "embed" / "javascript"
    lock = example / "package-lock.json"
    done = example / "node_modules" / ".package-lock.json"
    if not done.exists() or done.stat().st_mtime < lock.stat().st_mtime:
        npm = python.with_name("npm.cmd" if os.name == "nt" else "npm")
        subprocess.check_call([str(npm), "ci", "--silent", "--ignore-scripts"], cwd=example)


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
