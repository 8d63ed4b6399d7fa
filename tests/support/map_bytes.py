"""A decoder of map cells written from docs/map-cells.md alone, one byte at a time."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class MapCell:
    """Owner is a public id, None where the cell is free or hidden."""

    owner: str | None
    hidden: bool
    value: int


@dataclass(frozen=True)
class MapAnswer:
    """A decoded answer, its cells by hex id."""

    resolution: int
    as_of_ms: int
    cells: dict[str, MapCell]


class _Bytes:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        assert self.at + count <= len(self.data), "cut short"
        self.at += count
        return self.data[self.at - count : self.at]

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def column(self, count: int) -> list[int]:
        end = self.varint() + self.at
        values = [self.varint() for _ in range(count)]
        assert self.at == end, "a column has another length"
        return values


def decode(data: bytes) -> MapAnswer:
    """Read one whole answer; every byte must be accounted for."""
    source = _Bytes(data)
    assert source.take(4) == b"DDM1"
    resolution = source.take(1)[0]
    as_of_ms = source.varint()
    owners = [str(UUID(bytes=source.take(16))) for _ in range(source.varint())]
    count = source.varint()
    steps, codes, values = (source.column(count) for _ in range(3))
    assert source.at == len(data), "bytes too many"
    shift = 3 * (15 - resolution)
    cells: dict[str, MapCell] = {}
    short = 0
    for step, code, value in zip(steps, codes, values, strict=True):
        assert step > 0, "cells are not in ascending order"
        short += step
        owner = owners[code - 2] if code >= 2 else None
        cells[format(short << shift | (1 << shift) - 1, "x")] = MapCell(owner, code == 1, value)
    return MapAnswer(resolution, as_of_ms, cells)
