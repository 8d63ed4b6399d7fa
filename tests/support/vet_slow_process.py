"""Process: the server with a vet role that speaks a word every 50 ms.

python -m tests.support.vet_slow_process PORT (settings from the environment)
"""

from __future__ import annotations

import sys
from dataclasses import replace

import uvicorn
from litestar import Litestar

from sync_server.ai.vet.contract import ChatRequest
from sync_server.app import create_app
from sync_server.platform.settings import load_settings
from tests.support.vet_role import ScriptedVetRole, Step

WORDS = tuple(f"낱말{number} " for number in range(60))
PACE_S = 0.05


def slowly(request: ChatRequest) -> list[Step]:
    """The words that do not stand in `partial` yet."""
    said = request.partial.count(" ")
    return [step for word in WORDS[said:] for step in (word, PACE_S)]


async def _install(app: Litestar) -> None:
    app.state.platform = replace(app.state.platform, vet=ScriptedVetRole(slowly))


def main(port: int) -> None:
    app = create_app(load_settings())
    app.on_startup.append(_install)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error")  # type: ignore[arg-type]


if __name__ == "__main__":
    main(int(sys.argv[1]))
