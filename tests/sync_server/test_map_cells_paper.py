"""The decoder that docs/map-cells.md prints reads what the server's encoder writes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from game_engine import cells as h3cells
from sync_server.territory.mapview import HIDDEN, MapView
from sync_server.territory.packedmap import encode_map

PAPER = Path(__file__).resolve().parents[2] / "docs" / "map-cells.md"
AS_OF_MS = 1_795_000_000_000
OWNERS = {
    7: "01a1d4f6-0000-7000-8000-0000000000a1",
    9: "01a1d4f6-0000-7000-8000-0000000000b2",
}
_RUN = """
import { readFileSync } from "node:fs";
const told = [];
for (const hex of JSON.parse(readFileSync(0, "utf8"))) {
  try { told.push(decodeMapCells(Uint8Array.from(Buffer.from(hex, "hex")).buffer)); }
  catch (error) { told.push({ error: error.constructor.name }); }
}
console.log(JSON.stringify(told));
"""


def _paper() -> str:
    return PAPER.read_text(encoding="utf-8")


def _decode(tmp_path: Path, *packed: bytes) -> list[dict[str, object]]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not on this machine")
    source = re.search(r"```js\n(.*?)```", _paper(), re.DOTALL)
    assert source is not None
    program = tmp_path / "decode.mjs"
    program.write_text(source[1] + _RUN, encoding="utf-8")
    done = subprocess.run(
        [node, str(program)],
        input=json.dumps([data.hex() for data in packed]),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: list[dict[str, object]] = json.loads(done.stdout)
    return told


def _worked_view() -> MapView:
    cells = np.array(
        [h3cells.from_hex(f"8b30e1c128b{digit}fff") for digit in "0123"], dtype=np.int64
    )
    owners, values = np.array([7, 9, HIDDEN, 0]), np.array([5, 1, 2, 0])
    return MapView(11, cells, owners, values)


def _random_view(seed: int, resolution: int) -> MapView:
    rng = np.random.default_rng(seed)
    lat = np.round((37.5 + rng.random(3_000) * 0.2) * 1e5).astype(np.int32)
    lng = np.round((126.9 + rng.random(3_000) * 0.2) * 1e5).astype(np.int32)
    fine = h3cells.classify(lat, lng).astype(np.int64)
    cells = np.unique(
        fine
        if resolution == h3cells.RESOLUTION
        else np.array([h3cells.parent(int(cell), resolution) for cell in fine])
    )
    return MapView(
        resolution,
        cells,
        rng.choice([0, HIDDEN, 7, 9], len(cells)),
        rng.integers(0, 400, len(cells)),
    )


def _expected(view: MapView) -> dict[str, object]:
    rows = zip(view.cells.tolist(), view.owners.tolist(), view.values.tolist(), strict=True)
    return {
        "resolution": view.resolution,
        "asOfMs": AS_OF_MS,
        "cells": [
            {
                "id": h3cells.to_hex(cell),
                "owner": OWNERS.get(owner),
                "hidden": owner == HIDDEN,
                "value": value,
            }
            for cell, owner, value in rows
        ],
    }


def test_the_worked_example_of_the_paper_is_what_the_encoder_writes(tmp_path: Path) -> None:
    packed = encode_map(_worked_view(), OWNERS, AS_OF_MS)
    printed = re.search(r"```hex\n(.*?)```", _paper(), re.DOTALL)
    assert printed is not None
    shown = "".join(line.split("#")[0] for line in printed[1].splitlines())
    assert bytes.fromhex(shown) == packed
    assert _decode(tmp_path, packed) == [_expected(_worked_view())]


def test_views_of_every_resolution_come_out_as_they_went_in(tmp_path: Path) -> None:
    views = [_random_view(seed, resolution) for seed, resolution in enumerate((11, 9, 8, 7))]
    nothing = MapView(11, *(np.zeros(0, dtype=np.int64) for _ in range(3)))
    views.append(nothing)
    told = _decode(tmp_path, *(encode_map(view, OWNERS, AS_OF_MS) for view in views))
    assert told == [_expected(view) for view in views]


def test_a_broken_answer_is_an_error_and_not_a_wrong_map(tmp_path: Path) -> None:
    packed = encode_map(_worked_view(), OWNERS, AS_OF_MS)
    broken = [packed[:length] for length in range(len(packed))]
    broken += [packed + b"\0", b"DDM2" + packed[4:], packed[:5] + b"\xff" * 12]
    told = _decode(tmp_path, *broken)
    assert [answer.get("error") for answer in told] == ["RangeError"] * len(broken)


def test_owner_ids_are_uuids_in_network_order() -> None:
    packed = encode_map(_worked_view(), OWNERS, AS_OF_MS)
    assert packed.index(UUID(OWNERS[7]).bytes) < packed.index(UUID(OWNERS[9]).bytes)
