"""Writes the vectors for clients in other languages: `python -m edge_sdk.sync.vectors`.

Every value is fixed, so the same files come out each time; a test holds the repository to that.
"""

from __future__ import annotations

import json
import sys
import zlib
from base64 import b64encode
from pathlib import Path
from typing import Any, Final

import numpy as np

from edge_sdk.sync import hlc
from edge_sdk.sync.facts import (
    AnalysisAdd,
    Body,
    DiarySet,
    MissionSubmit,
    Prediction,
    SettingsSet,
    WalkCancel,
    WalkFinish,
    WalkPoints,
    WalkStart,
    encode_payload,
    type_of,
)
from edge_sdk.sync.hashes import chunk_sha256, fact_hash, row_checksum
from edge_sdk.sync.packed import MAX_FIXES, TIME_LIMIT_MS, pack, pack_plain
from game_engine.track import Fixes

FOLDER: Final = Path(__file__).resolve().parents[2] / "assets" / "vectors"
WALK: Final = "019aa34c-5c00-7000-8000-000000000001"
DOG: Final = "019aa34c-5c00-7000-8000-000000000002"
CLIENT: Final = "019aa34c-5c00-7000-8000-000000000003"
OTHER: Final = "019aa34c-5c00-7000-8000-000000000004"
START_MS: Final = 1_795_000_000_000
_AHEAD_MS: Final = (-1_000_000_000, 0, 300_000, 300_001, 1_000_000_000)
_INT32: Final = (-(2**31), 2**31 - 1)


def _fixes(
    t_ms: list[int],
    lat_e5: list[int],
    lng_e5: list[int],
    accuracy_m: list[int] | None = None,
    flags: list[int] | None = None,
    steps: list[int] | None = None,
) -> Fixes:
    zeros = [0] * len(t_ms)
    return Fixes(
        t_ms=np.array(t_ms, dtype=np.int64),
        lat_e5=np.array(lat_e5, dtype=np.int32),
        lng_e5=np.array(lng_e5, dtype=np.int32),
        accuracy_m=np.array(accuracy_m or zeros, dtype=np.int16),
        flags=np.array(flags or zeros, dtype=np.uint8),
        steps=None if steps is None else np.array(steps, dtype=np.int32),
    )


def packed_cases() -> dict[str, Fixes]:
    """Return the named fixes of the packed vectors."""
    second = [START_MS + 1000 * n for n in range(8)]
    full = list(range(MAX_FIXES))
    return {
        "worked example of docs/sync-protocol.md": _fixes(
            [START_MS, START_MS + 1000, START_MS + 2000, START_MS + 3500],
            [3_756_650, 3_756_651, 3_756_651, 3_756_700],
            [12_697_800, 12_697_801, 12_697_799, 12_697_799],
            [6, 6, 6, 8],
            [0, 0, 0, 0],
            [100, 102, 103, 103],
        ),
        "one fix": _fixes([0], [0], [0]),
        "eight seconds standing": _fixes(second, [3_756_650] * 8, [12_697_800] * 8, [5] * 8),
        "largest near steps": _fixes(second[:5], [0, 7, 0, 7, 0], [0, -7, 0, 7, 14]),
        "smallest far steps": _fixes(second[:5], [0, 8, 8, 0, 0], [0, 0, 8, 8, 0]),
        "every extreme of a coordinate": _fixes(
            second[:6],
            [_INT32[0], _INT32[1], _INT32[0], 0, 9_000_000, -9_000_000],
            [_INT32[1], _INT32[0], _INT32[1], 0, 18_000_000, -18_000_000],
        ),
        "times that go back and jump": _fixes(
            [TIME_LIMIT_MS - 1, 0, TIME_LIMIT_MS - 1, 5, 5, 4], [0] * 6, [0] * 6
        ),
        "flags and unknown accuracy": _fixes(
            second[:6], [1] * 6, [1] * 6, [0, 0, 32_767, 32_767, 1, 0], [2, 2, 0, 1, 255, 2]
        ),
        "steps that start anew": _fixes(
            second[:5], [1] * 5, [1] * 5, steps=[2_000_000_000, 2_000_000_001, 0, 0, 3]
        ),
        "600 fixes": _fixes(
            [START_MS + 1000 * n for n in full],
            [3_756_650 + n + n % 3 for n in full],
            [12_697_800 - n * (n % 2) for n in full],
            [5 + n // 100 for n in full],
        ),
    }


_HEAD: Final = "0100"
_INVALID: Final = {
    "nothing": "",
    "other version": "0200010000000000000000000000",
    "unknown column bit": "0104010000000000000000000000",
    "count 0": "01000000000000000000000000000",
    "count 601": _HEAD + "d904" + "00" * 10,
    "varint of 11 bytes": _HEAD + "80" * 10 + "01",
    "varint longer than needed": _HEAD + "8100" + "00" * 10,
    "column past the end": _HEAD + "02" + "00" * 6 + "7f00",
    "run of zeros without length": _HEAD + "02" + "00" * 6 + "0100" + "0188" + "00" + "0100" * 2,
    "run of 0 zeros": _HEAD + "02" + "00" * 6 + "020000",
    "run longer than the column": _HEAD + "02" + "00" * 6 + "020002",
    "position byte with one half 0": _HEAD + "02" + "00" * 6 + "020001" + "0180" + "000000",
    "time past 2^47": _HEAD + "01" + "808080808080" + "20" + "00" * 5 + "00" * 5,
    "accuracy past 32767": _HEAD + "01" + "00" * 4 + "808002" + "00" + "00" * 5,
}


def _broken_deflate() -> dict[str, bytes]:
    """Return the named deflated columns that a reader of two fixes must refuse."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = packer.compress(bytes(1_000_000)) + packer.flush()
    fine = b"\x03\x00"  # an empty deflate stream
    return {
        "deflated bomb": bomb,
        "deflate cut short": bomb[:20],
        "bytes after the deflate stream": fine + b"\x00",
        "no deflate at all": b"\xff\xff\xff\xff",
    }


def _deflated_time(column: bytes) -> bytes:
    """Return a chunk of two fixes with this as its deflated TIME column."""
    length = 2 * len(column) + 1
    varint = bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7])
    return bytes.fromhex("010202") + bytes(6) + varint + column + b"\x02\x88" + bytes(3)


def packed_vectors() -> dict[str, Any]:
    """Return the content of packed-fixes.json."""
    valid = []
    for name, fixes in packed_cases().items():
        columns = ("t_ms", "lat_e5", "lng_e5", "accuracy_m", "flags")
        listed = {column: getattr(fixes, column).tolist() for column in columns}
        listed["steps"] = None if fixes.steps is None else fixes.steps.tolist()
        hexes = {"hex": pack_plain(fixes).hex(), "deflated_hex": pack(fixes).hex()}
        valid.append({"name": name, "fixes": listed, **hexes})
    good = pack_plain(packed_cases()["eight seconds standing"]).hex()
    broken = {
        **{name: text[: len(text) // 2 * 2] for name, text in _INVALID.items()},
        "last byte missing": good[:-2],
        "one byte too many": good + "00",
        **{name: _deflated_time(column).hex() for name, column in _broken_deflate().items()},
    }
    invalid = [{"name": name, "hex": text} for name, text in broken.items()]
    return {
        "format": "packed fixes, version 1",
        "note": "writers: hex is exact; deflated_hex is one of many that a reader must accept",
        "valid": valid,
        "invalid": invalid,
    }


def fact_bodies() -> dict[str, Body]:
    """Return the named bodies of the fact vectors."""
    packed = pack_plain(packed_cases()["worked example of docs/sync-protocol.md"])
    stamp = str(hlc.Hlc(START_MS, 0, CLIENT))
    chunk = b64encode(packed).decode()
    return {
        "a walk begins": WalkStart(WALK, [DOG], START_MS, "2026.1", "live"),
        "a walk without a dog, from a file": WalkStart(WALK, [], 0, "2026.1", "gpx"),
        "a chunk": WalkPoints(WALK, 0, chunk, chunk_sha256(packed), 5_000, 8_500),
        "a chunk without monotonic clock": WalkPoints(
            WALK, 1, chunk, chunk_sha256(packed), None, None
        ),
        "a walk ends": WalkFinish(WALK, START_MS + 3_500, 2, False, Prediction(3, 1234.5)),
        "a walk is given up": WalkCancel(WALK, START_MS + 4_000),
        "a face": AnalysisAdd(OTHER, "face", DOG, None, START_MS, {"happy": 0.75, "말": "산책!"}),
        "a diary text": DiarySet(OTHER, WALK, "2026-11-21", "text", "한강에서 산책 🐕", stamp),
        "a diary field is cleared": DiarySet(OTHER, None, "2026-11-21", "mood", None, stamp),
        "a mission": MissionSubmit(OTHER, WALK, "SIT", "m/abc.mp4", "nonce-1", START_MS),
        "a setting": SettingsSet("language", "ko", stamp),
    }


def fact_vectors() -> dict[str, Any]:
    """Return the content of facts.json."""
    valid = []
    for name, body in fact_bodies().items():
        kind, payload = type_of(body), encode_payload(body)
        valid.append(
            {"name": name, "type": kind, "payload": payload, "hash": fact_hash(kind, payload)}
        )
    cancel = encode_payload(fact_bodies()["a walk is given up"])
    broken = {
        "unknown type": ("walk.fly", "{}", None),
        "field missing": ("walk.cancel", f'{{"walk_id":"{WALK}"}}', None),
        "field too many": ("walk.cancel", cancel[:-1] + ',"x":1}', None),
        "id in capitals": ("walk.cancel", cancel.replace("aa", "AA"), None),
        "time below 0": ("walk.cancel", f'{{"walk_id":"{WALK}","at_ms":-1}}', None),
        "hash of other spacing": ("walk.cancel", cancel + " ", fact_hash("walk.cancel", cancel)),
        "hash of another type": ("walk.cancel", cancel, fact_hash("walk.start", cancel)),
    }
    invalid = [
        {"name": name, "type": kind, "payload": text, "hash": given or fact_hash(kind, text)}
        for name, (kind, text, given) in broken.items()
    ]
    return {"format": "facts, version 1", "valid": valid, "invalid": invalid}


def cursor_vectors() -> dict[str, Any]:
    """Return the content of cursor-and-checksums.json."""
    docs = [
        ("walks", WALK, f'{{"walk_id":"{WALK}","state":"finished"}}'),
        ("dogs", DOG, '{"name":"보리"}'),
        ("dogs", OTHER, "{}"),
        ("settings", "language", '{"value":"ko"}'),
    ]
    rows: list[dict[str, Any]] = [
        {"collection": kind, "id": row_id, "doc": doc, "checksum": row_checksum(kind, row_id, doc)}
        for kind, row_id, doc in docs
    ]
    sums: dict[str, dict[str, int]] = {}
    for row in rows:
        entry = sums.setdefault(row["collection"], {"count": 0, "sum": 0})
        entry["count"] += 1
        entry["sum"] += row["checksum"]
    stamps = [hlc.Hlc(START_MS + ahead, 7, CLIENT) for ahead in _AHEAD_MS]
    return {
        "format": "pull, version 1",
        "requests": [
            {"cursor": None, "limit": 500, "path": "/api/sync/pull?limit=500"},
            {"cursor": "ZTEuNDI", "limit": 500, "path": "/api/sync/pull?limit=500&cursor=ZTEuNDI"},
            {
                "cursor": "a+b/c=&d",
                "limit": 2,
                "path": "/api/sync/pull?limit=2&cursor=a%2Bb%2Fc%3D%26d",
            },
        ],
        "rows": rows,
        "checksums": sums,
        "stamps": [
            {"stamp": str(stamp), "server_ms": START_MS, "kept": str(hlc.clamp(stamp, START_MS))}
            for stamp in stamps
        ],
    }


def write(folder: Path) -> list[Path]:
    """Write the three files and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "packed-fixes.json": packed_vectors(),
        "facts.json": fact_vectors(),
        "cursor-and-checksums.json": cursor_vectors(),
    }
    for name, content in files.items():
        text = json.dumps(content, ensure_ascii=False, indent=1)
        (folder / name).write_text(text + "\n", encoding="utf-8")
    return [folder / name for name in files]


if __name__ == "__main__":
    for path in write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER):
        print(path)
