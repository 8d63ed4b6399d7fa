"""The desks that the settings name: adapter, breaker and the one budget, put together once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sync_server.platform.llm.ask import Desk
from sync_server.platform.llm.breaker import Breaker
from sync_server.platform.llm.budget import DailyBudget
from sync_server.platform.llm.contract import AnswerModel
from sync_server.platform.llm.errors import LlmNotConfigured
from sync_server.platform.llm.gemini import GeminiModel
from sync_server.platform.llm.guard import Guard
from sync_server.platform.llm.openai_chat import OpenAiModel
from sync_server.platform.llm.twelvelabs import TwelveLabsModel
from sync_server.platform.settings import Settings, SettingsInvalid


class Desks:
    """Makes each desk once, when it is first asked for; `close` when the process ends.

    A desk without its key raises SettingsInvalid: at the start, not at the first job.
    """

    def __init__(self, settings: Settings, clock: Callable[[], int]) -> None:
        self._settings = settings
        self._made: dict[str, Desk] = {}
        self.budget = DailyBudget(
            Path(settings.data_dir) / "llm-calls.sqlite", settings.llm_daily_calls, clock
        )

    def gemini(self) -> Desk:
        """Gemini: text and video."""
        known = self._settings
        return self._desk(
            "gemini",
            "gemini_api_key",
            lambda: GeminiModel(known.gemini_api_key, known.gemini_model, known.gemini_base_url),
        )

    def openai(self) -> Desk:
        """OpenAI, or what speaks like it: text."""
        known = self._settings
        return self._desk(
            "openai",
            "openai_api_key",
            lambda: OpenAiModel(known.openai_api_key, known.openai_model, known.openai_base_url),
        )

    def twelvelabs(self) -> Desk:
        """TwelveLabs: video."""
        known = self._settings
        return self._desk(
            "twelvelabs",
            "twelvelabs_api_key",
            lambda: TwelveLabsModel(
                known.twelvelabs_api_key, known.twelvelabs_model, known.twelvelabs_base_url
            ),
        )

    async def close(self) -> None:
        """Close all connections."""
        for desk in self._made.values():
            await desk.close()
        self._made.clear()

    def _desk(self, provider: str, key_name: str, make: Callable[[], AnswerModel]) -> Desk:
        if provider not in self._made:
            try:
                model = make()
            except LlmNotConfigured:
                variable = f"DAENGDONG_{key_name.upper()}"
                raise SettingsInvalid(f"{variable} is needed to ask {provider}") from None
            guard = Guard(provider, self.budget, Breaker(provider))
            self._made[provider] = Desk(model, guard)
        return self._made[provider]
