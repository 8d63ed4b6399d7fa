"""A user's dogs: kept here, published to the user's devices through the feed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
from piccolo.columns import Column

from edge_sdk.ids import is_uuid7
from sync_server.auth import service as auth
from sync_server.dogs.breeds import all_breeds
from sync_server.dogs.schemas import DogChange, DogDoc, NewDog
from sync_server.dogs.tables import Dog
from sync_server.media import service as media
from sync_server.platform import feed
from sync_server.platform.database import Tx
from sync_server.platform.errors import FieldError, Problem, not_found
from sync_server.platform.queries import run, run_one

MAX_DOGS = 50
OLDEST_BIRTH = date(1980, 1, 1)
_FIELDS = ("name", "breed_code", "sex", "neutered", "born_on", "weight_kg", "photo_key")


async def list_dogs(tx: Tx, user_no: int) -> list[DogDoc]:
    """Return a user's dogs, oldest first."""
    rows = await run(
        tx,
        Dog.select()
        .where((Dog.user_no == user_no) & Dog.deleted_ms.is_null())
        .order_by(Dog.created_ms, Dog.dog_id),
    )
    return [_document(row) for row in rows]


async def dog_of(tx: Tx, user_no: int, dog_id: str) -> DogDoc:
    """Return a dog of a user; raise Problem not_found for any other id."""
    if not is_uuid7(dog_id):
        raise not_found()
    row = await run_one(
        tx,
        Dog.select().where(
            (Dog.dog_id == dog_id) & (Dog.user_no == user_no) & Dog.deleted_ms.is_null()
        ),
    )
    if row is None:
        raise not_found()
    return _document(row)


async def owned_dogs(tx: Tx, user_no: int, dog_ids: Iterable[str]) -> set[str]:
    """Return which of these dogs are the user's, deleted ones included.

    A walk recorded offline may name a dog that another device deleted meanwhile.
    """
    wanted = [dog_id for dog_id in dog_ids if is_uuid7(dog_id)]
    if not wanted:
        return set()
    clause, argument = tx.in_list("dog_id", wanted)
    rows = await tx.fetch_tuples(
        f"SELECT dog_id FROM dog WHERE user_no = ? AND {clause}", user_no, argument
    )
    return {row[0] for row in rows}


async def create_dog(tx: Tx, user_no: int, new: NewDog, now_ms: int) -> DogDoc:
    """Keep a new dog; the same dog again is answered again.

    Raises Problem conflict (the id with other content, or of a deleted dog), not_found (another
    user's id), invalid_input, unprocessable (too many dogs).
    """
    await auth.require_alive(tx, user_no)
    values = _checked({name: getattr(new, name) for name in _FIELDS}, now_ms)
    await _use_photo(tx, user_no, values.get("photo_key"), now_ms)
    known = await run_one(tx, Dog.select().where(Dog.dog_id == new.dog_id))
    if known is not None:
        return _again(known, user_no, values)
    kept = await run_one(tx, Dog.count().where((Dog.user_no == user_no) & Dog.deleted_ms.is_null()))
    if kept["count"] >= MAX_DOGS:
        raise Problem("unprocessable", f"at most {MAX_DOGS} dogs")
    dog = Dog(
        dog_id=new.dog_id,
        user_no=user_no,
        created_ms=now_ms,
        changed_ms=now_ms,
        deleted_ms=None,
        **values,
    )
    inserted = await run(tx, Dog.insert(dog).on_conflict(action="DO NOTHING").returning(Dog.dog_id))
    if not inserted:
        # The same request ran twice at once; the other one was first.
        known = await run_one(tx, Dog.select().where(Dog.dog_id == new.dog_id))
        return _again(known, user_no, values)
    return await _publish(tx, user_no, new.dog_id, now_ms)


async def change_dog(tx: Tx, user_no: int, dog_id: str, change: DogChange, now_ms: int) -> DogDoc:
    """Change a dog; raise Problem not_found or invalid_input."""
    await auth.require_alive(tx, user_no)
    before = await dog_of(tx, user_no, dog_id)
    named = {name: getattr(change, name) for name in _FIELDS}
    values = _checked({k: v for k, v in named.items() if v is not msgspec.UNSET}, now_ms)
    if values.get("photo_key") != before.photo_key:
        await _use_photo(tx, user_no, values.get("photo_key"), now_ms)
    if values:
        columns: dict[Column | str, Any] = {"changed_ms": now_ms}
        columns.update(values.items())
        changed = await run(
            tx,
            Dog.update(columns)
            .where((Dog.dog_id == dog_id) & (Dog.user_no == user_no) & Dog.deleted_ms.is_null())
            .returning(Dog.dog_id),
        )
        if not changed:
            raise not_found()
    return await _publish(tx, user_no, dog_id, now_ms)


async def delete_dog(tx: Tx, user_no: int, dog_id: str, now_ms: int) -> None:
    """Delete a dog: only its id stays, as a tombstone. Raises Problem not_found."""
    await dog_of(tx, user_no, dog_id)
    emptied: dict[Column | str, Any] = dict.fromkeys(_FIELDS)
    emptied |= {"name": "", "deleted_ms": now_ms}
    await run(tx, Dog.update(emptied).where((Dog.dog_id == dog_id) & (Dog.user_no == user_no)))
    await feed.publish(tx, user_no, "dogs", dog_id, None, now_ms)


async def erase(tx: Tx, user_no: int, now_ms: int) -> list[str]:
    """Delete every dog of a user; the photos are the media domain's."""
    await run(tx, Dog.delete().where(Dog.user_no == user_no))
    return []


def breed_name(code: str | None, language: str) -> str:
    """Return what a breed is called in a language; empty for none."""
    breed = all_breeds().get(code or "")
    if breed is None:
        return ""
    return breed.name_en if language == "en" else breed.name_ko


def _again(row: Any, user_no: int, values: dict[str, Any]) -> DogDoc:
    if row["user_no"] != user_no:
        raise not_found()
    if row["deleted_ms"] is not None:
        raise Problem("conflict", "this dog was deleted")
    if {name: row[name] for name in _FIELDS} != values:
        raise Problem("conflict", "the id came with other content")
    return _document(row)


def _checked(values: dict[str, Any], now_ms: int) -> dict[str, Any]:
    """Return the values as the columns keep them; raise Problem invalid_input."""
    checked = dict(values)
    if "name" in checked:
        checked["name"] = checked["name"].strip()
        if not checked["name"]:
            raise _wrong("name", "must not be blank")
    breed = checked.get("breed_code")
    if breed is not None and breed not in all_breeds():
        raise _wrong("breed_code", "not in the list of breeds")
    born_on = checked.get("born_on")
    if born_on is not None:
        # One day of grace: the phone's calendar may be ahead of UTC.
        today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
        if not OLDEST_BIRTH <= born_on <= today + timedelta(days=1):
            raise _wrong("born_on", f"from {OLDEST_BIRTH} until today")
        checked["born_on"] = born_on.isoformat()
    if checked.get("neutered") is not None:
        checked["neutered"] = int(checked["neutered"])
    if checked.get("weight_kg") is not None:
        checked["weight_kg"] = float(checked["weight_kg"])
    return checked


async def _use_photo(tx: Tx, user_no: int, key: str | None, now_ms: int) -> None:
    """Tell the media domain that a photo is in use; only the user's own may be."""
    if key is not None:
        if not await media.owned_photos(tx, user_no, [key]):
            raise _wrong("photo_key", "not one of your uploads")
        await media.touch(tx, user_no, [key], now_ms)


async def _publish(tx: Tx, user_no: int, dog_id: str, now_ms: int) -> DogDoc:
    document = await dog_of(tx, user_no, dog_id)
    await feed.publish(tx, user_no, "dogs", dog_id, document, now_ms)
    return document


def _document(row: Any) -> DogDoc:
    return DogDoc(
        dog_id=row["dog_id"],
        name=row["name"],
        breed_code=row["breed_code"],
        sex=row["sex"],
        neutered=None if row["neutered"] is None else bool(row["neutered"]),
        born_on=row["born_on"],
        weight_kg=row["weight_kg"],
        photo_key=row["photo_key"],
        created_at_ms=row["created_ms"],
        changed_at_ms=row["changed_ms"],
    )


def _wrong(field: str, message: str) -> Problem:
    return Problem("invalid_input", errors=[FieldError(field, message)])
