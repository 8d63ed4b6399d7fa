"""The markings of a coat: what colour the fur is at a point of the dog at rest."""

from __future__ import annotations

import math
from typing import Any

from numba import njit


@njit(cache=True, fastmath=True)
def _hash(x: int, y: int, z: int) -> float:
    h = (x * 73856093) ^ (y * 19349663) ^ (z * 83492791)
    h = (h ^ (h >> 13)) & 0xFFFFFFF
    h = (h * 1274126177) & 0xFFFFFFFF
    h ^= h >> 16
    return (h & 0xFFFF) / 32767.5 - 1.0


@njit(cache=True, fastmath=True)
def noise3(x: float, y: float, z: float) -> float:
    """Value noise in space, -1..1, the same at the same point of a dog whatever moves."""
    ix, iy, iz = math.floor(x), math.floor(y), math.floor(z)
    fx, fy, fz = x - ix, y - iy, z - iz
    i, j, k = int(ix), int(iy), int(iz)
    a = _hash(i, j, k) + fx * (_hash(i + 1, j, k) - _hash(i, j, k))
    b = _hash(i, j + 1, k) + fx * (_hash(i + 1, j + 1, k) - _hash(i, j + 1, k))
    c = _hash(i, j, k + 1) + fx * (_hash(i + 1, j, k + 1) - _hash(i, j, k + 1))
    d = _hash(i, j + 1, k + 1) + fx * (_hash(i + 1, j + 1, k + 1) - _hash(i, j + 1, k + 1))
    a += fy * (b - a)
    c += fy * (d - c)
    return a + fz * (c - a)


@njit(cache=True, fastmath=True)
def _step(value: float, edge: float, width: float) -> float:
    t = (value - edge) / width + 0.5
    t = min(max(t, 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


@njit(cache=True, fastmath=True)
def coat_colour(p: Any, part: int, x: float, y: float, z: float, rough: float, out: Any) -> None:
    """Fur colour at a point of the dog at rest (head parts: in head units), into out (3,)."""
    head = 16 <= part <= 35
    pattern = int(p[21])
    scale = 0.45 if head else 1.0
    field = 0.25 * rough
    if 1 <= pattern <= 6:
        for i in range(6):
            w = 40 + 4 * i
            phase = p[w + 3] + (2.1 if head else 0.0)
            field += 0.6 * math.sin(scale * (p[w] * x + p[w + 1] * y + p[w + 2] * z) + phase)
    m = 0.0
    leg = part == 5 or part == 6 or part == 7
    low = part == 3 or part == 2
    if pattern == 1:
        m = _step(field, p[22], 0.16)
    elif pattern == 2:
        if head:
            m = 0.75 if part == 18 or part == 19 or part == 21 else _step(-z, 0.02, 0.3) * 0.7
        elif leg:
            m = 1.0
        else:
            m = _step(0.66 - z + 0.06 * field, 0.0, 0.14)
    elif pattern == 3:
        m = 0.75 * _step(math.sin(38.0 * scale * x + 3.0 * field + 4.0 * rough), 0.35, 0.9)
    elif pattern == 4:
        m = (
            1.0
            if low
            else (_step(-z, 0.1, 0.16) if head else _step(0.56 - z + 0.05 * field, 0.0, 0.12))
        )
        if part == 19:
            m = 1.0
    elif pattern == 5:
        m = 0.85 * _step(
            field + 0.8 * noise3(9.0 * scale * x, 9.0 * scale * y, 9.0 * scale * z), 0.5, 0.3
        )
    elif pattern == 6:
        speck = noise3(46.0 * scale * x, 46.0 * scale * y, 46.0 * scale * z)
        m = max(_step(speck, 0.5, 0.25), _step(field, p[22] + 0.6, 0.16))
    for c in range(3):
        out[c] = p[c] + m * (p[3 + c] - p[c])
    tan = p[27]
    if tan > 0.0:
        t = 0.0
        if head:
            if part == 18 or part == 19:
                t = _step(0.02 - z + 0.05 * rough, 0.0, 0.08)
            elif part == 21:
                t = 0.9 * _step(0.045 - abs(abs(y) - 0.125), 0.0, 0.04)
            else:
                t = _step(-0.1 - z + 0.05 * rough, 0.0, 0.1)
        elif leg:
            t = _step(0.42 - z + 0.05 * rough, 0.0, 0.12)
        elif part == 2:
            t = 0.6
        for c in range(3):
            target = 176.0 if c == 0 else (112.0 if c == 1 else 62.0)
            out[c] += tan * t * (target - out[c])
    white = 0.0
    if leg or part == 8:
        white = _step(p[25] - z + 0.06 * rough, 0.0, 0.05) if p[25] > 0.0 else 0.0
    elif part == 2 or part == 4:
        front = _step(x + 0.1 * rough, 0.02, 0.12) * _step(0.95 - z, 0.0, 0.1)
        white = _step(p[26], 0.05, 0.1) * front * (0.4 + 0.6 * p[26])
    elif head and p[24] > 0.0 and part != 23:
        stripe = 0.05 + 0.16 * p[24] * _step(0.35 - z, 0.0, 0.4)
        white = _step(stripe - abs(y) + 0.03 * rough, 0.0, 0.05) * _step(x, 0.1, 0.2)
    for c in range(3):
        target = 232.0 if c == 0 else (226.0 if c == 1 else 214.0)
        out[c] += white * (target - out[c])
    if p[23] > 0.0 and head:
        around = 0.0
        if part == 18 or part == 19:
            around = _step(x + 0.08 * rough, 0.30, 0.25)
        elif part == 22 or part == 33:
            around = 0.6
        elif part == 23:
            around = 0.7
        k = 1.0 - 0.78 * p[23] * around
        for c in range(3):
            out[c] *= k
    if part == 23:
        for c in range(3):
            out[c] *= 1.0 + p[28]
    elif part == 33:
        for c in range(3):
            out[c] *= 0.5
    elif part == 22:
        for c in range(3):
            out[c] *= 0.84
