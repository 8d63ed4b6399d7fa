"""Bodies of the dog and breed routes."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from edge_sdk.ids import UUID7_PATTERN
from sync_server.dogs.breeds import SizeClass

# No control characters and no marks that turn the direction of the text around them.
DogName = Annotated[
    str,
    Meta(min_length=1, max_length=30, pattern=r"^[^\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]+$"),
]
BreedCode = Annotated[str, Meta(min_length=1, max_length=40, pattern="^[a-z0-9-]+$")]
WeightKg = Annotated[float, Meta(gt=0, le=150)]
PhotoKey = Annotated[str, Meta(min_length=1, max_length=200, pattern="^[A-Za-z0-9/_.-]+$")]
Sex = Literal["male", "female"]


class NewDog(Struct, frozen=True, forbid_unknown_fields=True):
    """A dog to be kept; the id is made on the device, so the same request again is harmless."""

    dog_id: Annotated[str, Meta(min_length=36, max_length=36, pattern=UUID7_PATTERN)]
    name: DogName
    breed_code: BreedCode | None = None
    sex: Sex | None = None
    neutered: bool | None = None
    born_on: date | None = None
    weight_kg: WeightKg | None = None
    photo_key: PhotoKey | None = None


class DogChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; a field that is not named stays, null clears it."""

    name: DogName | UnsetType = UNSET
    breed_code: BreedCode | UnsetType | None = UNSET
    sex: Sex | UnsetType | None = UNSET
    neutered: bool | UnsetType | None = UNSET
    born_on: date | UnsetType | None = UNSET
    weight_kg: WeightKg | UnsetType | None = UNSET
    photo_key: PhotoKey | UnsetType | None = UNSET


class DogDoc(Struct, frozen=True):
    """A dog, as the routes and the feed show it."""

    dog_id: str
    name: str
    breed_code: str | None
    sex: Sex | None
    neutered: bool | None
    born_on: str | None
    weight_kg: float | None
    photo_key: str | None
    created_at_ms: int
    changed_at_ms: int


class DogList(Struct, frozen=True):
    """The user's dogs, oldest first."""

    dogs: list[DogDoc]


class BreedDoc(Struct, frozen=True):
    """A breed; `name` is the one in the language of the request."""

    code: str
    name: str
    name_ko: str
    name_en: str
    size: SizeClass


class BreedAnswer(Struct, frozen=True):
    """Breeds that fit a search."""

    breeds: list[BreedDoc]
