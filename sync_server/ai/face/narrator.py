"""What is said of a dog's face: by a language model, or by the template when that fails.

A fault of the model never fails an analysis: the owner sees the normal result with the template's
sentence; the log and /metrics see `SYSTEM_ERROR` with `LLM_API_TIMEOUT` or `LLM_API_ERROR`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import msgspec
import structlog
from prometheus_client import Counter

from edge_sdk.face.narration import narrate
from edge_sdk.face.result import Probabilities
from edge_sdk.references.texts import Text
from sync_server.ai.face.prompts import NarratorReply, narrator_question, problem_of
from sync_server.ai.references import EmotionReferenceStore
from sync_server.platform.llm.ask import Desk, ask
from sync_server.platform.llm.desks import Desks
from sync_server.platform.llm.errors import LlmError, LlmTimeout
from sync_server.platform.llm.guard import CallPolicy
from sync_server.platform.settings import Settings

log = structlog.get_logger(__name__)
POLICY: Final = CallPolicy(deadline_s=20.0, attempt_s=5.0, attempts=3, first_wait_s=2.0, growth=1.0)
"""At most two retries, 2 s apart; the product's rule for the explanation."""

FALLBACKS = Counter(
    "daengdong_face_narration_fallbacks_total", "Sentences by the template instead", ("reason",)
)


class Told(msgspec.Struct, frozen=True):
    """What is said, and by whom. `failure_reason` (and `failure_type`) only of a fallback."""

    narration: Text
    summary: Text
    narrator: str
    model: str
    prompt_version: str
    reference_version: str
    failure_type: str = ""
    failure_reason: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None


class Narrator(Protocol):
    """Puts a reading of a face into words."""

    async def tell(self, probabilities: Probabilities) -> Told:
        """Say it in both languages.

        Raises edge_sdk's NarrationFailed where the probabilities are not sound, nothing else.
        """
        ...


@dataclass(frozen=True)
class TemplateNarrator:
    """The sentences of the Emotion Reference Store: the same reading, the same words."""

    store: EmotionReferenceStore

    async def tell(self, probabilities: Probabilities) -> Told:
        """See `Narrator`."""
        known = self.store.current()
        said = narrate(probabilities, known.value)
        return Told(said.narration, said.summary, "template", "", "", known.version)


@dataclass(frozen=True)
class ModelNarrator:
    """A language model that explains by the references in force; the template behind it."""

    name: str
    desk: Desk
    store: EmotionReferenceStore
    policy: CallPolicy = POLICY

    async def tell(self, probabilities: Probabilities) -> Told:
        """See `Narrator`."""
        # First, and always: it checks the probabilities, and is there when the model is not.
        template = await TemplateNarrator(self.store).tell(probabilities)
        known = self.store.current()
        try:
            answered = await ask(
                self.desk,
                narrator_question(probabilities, known.value),
                NarratorReply,
                self.policy,
                lambda reply: problem_of(reply, probabilities, known.value),
            )
        except LlmError as error:
            reason = "LLM_API_TIMEOUT" if isinstance(error, LlmTimeout) else "LLM_API_ERROR"
            FALLBACKS.labels(reason).inc()
            log.warning(
                "face_narration_fallback", failure_type="SYSTEM_ERROR", reason=reason,
                cause=error.code, narrator=self.name,
            )  # fmt: skip
            return msgspec.structs.replace(
                template, failure_type="SYSTEM_ERROR", failure_reason=reason
            )
        return Told(
            narration=answered.value.narration.text(),
            summary=answered.value.explanation.text(),
            narrator=self.name,
            model=answered.model,
            prompt_version=answered.prompt_version,
            reference_version=known.version,
            input_tokens=answered.input_tokens,
            output_tokens=answered.output_tokens,
        )


def face_narrator(settings: Settings, store: EmotionReferenceStore, desks: Desks) -> Narrator:
    """The narrator that the settings ask for; raises SettingsInvalid without its key."""
    if settings.narrator == "template":
        return TemplateNarrator(store)
    desk = desks.gemini() if settings.narrator == "gemini" else desks.openai()
    return ModelNarrator(settings.narrator, desk, store)
