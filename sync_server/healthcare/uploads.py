"""A gait clip sent as a form: spooled to a file, checked, stored without metadata and sound."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from litestar import Request
from litestar.datastructures import UploadFile
from litestar.exceptions import ClientException

from edge_sdk.ids import is_uuid7
from sync_server.jobs import service as jobs
from sync_server.media import service as media
from sync_server.platform.artifact_links import artifact_key
from sync_server.platform.context import Platform
from sync_server.platform.video_check import VideoRefused

MAX_UPLOAD_BYTES: Final = 64 * 1024 * 1024
"""Ten seconds of 4K video of a phone are about 60 MB."""
_FORM_BYTES: Final = 64 * 1024
MAX_FORM_BYTES: Final = MAX_UPLOAD_BYTES + _FORM_BYTES
_PART_BYTES: Final = 1024 * 1024
_FIELDS: Final = frozenset({"file", "dog_id", "captured_at"})


@dataclass(frozen=True)
class Clip:
    """A clip that lies in the object store as the input of the job `job_id`."""

    job_id: str
    dog_id: str | None
    captured_at: str | None
    size_bytes: int
    content_sha256: str


@asynccontextmanager
async def received(platform: Platform, request: Request[Any, Any, Any]) -> AsyncIterator[Clip]:
    """Take the form in and give its clip; the stored clip goes again where the block fails.

    Raises JobRefused INVALID_REQUEST, INVALID_FILE_TYPE, VIDEO_TOO_LONG, FILE_TOO_LARGE.
    """
    try:
        form = await request.form()
    except ClientException as error:
        if error.status_code == 413:
            raise jobs.JobRefused("FILE_TOO_LARGE") from None
        raise _wrong("file", error.detail) from None
    except (UnicodeDecodeError, ValueError):
        raise _wrong("file", "not a form") from None
    values = {name: form.getall(name) for name in form}
    try:
        file, texts = _fields(values)
        job_id = jobs.new_job_id(platform.clock())
        size, digest = await _look_at(file)
        for name in sorted(texts):
            digest.update(f"\n{name}={texts[name]}".encode())
        key = artifact_key(job_id, jobs.artifacts.INPUT_NAME)
        try:
            async with media.checked_clip(platform, "gait_clip", _parts(file)) as clean:
                size = clean.stat().st_size
                with clean.open("rb") as copy:
                    await platform.objects.put_file(key, copy)
        except VideoRefused as error:
            raise _refused(error) from None
        try:
            yield Clip(
                job_id, texts.get("dog_id"), texts.get("captured_at"), size, digest.hexdigest()
            )
        except BaseException:
            await platform.objects.delete(key)
            raise
    finally:
        for items in values.values():
            for item in items:
                if isinstance(item, UploadFile):
                    await item.close()


def _fields(values: dict[str, list[Any]]) -> tuple[UploadFile, dict[str, str]]:
    unknown = set(values) - _FIELDS
    if unknown:
        raise _wrong(sorted(unknown)[0][:64], "unknown field")
    doubled = [name for name, items in values.items() if len(items) > 1]
    if doubled:
        raise _wrong(doubled[0], "given twice")
    file = values.get("file", [None])[0]
    if not isinstance(file, UploadFile):
        raise _wrong("file", "an mp4 file is needed")
    texts = {}
    for name in ("dog_id", "captured_at"):
        item = values.get(name, [""])[0]
        if not isinstance(item, str) or len(item) > 64 or "\x00" in item:
            raise _wrong(name, "a short text")
        if item:
            texts[name] = item
    if "dog_id" in texts and not is_uuid7(texts["dog_id"]):
        raise _wrong("dog_id", "a UUIDv7 in lower case")
    return file, texts


async def _look_at(file: UploadFile) -> tuple[int, Any]:
    """Return size and hash of a file that looks like an mp4 (ISO/IEC 14496-12: `ftyp` first)."""
    digest, size = hashlib.sha256(), 0
    async for data in _parts(file):
        if size == 0 and data[4:8] != b"ftyp":
            raise jobs.JobRefused("INVALID_FILE_TYPE", details={"allowed": ["video/mp4"]})
        digest.update(data)
        size += len(data)
    if size == 0:
        raise jobs.JobRefused("INVALID_FILE_TYPE", details={"allowed": ["video/mp4"]})
    if size > MAX_UPLOAD_BYTES:
        raise jobs.JobRefused("FILE_TOO_LARGE", details={"max_bytes": MAX_UPLOAD_BYTES})
    return size, digest


async def _parts(file: UploadFile) -> AsyncIterator[bytes]:
    await file.seek(0)
    while data := await file.read(_PART_BYTES):
        yield data


def _refused(error: VideoRefused) -> jobs.JobRefused:
    if error.code == "too_long":
        return jobs.JobRefused("VIDEO_TOO_LONG", details={"max_duration_sec": 10})
    if error.code == "too_large":
        return jobs.JobRefused("FILE_TOO_LARGE", details={"max_bytes": MAX_UPLOAD_BYTES})
    return jobs.JobRefused(
        "INVALID_FILE_TYPE", details={"allowed": ["video/mp4"], "reason": error.code}
    )


def _wrong(field: str, message: str) -> jobs.JobRefused:
    return jobs.JobRefused(
        "INVALID_REQUEST", details={"errors": [{"field": field, "message": message}]}
    )
