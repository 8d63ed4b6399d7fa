"""The places of each split: which ground, which skyline or wall, and what stands there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_export.synth.noise import BLADES, COARSE, FINE, GRAIN, LEAVES, MEDIUM, WHITE
from model_export.synth.paint import SHAPE_COLUMNS, Float32Array
from model_export.synth.scenery import FLAT, HANGING, PROPS

Colours = tuple[tuple[int, int, int], ...]

PLAIN, PLANKS, TILES, MOWN, BRICKS = range(5)

_GRASS: Colours = ((104, 134, 62), (84, 116, 52), (122, 140, 78), (92, 124, 40), (140, 140, 84))
_ASPHALT: Colours = ((118, 118, 120), (96, 96, 98), (150, 148, 146))
_PAVING: Colours = ((176, 168, 158), (150, 142, 134), (190, 178, 160), (160, 122, 104))
_EARTH: Colours = ((142, 118, 88), (116, 94, 70), (168, 148, 116))
_WOODEN: Colours = ((166, 118, 74), (132, 90, 56), (194, 156, 112), (96, 64, 44))
_CARPET: Colours = (
    (188, 178, 160),
    (120, 110, 104),
    (146, 88, 74),
    (96, 104, 128),
    (206, 200, 190),
)
_LIGHT_TILES: Colours = ((214, 208, 198), (186, 186, 184), (168, 148, 128), (232, 230, 226))
_SNOW: Colours = ((236, 240, 246), (222, 228, 238))
_SAND: Colours = ((214, 196, 156), (196, 174, 134), (226, 212, 180))
_LEAFY: Colours = ((136, 92, 50), (110, 78, 48), (160, 112, 56))
_WALLS: Colours = ((226, 220, 208), (196, 204, 208), (206, 186, 160), (150, 160, 140),
                   (236, 234, 230), (120, 116, 122), (172, 132, 120), (96, 110, 128))  # fmt: skip


@dataclass(frozen=True)
class Style:
    """A kind of place: ground, what closes it behind, and what stands there."""

    name: str
    indoor: bool
    grounds: Colours
    tile: int
    pattern: int
    roughness: tuple[float, float]
    ridge: str
    props: tuple[str, ...]
    path: Colours = ()


_TREES = ("tree", "tree", "bush", "person", "shade", "litter")
_ROOM = ("sofa", "cabinet", "table", "plant", "picture", "window", "door", "person", "bowl", "ball")
STYLES: dict[str, tuple[Style, ...]] = {
    "train": (
        Style(
            "lawn", False, _GRASS, BLADES, PLAIN, (0.12, 0.34), "trees", (*_TREES, "bench", "fence")
        ),
        Style(
            "park_path",
            False,
            _GRASS,
            BLADES,
            PLAIN,
            (0.1, 0.3),
            "trees",
            (*_TREES, "pole", "bench"),
            _EARTH,
        ),
        Style(
            "meadow",
            False,
            _GRASS,
            LEAVES,
            PLAIN,
            (0.2, 0.45),
            "hills",
            ("bush", "tree", "rock", "litter"),
        ),
        Style(
            "street",
            False,
            _ASPHALT,
            FINE,
            PLAIN,
            (0.05, 0.18),
            "houses",
            ("car", "pole", "person", "car", "tree"),
            _PAVING,
        ),
        Style(
            "pavement",
            False,
            _PAVING,
            MEDIUM,
            TILES,
            (0.05, 0.16),
            "houses",
            ("person", "car", "pole", "bush", "house"),
        ),
        Style(
            "yard",
            False,
            _EARTH,
            MEDIUM,
            PLAIN,
            (0.1, 0.3),
            "none",
            ("fence", "fence", "bush", "house", "ball", "rock", "shade"),
        ),
        Style(
            "wood",
            False,
            _LEAFY,
            LEAVES,
            PLAIN,
            (0.2, 0.5),
            "trees",
            ("tree", "tree", "tree", "tree", "rock", "shade", "litter"),
        ),
        Style(
            "snow",
            False,
            _SNOW,
            COARSE,
            PLAIN,
            (0.02, 0.08),
            "trees",
            ("tree", "bush", "fence", "person", "shade"),
        ),
        Style("living_room", True, _WOODEN, GRAIN, PLANKS, (0.05, 0.2), "plain", _ROOM),
        Style("carpet_room", True, _CARPET, FINE, PLAIN, (0.04, 0.2), "plain", _ROOM),
        Style(
            "tiled_room",
            True,
            _LIGHT_TILES,
            COARSE,
            TILES,
            (0.02, 0.1),
            "plain",
            ("cabinet", "table", "bowl", "door", "window", "person"),
        ),
        Style("studio", True, _WALLS, COARSE, PLAIN, (0.0, 0.06), "plain", ()),
        Style("cloth", True, _CARPET, COARSE, PLAIN, (0.15, 0.5), "cloth", ("bed",)),
    ),
    "val": (
        Style(
            "beach",
            False,
            _SAND,
            MEDIUM,
            PLAIN,
            (0.06, 0.2),
            "hills",
            ("person", "rock", "ball", "shade"),
        ),
        Style(
            "car_park",
            False,
            _ASPHALT,
            MEDIUM,
            MOWN,
            (0.05, 0.15),
            "houses",
            ("car", "car", "pole", "fence", "person"),
        ),
        Style(
            "clipped_lawn",
            False,
            _GRASS,
            FINE,
            MOWN,
            (0.08, 0.25),
            "hills",
            ("bush", "bench", "fence", "house", "tree"),
        ),
        Style(
            "bedroom",
            True,
            _CARPET,
            COARSE,
            PLANKS,
            (0.05, 0.2),
            "striped",
            ("bed", "cabinet", "picture", "window", "plant"),
        ),
    ),
    "test": (
        Style(
            "gravel_track",
            False,
            _EARTH,
            WHITE,
            PLAIN,
            (0.1, 0.3),
            "hills",
            ("bush", "fence", "person", "tree", "rock"),
        ),
        Style(
            "brick_square",
            False,
            _PAVING,
            MEDIUM,
            BRICKS,
            (0.05, 0.18),
            "houses",
            ("bench", "person", "pole", "tree"),
        ),
        Style(
            "autumn_park",
            False,
            _LEAFY,
            MEDIUM,
            PLAIN,
            (0.15, 0.4),
            "trees",
            ("tree", "litter", "litter", "bench", "person"),
        ),
        Style(
            "hall",
            True,
            _LIGHT_TILES,
            MEDIUM,
            BRICKS,
            (0.04, 0.12),
            "bricks",
            ("door", "picture", "cabinet", "plant", "person"),
        ),
    ),
}
"""The places of each split; no style belongs to two."""

RIDGE_SAMPLES = 4096
"""Samples of a skyline, which repeats after them."""


def _vary(rng: np.random.Generator, palette: Colours, spread: float = 8.0) -> NDArray[np.float64]:
    base = np.asarray(palette[rng.integers(len(palette))], np.float64)
    return np.clip(base * rng.uniform(0.7, 1.12) + rng.normal(0, spread, 3), 5.0, 252.0)


def random_ground(rng: np.random.Generator, style: Style) -> Float32Array:
    """Colours and textures of ground, sky or wall: (37,) as `background` reads them."""
    p = np.zeros(37, np.float32)
    p[6], p[7], p[8] = style.tile, rng.uniform(*style.roughness), style.pattern
    p[9] = rng.uniform(0.07, 0.16) if style.pattern in (PLANKS, BRICKS) else rng.uniform(0.15, 0.6)
    p[10:13] = _vary(rng, style.grounds)
    if style.indoor:
        wall = _vary(rng, style.grounds if style.ridge == "cloth" else _WALLS)
        if style.name == "studio":
            wall = p[10:13].astype(np.float64) * rng.uniform(0.85, 1.15)
        p[13:16], p[16:19] = (
            wall * rng.uniform(0.8, 1.0),
            np.clip(wall * rng.uniform(0.9, 1.1), 0, 255),
        )
    else:
        low = np.array((214.0, 222.0, 228.0)) * rng.uniform(0.75, 1.08) + rng.normal(0, 8, 3)
        grey = rng.random()
        high = (1 - grey) * np.array((128.0, 172.0, 226.0)) + grey * np.array((196.0, 202.0, 208.0))
        p[13:16], p[16:19] = np.clip(low, 0, 255), np.clip(high * rng.uniform(0.75, 1.1), 0, 255)
    second = _vary(rng, style.grounds if rng.random() < 0.7 else _EARTH)
    p[19:22], p[32] = second, rng.uniform(0.0, 0.8)
    if style.path:
        near = rng.uniform(-2.5, 3.0)
        p[22], p[23], p[33:36] = near, near + rng.uniform(1.0, 4.0), _vary(rng, style.path)
    else:
        p[22], p[23] = 1e6, 1e6
    p[24] = 0.0 if style.indoor else rng.uniform(0.1, 0.7)
    p[25] = float(style.indoor)
    p[26] = {"plain": 0, "striped": 1, "bricks": 2, "cloth": 3}.get(style.ridge, 0)
    p[27], p[28] = rng.uniform(0.01, 0.09), rng.choice([FINE, MEDIUM, COARSE])
    p[29], p[31], p[36] = rng.uniform(0.0, 0.14), rng.uniform(-0.2, 0.3), rng.uniform(-0.4, 0.25)
    return p


def random_ridges(rng: np.random.Generator, style: Style) -> tuple[Float32Array, Float32Array]:
    if style.indoor or style.ridge == "none":
        return np.zeros((0, 7), np.float32), np.zeros((0, RIDGE_SAMPLES), np.float32)
    layers = int(rng.integers(1, 4))
    rows = np.zeros((layers, 7), np.float32)
    profile = np.zeros((layers, RIDGE_SAMPLES), np.float32)
    t = np.linspace(0.0, 2.0 * math.pi, RIDGE_SAMPLES, endpoint=False)
    tops = rng.uniform(0.08, 0.75)
    for i in range(layers):
        near = (i + 1) / layers
        if style.ridge == "houses":
            colour = _vary(rng, ((176, 168, 158), (150, 110, 92), (120, 122, 128), (200, 196, 188)))
            edges = np.sort(rng.integers(0, RIDGE_SAMPLES, 26))
            levels = rng.uniform(0.3, 1.0, 27) * (rng.random(27) < 0.9)
            line = levels[np.searchsorted(edges, np.arange(RIDGE_SAMPLES))]
            texture = (rng.uniform(0.03, 0.12), BLADES)
        else:
            colour = _vary(rng, ((66, 92, 48), (52, 78, 44), (96, 112, 66), (104, 92, 62)))
            octaves = (3, 7, 15, 40, 90, 200) if style.ridge == "trees" else (2, 3, 5, 9, 40)
            line = np.full(RIDGE_SAMPLES, 0.55)
            for k in octaves:
                line += rng.normal(0, 0.5) / k**0.55 * np.sin(k * t + rng.uniform(0, 6.28))
            texture = (rng.uniform(0.12, 0.35), LEAVES if style.ridge == "trees" else MEDIUM)
        haze = 0.45 * (1 - near)
        rows[i, :3] = colour * (1 - haze) + haze * np.array((206, 214, 220))
        rows[i, 3:] = (0.03 + 0.1 * near, texture[0] * near, texture[1], rng.uniform(0.5, 1.4))
        profile[i] = np.clip(line, 0.05, 2.0) * tops * (1.2 - 0.7 * near)
    return rows, profile


def random_props(
    rng: np.random.Generator, style: Style, wall_depth: float, period: float
) -> Float32Array:
    placed: list[tuple[float, Float32Array]] = []
    if style.props:
        for _ in range(int(rng.integers(6, 26))):
            name = style.props[rng.integers(len(style.props))]
            near = name in FLAT and rng.random() < 0.6
            depth = float(rng.uniform(0.75, 1.1) if near else 1.15 + rng.gamma(1.6, 1.5))
            if style.indoor:
                depth = min(depth, wall_depth)
            lift = rng.uniform(1.2, 1.8) if name in HANGING else 0.0
            depth = wall_depth if name in HANGING or name == "door" else depth
            drawn = PROPS[name](rng)
            rows = np.empty((len(drawn), SHAPE_COLUMNS + 3), np.float32)
            rows[:, :SHAPE_COLUMNS] = drawn
            haze = 0.0 if style.indoor else min(0.5, max(0.0, (depth - 3.0) * 0.03))
            rows[:, 8:11] += haze * (np.float32(205.0) - rows[:, 8:11])
            rows[:, SHAPE_COLUMNS:] = (rng.uniform(-0.5, 0.5) * period, depth, lift)
            placed.append((depth, rows))
    if not placed:
        return np.zeros((0, SHAPE_COLUMNS + 3), np.float32)
    placed.sort(key=lambda item: -item[0])
    return np.vstack([rows for _, rows in placed]).astype(np.float32)
