"""Signed-in requests: tokens kept in the store, refreshed once on 401, attempts with back-off."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from random import random as system_random
from secrets import token_urlsafe
from typing import Final, TypeVar

import msgspec

from edge_sdk.errors import (
    ProtocolViolation,
    RequestRefused,
    ServerUnavailable,
    SignInNeeded,
    Unreachable,
)
from edge_sdk.ids import uuid7
from edge_sdk.sync.backoff import RetryPolicy, retry_after_s
from edge_sdk.sync.messages import ProblemAnswer, Tokens
from edge_sdk.sync.store import LocalStore
from edge_sdk.sync.transport import HttpAnswer, Transport

_TRY_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 507})
_TOKEN_KEYS: Final = ("access_token", "refresh_token", "token_client_id")

Answer = TypeVar("Answer")
Clock = Callable[[], int]
Sleep = Callable[[float], Awaitable[None]]


def system_clock() -> int:
    """Return the wall clock as UTC milliseconds."""
    return time.time_ns() // 1_000_000


class Problem(Exception):
    """An answer with an error status that more attempts would not change."""

    def __init__(self, status: int, answer: ProblemAnswer) -> None:
        super().__init__(f"{status} {answer.code}: {answer.detail}")
        self.status = status
        self.code = answer.code
        self.detail = answer.detail
        self.last = answer.last

    def refused(self) -> RequestRefused:
        """Return the public error of this answer."""
        return RequestRefused(self.status, self.code, self.detail)


class Session:
    """One user's connection to one server; tokens live in the store, not here."""

    def __init__(
        self,
        store: LocalStore,
        transport: Transport,
        *,
        policy: RetryPolicy | None = None,
        clock: Clock = system_clock,
        sleep: Sleep = asyncio.sleep,
        random: Callable[[], float] = system_random,
    ) -> None:
        self._store = store
        self._transport = transport
        self._policy = policy or RetryPolicy()
        self.clock = clock
        self.sleep = sleep
        self._random = random

    # --- signing in ------------------------------------------------------------------------------
    async def sign_in_guest(self, device_name: str) -> str:
        """Make a guest account for this device, or go on with the one it has; return the user."""
        known = await self._store.get_meta("user_id")
        if known is not None and await self._store.get_meta("refresh_token") is not None:
            return known
        return await self._sign_in_guest(device_name)

    async def _sign_in_guest(self, device_name: str) -> str:
        secret = await self._store.get_meta("guest_secret")
        if secret is None:
            # Kept before it is sent: with it a sign-up whose answer is lost can be repeated.
            secret = token_urlsafe(32)
            await self._store.set_meta({"guest_secret": secret})
        body = {"device_name": device_name, "guest_secret": secret}
        user_id = await self._store.get_meta("user_id")
        if user_id is not None:
            body["user_id"] = user_id
        try:
            tokens = await self._guest(body)
        except Problem as problem:
            if problem.status == 401:
                raise SignInNeeded(f"the guest account is gone: {problem}") from None
            if problem.code != "client_bound" or (await self._store.log_state()).acked_seq:
                raise problem.refused() from None
            # The id is another account's (a copied store): nothing hangs on it here, take a new.
            await self._store.adopt_client_id(uuid7(self.clock()))
            tokens = await self._guest(body)
        await self.keep_tokens(tokens, device_name)
        return tokens.user_id

    async def _guest(self, body: dict[str, str]) -> Tokens:
        body = {**body, "client_id": self._store.client_id}
        return await self._post("/api/auth/guest", body, Tokens)

    async def keep_tokens(self, tokens: Tokens, device_name: str | None = None) -> None:
        """Store the tokens of a sign-in (guest, or another way made outside)."""
        values: dict[str, str | None] = {
            "access_token": tokens.access_token,
            "refresh_token": tokens.refresh_token,
        }
        if device_name is not None:
            values["device_name"] = device_name
        if device_name is not None or tokens.client_id:
            # A refresh names the device that signed in, also after this store took a new id.
            values["token_client_id"] = tokens.client_id or self._store.client_id
        if tokens.user_id:
            values["user_id"] = tokens.user_id
        if tokens.guest_secret is not None:
            values["guest_secret"] = tokens.guest_secret
        await self._store.set_meta(values)

    async def sign_out(self) -> None:
        """Forget the tokens; the log stays."""
        await self._store.set_meta(dict.fromkeys(_TOKEN_KEYS))

    async def register_client(self, client_id: str) -> None:
        """Make a further client id known to the server for the signed-in user."""
        name = await self._store.get_meta("device_name") or "phone"
        body = msgspec.json.encode({"client_id": client_id, "device_name": name})
        try:
            await self.send("POST", "/api/auth/clients", body=body)
        except Problem as problem:
            raise problem.refused() from None

    # --- requests --------------------------------------------------------------------------------
    async def ask(
        self,
        method: str,
        path: str,
        kind: type[Answer],
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Send a signed-in request and read the answer; raise `Problem` or a `SyncError`."""
        return _read(await self.send(method, path, query=query, body=body), path, kind)

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> HttpAnswer:
        """Send a signed-in request; an expired token is refreshed once."""
        try:
            return await self._attempts(method, path, query, body, await self._authorization())
        except Problem as problem:
            if problem.status != 401:
                raise
        await self._refresh()
        try:
            return await self._attempts(method, path, query, body, await self._authorization())
        except Problem as problem:
            if problem.status != 401:
                raise
            raise SignInNeeded(f"{path}: the server refuses a fresh token") from None

    async def events(self, path: str) -> AsyncIterator[str]:
        """Yield the names of server-sent events; an expired token is refreshed once."""
        for attempt in range(2):
            async for name in self._transport.events(path, headers=await self._authorization()):
                if name == "401":
                    break
                if name.isdigit():
                    raise ServerUnavailable(f"{path}: status {name}", None)
                yield name
            else:
                return
            if attempt:
                raise SignInNeeded(f"{path}: the server refuses a fresh token")
            await self._refresh()

    async def _authorization(self) -> dict[str, str]:
        token = await self._store.get_meta("access_token")
        if token is None:
            raise SignInNeeded("nobody is signed in on this device")
        return {"Authorization": f"Bearer {token}"}

    async def _refresh(self) -> None:
        token = await self._store.get_meta("refresh_token")
        if token is None:
            raise SignInNeeded("there is no refresh token")
        client_id = await self._store.get_meta("token_client_id") or self._store.client_id
        body = {"refresh_token": token, "client_id": client_id}
        try:
            await self.keep_tokens(await self._post("/api/auth/refresh", body, Tokens))
        except Problem as problem:
            if problem.status not in (400, 401, 403, 404):
                raise problem.refused() from None
            if await self._store.get_meta("guest_secret") is None:
                raise SignInNeeded(f"the refresh token is refused: {problem}") from None
            # A lost answer or a copied store can use up the token; a guest's secret cannot be.
            await self._sign_in_guest(await self._store.get_meta("device_name") or "phone")

    async def _post(self, path: str, body: dict[str, str], kind: type[Answer]) -> Answer:
        data = msgspec.json.encode(body)
        return _read(await self._attempts("POST", path, None, data, {}), path, kind)

    async def _attempts(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> HttpAnswer:
        """Send until there is an answer that another attempt would not change."""
        for attempt in range(self._policy.attempts):
            advice: float | None = None
            last_attempt = attempt == self._policy.attempts - 1
            try:
                answer = await self._transport.request(
                    method, path, query=query, body=body, headers=headers
                )
            except Unreachable:
                if last_attempt:
                    raise
            else:
                if answer.status < 300:
                    return answer
                if answer.status not in _TRY_AGAIN:
                    raise Problem(answer.status, _problem(answer))
                advice = retry_after_s(answer.headers, self.clock())
                if last_attempt or (advice or 0.0) > self._policy.patience_s:
                    code = _problem(answer).code
                    raise ServerUnavailable(f"{path}: {answer.status} {code}", advice)
            await self.sleep(self._policy.wait_s(attempt, advice, self._random))
        raise Unreachable(f"{path}: the policy allows no attempt")


def _problem(answer: HttpAnswer) -> ProblemAnswer:
    try:
        return msgspec.json.decode(answer.body, type=ProblemAnswer)
    except msgspec.DecodeError:
        # A proxy's error page: the status says all that can be used.
        return ProblemAnswer()


def _read(answer: HttpAnswer, path: str, kind: type[Answer]) -> Answer:
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ProtocolViolation(f"{path}: {error}") from None
