"""/api/auth: guest and Kakao sign-in, devices, refresh, logout."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody, QueryParameter
from litestar.types import ControllerRouterHandler

from sync_server.auth import kakao_sign_in, service, sessions
from sync_server.auth.schemas import (
    ClientAnswer,
    ClientRequest,
    GuestRequest,
    KakaoRequest,
    KakaoStart,
    LogoutRequest,
    RefreshRequest,
    TokenAnswer,
)
from sync_server.platform.context import Platform, provide_user
from sync_server.platform.openapi import EITHER_WAY
from sync_server.platform.problem_details import language_of, problems
from sync_server.platform.tokens import CurrentUser

MAX_BODY_BYTES = 16 * 1024
AnyRequest = Request[Any, Any, Any]


def address_of(request: AnyRequest) -> str:
    """Return the address that a request came from.

    Behind a proxy it is the server (uvicorn --proxy-headers) that puts the client's here.
    """
    return request.client.host if request.client else "unknown"


@post(
    "/api/auth/guest",
    status_code=201,
    summary="Sign up or sign in as a guest",
    request_max_body_size=MAX_BODY_BYTES,
    responses=problems("client_bound", "too_large"),
)
async def guest(
    request: AnyRequest, platform: NamedDependency[Platform], data: JSONBody[GuestRequest]
) -> TokenAnswer:
    return await service.sign_in_guest(platform, data, language_of(request), address_of(request))


@post(
    "/api/auth/clients",
    status_code=201,
    summary="Register a further device id",
    request_max_body_size=MAX_BODY_BYTES,
    responses=problems("client_bound", "too_large"),
)
async def clients(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    data: JSONBody[ClientRequest],
) -> ClientAnswer:
    return await service.add_client(platform, user, data.client_id, data.device_name)


@get(
    "/api/auth/kakao/start",
    summary="Begin a sign-in with Kakao",
    responses=problems("not_configured"),
)
async def kakao_start(
    request: AnyRequest,
    platform: NamedDependency[Platform],
    redirect_uri: FromQuery[Annotated[str, QueryParameter(min_length=1, max_length=500)]],
) -> KakaoStart:
    return await kakao_sign_in.start(platform, redirect_uri, address_of(request))


@post(
    "/api/auth/kakao",
    status_code=201,
    summary="Finish a sign-in with Kakao",
    description="With a guest's access token the guest account becomes the Kakao account.",
    request_max_body_size=MAX_BODY_BYTES,
    security=EITHER_WAY,
    responses=problems("conflict", "too_large", "upstream_failed", "not_configured"),
)
async def kakao_finish(
    request: AnyRequest, platform: NamedDependency[Platform], data: JSONBody[KakaoRequest]
) -> TokenAnswer:
    signed_in = None
    if "authorization" in request.headers:
        signed_in = await provide_user(request, platform)
    return await kakao_sign_in.finish(
        platform, data, signed_in, language_of(request), address_of(request)
    )


@post(
    "/api/auth/refresh",
    status_code=200,
    summary="Trade a refresh token for new tokens",
    request_max_body_size=MAX_BODY_BYTES,
    responses=problems("refresh_refused", "too_large"),
)
async def refresh(
    request: AnyRequest, platform: NamedDependency[Platform], data: JSONBody[RefreshRequest]
) -> TokenAnswer:
    return await service.refresh(platform, data.refresh_token, data.client_id, address_of(request))


@post(
    "/api/auth/logout",
    status_code=204,
    summary="End a sign-in",
    request_max_body_size=MAX_BODY_BYTES,
    responses=problems("too_large"),
)
async def logout(platform: NamedDependency[Platform], data: JSONBody[LogoutRequest]) -> None:
    await sessions.end(platform, data.refresh_token, platform.clock())


ROUTES: list[ControllerRouterHandler] = [
    guest,
    clients,
    kakao_start,
    kakao_finish,
    refresh,
    logout,
]
