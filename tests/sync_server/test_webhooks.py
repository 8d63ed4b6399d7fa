"""Signed calls: the specification's own vectors, and what an attacker can try."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar, Request, post
from litestar.datastructures import State

from sync_server.platform.problem_details import handle
from sync_server.platform.request_checks import StrictRequest, check_request
from sync_server.platform.settings import Settings, SettingsInvalid, load_settings
from sync_server.platform.signed_requests import MAX_BODY_BYTES, signed_only
from sync_server.platform.webhooks import (
    SecretInvalid,
    WebhookRefused,
    message_id,
    parse_secrets,
    sign,
    verify,
)


def secret_of(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


NOW_S = 1_795_000_000
KEY, OTHER_KEY = b"k" * 32, b"o" * 32
SECRET, OTHER = secret_of(KEY), secret_of(OTHER_KEY)
BODY = b'{"event_type":"COMPLETE","status":"finished","event_seq":7}'
ID = message_id("job-1", "COMPLETE", 7)

# (secret, id, timestamp, body, signature). Sources: the test `test_sign_function` of the Standard
# Webhooks reference library for Python; "Verifying webhooks manually" of Svix' documentation, on
# whose scheme the specification rests; the webhook tests of OpenAI's client libraries.
VECTORS = [
    (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        b'{"test": 2432232314}',
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ),
    (
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
        1_649_367_553,
        b'{"email":"test@example.com","username":"test_user"}',
        "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
    ),
    (
        "whsec_RdvaYFYUXuIFuEbvZHwMfYFhUf7aMYjYcmM24+Aj40c=",
        "wh_685c059ae39c8190af8c71ed1022a24d",
        1_750_861_210,
        b'{"id": "evt_685c059ae3a481909bdc86819b066fb6", "object": "event", "created_at": 175086'
        b'1210, "type": "response.completed", "data": {"id": "resp_123"}}',
        "v1,gUAg4R2hWouRZqRQG4uJypNS8YK885G838+EHb4nKBY=",
    ),
]


def signed(body: bytes = BODY, *, at_s: int = NOW_S, secret: str = SECRET) -> dict[str, str]:
    return sign([secret], ID, at_s, body)


def refusal(
    headers: dict[str, str],
    body: bytes = BODY,
    *,
    secrets: tuple[str, ...] = (SECRET,),
    now_s: int = NOW_S,
) -> str:
    with pytest.raises(WebhookRefused) as refused:
        verify(secrets, headers, body, now_s)
    assert SECRET not in str(refused.value) and SECRET[6:] not in str(refused.value)
    return refused.value.code


# The specification ----------------------------------------------------------------------------


@pytest.mark.parametrize(("secret", "message", "at_s", "body", "signature"), VECTORS)
def test_the_known_vectors_are_signed_and_verified(
    secret: str, message: str, at_s: int, body: bytes, signature: str
) -> None:
    headers = sign([secret], message, at_s, body)
    assert headers == {
        "webhook-id": message,
        "webhook-timestamp": str(at_s),
        "webhook-signature": signature,
    }
    assert verify([secret], headers, body, at_s) == message


@given(st.binary(max_size=200), st.binary(min_size=24, max_size=64), st.integers(1, 10**11))
def test_what_is_signed_verifies_and_a_changed_bit_does_not(
    body: bytes, key: bytes, at_s: int
) -> None:
    headers = sign([secret_of(key)], ID, at_s, body)
    assert verify([secret_of(key)], headers, body, at_s) == ID
    changed = bytes([body[0] ^ 1]) + body[1:] if body else b"x"
    assert refusal(headers, changed, secrets=(secret_of(key),), now_s=at_s) == "webhook_forged"


def test_header_names_count_in_any_case() -> None:
    assert verify([SECRET], {k.title(): v for k, v in signed().items()}, BODY, NOW_S) == ID


def test_the_first_secret_signs_and_a_rotating_receiver_knows_both() -> None:
    headers = sign([OTHER, SECRET], ID, NOW_S, BODY)
    assert headers == signed(secret=OTHER)
    assert verify([SECRET, OTHER], headers, BODY, NOW_S) == ID
    assert refusal(headers, secrets=(SECRET,)) == "webhook_forged"


def test_one_right_signature_among_others_is_enough() -> None:
    wrong = "v1," + base64.b64encode(b"x" * 32).decode()
    good = signed()["webhook-signature"]
    for text in (f"{wrong} {good}", f"{good} {wrong}", f"v1a,abc {good}", f"v2,{good[3:]} {good}",
                 f"v1,cut {good}"):  # fmt: skip
        assert verify([SECRET], {**signed(), "webhook-signature": text}, BODY, NOW_S) == ID


@given(st.lists(st.text(max_size=8), min_size=1, max_size=4))
def test_the_same_parts_make_the_same_id_which_can_be_signed(parts: list[str]) -> None:
    message = message_id(*parts)
    assert message == message_id(*parts) != message_id(*parts, "")
    assert verify([SECRET], sign([SECRET], message, NOW_S, b""), b"", NOW_S) == message


# Attacks --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age_s", "code"),
    [(300, None), (301, "webhook_expired"), (86_400, "webhook_expired"), (-300, None),
     (-301, "webhook_early"), (-10**9, "webhook_early")],
)  # fmt: skip
def test_a_replay_is_refused_after_five_minutes(age_s: int, code: str | None) -> None:
    headers = signed(at_s=NOW_S - age_s)
    if code is None:
        assert verify([SECRET], headers, BODY, NOW_S) == ID
    else:
        assert refusal(headers) == code


def test_an_old_call_with_a_fresh_timestamp_is_forged() -> None:
    headers = {**signed(at_s=NOW_S - 4_000), "webhook-timestamp": str(NOW_S)}
    assert refusal(headers) == "webhook_forged"


def test_another_body_or_another_id_is_forged() -> None:
    assert refusal(signed(), BODY + b" ") == "webhook_forged"
    assert refusal(signed(), b"") == "webhook_forged"
    assert refusal({**signed(), "webhook-id": message_id("job-2", "COMPLETE", 7)}) == (
        "webhook_forged"
    )


def test_a_signature_by_another_key_is_forged() -> None:
    assert refusal(signed(secret=OTHER)) == "webhook_forged"


def test_the_text_of_the_secret_is_no_key() -> None:
    content = f"{ID}.{NOW_S}.".encode() + BODY
    for key in (SECRET.encode(), SECRET[6:].encode(), b"", b"whsec_", KEY.hex().encode()):
        made = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
        assert refusal({**signed(), "webhook-signature": f"v1,{made}"}) == "webhook_forged"


def test_a_shorter_or_longer_hash_is_no_signature() -> None:
    content = f"{ID}.{NOW_S}.".encode() + BODY
    for name in ("sha1", "sha512", "md5"):
        made = base64.b64encode(hmac.new(KEY, content, name).digest()).decode()
        assert refusal({**signed(), "webhook-signature": f"v1,{made}"}) == "webhook_malformed"


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_unsigned(missing: str) -> None:
    headers = signed()
    del headers[missing]
    assert refusal(headers) == "webhook_unsigned"


MALFORMED = [
    *[("webhook-id", value) for value in ("", " ", "a.b", "a b", "a\n", "ä", "i" * 257)],
    *[("webhook-timestamp", value) for value in
      ("", "0", "hello", f"+{NOW_S}", f"-{NOW_S}", f" {NOW_S}", f"{NOW_S}.0", f"0{NOW_S}", "1e9",
       "1_795_000_000", "NaN", "１７９５００００００", "9" * 13, "9" * 100_000)],
    *[("webhook-signature", value) for value in
      ("", "v1", "v1,", ",", "v1, ", "v1,not base64", "v1a,x", "V1," + "A" * 43 + "=",
       "v1," + "A" * 44, "v1," + "A" * 43 + "=\n", "v1," + "ä" * 43 + "=", "\x00",
       signed()["webhook-signature"][3:], signed()["webhook-signature"].replace("v1", "v2"),
       " ".join([signed()["webhook-signature"]] * 17), "v1,x " * 100_000)],
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), MALFORMED)
def test_a_malformed_or_huge_header_is_refused(name: str, value: str) -> None:
    assert refusal({**signed(), name: value}) == "webhook_malformed"


@given(st.fixed_dictionaries({}, optional={
    "webhook-id": st.text(), "webhook-timestamp": st.text(), "webhook-signature": st.text(),
}))  # fmt: skip
def test_no_header_makes_verify_raise_anything_else(headers: dict[str, str]) -> None:
    assert refusal(headers).startswith("webhook_")


def test_without_secrets_everything_is_refused() -> None:
    assert refusal(signed(), secrets=()) == "webhook_not_configured"
    with pytest.raises(SecretInvalid):
        sign([], ID, NOW_S, BODY)


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "whsec_!!!!", "whsec_====", "secret", secret_of(b"x" * 23), secret_of(b"x" * 65),
     SECRET[6:], "whsk_" + SECRET[6:], "whpk_" + SECRET[6:], SECRET + "!", "whsec_ä" + SECRET[6:]],
)  # fmt: skip
def test_a_weak_or_foreign_secret_is_refused_by_both_sides(secret: str) -> None:
    with pytest.raises(SecretInvalid) as refused:
        sign([secret], ID, NOW_S, BODY)
    if len(secret) > 8:
        assert secret not in str(refused.value)
    with pytest.raises(SecretInvalid):
        verify([SECRET, secret], signed(), BODY, NOW_S)


def test_an_id_that_could_be_read_in_two_ways_is_not_signed() -> None:
    with pytest.raises(ValueError, match="message id"):
        sign([SECRET], f"a.{NOW_S}", NOW_S, BODY)


# The setting ----------------------------------------------------------------------------------


def test_a_wrong_setting_of_secrets_stops_the_start_and_is_not_shown() -> None:
    weak = secret_of(b"x" * 8)
    with pytest.raises(SettingsInvalid, match="INTERNAL_SECRETS") as refused:
        load_settings({"DAENGDONG_SECRET_KEY": "k", "DAENGDONG_INTERNAL_SECRETS": weak})
    assert weak not in str(refused.value)
    assert parse_secrets(f" {SECRET} ,{OTHER},") == (SECRET, OTHER)
    assert parse_secrets("") == ()


# The guard ------------------------------------------------------------------------------------


@post("/internal/test/events", guards=[signed_only], status_code=200)
async def take_event(request: Request[Any, Any, Any]) -> dict[str, int]:
    """Answer how many bytes came."""
    return {"bytes": len(await request.body())}


@asynccontextmanager
async def receiver(secrets: str = f"{SECRET},{OTHER}") -> AsyncIterator[httpx.AsyncClient]:
    parts = SimpleNamespace(
        settings=Settings(internal_secrets=secrets), clock=lambda: NOW_S * 1000 + 7
    )
    app = Litestar(
        [take_event], state=State({"platform": parts}), exception_handlers={Exception: handle},
        request_class=StrictRequest, before_request=check_request,
        request_max_body_size=12 * 1024 * 1024, openapi_config=None,
    )  # fmt: skip
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://backend.local") as client:
        yield client


async def call(client: httpx.AsyncClient, headers: Any, body: bytes = BODY) -> tuple[int, Any]:
    answer = await client.post("/internal/test/events", content=body, headers=headers)
    return answer.status_code, answer.json()


@pytest.mark.anyio
async def test_a_signed_call_reaches_the_route_with_its_body() -> None:
    async with receiver() as client:
        assert await call(client, signed()) == (200, {"bytes": len(BODY)})
        assert await call(client, signed(secret=OTHER)) == (200, {"bytes": len(BODY)})
        # A retry: the same id again is for the route's own rows to know.
        assert await call(client, signed()) == (200, {"bytes": len(BODY)})


@pytest.mark.anyio
async def test_every_attack_gets_401_with_its_code_and_the_route_still_works() -> None:
    good = signed()
    attacks: list[tuple[Any, bytes, str]] = [
        ({}, BODY, "webhook_unsigned"),
        ({"authorization": "Bearer x"}, BODY, "webhook_unsigned"),
        (signed(at_s=NOW_S - 301), BODY, "webhook_expired"),
        (signed(at_s=NOW_S + 301), BODY, "webhook_early"),
        (signed(secret=secret_of(b"z" * 32)), BODY, "webhook_forged"),
        (good, BODY + b"x", "webhook_forged"),
        ({**good, "webhook-signature": "v1,x"}, BODY, "webhook_malformed"),
        ({**good, "webhook-signature": "A" * 60_000}, BODY, "webhook_malformed"),
        ([*good.items(), ("webhook-id", "another")], BODY, "webhook_malformed"),
    ]
    async with receiver() as client:
        for headers, body, code in attacks:
            status, problem = await call(client, headers, body)
            assert (status, problem["code"]) == (401, code)
            assert problem["type"] == f"/problems/{code}"
        assert (await call(client, good))[0] == 200


@pytest.mark.anyio
async def test_a_receiver_without_keys_takes_nothing() -> None:
    async with receiver("") as client:
        status, problem = await call(client, signed())
        assert (status, problem["code"]) == (401, "webhook_not_configured")


@pytest.mark.anyio
async def test_an_unsigned_body_is_not_read() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"x" * 65_536

    async with receiver() as client:
        for headers, code in (({}, 401), (signed(), 413)):
            answer = await client.post(
                "/internal/test/events",
                content=endless(),
                headers={**headers, "content-length": str(MAX_BODY_BYTES + 1)},
            )
            assert answer.status_code == code
    assert read <= 2  # what the client sends ahead by itself
