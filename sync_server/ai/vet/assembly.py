"""The chat of the settings, put together once a process: parts, backend, and what closes them."""

from __future__ import annotations

from sync_server.ai.fetching import MediaFetcher
from sync_server.ai.vet.backends.embedded import EmbeddedBackend
from sync_server.ai.vet.backends.remote import RemoteBackend, stream_policy
from sync_server.ai.vet.knowledge.knowledge_base import open_knowledge
from sync_server.ai.vet.local_role import OpenVet
from sync_server.ai.vet.pictures import FetchedPictures
from sync_server.ai.vet.pipeline import VetChat
from sync_server.ai.vet.ports import Backend
from sync_server.ai.vet.safety import notes
from sync_server.ai.vet.safety.post import RulePostSafety
from sync_server.ai.vet.safety.pre import RulePreSafety
from sync_server.platform.clock import Clock
from sync_server.platform.llm.desks import Desks
from sync_server.platform.object_store import ObjectStore
from sync_server.platform.settings import Settings
from sync_server.platform.tokens import TokenSigner


async def open_vet(settings: Settings, clock: Clock) -> OpenVet:
    """Open knowledge and backend.

    Raises SettingsInvalid, and what reading the knowledge raises.
    """
    desks = Desks(settings, clock)
    knowledge = await open_knowledge(settings, desks.budget)
    embedded = EmbeddedBackend()
    signer = TokenSigner(settings.secret_key, settings.access_token_s, clock)
    chat = VetChat(
        backend=backend_of(settings, desks, embedded),
        embedded=embedded,
        pre=RulePreSafety(),
        post=RulePostSafety(),
        notes=notes,
        knowledge=knowledge,
        pictures=FetchedPictures(
            MediaFetcher(settings, ObjectStore(settings.object_store), signer)
        ),
        deadline_s=settings.vet_deadline_s,
    )

    async def close() -> None:
        await desks.close()
        await knowledge.close()

    return OpenVet(chat, close)


def backend_of(settings: Settings, desks: Desks, embedded: Backend) -> Backend:
    """Who answers, as the settings say."""
    if settings.vet_backend == "embedded":
        return embedded
    return RemoteBackend(
        desks.chat(settings.vet_backend, settings.vet_model),
        stream_policy(settings.vet_deadline_s),
        settings.vet_vision_model,
    )
