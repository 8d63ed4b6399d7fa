"""Process: role `ai` with a chat of the tests' parts over a model at an address.

python -m tests.support.vet_process PORT FOLDER SECRET OPENAI_BASE_URL
"""

from __future__ import annotations

import sys

import uvicorn

from sync_server.ai.vet.backends.remote import RemoteBackend, stream_policy
from sync_server.ai.vet.local_role import OpenVet
from sync_server.ai_app import create_ai_app
from sync_server.platform.clock import Clock, system_clock
from sync_server.platform.llm.desks import Desks
from sync_server.platform.logs import configure_logs
from sync_server.platform.settings import Settings
from tests.support import openai_chat
from tests.support.vet_parts import make_chat


async def open_chat(settings: Settings, clock: Clock) -> OpenVet:
    """A chat over OpenAI's wire, or the embedded one."""
    desks = Desks(settings, clock)
    backend = None
    if settings.vet_backend == "openai":
        policy = stream_policy(settings.vet_deadline_s)
        backend = RemoteBackend(desks.chat("openai", settings.vet_model), policy)
    return OpenVet(make_chat(backend, deadline_s=settings.vet_deadline_s), desks.close)


def main(port: int, folder: str, secret: str, base_url: str) -> None:
    settings = Settings(
        data_dir=folder, role="ai", internal_secrets=secret, vet_backend="openai",
        openai_api_key=openai_chat.API_KEY, openai_base_url=base_url, vet_deadline_s=2.0,
        log_level="info",
    )  # fmt: skip
    configure_logs(settings.log_level)
    app = create_ai_app(settings, system_clock, open_chat)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error")


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
