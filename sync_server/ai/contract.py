"""The wire between backend and AI role: job requests, acceptance, events; as the product has them.

`POST /internal/ai/{mission,face,healthcare,vet}/jobs` takes a request, `POST
/internal/{mission,face,healthcare,vet}/jobs/{job_id}/events` an event. Both directions are signed
(`platform/webhooks.py`). Fields that a foreign side does not know have defaults here.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

_NO_NUL: Final = r"^[^\x00]*$"
# It names folders and object keys: no job is called ".." or "-rf".
JobId: TypeAlias = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}$", max_length=128)
]
ShortText: TypeAlias = Annotated[str, Meta(max_length=256, pattern=_NO_NUL)]
LongText: TypeAlias = Annotated[str, Meta(max_length=2_000, pattern=_NO_NUL)]
Url: TypeAlias = Annotated[str, Meta(min_length=1, max_length=2_048, pattern=_NO_NUL)]
Area: TypeAlias = Literal["mission", "face", "healthcare", "vet"]
AREAS: Final[tuple[Area, ...]] = ("mission", "face", "healthcare", "vet")
VideoArea: TypeAlias = Literal["mission", "face", "healthcare"]
VIDEO_AREAS: Final[tuple[VideoArea, ...]] = ("mission", "face", "healthcare")
"""Whose jobs look at a video or picture; a report of the vet chat reads words."""

JobType: TypeAlias = Literal[
    "MISSION_JUDGE", "FACE_ANALYSIS", "FACE_DETECTION", "EMOTION_INFERENCE", "GAIT_ANALYSIS",
    "VET_REPORT",
]  # fmt: skip
AREA_OF: Final[dict[str, Area]] = {
    "MISSION_JUDGE": "mission",
    "FACE_ANALYSIS": "face",
    "FACE_DETECTION": "face",
    "EMOTION_INFERENCE": "face",
    "GAIT_ANALYSIS": "healthcare",
    "VET_REPORT": "vet",
}
#: How a finished job is called: the seed's missions and face say `finished`, their face event and
#: healthcare `succeeded`. Readers take all of them.
DONE_WORDS: Final = frozenset({"finished", "succeeded", "completed"})


class RequestMeta(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a request says beside its inputs; all of it comes back to nobody but the logs."""

    analysis_id: ShortText | None = None
    walk_id: ShortText | None = None
    user_id: ShortText | None = None
    dog_id: ShortText | None = None
    requested_at: ShortText | None = None
    captured_at: ShortText | None = None


class Policy(msgspec.Struct, frozen=True, omit_defaults=True):
    """Limits of an analysis; the AI role refuses wider ones than its own (VIDEO_TOO_LONG)."""

    max_duration_sec: Annotated[float, Meta(gt=0, le=3_600)] | None = None
    target_fps: Annotated[float, Meta(gt=0, le=240)] | None = None
    max_resolution: Annotated[int, Meta(gt=0, le=8_192)] | None = None


class MissionInput(msgspec.Struct, frozen=True, omit_defaults=True):
    """One mission to judge."""

    mission_id: ShortText
    mission_type: ShortText
    video_url: Url
    instruction: LongText = ""


class JobRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """A job as the backend hands it over; which inputs count depends on `job_type`.

    MISSION_JUDGE: `missions`. FACE_ANALYSIS, FACE_DETECTION, GAIT_ANALYSIS: `video_url`.
    EMOTION_INFERENCE: `frame_id`, `frame_url`. VET_REPORT: `document_url`. `job_type` may be
    missing where the path says it (healthcare, vet). `callback_url` empty: the events stay inside
    the process (embedded roles). `priority` 1 first to 9 last. `again`: judge anew even if this
    content was judged before.
    """

    job_id: JobId
    job_type: JobType | None = None
    callback_url: Annotated[str, Meta(max_length=2_048, pattern=_NO_NUL)] = ""
    missions: Annotated[list[MissionInput], Meta(max_length=16)] = []
    video_url: Url | None = None
    frame_id: ShortText | None = None
    frame_url: Url | None = None
    document_url: Url | None = None
    policy: Policy = Policy()
    meta: RequestMeta = RequestMeta()
    priority: Annotated[int, Meta(ge=1, le=9)] = 5
    again: bool = False
    language: Literal["ko", "en"] = "ko"


class Accepted(msgspec.Struct, frozen=True):
    """The answer to a job request; again the same for the same request."""

    accepted: bool
    job_id: str


class Progress(msgspec.Struct, frozen=True):
    """Where a job stands; `percent` never goes back, and is 100 only when done."""

    stage: str
    percent: int
    message: str


class EventError(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a job failed."""

    code: str
    message: str
    details: dict[str, Any] = {}


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event of a job. `event_seq` counts from 1 within the job and is the order of truth.

    COMPLETE carries the whole result. A second COMPLETE with a higher `event_seq` replaces the
    result (healthcare: `artifacts` went from pending to ready or failed) and nothing else.
    """

    event_type: Literal["STATUS", "PROGRESS", "COMPLETE", "FAILED"]
    status: str
    progress: Progress | None = None
    result: dict[str, Any] | None = None
    error: EventError | None = None
    details: dict[str, Any] | None = None
    event_seq: Annotated[int, Meta(ge=1, lt=2**31)] | None = None
    at: ShortText | None = None
