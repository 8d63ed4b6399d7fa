"""/api/dogs and /api/breeds."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.types import ControllerRouterHandler

from sync_server.dogs import breeds, service
from sync_server.dogs.schemas import (
    BreedAnswer,
    BreedDoc,
    DogChange,
    DogDoc,
    DogList,
    NewDog,
)
from sync_server.platform.context import Platform
from sync_server.platform.problem_details import language_of, problems
from sync_server.platform.rate_limit import WRITE, limit
from sync_server.platform.tokens import CurrentUser

MAX_BODY_BYTES = 16 * 1024


@get("/api/dogs", summary="My dogs", responses=problems())
async def list_dogs(
    platform: NamedDependency[Platform], user: NamedDependency[CurrentUser]
) -> DogList:
    async with platform.database.read() as tx:
        return DogList(await service.list_dogs(tx, user.user_no))


@post(
    "/api/dogs",
    status_code=201,
    summary="Keep a new dog",
    request_max_body_size=MAX_BODY_BYTES,
    responses=problems("not_found", "conflict", "too_large", "unprocessable"),
)
async def create_dog(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    data: JSONBody[NewDog],
) -> DogDoc:
    now_ms = platform.clock()
    async with platform.database.transaction() as tx:
        await limit(platform, tx, WRITE, str(user.user_no))
        dog = await service.create_dog(tx, user.user_no, data, now_ms)
    platform.pokes.poke(user.user_no)
    return dog


@get("/api/dogs/{dog_id:str}", summary="One of my dogs", responses=problems("not_found"))
async def one_dog(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    dog_id: FromPath[str],
) -> DogDoc:
    async with platform.database.read() as tx:
        return await service.dog_of(tx, user.user_no, dog_id)


@patch(
    "/api/dogs/{dog_id:str}",
    summary="Change a dog",
    request_max_body_size=MAX_BODY_BYTES,
    responses=problems("not_found", "too_large"),
)
async def change_dog(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    dog_id: FromPath[str],
    data: JSONBody[DogChange],
) -> DogDoc:
    now_ms = platform.clock()
    async with platform.database.transaction() as tx:
        await limit(platform, tx, WRITE, str(user.user_no))
        dog = await service.change_dog(tx, user.user_no, dog_id, data, now_ms)
    platform.pokes.poke(user.user_no)
    return dog


@delete(
    "/api/dogs/{dog_id:str}",
    status_code=204,
    summary="Delete a dog",
    responses=problems("not_found"),
)
async def delete_dog(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    dog_id: FromPath[str],
) -> None:
    now_ms = platform.clock()
    async with platform.database.transaction() as tx:
        await limit(platform, tx, WRITE, str(user.user_no))
        await service.delete_dog(tx, user.user_no, dog_id, now_ms)
    platform.pokes.poke(user.user_no)


@get("/api/breeds", summary="Breeds, searched by name", responses=problems())
async def list_breeds(
    request: Request[Any, Any, Any],
    q: FromQuery[Annotated[str, QueryParameter(max_length=50)]] = "",
) -> BreedAnswer:
    english = language_of(request) == "en"
    return BreedAnswer(
        [
            BreedDoc(
                code=breed.code,
                name=breed.name_en if english else breed.name_ko,
                name_ko=breed.name_ko,
                name_en=breed.name_en,
                size=breed.size,
            )
            for breed in breeds.search(q)
        ]
    )


ROUTES: list[ControllerRouterHandler] = [
    list_dogs,
    create_dog,
    one_dog,
    change_dog,
    delete_dog,
    list_breeds,
]
