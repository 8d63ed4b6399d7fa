"""Attacks on updates by signatures, and keys that change.

The list follows the attacks and rules of The Update Framework's specification and client tests.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_sdk.update.errors import (
    MetadataInvalid,
    NotTrusted,
    RolledBack,
)
from model_export.publish import repository
from model_export.publish.keys import SigningKey
from tests.support.repositories import NOW_MS, envelope_bytes, new_keys
from tests.support.static_server import (
    serving,
)
from tests.support.update_world import World, guarded

pytest_plugins = ("tests.support.update_fixtures",)

DAY_MS = repository.DAY_MS
REPOSITORY = Path(__file__).resolve().parents[2]


# --- keys and signatures ---------------------------------------------------------------------
@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_a_key_of_a_stranger_is_refused(world: World, role: Any) -> None:
    world.repository.forge(role, lambda b: None, [SigningKey.create()])
    with pytest.raises(NotTrusted):
        world.phone().check()


def test_a_key_of_another_role_is_refused(world: World) -> None:
    world.repository.forge("targets", lambda b: None, world.repository.keys["timestamp"])
    with pytest.raises(NotTrusted):
        world.phone().check()


def test_no_signature_at_all_is_refused(world: World) -> None:
    world.repository.forge("timestamp", lambda b: None, [])
    with pytest.raises(NotTrusted):
        world.phone().check()


def test_a_changed_text_under_an_old_signature_is_refused(world: World) -> None:
    path = world.repository.folder / "timestamp.json"
    expires = str(world.repository.body("timestamp")["expires_ms"]).encode()
    assert expires in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(expires, str(NOW_MS * 2).encode()))
    with pytest.raises(NotTrusted):
        world.phone().check()


def test_fewer_signatures_than_the_threshold_are_refused(tmp_path: Path) -> None:
    published, keys = guarded(tmp_path)
    with serving(published.folder) as server:
        world = World(tmp_path, server, published)
        published.forge("targets", lambda b: None, keys[:1])
        with pytest.raises(NotTrusted):
            world.phone().check()
        published.forge("targets", lambda b: None, keys[1:])
        assert world.phone().check()


def test_one_key_signing_twice_counts_once(tmp_path: Path) -> None:
    published, keys = guarded(tmp_path)
    with serving(published.folder) as server:
        world = World(tmp_path, server, published)
        published.forge("targets", lambda b: None, [keys[0], keys[0], keys[0]])
        with pytest.raises(NotTrusted):
            world.phone().check()


def test_one_key_under_two_ids_is_no_root(world: World) -> None:
    body = world.repository.body("root")
    (key_id,) = body["roles"]["timestamp"]["key_ids"]
    twin = "0" * 64
    body["keys"][twin] = body["keys"][key_id]
    body["roles"]["timestamp"] = {"key_ids": [key_id, twin], "threshold": 2}
    body["version"] = 2
    path = world.repository.folder / "2.root.json"
    path.write_bytes(envelope_bytes(body, world.repository.keys["root"]))
    with pytest.raises(MetadataInvalid):
        world.phone().check()


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key.__setitem__("kind", "rsa"),
        lambda key: key.__setitem__("public", "zz" * 32),
        lambda key: key.__setitem__("public", "00" * 31),
    ],
    ids=["unknown kind", "no hex", "too short"],
)
def test_a_root_with_a_strange_key_is_refused(
    world: World, change: Callable[[dict[str, Any]], None]
) -> None:
    body = world.repository.body("root")
    body["version"] = 2
    change(next(iter(body["keys"].values())))
    path = world.repository.folder / "2.root.json"
    path.write_bytes(envelope_bytes(body, world.repository.keys["root"]))
    with pytest.raises(MetadataInvalid):
        world.phone().check()


# --- changing keys ---------------------------------------------------------------------------
def _rotate(world: World, old: list[SigningKey] | None = None) -> dict[Any, list[SigningKey]]:
    keys = new_keys()
    repository.rotate(
        world.repository.folder,
        keys,
        old or world.repository.keys["root"],
        now_ms=NOW_MS,
    )
    world.repository.keys = keys
    return keys


def test_keys_are_changed_through_a_chain_of_roots(world: World) -> None:
    world.phone().update()
    for serial in (2, 3, 4):
        _rotate(world)
        world.repository.publish("dog-face", serial)
    assert world.phone().update().updated[0].serial == 4
    assert world.phone("another").update().updated[0].serial == 4


def test_old_keys_are_worth_nothing_after_a_change(world: World) -> None:
    old = dict(world.repository.keys)
    _rotate(world)
    world.phone().update()
    world.repository.forge("timestamp", lambda b: None, old["timestamp"])
    with pytest.raises(NotTrusted):
        world.phone().check()


def test_a_root_that_the_old_keys_did_not_sign_is_refused(world: World) -> None:
    body = world.repository.body("root")
    body["version"] = 2
    stranger = SigningKey.create()
    body["keys"][stranger.key_id] = {"kind": "ed25519", "public": stranger.public.public}
    body["roles"]["root"]["key_ids"] = [stranger.key_id]
    path = world.repository.folder / "2.root.json"
    path.write_bytes(envelope_bytes(body, [stranger]))
    with pytest.raises(NotTrusted):
        world.phone().check()


def test_a_root_that_its_own_new_keys_did_not_sign_is_refused(world: World) -> None:
    body = world.repository.body("root")
    body["version"] = 2
    stranger = SigningKey.create()
    body["keys"][stranger.key_id] = {"kind": "ed25519", "public": stranger.public.public}
    body["roles"]["root"]["key_ids"] = [stranger.key_id]
    path = world.repository.folder / "2.root.json"
    path.write_bytes(envelope_bytes(body, world.repository.keys["root"]))
    with pytest.raises(NotTrusted):
        world.phone().check()


@pytest.mark.parametrize("version", [1, 3, 2**31])
def test_a_root_whose_number_is_not_the_next_is_refused(world: World, version: int) -> None:
    body = world.repository.body("root")
    body["version"] = version
    path = world.repository.folder / "2.root.json"
    path.write_bytes(envelope_bytes(body, world.repository.keys["root"]))
    with pytest.raises(MetadataInvalid):
        world.phone().check()


def test_new_timestamp_keys_heal_a_version_run_away(world: World) -> None:
    """A thief of the timestamp key set a huge version; new keys must undo that."""
    world.repository.forge("timestamp", lambda b: b.__setitem__("version", 2**31))
    world.phone().update()
    body = world.repository.body("timestamp")
    body["version"] = 2
    data = envelope_bytes(body, world.repository.keys["timestamp"])
    (world.repository.folder / "timestamp.json").write_bytes(data)
    with pytest.raises(RolledBack):
        world.phone().check()
    _rotate(world)
    world.repository.publish("dog-face", 2)
    assert world.phone().update().updated[0].serial == 2


def test_an_endless_chain_of_roots_ends(world: World) -> None:
    keys = world.repository.keys["root"]
    for version in range(2, 90):
        body = world.repository.body("root")
        body["version"] = version
        path = world.repository.folder / f"{version}.root.json"
        path.write_bytes(envelope_bytes(body, keys))
    world.phone().update()
    assert len([path for path in world.server.asked if path.endswith("root.json")]) == 64
