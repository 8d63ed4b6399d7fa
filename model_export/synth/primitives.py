"""Shapes that a dog is built of: round cones and triangles as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

CONE, TRIANGLE = 0, 1

_VECTORS = ("a_xyz", "b_xyz", "c_xyz", "rest_a", "rest_b", "rest_c")
_SCALARS = ("radius_a", "radius_b", "blend", "fur")
_BYTES = ("kind", "part", "part_back", "owner")


@dataclass(frozen=True, eq=False)
class Primitives:
    """N shapes as columns; build them with `PrimitiveList`.

    A CONE is the convex hull of the spheres (a, radius_a) and (b, radius_b). A TRIANGLE has the
    corners a, b, c; seen from the side where a, b, c turn counter-clockwise it is `part`, from the
    other side `part_back`. `blend`: width over which a cone melts into what lies there already
    (body units, 0 = hard edge); later shapes blend into earlier ones. `fur`: length by which the
    outline frays. `owner`: which creature (0 the main dog). `rest_*` (N, 3) and `rest_frame`
    (N, 3, 3) carry the coat: where a, b, c lie on the dog at rest, and the turn and scale from
    here back to there.
    """

    kind: NDArray[np.uint8]
    a_xyz: FloatArray
    b_xyz: FloatArray
    c_xyz: FloatArray
    radius_a: FloatArray
    radius_b: FloatArray
    part: NDArray[np.uint8]
    part_back: NDArray[np.uint8]
    owner: NDArray[np.uint8]
    blend: FloatArray
    fur: FloatArray
    rest_a: FloatArray
    rest_b: FloatArray
    rest_c: FloatArray
    rest_frame: FloatArray

    def __len__(self) -> int:
        return len(self.kind)

    @staticmethod
    def concat(groups: Sequence[Primitives]) -> Primitives:
        """All shapes of the groups in order."""
        names = (*_VECTORS, *_SCALARS, *_BYTES, "rest_frame")
        return Primitives(**{n: np.concatenate([getattr(g, n) for g in groups]) for n in names})

    def transformed(
        self,
        rotation: ArrayLike | None = None,
        translation: ArrayLike = (0.0, 0.0, 0.0),
        scale: float = 1.0,
    ) -> Primitives:
        """Shapes at scale * rotation @ p + translation; the coat stays on them (`rest_*`).

        `rotation` (3, 3) proper; None = no turn.
        """
        turn = np.eye(3) if rotation is None else np.asarray(rotation, np.float64)
        shift = np.asarray(translation, np.float64)
        matrix = scale * turn.T
        return replace(
            self,
            a_xyz=self.a_xyz @ matrix + shift,
            b_xyz=self.b_xyz @ matrix + shift,
            c_xyz=self.c_xyz @ matrix + shift,
            radius_a=self.radius_a * scale,
            radius_b=self.radius_b * scale,
            blend=self.blend * scale,
            fur=self.fur * scale,
            rest_frame=self.rest_frame @ (turn.T / scale),
        )

    def with_owner(self, owner: int) -> Primitives:
        """The same shapes as another creature's."""
        return replace(self, owner=np.full(len(self), owner, np.uint8))


def _numbers(point: Sequence[float] | FloatArray) -> Sequence[float]:
    """The point as plain floats, which Python unpacks and NumPy reads several times faster."""
    return point.tolist() if isinstance(point, np.ndarray) else point


@dataclass
class PrimitiveList:
    """Collects shapes one by one; `build()` gives the columns.

    `blend`, `fur` and `owner` are the values of shapes that name none.
    """

    blend: float = 0.0
    fur: float = 0.0
    owner: int = 0
    _vectors: list[tuple[float, ...]] = field(default_factory=list)
    _scalars: list[tuple[float, float, float, float]] = field(default_factory=list)
    _bytes: list[tuple[int, int, int, int]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._bytes)

    def cone(
        self,
        a: Sequence[float] | FloatArray,
        b: Sequence[float] | FloatArray,
        radius_a: float,
        radius_b: float,
        part: int,
        *,
        blend: float | None = None,
        fur: float | None = None,
        rest_a: Sequence[float] | FloatArray | None = None,
        rest_b: Sequence[float] | FloatArray | None = None,
    ) -> None:
        """A round cone from a to b; `rest_*` default to a and b (body units)."""
        a, b = _numbers(a), _numbers(b)
        ra = a if rest_a is None else _numbers(rest_a)
        rb = b if rest_b is None else _numbers(rest_b)
        self._vectors.append((*a, *b, *b, *ra, *rb, *rb))
        self._scalars.append((
            radius_a, radius_b, self.blend if blend is None else blend,
            self.fur if fur is None else fur,
        ))  # fmt: skip
        self._bytes.append((CONE, part, part, self.owner))

    def ball(
        self,
        centre: Sequence[float] | FloatArray,
        radius: float,
        part: int,
        *,
        blend: float | None = None,
        fur: float | None = None,
    ) -> None:
        """A sphere."""
        self.cone(centre, centre, radius, radius, part, blend=blend, fur=fur)

    def triangle(
        self,
        a: Sequence[float] | FloatArray,
        b: Sequence[float] | FloatArray,
        c: Sequence[float] | FloatArray,
        part: int,
        *,
        part_back: int | None = None,
        fur: float | None = None,
    ) -> None:
        """A flat triangle; `part_back` is what its clockwise side shows."""
        a, b, c = _numbers(a), _numbers(b), _numbers(c)
        self._vectors.append((*a, *b, *c, *a, *b, *c))
        self._scalars.append((0.0, 0.0, 0.0, self.fur if fur is None else fur))
        self._bytes.append((TRIANGLE, part, part if part_back is None else part_back, self.owner))

    def build(self) -> Primitives:
        """The shapes as columns."""
        vectors = np.asarray(self._vectors, np.float64).reshape(-1, 6, 3)
        scalars = np.asarray(self._scalars, np.float64).reshape(-1, 4)
        numbers = np.asarray(self._bytes, np.uint8).reshape(-1, 4)
        columns: dict[str, NDArray[np.generic]] = {
            name: np.ascontiguousarray(vectors[:, i]) for i, name in enumerate(_VECTORS)
        }
        columns |= {n: np.ascontiguousarray(scalars[:, i]) for i, n in enumerate(_SCALARS)}
        columns |= {n: np.ascontiguousarray(numbers[:, i]) for i, n in enumerate(_BYTES)}
        frames = np.broadcast_to(np.eye(3), (len(numbers), 3, 3)).copy()
        return Primitives(**columns, rest_frame=frames)  # type: ignore[arg-type]
