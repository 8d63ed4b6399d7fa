"""The list of breeds: assets/references/breeds.json, read once, searched in memory."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Literal

import msgspec

BREEDS_FILE = Path(__file__).resolve().parents[2] / "assets" / "references" / "breeds.json"
SizeClass = Literal["toy", "small", "medium", "large", "giant", "mixed"]


class Breed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A breed: a stable code, names, and the usual size of a grown dog."""

    code: str
    name_ko: str
    name_en: str
    size: SizeClass


class _BreedList(msgspec.Struct, frozen=True):
    breeds: list[Breed]


@lru_cache(maxsize=1)
def all_breeds() -> dict[str, Breed]:
    """Return the breeds by code, in the order of the file."""
    listed = msgspec.json.decode(BREEDS_FILE.read_bytes(), type=_BreedList).breeds
    return {breed.code: breed for breed in listed}


def search(words: str) -> list[Breed]:
    """Return the breeds whose Korean or English name or code holds the words.

    Spaces and case do not count; names that begin with the words come first.
    """
    wanted = _folded(words)
    found = [(breed, _texts(breed)) for breed in all_breeds().values()]
    hits = [(breed, texts) for breed, texts in found if any(wanted in text for text in texts)]
    hits.sort(key=lambda hit: not any(text.startswith(wanted) for text in hit[1]))
    return [breed for breed, _ in hits]


def _texts(breed: Breed) -> tuple[str, str, str]:
    return _folded(breed.name_ko), _folded(breed.name_en), _folded(breed.code)


def _folded(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())
