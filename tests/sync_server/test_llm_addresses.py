"""Models are asked at the address of the settings and nowhere else; nothing of it is logged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_sdk.mission.result import Mission
from sync_server.ai.missions.judges import RemoteJudge
from sync_server.ai.references import MissionReferenceStore
from sync_server.platform.llm.gemini import GeminiModel
from sync_server.platform.logs import configure_logs
from tests.support import gemini, openai_chat, twelvelabs
from tests.support.desks import QUICK, desk_of
from tests.support.log_watch import watching
from tests.sync_server.test_narrator import good_reply, prompt_in

REPOSITORY = Path(__file__).resolve().parents[2]
CLIP = REPOSITORY / "assets" / "clips" / "sit.mp4"


def test_the_sdks_speak_to_the_given_address_only(tmp_path: Path) -> None:
    said = openai_chat.OpenAi(said=lambda body: good_reply(prompt_in(body)))
    with gemini.Gemini() as google, said as openai, twelvelabs.TwelveLabs() as twelve:
        child = subprocess.run(
            [sys.executable, "-m", "tests.support.sdk_addresses", str(tmp_path), google.url,
             openai.base_url, twelve.base_url],
            cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert child.returncode == 0, child.stderr[-2_000:]
        ports = {service.url.rsplit(":", 1)[1] for service in (google, openai, twelve)}
    told = json.loads(child.stdout.splitlines()[-1])
    assert told["said"] == ["gemini", "twelvelabs", "openai"]
    called = {line for line in told["seen"] if line.startswith("socket.connect")}
    assert called == {f"socket.connect 127.0.0.1:{port}" for port in ports}
    assert all(line.startswith("lookup 127.0.0.1:") for line in set(told["seen"]) - called)


def test_nothing_is_imported_for_a_model_that_is_not_asked() -> None:
    look = (
        "import sys, sync_server.ai.missions.assembly, sync_server.ai.face.narrator;"
        "print(sorted({'google.genai', 'openai', 'pydantic'} & set(sys.modules)))"
    )
    child = subprocess.run(
        [sys.executable, "-c", look], cwd=REPOSITORY, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert child.stdout.strip() == "[]", child.stderr[-2_000:]


@pytest.mark.anyio
@pytest.mark.parametrize("fault", ["", "403", "wrong_schema", "429_in_body"])
async def test_keys_prompts_and_answers_are_not_logged(tmp_path: Path, fault: str) -> None:
    with gemini.Gemini() as google, watching() as watch:
        configure_logs("debug")
        google.always = fault or None
        google.retry_after = "0"
        desk = desk_of(GeminiModel(gemini.API_KEY, gemini.MODEL, google.url), tmp_path)
        judge = RemoteJudge("gemini", desk, QUICK)
        try:
            await judge.judge(CLIP, MissionReferenceStore().criteria(Mission.SIT))
        except Exception as error:
            assert gemini.API_KEY not in f"{error!r} {error.__cause__!r} {error.__context__!r}"
        await desk.close()
    written = watch.written.getvalue()
    for secret in (gemini.API_KEY, "dog training judge", "안정적으로 해냈습니다", "high"):
        assert secret not in written
    assert ("llm_failed" if fault else "llm_answered") in written


@pytest.mark.anyio
@pytest.mark.skipif(
    not os.environ.get("DAENGDONG_LIVE_GEMINI_KEY"),
    reason="live: set DAENGDONG_LIVE_GEMINI_KEY to ask the real Gemini (paid)",
)
async def test_the_real_gemini_sees_the_shipped_dog(tmp_path: Path) -> None:
    key = os.environ["DAENGDONG_LIVE_GEMINI_KEY"]
    model = os.environ.get("DAENGDONG_GEMINI_MODEL", gemini.MODEL)
    desk = desk_of(GeminiModel(key, model), tmp_path)
    one = await RemoteJudge("gemini", desk).judge(
        CLIP, MissionReferenceStore().criteria(Mission.SIT)
    )
    await desk.close()
    assert one.mission is Mission.SIT and one.input_tokens


@pytest.mark.anyio
@pytest.mark.skipif(
    not os.environ.get("DAENGDONG_LIVE_TWELVELABS_KEY"),
    reason="live: set DAENGDONG_LIVE_TWELVELABS_KEY to ask the real TwelveLabs",
)
async def test_the_real_twelvelabs_sees_the_shipped_dog(tmp_path: Path) -> None:
    from sync_server.platform.llm.twelvelabs import TwelveLabsModel
    from sync_server.platform.settings import Settings

    known = Settings()
    key = os.environ["DAENGDONG_LIVE_TWELVELABS_KEY"]
    model = TwelveLabsModel(key, known.twelvelabs_model, known.twelvelabs_base_url)
    desk = desk_of(model, tmp_path)
    one = await RemoteJudge("twelvelabs", desk).judge(
        CLIP, MissionReferenceStore().criteria(Mission.SIT)
    )
    await desk.close()
    assert one.mission is Mission.SIT
