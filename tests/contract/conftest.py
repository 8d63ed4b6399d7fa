"""The AI paths are tested with the AI role in the backend's process, and apart from it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.ai_paths import Backend, backend


@pytest.fixture(params=["embedded", "apart"])
async def ai(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backend]:
    """A backend whose AI role's events are calls, then one whose events are signed webhooks."""
    url = f"sqlite:///{tmp_path / 'test.sqlite'}"
    async with backend(url, tmp_path, apart=request.param == "apart") as made:
        yield made
