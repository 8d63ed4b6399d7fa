"""Facts, ids, stamps and hashes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_sdk.errors import FactError, HlcError, UnknownFactType
from edge_sdk.ids import is_uuid7, uuid7, uuid7_ms
from edge_sdk.sync import hlc
from edge_sdk.sync.facts import (
    FACT_TYPES,
    DiarySet,
    Fact,
    WalkCancel,
    decode_payload,
    encode_payload,
    make_fact,
    read_fact,
)
from edge_sdk.sync.hashes import fact_hash, row_checksum

VECTORS = Path(__file__).parents[2] / "assets/vectors"
NOW = 1_795_000_000_000
# Fixed: a test's name must be the same in every process that runs the tests.
WALK_ID = "019a2235-b000-7000-8000-000000000001"
STAMP = str(hlc.Hlc(NOW, 0, uuid7()))


def test_ids_are_uuid7_and_carry_their_time() -> None:
    made = [uuid7(NOW + n) for n in range(50)]
    assert made == sorted(made)
    assert all(is_uuid7(text) for text in made)
    assert uuid7_ms(made[7]) == NOW + 7
    assert not is_uuid7(made[0] + "\n")
    assert not is_uuid7(made[0].upper())


def test_a_fact_survives_the_wire() -> None:
    body = WalkCancel(uuid7(), NOW)
    fact = make_fact(3, body)
    assert read_fact(fact) == body
    assert fact.hash == fact_hash(fact.type, fact.payload)


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "[]",
        "{",
        '{"walk_id":"x","at_ms":1}',
        f'{{"walk_id":"{WALK_ID}"}}',
        f'{{"walk_id":"{WALK_ID}","at_ms":-1}}',
        f'{{"walk_id":"{WALK_ID}","at_ms":1,"more":1}}',
        f'{{"walk_id":"{WALK_ID}\\n","at_ms":1}}',
        '{"walk_id":"\ud800","at_ms":1}',
        "[" * 50_000,
        '{"walk_id":"' + "x" * 70_000,
    ],
)
def test_malformed_payloads_are_one_error(payload: str) -> None:
    with pytest.raises(FactError):
        decode_payload("walk.cancel", payload)


@given(st.sampled_from(sorted(FACT_TYPES)), st.text(max_size=200))
def test_any_text_is_a_body_or_one_error(fact_type: str, payload: str) -> None:
    with pytest.raises(FactError):
        decode_payload(fact_type, payload)


def test_unknown_types_and_wrong_hashes_are_told_apart() -> None:
    with pytest.raises(UnknownFactType):
        decode_payload("walk.fly", "{}")
    fact = make_fact(1, WalkCancel(uuid7(), NOW))
    with pytest.raises(FactError, match="hash"):
        read_fact(Fact(1, fact.type, fact.payload + " ", fact.hash))


def test_a_body_that_breaks_its_limits_is_never_stored() -> None:
    with pytest.raises(FactError):
        encode_payload(WalkCancel("not an id", NOW))
    with pytest.raises(FactError):
        encode_payload(DiarySet(uuid7(), None, "2026-11-21", "t", "x" * 70_000, STAMP))


def test_stamps_sort_as_text_and_never_go_back() -> None:
    me, other = uuid7(), uuid7()
    stamp = None
    seen = []
    for now in (NOW, NOW + 5, NOW - 1000, NOW - 1000, NOW + 6):
        stamp = hlc.tick(stamp, now, me)
        seen.append(str(stamp))
    assert seen == sorted(set(seen))
    assert hlc.parse(seen[-1]) == stamp
    full = hlc.Hlc(NOW, hlc.COUNTER_MAX, other)
    assert hlc.tick(full, NOW - 5, me) == hlc.Hlc(NOW + 1, 0, me)


def test_a_clock_more_than_five_minutes_ahead_is_clamped() -> None:
    ahead = hlc.Hlc(NOW + hlc.MAX_AHEAD_MS + 1, 4, uuid7())
    assert hlc.clamp(ahead, NOW).ms == NOW
    assert hlc.clamp(ahead._replace(ms=NOW + hlc.MAX_AHEAD_MS), NOW).ms == NOW + hlc.MAX_AHEAD_MS


@given(st.text(max_size=60))
def test_other_text_is_no_stamp(text: str) -> None:
    with pytest.raises(HlcError):
        hlc.parse(text)


def test_the_fact_vectors_hold() -> None:
    vectors = json.loads((VECTORS / "facts.json").read_text())
    assert {vector["type"] for vector in vectors["valid"]} == set(FACT_TYPES)
    for vector in vectors["valid"]:
        body = decode_payload(vector["type"], vector["payload"])
        assert encode_payload(body) == vector["payload"]
        assert fact_hash(vector["type"], vector["payload"]) == vector["hash"]
    for vector in vectors["invalid"]:
        fact = Fact(1, vector["type"], vector["payload"], vector["hash"])
        with pytest.raises(FactError):
            read_fact(fact)


def test_the_checksum_and_stamp_vectors_hold() -> None:
    vectors = json.loads((VECTORS / "cursor-and-checksums.json").read_text())
    total = 0
    for row in vectors["rows"]:
        assert row_checksum(row["collection"], row["id"], row["doc"]) == row["checksum"]
        total += row["checksum"]
    assert total == sum(entry["sum"] for entry in vectors["checksums"].values())
    for stamp in vectors["stamps"]:
        assert str(hlc.clamp(hlc.parse(stamp["stamp"]), stamp["server_ms"])) == stamp["kept"]


def test_the_vectors_are_those_that_the_script_writes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "edge_sdk.sync.vectors", str(tmp_path)], check=True)
    for path in tmp_path.iterdir():
        written, kept = (json.loads(file.read_text()) for file in (path, VECTORS / path.name))
        for vector in (*written.get("valid", []), *kept.get("valid", [])):
            vector.pop("deflated_hex", None)  # another zlib may write it otherwise
        assert written == kept


def test_importing_the_package_is_quick_and_loads_no_numpy() -> None:
    code = (
        "import sys, time; t = time.perf_counter(); import edge_sdk;"
        "print(time.perf_counter() - t);"
        "assert not {'numpy', 'httpx', 'aiosqlite', 'h3'} & set(sys.modules)"
    )
    best = min(
        float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)
        for _ in range(3)
    )
    assert best < 0.150


def test_every_public_name_exists() -> None:
    import edge_sdk

    for name in edge_sdk.__all__:
        assert getattr(edge_sdk, name) is not None
    assert set(edge_sdk.__all__) == {*edge_sdk._MODULE_OF, *edge_sdk._ROOMS}
    with pytest.raises(AttributeError):
        _ = edge_sdk.nothing
