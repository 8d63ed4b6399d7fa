"""Packed fixes: every value comes back, hostile bytes end in one error."""

from __future__ import annotations

import json
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sdk.errors import PackedError
from edge_sdk.sync.packed import MAX_FIXES, TIME_LIMIT_MS, pack, pack_plain, unpack
from game_engine.track import Fixes

INT32 = st.integers(-(2**31), 2**31 - 1)
NEAR = st.integers(3_756_650, 3_756_670)
VECTORS = Path(__file__).parents[2] / "assets/vectors/packed-fixes.json"


def column(values: list[int], kind: str) -> np.ndarray:
    return np.array(values, dtype=kind)


@st.composite
def tracks(draw: st.DrawFn) -> Fixes:
    count = draw(st.integers(1, 40))

    def many(values: st.SearchStrategy[int]) -> list[int]:
        return draw(st.lists(values, min_size=count, max_size=count))

    times = st.integers(0, TIME_LIMIT_MS - 1) | st.integers(1_795_000_000_000, 1_795_000_009_000)
    degrees = st.one_of(NEAR, INT32)
    return Fixes(
        t_ms=column(many(times), "i8"),
        lat_e5=column(many(degrees), "i4"),
        lng_e5=column(many(degrees), "i4"),
        accuracy_m=column(many(st.integers(0, 9) | st.integers(0, 2**15 - 1)), "i2"),
        flags=column(many(st.integers(0, 3) | st.integers(0, 255)), "u1"),
        steps=column(many(INT32), "i4") if draw(st.booleans()) else None,
    )


def assert_same(a: Fixes, b: Fixes) -> None:
    for name in ("t_ms", "lat_e5", "lng_e5", "accuracy_m", "flags", "steps"):
        left, right = getattr(a, name), getattr(b, name)
        assert (left is None) == (right is None), name
        if left is not None:
            assert left.dtype == right.dtype, name
            np.testing.assert_array_equal(left, right, name)


def walk(count: int = MAX_FIXES, seed: int = 1) -> Fixes:
    random = np.random.default_rng(seed)
    return Fixes.of(
        1_795_000_000_000 + 1000 * np.arange(count),
        37.5 + np.cumsum(random.normal(0, 1.5e-5, count)),
        127.0 + np.cumsum(random.normal(0, 1.5e-5, count)),
        random.integers(3, 12, count),
        steps=np.cumsum(random.integers(0, 3, count)),
    )


@given(tracks())
@settings(deadline=None)
def test_every_value_comes_back(fixes: Fixes) -> None:
    assert_same(unpack(pack(fixes)), fixes)
    assert_same(unpack(pack_plain(fixes)), fixes)


@settings(deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=MAX_FIXES))
def test_long_columns_with_runs_come_back(deltas: list[int]) -> None:
    t_ms = 10**12 + np.cumsum(np.array(deltas, dtype=np.int64)) * 500
    lat = np.cumsum(np.array(deltas)) * 1e-5
    fixes = Fixes.of(t_ms, lat, -lat, np.abs(deltas), mock=np.array(deltas) > 2)
    assert_same(unpack(pack(fixes)), fixes)


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_end_in_one_error(data: bytes) -> None:
    for head in (b"", b"\x01\x00", b"\x01\x01\x05"):
        with suppress(PackedError):
            unpack(head + data)


@pytest.mark.parametrize("way", [pack, pack_plain])
def test_every_truncation_is_refused(way: Callable[[Fixes], bytes]) -> None:
    data = way(walk(60))
    for length in range(len(data)):
        with pytest.raises(PackedError):
            unpack(data[:length])
    with pytest.raises(PackedError):
        unpack(data + b"\0")


@pytest.mark.parametrize("way", [pack, pack_plain])
def test_every_flipped_bit_gives_fixes_or_the_error(way: Callable[[Fixes], bytes]) -> None:
    data = bytearray(way(walk(40)))
    for bit in range(8 * len(data)):
        data[bit // 8] ^= 1 << bit % 8
        with suppress(PackedError):
            assert len(unpack(bytes(data))) <= MAX_FIXES
        data[bit // 8] ^= 1 << bit % 8


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty", b""),
        ("other version", b"\x02\x00\x01" + bytes(10)),
        ("unknown columns", b"\x01\x04\x01" + bytes(10)),
        ("no fixes", b"\x01\x00\x00" + bytes(10)),
        ("too many fixes", b"\x01\x00\xd9\x04" + bytes(10)),
        ("endless varint", b"\x01\x00" + b"\xff" * 40),
        ("long form of a small number", b"\x01\x00\x81\x00" + bytes(10)),
        ("huge column", b"\x01\x00\x02" + bytes(6) + b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
        ("huge run of zeros", b"\x01\x00\x02" + bytes(6) + b"\x06\x00\xff\xff\xff\xff\x0f"),
        ("run of no zeros", b"\x01\x00\x02" + bytes(6) + b"\x02\x00\x00"),
        ("half a position", b"\x01\x00\x02" + bytes(6) + b"\x02\x00\x01\x01\x80\x00\x00\x00"),
    ],
)
def test_malformed_chunks_are_refused(name: str, data: bytes) -> None:
    with pytest.raises(PackedError):
        unpack(data)


def deflated_bomb() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    stream = packer.compress(bytes(40_000_000)) + packer.flush()
    length = 2 * len(stream) + 1
    varint = bytes([length & 127 | 128, length >> 7 & 127 | 128, length >> 14])
    return b"\x01\x02\xd8\x04" + bytes(6) + varint + stream


def test_hostile_lengths_take_no_memory() -> None:
    bombs = [
        b"\x01\x00\xd8\x04" + bytes(6) + b"\x07\x00\xff\xff\xff\xff\xff\x7f",
        b"\x01\x00\xd8\x04" + bytes(6) + b"\xff\xff\xff\xff\xff\xff\x7f",
        b"\x01\x02\xd8\x04" + bytes(6) + b"\xff\xff\xff\x7f",
        deflated_bomb(),
    ]
    tracemalloc.start()
    for bomb in bombs:
        with pytest.raises(PackedError):
            unpack(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000


def test_a_chunk_holds_one_to_600_fixes_and_a_reader_may_ask_for_fewer() -> None:
    for count in (0, MAX_FIXES + 1):
        with pytest.raises(PackedError):
            pack(walk(count) if count else Fixes.empty())
    with pytest.raises(PackedError):
        unpack(pack(walk(20)), max_fixes=19)


def test_times_before_1970_are_refused() -> None:
    with pytest.raises(PackedError):
        pack(Fixes.of([-1], [0], [0]))


def test_a_walk_takes_under_three_bytes_a_fix() -> None:
    assert len(pack(walk())) < 3 * MAX_FIXES


def test_the_vectors_hold() -> None:
    vectors = json.loads(VECTORS.read_text())
    for vector in vectors["valid"]:
        fixes = vector["fixes"]
        columns = Fixes(
            t_ms=column(fixes["t_ms"], "i8"),
            lat_e5=column(fixes["lat_e5"], "i4"),
            lng_e5=column(fixes["lng_e5"], "i4"),
            accuracy_m=column(fixes["accuracy_m"], "i2"),
            flags=column(fixes["flags"], "u1"),
            steps=None if fixes["steps"] is None else column(fixes["steps"], "i4"),
        )
        assert pack_plain(columns).hex() == vector["hex"], vector["name"]
        assert_same(unpack(bytes.fromhex(vector["deflated_hex"])), columns)
        assert_same(unpack(bytes.fromhex(vector["hex"])), columns)
    for vector in vectors["invalid"]:
        with pytest.raises(PackedError):
            unpack(bytes.fromhex(vector["hex"]))
