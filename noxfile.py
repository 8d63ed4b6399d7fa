"""Every task of the house: `nox -l` lists them, `nox -s NAME` runs one."""

import nox

nox.options.sessions = ["lint", "types", "imports", "tests"]
nox.options.default_venv_backend = "venv"
PACKAGES = ("game_engine", "edge_sdk", "sync_server", "daengdong")
SEEING = ("tests/edge_sdk/test_resample.py", "tests/edge_sdk/test_detect.py",
          "tests/edge_sdk/test_pose_decode.py", "tests/edge_sdk/test_manifest.py",
          "tests/edge_sdk/test_gait_measures.py", "tests/edge_sdk/test_gait_refusals.py",
          "tests/edge_sdk/test_smoothing_filters.py", "tests/edge_sdk/test_mission_check.py",
          "tests/edge_sdk/test_media_files.py", "tests/edge_sdk/test_face_result.py",
          "tests/edge_sdk/test_tracking.py")  # fmt: skip
LLM = ("gemini_judge", "twelvelabs_judge", "judges", "narrator", "prompts", "llm_guard",
       "llm_addresses", "references")  # fmt: skip
SDK_ALONE = ("numpy>=2.0", "msgspec>=0.19", "h3>=4.2", "onnxruntime>=1.20", "av>=14")


def _install(session: nox.Session, kind: str = "dev") -> None:
    for name in ("build", kind):
        session.install("--require-hashes", "-r", f"requirements/{name}.txt")
    session.install("--no-deps", "--no-build-isolation", "-e", ".")


@nox.session
def lint(session: nox.Session) -> None:
    """Format and lint with ruff."""
    _install(session)
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types strictly with mypy."""
    _install(session)
    session.run("mypy", *(f"-p{name}" for name in PACKAGES))


@nox.session
def imports(session: nox.Session) -> None:
    """Check that imports point one way."""
    _install(session)
    session.run("lint-imports")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests (PostgreSQL and Chromium must be installed)."""
    _install(session)
    with session.chdir("docs/embed/javascript"):
        session.run("npm", "ci", "--ignore-scripts")
    session.run("pytest", *session.posargs)


@nox.session
def models(session: nox.Session) -> None:
    """Train, export and verify a tiny model and run the toolchain's tests (own environment)."""
    _install(session, "models")
    # The older NumPy here types some calls of the other rooms differently; they have their own run.
    session.run("mypy", "-pmodel_export", "--follow-imports=silent")
    session.run("pytest", "tests/model_export", *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """Run the sync state machine long: 2,000 histories on each database."""
    _install(session)
    session.run("pytest", "tests/faults", env={"DAENGDONG_HISTORIES": "2000"})


@nox.session
def sdk_alone(session: nox.Session) -> None:
    """Prove that edge_sdk and game_engine import and pass with their core dependencies only."""
    session.install(*SDK_ALONE, "pytest", "hypothesis", "onnx")
    session.install("--no-deps", ".")
    session.run("python", "-c", "import edge_sdk, game_engine, game_engine.judge")
    session.run("python", "tests/support/only_small_imports.py")
    session.run("pytest", "tests/game_engine", *SEEING, "tests/edge_sdk/test_packed.py",
                "tests/edge_sdk/test_gpx.py")  # fmt: skip


@nox.session
def previous_llm_sdks(session: nox.Session) -> None:
    """Run the tests of model calls by the SDKs' previous major versions (own environment)."""
    session.install("google-genai==2.34.0", "openai==2.54.0", *SDK_ALONE, "httpx", "structlog",
                    "prometheus-client", "typer", "rich", "pytest", "anyio", "hypothesis",
                    "asyncpg")  # fmt: skip
    session.install("--no-deps", ".")
    session.run("pytest", *(f"tests/sync_server/test_{name}.py" for name in LLM),
                "tests/sync_server/vet/test_vet_backends.py", *session.posargs)  # fmt: skip


@nox.session
def tflite(session: nox.Session) -> None:
    """Run the shipped models by tflite-runtime with NumPy 1, pinned (an environment of its own)."""
    session.install("--require-hashes", "-r", "requirements/tflite.txt")
    session.install("--no-deps", ".")
    session.run("pytest", "-rP", "tests/edge_sdk/test_tflite_runtime.py")
    session.run("pytest", "tests/edge_sdk/test_resample.py", "tests/edge_sdk/test_detect.py",
                "tests/edge_sdk/test_pose_decode.py", "tests/edge_sdk/test_manifest.py",
                "tests/edge_sdk/test_gait_measures.py", "tests/edge_sdk/test_smoothing_filters.py",
                "tests/edge_sdk/test_packed.py", "tests/game_engine")  # fmt: skip


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Print every measured figure beside its goal (long)."""
    _install(session)
    for name in ("wire", "engine", "anticheat", "ranking", "rankings_service", "sync", "map_view",
                 "imports", "gait", "gait_speed", "vision", "analyze",
                 "vet_first_piece"):  # fmt: skip
        session.run("python", f"benchmarks/{name}.py")


@nox.session
def model_benchmarks(session: nox.Session) -> None:
    """Print how fast dogs are generated, what missions say of them, gait from pixels."""
    _install(session, "models")
    for name in ("synth", "synth_faces", "missions", "gait_pixels"):
        session.run("python", f"benchmarks/{name}.py")


@nox.session
def mediapipe(session: nox.Session) -> None:
    """Run the emotion classifier's tests by MediaPipe Tasks (brings OpenCV: an own environment)."""
    session.install("mediapipe", *SDK_ALONE, "onnx", "pytest", "hypothesis")
    session.install("--no-deps", ".")
    session.run("pytest", "tests/edge_sdk/test_runtimes.py", "-k", "MediaPipe")


@nox.session
def pin(session: nox.Session) -> None:
    """Compile the hashed requirements files, without index addresses."""
    session.install("uv")
    common = ("--generate-hashes", "--no-emit-index-url", "--no-header", "--python-version",
              "3.11", "-q")  # fmt: skip
    for kind in ("dev", "models"):
        session.run("uv", "pip", "compile", "pyproject.toml", "--extra", kind, *common,
                    "-o", f"requirements/{kind}.txt")  # fmt: skip
    # What is deployed has the versions that the tests ran with.
    for kind, extras in (("server", ("server",)), ("postgres", ("server", "postgres"))):
        names = [word for extra in extras for word in ("--extra", extra)]
        session.run("uv", "pip", "compile", "pyproject.toml", *names, "-c",
                    "requirements/dev.txt", *common, "-o",
                    f"requirements/{kind}.txt")  # fmt: skip
    for kind in ("build", "tflite"):
        session.run("uv", "pip", "compile", f"requirements/{kind}.in", *common,
                    "-o", f"requirements/{kind}.txt")  # fmt: skip
