"""The OpenAPI document fits reality: schemathesis calls every route with right and wrong input."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import anyio
import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi import checks

from edge_sdk.ids import uuid7
from sync_server.app import create_app
from sync_server.platform.clock import system_clock
from sync_server.platform.settings import Settings
from tests.support.app import Server, TestClock
from tests.support.household import Household, settle
from tests.support.kakao import Kakao
from tests.support.listening import listening

pytestmark = pytest.mark.slow
EXAMPLES = int(os.environ.get("DAENGDONG_API_EXAMPLES", "12"))
REDIRECT = "https://app.example/kakao"
CHECKS: list[CheckFunction] = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
    checks.allow_header_conformance,
]


@dataclass(frozen=True)
class Api:
    """The server, somebody who lives there, and a connection."""

    address: str
    household: Household
    session: requests.Session

    def call(self, case: Case) -> None:
        """Call a case as the household, and check the answer against the document.

        Every second made-up id gives way to one that exists.
        """
        found = {**self.household.ids, "key": self.household.photo_key}
        for name, value in dict(case.path_parameters or {}).items():
            if name in found and _coin(value):
                case.path_parameters[name] = found[name]
        headers = dict(self.household.phone.headers)
        if case.operation.label == "DELETE /api/me":
            headers = {"Authorization": f"Bearer {self.new_guest()}"}
        case.call_and_validate(
            base_url=self.address, session=self.session, headers=headers, checks=CHECKS, timeout=30
        )

    def new_guest(self) -> str:
        body = {"client_id": uuid7(), "device_name": "phone"}
        answer = httpx.post(f"{self.address}/api/auth/guest", json=body)
        token: str = answer.json()["access_token"]
        return token


def _coin(value: object) -> bool:
    return hashlib.sha256(repr(value).encode()).digest()[0] % 2 == 0


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("openapi")
    with (
        Kakao() as kakao,
        listening(
            f"sqlite:///{folder / 'test.sqlite'}", folder, rate_limits="off",
            **kakao.settings(REDIRECT),
        ) as (address, app),
        requests.Session() as session,
    ):  # fmt: skip

        async def populate() -> Household:
            async with httpx.AsyncClient(base_url=address) as client:
                return await settle(Server(app, client, TestClock()), system_clock())

        yield Api(address, anyio.run(populate), session)


schema = schemathesis.openapi.from_dict(
    create_app(Settings(secret_key="only for the document")).openapi_schema.to_schema(),
    config=SchemathesisConfig.from_dict(
        {
            "generation": {"with-security-parameters": False, "deterministic": True},
            # Reads as many events of /api/sync/events, which never ends by itself.
            "max-stream-events": 1,
        }
    ),
)


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)
def test_every_route_answers_as_documented(case: Case, api: Api) -> None:
    api.call(case)
