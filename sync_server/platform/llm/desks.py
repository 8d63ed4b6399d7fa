"""The desks that the settings name: adapter, breaker and the one budget, put together once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from sync_server.platform.llm.ask import Desk
from sync_server.platform.llm.breaker import Breaker
from sync_server.platform.llm.budget import DailyBudget
from sync_server.platform.llm.contract import AnswerModel
from sync_server.platform.llm.errors import LlmNotConfigured
from sync_server.platform.llm.gemini import GeminiModel
from sync_server.platform.llm.guard import Guard
from sync_server.platform.llm.guarded_stream import StreamDesk
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
        self._chats: dict[str, StreamDesk] = {}
        self.budget = DailyBudget(
            Path(settings.data_dir) / "llm-calls.sqlite", settings.llm_daily_calls, clock
        )

    def gemini(self) -> Desk:
        """Gemini: text and video."""
        known = self._settings
        return self._desk(
            "gemini",
            lambda: GeminiModel(known.gemini_api_key, known.gemini_model, known.gemini_base_url),
        )

    def openai(self) -> Desk:
        """OpenAI, or what speaks like it: text."""
        known = self._settings
        return self._desk(
            "openai",
            lambda: OpenAiModel(known.openai_api_key, known.openai_model, known.openai_base_url),
        )

    def twelvelabs(self) -> Desk:
        """TwelveLabs: video."""
        known = self._settings
        return self._desk(
            "twelvelabs",
            lambda: TwelveLabsModel(
                known.twelvelabs_api_key, known.twelvelabs_model, known.twelvelabs_base_url
            ),
        )

    def chat(self, provider: Literal["openai", "gemini"], model: str = "") -> StreamDesk:
        """A desk of its own that streams: another model, and a breaker that knows only chats."""
        known = self._settings
        if provider not in self._chats:
            made: OpenAiModel | GeminiModel
            try:
                if provider == "openai":
                    name = model or known.openai_model
                    made = OpenAiModel(known.openai_api_key, name, known.openai_base_url)
                else:
                    name = model or known.gemini_model
                    made = GeminiModel(known.gemini_api_key, name, known.gemini_base_url)
            except LlmNotConfigured:
                raise _no_key(provider) from None
            breaker = Breaker(f"{provider}_chat")
            self._chats[provider] = StreamDesk(made, Guard(provider, self.budget, breaker))
        return self._chats[provider]

    async def close(self) -> None:
        """Close all connections."""
        for desk in self._made.values():
            await desk.close()
        for chat in self._chats.values():
            await chat.close()
        self._made.clear()
        self._chats.clear()

    def _desk(self, provider: str, make: Callable[[], AnswerModel]) -> Desk:
        if provider not in self._made:
            try:
                model = make()
            except LlmNotConfigured:
                raise _no_key(provider) from None
            guard = Guard(provider, self.budget, Breaker(provider))
            self._made[provider] = Desk(model, guard)
        return self._made[provider]


def _no_key(provider: str) -> SettingsInvalid:
    return SettingsInvalid(f"DAENGDONG_{provider.upper()}_API_KEY is needed to ask {provider}")
