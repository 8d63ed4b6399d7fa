"""Hooks for `schemathesis run` (SCHEMATHESIS_HOOKS): ids that exist, and who deletes an account."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

import requests
import schemathesis
from schemathesis import Case, HookContext

from edge_sdk.ids import uuid7

KNOWN: dict[str, str] = json.loads(os.environ["DAENGDONG_KNOWN_IDS"])
ADDRESS = os.environ["DAENGDONG_ADDRESS"]


@schemathesis.hook
def map_path_parameters(context: HookContext, path_parameters: Any) -> Any:
    """Put an id that exists in the place of every second made-up one."""
    return {
        name: KNOWN[name] if name in KNOWN and _coin(value) else value
        for name, value in (path_parameters or {}).items()
    }


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Sign in as the household; a new guest deletes its account, in whatever test it is."""
    token = os.environ["DAENGDONG_TOKEN"]
    if case.method.upper() == "DELETE" and case.path == "/api/me":
        body = {"client_id": uuid7(), "device_name": "phone"}
        answer = requests.post(f"{ADDRESS}/api/auth/guest", json=body, timeout=30)
        token = answer.json()["access_token"]
    case.headers["Authorization"] = f"Bearer {token}"


def _coin(value: object) -> bool:
    return hashlib.sha256(repr(value).encode()).digest()[0] % 2 == 0
