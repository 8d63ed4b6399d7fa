"""What the mission routes take and answer."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sync_server.ai.contract import LongText, ShortText, Url

Label = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00]*$")]


class MissionAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A mission to judge; `missions_id` and `missions_type` are other spellings of the first two.

    `video_url`: the key of an own upload, or a URL.
    """

    video_url: Url
    instruction: LongText = ""
    mission_id: Label | UnsetType = UNSET
    missions_id: Label | UnsetType = UNSET
    mission_type: ShortText | UnsetType = UNSET
    missions_type: ShortText | UnsetType = UNSET


class JudgeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The missions of one walk, to be judged together."""

    analysis_id: Label
    walk_id: Label
    missions: Annotated[list[MissionAsked], Meta(min_length=1, max_length=16)]


class MissionFailure(msgspec.Struct, frozen=True):
    """Why a mission could not be judged: no verdict on the dog."""

    code: str
    message: str


class MissionJudged(msgspec.Struct, frozen=True, omit_defaults=True):
    """One judged mission; `error` where it could not be judged."""

    mission_id: str
    mission_type: str
    success: bool
    confidence: float
    summary: str
    error: MissionFailure | UnsetType = UNSET


class MissionsFound(msgspec.Struct, frozen=True):
    """What was found for each mission."""

    missions: list[MissionJudged]


class MissionProcessing(msgspec.Struct, frozen=True):
    """How it was analysed."""

    analysis_time_ms: int


class MissionResult(msgspec.Struct, frozen=True):
    """The judged missions of a walk."""

    analysis_id: str
    job_id: str
    walk_id: str
    analyzed_at: str
    processing: MissionProcessing
    result: MissionsFound
    model_version: str


# --- offers --------------------------------------------------------------------------------


class OffersWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The open walk that missions are wanted for."""

    walk_id: Label


class OfferDoc(msgspec.Struct, frozen=True):
    """A mission that the server offered, as the routes and the `missions` collection tell it.

    `state`: offered, submitted, judging, succeeded, failed, uncertain, system_error, lost.
    Uncertain and system_error ones may be judged again. `reason` says why, in words.
    """

    mission_id: str
    walk_id: str
    number: int
    mission_type: str
    mission_name: str
    instruction: str
    nonce: str
    offered_at_ms: int
    deadline_ms: int
    state: str
    submitted_at_ms: int | None
    job_id: str | None
    confidence: float | None
    reason: str | None
    points: int


class Offers(msgspec.Struct, frozen=True):
    """The missions of a walk so far; ask again at `next_at_ms` (null: no more will come)."""

    walk_id: str
    offers: list[OfferDoc]
    next_at_ms: int | None
    points: int
