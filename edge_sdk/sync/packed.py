"""Packed fixes: up to 600 fixes in a few bytes each; docs/sync-protocol.md has every byte.

Decoding handles hostile bytes: every length is checked before memory is taken by it, so the only
error is `PackedError` and memory stays within a few kilobytes.
"""

from __future__ import annotations

import zlib
from typing import Final

import numpy as np
import numpy.typing as npt

from edge_sdk.errors import PackedError
from game_engine.track import Fixes

VERSION: Final = 1
MAX_FIXES: Final = 600
COLUMN_STEPS: Final = 1
COLUMNS_DEFLATED: Final = 2
TIME_LIMIT_MS: Final = 2**47
"""Times are 0 <= t < 2^47 ms (the year 6429), so that every number fits a double exactly."""
_NEAR: Final = 7
# The most bytes that a value takes in a column: two escaped varints.
_VALUE_BYTES: Final = 14
# Shorter columns never gain by deflate.
_DEFLATE_MIN: Final = 32
_VARINT_MAX_BYTES: Final = 10
# The widest column value, a time step less the usual one, is below 2^48 either way: 49 bits.
_COLUMN_MAX_BYTES: Final = 7
_INT32: Final = (-(2**31), 2**31 - 1)

Int64 = npt.NDArray[np.int64]
UInt64 = npt.NDArray[np.uint64]
UInt8 = npt.NDArray[np.uint8]
_SEVEN: Final = np.uint64(7)
_ONE: Final = np.uint64(1)
_CODES: Final = np.arange(256, dtype=np.int64)
_DLAT: Final = (_CODES >> 4) - 8
_DLNG: Final = (_CODES & 15) - 8
_IMPOSSIBLE: Final = ((_DLAT < -_NEAR) | (_DLNG < -_NEAR)) & (_CODES != 0)


def pack(fixes: Fixes) -> bytes:
    """Encode 1 to 600 fixes; raise `PackedError` for another number or a value out of range.

    Each column is deflated where that is shorter. How well depends on the zlib at hand, so two
    phones may write different bytes for the same fixes; every reader reads both.
    """
    head, columns = _encoded(fixes)
    head[1] |= COLUMNS_DEFLATED
    for column in columns:
        shorter = _deflate(column) if len(column) >= _DEFLATE_MIN else column
        is_deflated = len(shorter) < len(column)
        _put_varint(head, 2 * min(len(shorter), len(column)) + is_deflated)
        head += shorter if is_deflated else column
    return bytes(head)


def pack_plain(fixes: Fixes) -> bytes:
    """Encode as `pack` does without deflate: the same bytes everywhere."""
    head, columns = _encoded(fixes)
    for column in columns:
        _put_varint(head, len(column))
        head += column
    return bytes(head)


def _encoded(fixes: Fixes) -> tuple[bytearray, list[bytes]]:
    """Return the head of a plain chunk and its columns."""
    count = len(fixes)
    if not 1 <= count <= MAX_FIXES:
        raise PackedError(f"a chunk holds 1 to {MAX_FIXES} fixes, not {count}")
    t_ms = fixes.t_ms.astype(np.int64)
    if int(t_ms.min()) < 0 or int(t_ms.max()) >= TIME_LIMIT_MS:
        raise PackedError("a time is before 1970 or past the year 6429")
    if int(fixes.accuracy_m.min()) < 0:
        raise PackedError("an accuracy is below 0 m")
    lat, lng = fixes.lat_e5.astype(np.int64), fixes.lng_e5.astype(np.int64)
    accuracy, flags = fixes.accuracy_m.astype(np.int64), fixes.flags.astype(np.int64)
    steps = None if fixes.steps is None else fixes.steps.astype(np.int64)

    out = bytearray((VERSION, 0 if steps is None else COLUMN_STEPS))
    delta_ms = np.diff(t_ms)
    # The lower median: what most steps are, so that the column holds only their differences.
    step_ms = int(np.sort(delta_ms)[(count - 2) // 2]) if count > 1 else 0
    for value in (count, int(t_ms[0])):
        _put_varint(out, value)
    for value in (step_ms, int(lat[0]), int(lng[0])):
        _put_varint(out, _zigzag(value))
    _put_varint(out, int(accuracy[0]))
    _put_varint(out, int(flags[0]))
    if steps is not None:
        _put_varint(out, _zigzag(int(steps[0])))

    position, escapes = _position_columns(np.diff(lat), np.diff(lng))
    columns = [
        _zero_run_bytes(delta_ms - step_ms),
        position,
        escapes,
        _zero_run_bytes(np.diff(accuracy)),
        _zero_run_bytes(np.diff(flags)),
    ]
    if steps is not None:
        columns.append(_zero_run_bytes(np.diff(steps)))
    return out, columns


def unpack(data: bytes, max_fixes: int = MAX_FIXES) -> Fixes:
    """Decode a chunk; raise `PackedError` for anything that `pack` would not have written."""
    if len(data) < 2 or data[0] != VERSION:
        raise PackedError("not a packed chunk of version 1")
    if data[1] & ~(COLUMN_STEPS | COLUMNS_DEFLATED):
        raise PackedError(f"unknown columns 0x{data[1]:02x}")
    has_steps = bool(data[1] & COLUMN_STEPS)
    count, at = _take_varint(data, 2)
    if not 1 <= count <= min(max_fixes, MAX_FIXES):
        raise PackedError(f"{count} fixes where 1 to {min(max_fixes, MAX_FIXES)} are taken")
    t0, at = _take_varint(data, at)
    step, at = _take_varint(data, at)
    lat0, at = _take_varint(data, at)
    lng0, at = _take_varint(data, at)
    accuracy0, at = _take_varint(data, at)
    flags0, at = _take_varint(data, at)
    steps0 = 0
    if has_steps:
        steps0, at = _take_varint(data, at)

    columns: list[UInt8] = []
    for _ in range(6 if has_steps else 5):
        length, at = _take_varint(data, at)
        is_deflated = False
        if data[1] & COLUMNS_DEFLATED:
            length, is_deflated = length >> 1, bool(length & 1)
        if length > len(data) - at:
            raise PackedError("a column is longer than the chunk")
        if is_deflated:
            plain = _inflate(data[at : at + length], _VALUE_BYTES * (count - 1))
            columns.append(np.frombuffer(plain, np.uint8))
        else:
            columns.append(np.frombuffer(data, np.uint8, length, at))
        at += length
    if at != len(data):
        raise PackedError(f"{len(data) - at} bytes after the last column")

    rest = count - 1
    if step >= 2 * TIME_LIMIT_MS:
        raise PackedError("a step of time is out of range")
    delta_ms = _zero_run_values(columns[0], rest) + _unzigzag(step)
    t_ms = _running(t0, delta_ms, 0, TIME_LIMIT_MS - 1)
    dlat, dlng = _position_values(columns[1], columns[2], rest)
    return Fixes(
        t_ms=t_ms,
        lat_e5=_running(_unzigzag(lat0), dlat, *_INT32).astype(np.int32),
        lng_e5=_running(_unzigzag(lng0), dlng, *_INT32).astype(np.int32),
        accuracy_m=_running(
            accuracy0, _zero_run_values(columns[3], rest), 0, 2**15 - 1
        ).astype(np.int16),
        flags=_running(flags0, _zero_run_values(columns[4], rest), 0, 255).astype(np.uint8),
        steps=_running(
            _unzigzag(steps0), _zero_run_values(columns[5], rest), *_INT32
        ).astype(np.int32)
        if has_steps
        else None,
    )  # fmt: skip


# --- one number ------------------------------------------------------------------------------
def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _unzigzag(value: int) -> int:
    return (value >> 1) ^ -(value & 1)


def _put_varint(out: bytearray, value: int) -> None:
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def _take_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    for byte in data[at : at + _VARINT_MAX_BYTES]:
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0 and shift:
                raise PackedError("a varint has more bytes than it needs")
            return value, at
        shift += 7
    raise PackedError("a varint does not end")


def _running(first: int, deltas: Int64, low: int, high: int) -> Int64:
    """Return first, first + deltas[0], ... ; every value must be within low..high."""
    if not low <= first <= high:
        raise PackedError("a value is out of range")
    values = np.empty(len(deltas) + 1, dtype=np.int64)
    values[0] = first
    values[1:] = deltas
    # 600 column values of at most 7 bytes (49 bits) cannot wrap a sum of 64 bits.
    np.cumsum(values, out=values)
    if int(values.min()) < low or int(values.max()) > high:
        raise PackedError("a value is out of range")
    return values


def _deflate(column: bytes) -> bytes:
    """Return raw deflate (RFC 1951); noise gets shorter without looking for repeats."""
    # No header and no checksum: the chunk has a sha256 of its own.
    candidates = []
    for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY):
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, 8, strategy)
        candidates.append(packer.compress(column) + packer.flush())
    return min(candidates, key=len)


def _inflate(data: bytes, limit: int) -> bytes:
    """Inflate at most `limit` bytes: a bomb is refused after that many."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        plain = unpacker.decompress(data, limit + 1)
    except zlib.error as error:
        raise PackedError(f"a deflated column is broken: {error}") from None
    if len(plain) > limit:
        raise PackedError("a deflated column is longer than its values can be")
    if not unpacker.eof or unpacker.unused_data:
        raise PackedError("a deflated column does not end where it should")
    return plain


# --- columns ---------------------------------------------------------------------------------
def _zigzag_all(values: Int64) -> UInt64:
    return ((values << 1) ^ (values >> 63)).view(np.uint64)


def _unzigzag_all(values: UInt64) -> Int64:
    return (values >> _ONE).view(np.int64) ^ -(values & _ONE).view(np.int64)


def _varint_bytes(values: UInt64) -> bytes:
    """Encode numbers as varints, all columns of bytes at once."""
    if len(values) == 0:
        return b""
    if int(values.max()) < 0x80:
        return values.astype(np.uint8).tobytes()
    width = (int(values.max()).bit_length() + 6) // 7
    shifts = np.arange(width, dtype=np.uint64) * _SEVEN
    groups = values[:, None] >> shifts
    used = groups != 0
    used[:, 0] = True
    digits = (groups & np.uint64(0x7F)).astype(np.uint8)
    digits[:, :-1][used[:, 1:]] |= 0x80
    encoded: UInt8 = digits[used]
    return encoded.tobytes()


def _varint_values(column: UInt8) -> UInt64:
    """Decode a column that holds nothing but varints."""
    if len(column) == 0:
        return np.empty(0, dtype=np.uint64)
    if int(column.max()) < 0x80:
        return column.astype(np.uint64)
    ends = np.flatnonzero(column < 0x80)
    if len(ends) == 0 or ends[-1] != len(column) - 1:
        raise PackedError("a varint does not end")
    starts = np.empty_like(ends)
    starts[0] = 0
    starts[1:] = ends[:-1] + 1
    lengths = ends - starts
    if int(lengths.max()) >= _COLUMN_MAX_BYTES:
        raise PackedError("a value is out of range")
    if bool(((column[ends] == 0) & (lengths > 0)).any()):
        raise PackedError("a varint has more bytes than it needs")
    offsets = np.arange(len(column)) - np.repeat(starts, lengths + 1)
    digits = (column & 0x7F).astype(np.uint64) << (offsets.astype(np.uint64) * _SEVEN)
    return np.bitwise_or.reduceat(digits, starts)


def _zero_run_bytes(values: Int64) -> bytes:
    """Encode values where a run of k zeros is written as 0, k."""
    if len(values) == 0:
        return b""
    zero = values == 0
    if not zero.any():
        return _varint_bytes(_zigzag_all(values))
    begins = zero.copy()
    begins[1:] &= ~zero[:-1]
    edges = np.flatnonzero(np.diff(zero, append=False, prepend=False))
    run_lengths = edges[1::2] - edges[::2]
    written = ~zero | begins
    tokens = np.repeat(_zigzag_all(values)[written], 1 + begins[written])
    tokens[np.flatnonzero(tokens == 0)[1::2]] = run_lengths
    return _varint_bytes(tokens)


def _zero_run_values(column: UInt8, count: int) -> Int64:
    """Decode exactly `count` values of a zero-run column."""
    tokens = _varint_values(column)
    if count == 0:
        if len(tokens):
            raise PackedError("a column has values too many")
        return np.empty(0, dtype=np.int64)
    zero = tokens == 0
    if not zero.any():
        if len(tokens) != count:
            raise PackedError(f"a column has {len(tokens)} values, not {count}")
        return _unzigzag_all(tokens)
    runs = np.flatnonzero(zero)
    if runs[-1] == len(tokens) - 1:
        raise PackedError("a run of zeros has no length")
    lengths = tokens[runs + 1]
    # Also refuses two zeros in a row: the second would be a run of length 0.
    if int(lengths.min()) == 0 or int(lengths.max()) > count:
        raise PackedError("a run of zeros has an impossible length")
    repeats = np.ones(len(tokens), dtype=np.int64)
    repeats[runs] = lengths
    repeats[runs + 1] = 0
    if int(repeats.sum()) != count:
        raise PackedError(f"a column has {int(repeats.sum())} values, not {count}")
    return _unzigzag_all(np.repeat(tokens, repeats))


def _position_columns(dlat: Int64, dlng: Int64) -> tuple[bytes, bytes]:
    """Encode steps of position: one byte each, and varints for those that do not fit it."""
    near = (np.abs(dlat) <= _NEAR) & (np.abs(dlng) <= _NEAR)
    codes = np.where(near, (dlat + 8) << 4 | (dlng + 8), 0).astype(np.uint8)
    far = np.stack([dlat[~near], dlng[~near]], axis=1).ravel()
    return codes.tobytes(), _varint_bytes(_zigzag_all(far))


def _position_values(codes: UInt8, escapes: UInt8, count: int) -> tuple[Int64, Int64]:
    if len(codes) != count:
        raise PackedError(f"{len(codes)} positions where {count} are due")
    if bool(_IMPOSSIBLE[codes].any()):
        raise PackedError("a position byte has one half of zero")
    far = np.flatnonzero(codes == 0)
    values = _unzigzag_all(_varint_values(escapes))
    if len(values) != 2 * len(far):
        raise PackedError(f"{len(values)} escaped steps where {2 * len(far)} are due")
    dlat, dlng = _DLAT[codes], _DLNG[codes]
    dlat[far], dlng[far] = values[::2], values[1::2]
    return dlat, dlng
