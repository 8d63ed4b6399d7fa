"""The OpenAPI document fits reality: schemathesis calls every route with right and wrong input.

By its command line, because only schemathesis' own runner expects a server that remembers. Wrong
input is every value that the document rules out (coverage), then what Hypothesis finds (fuzzing),
then calls that follow from one another (stateful).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import anyio
import httpx
import pytest

from sync_server.platform.clock import system_clock
from tests.conftest import REPOSITORY
from tests.support.app import Server, TestClock
from tests.support.household import Household, settle
from tests.support.kakao import Kakao
from tests.support.listening import listening
from tests.support.operations import operations_of

pytestmark = pytest.mark.slow
EXAMPLES = int(os.environ.get("DAENGDONG_API_EXAMPLES", "15"))
REDIRECT = "https://app.example/kakao"
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_headers_conformance", "response_schema_conformance", "negative_data_rejection",
    "unsupported_method", "allow_header_conformance",
)  # fmt: skip


def test_every_route_answers_as_documented(database_url: str, tmp_path: Path) -> None:
    # PostgreSQL with fewer examples: there it is about texts and numbers that a column refuses.
    examples = EXAMPLES if database_url.startswith("sqlite") else max(3, EXAMPLES // 4)
    with (
        Kakao() as kakao,
        listening(
            database_url, tmp_path, rate_limits="off", access_token_s="900",
            **kakao.settings(REDIRECT),
        ) as (address, app),
    ):  # fmt: skip

        async def populate() -> Household:
            async with httpx.AsyncClient(base_url=address, timeout=30) as client:
                return await settle(Server(app, client, TestClock()), system_clock())

        known = anyio.run(populate)
        # /api/sync/events never ends by itself: its first event is enough.
        (tmp_path / "schemathesis.toml").write_text("max-stream-events = 1\n")
        done = subprocess.run(
            [
                str(Path(sys.executable).parent / "schemathesis"), "run",
                f"{address}/schema/openapi.json", "--checks", ",".join(CHECKS),
                "--max-examples", str(examples), "--request-timeout", "10", "--workers", "1",
                "--phases", "examples,coverage,fuzzing,stateful", "--no-color", "--no-shrink",
                "--suppress-health-check", "all", "--generation-deterministic",
            ],
            env={
                **os.environ,
                "PYTHONPATH": str(REPOSITORY),
                "SCHEMATHESIS_HOOKS": "tests.support.schemathesis_hooks",
                "DAENGDONG_ADDRESS": address,
                "DAENGDONG_TOKEN": known.phone.tokens["access_token"],
                "DAENGDONG_KNOWN_IDS": json.dumps({**known.ids, "key": known.photo_key}),
            },
            capture_output=True, text=True, timeout=600, cwd=tmp_path,
        )  # fmt: skip
    report = done.stdout[-8000:] + done.stderr[-2000:]
    assert done.returncode == 0, report
    tested = re.search(r"Tested: (\d+)", done.stdout)
    assert tested is not None and int(tested[1]) == len(operations_of(app)), report
    # Otherwise most of it would have been a test of 401.
    assert "Authentication failed" not in done.stdout, report
