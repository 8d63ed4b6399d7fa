"""What the diary routes take and answer, and what each field of an entry may hold."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

Title = Annotated[str, Meta(max_length=200)]
Text = Annotated[str, Meta(max_length=10_000)]
Mood = Literal["happy", "calm", "excited", "proud", "tired", "sad", "worried", "angry"]
Weather = Literal["sunny", "cloudy", "rainy", "snowy", "windy", "foggy", "hot", "cold"]
MediaKey = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{32}$", max_length=32)]
Photos = Annotated[list[MediaKey], Meta(max_length=20)]
Date = Annotated[str, Meta(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$", max_length=10)]
EntryId = Annotated[
    str,
    Meta(
        pattern="^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
        max_length=36,
    ),
]

FIELD_TYPES: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "title": Title | None,
        "text": Text | None,
        "mood": Mood | None,
        "weather": Weather | None,
        "emotion": dict[str, Any] | None,
        "photos": Photos,
        "deleted": Literal[1, True],
    }
)
"""Type of the value of each field that `diary.set` may set."""
MAX_EMOTION_BYTES: Final = 8_000
MAX_SETTING_BYTES: Final = 4_000
MAX_SETTINGS: Final = 200
SETTING_NAME: Final = "^[a-z][a-z0-9_.]{0,63}$"


class DiaryInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole entry; what is left out is empty."""

    date: Date
    walk_id: EntryId | None = None
    title: Title | None = None
    text: Text | None = None
    mood: Mood | None = None
    weather: Weather | None = None
    emotion: dict[str, Any] | None = None
    photos: Photos = []


class DiaryDoc(msgspec.Struct, frozen=True):
    """An entry, as the routes and the `diary` collection tell it.

    `hlc` has the stamp of the last writer of each field that was ever set; `edited_ms` is the
    time of the newest stamp.
    """

    entry_id: str
    walk_id: str | None
    date: str
    title: str | None
    text: str | None
    mood: str | None
    weather: str | None
    emotion: dict[str, Any] | None
    photos: list[str]
    hlc: dict[str, str]
    edited_ms: int


class DiaryList(msgspec.Struct, frozen=True):
    """Entries of the days `from_date` to `to_date` (both included), newest day first."""

    from_date: str
    to_date: str
    entries: list[DiaryDoc]


class SettingDoc(msgspec.Struct, frozen=True):
    """A setting, as the `settings` collection tells it."""

    field: str
    value: Any
    hlc: str


class FootprintWalk(msgspec.Struct, frozen=True):
    """A walk of the day; `entry_ids` are its diary entries, often none.

    `points` is what its missions earned, `emotion` what was seen in the face after it.
    """

    walk_id: str
    state: str
    started_at_ms: int
    distance_m: float
    moving_ms: int
    entry_ids: list[str]
    points: int = 0
    emotion: str | None = None


class FootprintDay(msgspec.Struct, frozen=True):
    """A day on which something happened.

    `stickers` are what the calendar draws: `walk`, `face`, `gait`, `diary`, and `mood:...` and
    `weather:...` of the day's entries, each once.
    """

    date: str
    walks: list[FootprintWalk]
    distance_m: float
    moving_ms: int
    analyses: int
    diary_entries: int
    stickers: list[str]


class FootprintTotals(msgspec.Struct, frozen=True):
    """Sums of the month; `walk_days` are days with at least one walk."""

    walk_days: int
    walks: int
    distance_m: float
    moving_ms: int
    analyses: int
    diary_entries: int


class Streaks(msgspec.Struct, frozen=True):
    """Days in a row with a walk: up to today (or yesterday, while today has none), and ever."""

    current_days: int
    longest_days: int


class Footprints(msgspec.Struct, frozen=True):
    """A month of the calendar in Korean time; days without anything are left out."""

    month: str
    days: list[FootprintDay]
    totals: FootprintTotals
    streaks: Streaks
