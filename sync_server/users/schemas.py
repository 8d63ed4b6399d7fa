"""Bodies of the account and consent routes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Language = Literal["ko", "en"]
ConsentKind = Literal["terms", "location", "camera", "marketing"]
CONSENT_KINDS: tuple[ConsentKind, ...] = ("terms", "location", "camera", "marketing")
DisplayName = Annotated[
    str,
    Meta(min_length=1, max_length=30, pattern=r"^[^\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]+$"),
]


class Counts(Struct, frozen=True):
    """How much the user has here."""

    dogs: int
    walks: int
    diary: int
    photos: int
    devices: int


class Profile(Struct, frozen=True):
    """The signed-in account."""

    user_id: str
    display_name: str
    kind: Literal["guest", "kakao"]
    language: Language
    created_at_ms: int
    counts: Counts


class ProfileChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; a field that is not named stays."""

    display_name: DisplayName | None = None
    language: Language | None = None


class ConsentState(Struct, frozen=True):
    """Whether the user agrees to something now; `at_ms` is null when never asked."""

    kind: ConsentKind
    granted: bool
    version: str | None
    at_ms: int | None


class ConsentStates(Struct, frozen=True):
    """One state for every kind."""

    consents: list[ConsentState]


class ConsentChange(Struct, frozen=True, forbid_unknown_fields=True):
    """A grant or a withdrawal, with the version of the text that the user saw."""

    kind: ConsentKind
    granted: bool
    version: Annotated[str, Meta(min_length=1, max_length=40, pattern="^[0-9A-Za-z._-]+$")]


class ConsentEvent(Struct, frozen=True):
    """A grant or a withdrawal that happened."""

    kind: ConsentKind
    granted: bool
    version: str
    at_ms: int


class ConsentHistory(Struct, frozen=True):
    """Every grant and withdrawal, oldest first."""

    history: list[ConsentEvent]


class DeviceDoc(Struct, frozen=True):
    """A device that the account was used from."""

    client_id: str
    device_name: str
    created_at_ms: int
    seen_at_ms: int


class Export(Struct, frozen=True):
    """All data of the user; `collections` holds the documents that the phones see too."""

    exported_at_ms: int
    profile: Profile
    devices: list[DeviceDoc]
    consents: list[ConsentState]
    consent_history: list[ConsentEvent]
    collections: dict[str, list[dict[str, Any]]]
