"""Store what a stage has made, and name it in results."""

from __future__ import annotations

from pathlib import Path

from sync_server.ai.stages import StageContext
from sync_server.platform.artifact_links import artifact_key, artifact_url


async def store(context: StageContext, name: str, path: Path) -> str:
    """Put a file into the object store under the job's own key; return the key.

    The store replaces whole objects: a stage that runs twice leaves the same one.
    """
    key = artifact_key(context.job.job_id, name)
    with path.open("rb") as file:
        await context.services.objects.put_file(key, file)
    return key


def url_of(context: StageContext, key: str) -> str:
    """A signed address of a stored artifact, for seven days from now."""
    services = context.services
    return artifact_url(services.signer, services.settings.public_url, key, services.clock())
