"""Child process: asks each service once and prints every address that anything looked up or called.

An audit hook sees what the interpreter's sockets do, whatever library does it, and refuses every
address but this machine's: a library that phones home fails here and reaches nobody.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

HERE = ("127.0.0.1", "localhost")
seen: set[str] = set()


def watch(event: str, args: tuple[Any, ...]) -> None:
    if event == "socket.getaddrinfo":
        seen.add(f"lookup {args[0]}:{args[1]}")
        if args[0] not in HERE:
            raise OSError(f"not this machine: {args[0]}")
    elif event in ("socket.connect", "socket.sendto"):
        address = args[1]
        if isinstance(address, tuple):
            seen.add(f"{event} {address[0]}:{address[1]}")
            if address[0] not in HERE:
                raise OSError(f"not this machine: {address}")


async def main(folder: Path, gemini_url: str, openai_url: str, twelvelabs_url: str) -> None:
    from edge_sdk.face.result import Probabilities
    from edge_sdk.mission.result import Mission
    from sync_server.ai.face.narrator import ModelNarrator
    from sync_server.ai.missions.judges import RemoteJudge
    from sync_server.ai.references import EmotionReferenceStore, MissionReferenceStore
    from sync_server.platform.llm.desks import Desks
    from sync_server.platform.settings import Settings
    from tests.support import gemini, openai_chat, twelvelabs

    settings = Settings(
        data_dir=str(folder),
        gemini_api_key=gemini.API_KEY, gemini_base_url=gemini_url,
        openai_api_key=openai_chat.API_KEY, openai_base_url=openai_url,
        twelvelabs_api_key=twelvelabs.API_KEY, twelvelabs_base_url=twelvelabs_url,
    )  # fmt: skip
    desks = Desks(settings, lambda: 1_795_910_400_000)
    clip = Path(__file__).resolve().parents[2] / "assets" / "clips" / "sit.mp4"
    criteria = MissionReferenceStore().criteria(Mission.SIT)
    said = []
    for name, desk in (("gemini", desks.gemini()), ("twelvelabs", desks.twelvelabs())):
        said.append((await RemoteJudge(name, desk).judge(clip, criteria)).judge)
    narrator = ModelNarrator("openai", desks.openai(), EmotionReferenceStore())
    said.append((await narrator.tell(Probabilities(0.72, 0.18, 0.06, 0.04))).narrator)
    await desks.close()
    print(json.dumps({"said": said, "seen": sorted(seen)}))


if __name__ == "__main__":
    sys.addaudithook(watch)
    # Variables that the SDKs read on their own must not win over the settings.
    os.environ |= {
        "GOOGLE_API_KEY": "somebody-elses", "GEMINI_API_KEY": "somebody-elses",
        "GOOGLE_GENAI_USE_VERTEXAI": "true", "GOOGLE_GENAI_USE_ENTERPRISE": "true",
        "GOOGLE_CLOUD_PROJECT": "elsewhere", "GOOGLE_CLOUD_LOCATION": "global",
        "GOOGLE_GEMINI_BASE_URL": "https://gemini.elsewhere.example",
        "GOOGLE_VERTEX_BASE_URL": "https://vertex.elsewhere.example",
        "OPENAI_BASE_URL": "https://openai.elsewhere.example/v1",
        "OPENAI_API_KEY": "somebody-elses",
    }  # fmt: skip
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
