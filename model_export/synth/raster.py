"""A z-buffer rasteriser for round cones with smooth blending and for flat triangles.

Each pixel's ray is cut with each shape exactly (the round cone after Inigo Quilez, "intersectors",
https://iquilezles.org/articles/intersectors, MIT licence, here for rays of any length). Where a
cone with `blend` meets what was drawn before, depth and normal go over into each other by his
polynomial smooth minimum, so that a thigh grows out of a flank.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from model_export.synth.camera import NEAREST_DEPTH, Camera
from model_export.synth.primitives import CONE, TRIANGLE, PrimitiveList, Primitives

__all__ = ["CONE", "TRIANGLE", "GBuffer", "PrimitiveList", "Primitives", "rasterise"]

Float32Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class GBuffer:
    """What each pixel sees; all arrays (H, W, ...).

    `depth` float32, distance along the view axis in body units, inf where nothing is; `normal`
    (H, W, 3) float32 unit vectors in the camera's frame (x right, y down, z towards the viewer),
    0 where nothing is; `part` uint8 (parts.py, 0 = nothing); `owner` uint8 (255 = nothing);
    `local_xyz` (H, W, 3) float32: the point's place on the dog at rest, which coat patterns stick
    to; `primitive` int16, row in the Primitives, -1 = nothing. `box` (x0, y0, x1, y1) encloses all
    pixels with something, (0, 0, 0, 0) when there are none.
    """

    depth: Float32Array
    normal: Float32Array
    part: NDArray[np.uint8]
    owner: NDArray[np.uint8]
    local_xyz: Float32Array
    primitive: NDArray[np.int16]
    box: tuple[int, int, int, int]


@njit(cache=True)
def _cone(
    i: int, depth: Any, normal: Any, index: Any, along: Any, pa: Any, pb: Any, ra: float, rb: float,
    blend: float, fray: float, warp: Any, farthest: float, focal: float, cx: float, cy: float,
) -> None:  # fmt: skip
    height, width = depth.shape
    bx, by, bz = pb[0] - pa[0], pb[1] - pa[1], pb[2] - pa[2]
    shrink = ra - rb
    m0 = bx * bx + by * by + bz * bz
    d2 = m0 - shrink * shrink
    ox, oy, oz = -pa[0], -pa[1], -pa[2]
    m1 = bx * ox + by * oy + bz * oz
    m5 = ox * ox + oy * oy + oz * oz
    m7 = pb[0] * pb[0] + pb[1] * pb[1] + pb[2] * pb[2]
    k0 = d2 * m5 - m1 * m1 + 2.0 * m1 * shrink * ra - m0 * ra * ra
    has_side = d2 > 1e-12
    near_a, near_b = max(pa[2] - ra, 0.02), max(pb[2] - rb, 0.02)
    xa, ya = cx + focal * pa[0] / pa[2], cy + focal * pa[1] / pa[2]
    xb, yb = cx + focal * pb[0] / pb[2], cy + focal * pb[1] / pb[2]
    # A sphere off the axis looks like an ellipse: its long half axis is at most this.
    stretch_a = math.sqrt(1.0 + ((xa - cx) ** 2 + (ya - cy) ** 2) / (focal * focal))
    stretch_b = math.sqrt(1.0 + ((xb - cx) ** 2 + (yb - cy) ** 2) / (focal * focal))
    loose = farthest * fray * focal / min(near_a, near_b)
    size_a = stretch_a * focal * ra / near_a + loose + 1.0
    size_b = stretch_b * focal * rb / near_b + loose + 1.0
    size = max(size_a, size_b)
    y0 = max(0, math.floor(min(ya - size_a, yb - size_b)))
    y1 = min(height, math.ceil(max(ya + size_a, yb + size_b)) + 1)
    inv_focal = 1.0 / focal
    closest = min(pa[2] - ra, pb[2] - rb) - blend
    for y in range(y0, y1):
        py = y + 0.5
        t0, t1 = 0.0, 1.0
        if abs(yb - ya) > 1e-9:
            ta, tb = (py - size - ya) / (yb - ya), (py + size - ya) / (yb - ya)
            t0, t1 = min(max(min(ta, tb), 0.0), 1.0), min(max(max(ta, tb), 0.0), 1.0)
        xs, xe = xa + t0 * (xb - xa), xa + t1 * (xb - xa)
        x0 = max(0, math.floor(min(xs, xe) - size))
        x1 = min(width, math.ceil(max(xs, xe) + size) + 1)
        for x in range(x0, x1):
            old = depth[y, x]
            if old <= closest:
                continue
            sx, sy = x + 0.5, py
            if farthest > 0.0:
                reach = fray * focal / pa[2]
                sx += reach * warp[y, x, 0]
                sy += reach * warp[y, x, 1]
            u, v = (sx - cx) * inv_focal, (sy - cy) * inv_focal
            dd = u * u + v * v + 1.0
            m2 = bx * u + by * v + bz
            m3 = ox * u + oy * v + oz
            best = np.inf
            s = 0.0
            done = False
            if has_side:
                k2 = d2 * dd - m2 * m2
                k1 = d2 * m3 - m1 * m2 + m2 * shrink * ra
                h = k1 * k1 - k0 * k2
                if h < 0.0:
                    continue
                root = math.sqrt(h)
                if k2 > 1e-12:
                    t = (-k1 - root) / k2
                    w = m1 - ra * shrink + t * m2
                    if 0.0 < w < d2:
                        best, s, done = t, w / d2, True
                elif k2 < -1e-12:
                    for sign in (-1.0, 1.0):
                        t = (-k1 + sign * root) / k2
                        w = m1 - ra * shrink + t * m2
                        if 0.0 < w < d2 and 0.0 < t < best:
                            best, s = t, w / d2
            if not done:
                h1 = m3 * m3 - dd * (m5 - ra * ra)
                if h1 > 0.0:
                    t = (-m3 - math.sqrt(h1)) / dd
                    if t < best:
                        best, s = t, 0.0
                m6 = -(pb[0] * u + pb[1] * v + pb[2])
                h2 = m6 * m6 - dd * (m7 - rb * rb)
                if h2 > 0.0:
                    t = (-m6 - math.sqrt(h2)) / dd
                    if t < best:
                        best, s = t, 1.0
            if best == np.inf or best < NEAREST_DEPTH:
                continue
            if old <= best - blend:
                continue
            inv_r = 1.0 / (ra - shrink * s)
            nx = (best * u - pa[0] - s * bx) * inv_r
            ny = (best * v - pa[1] - s * by) * inv_r
            nz = -(best - pa[2] - s * bz) * inv_r
            if blend > 0.0 and old < best + blend:
                h = 0.5 + 0.5 * (old - best) / blend
                depth[y, x] = old + (best - old) * h - blend * h * (1.0 - h)
                normal[y, x, 0] += h * (nx - normal[y, x, 0])
                normal[y, x, 1] += h * (ny - normal[y, x, 1])
                normal[y, x, 2] += h * (nz - normal[y, x, 2])
                if h <= 0.5:
                    continue
            elif best < old:
                depth[y, x] = best
                normal[y, x, 0], normal[y, x, 1], normal[y, x, 2] = nx, ny, nz
            else:
                continue
            index[y, x] = i
            along[y, x, 0] = s
            along[y, x, 1] = ra - shrink * s


@njit(cache=True)
def _triangle(
    i: int, depth: Any, normal: Any, index: Any, along: Any, front: Any, pa: Any, pb: Any, pc: Any,
    fray: float, warp: Any, farthest: float, focal: float, cx: float, cy: float,
) -> None:  # fmt: skip
    height, width = depth.shape
    e1x, e1y, e1z = pb[0] - pa[0], pb[1] - pa[1], pb[2] - pa[2]
    e2x, e2y, e2z = pc[0] - pa[0], pc[1] - pa[1], pc[2] - pa[2]
    nx, ny, nz = e1y * e2z - e1z * e2y, e1z * e2x - e1x * e2z, e1x * e2y - e1y * e2x
    length = math.sqrt(nx * nx + ny * ny + nz * nz)
    offset = nx * pa[0] + ny * pa[1] + nz * pa[2]
    if length < 1e-14 or abs(offset) < 1e-14:
        return
    # The rows of the inverse of [a b c], by which a ray gives its barycentric coordinates.
    det = 1.0 / offset
    ax, ay, az = (
        pb[1] * pc[2] - pb[2] * pc[1],
        pb[2] * pc[0] - pb[0] * pc[2],
        pb[0] * pc[1] - pb[1] * pc[0],
    )
    qx, qy, qz = (
        pc[1] * pa[2] - pc[2] * pa[1],
        pc[2] * pa[0] - pc[0] * pa[2],
        pc[0] * pa[1] - pc[1] * pa[0],
    )
    sign = 1.0 if offset < 0.0 else -1.0
    xs = (focal * pa[0] / pa[2], focal * pb[0] / pb[2], focal * pc[0] / pc[2])
    ys = (focal * pa[1] / pa[2], focal * pb[1] / pb[2], focal * pc[1] / pc[2])
    reach = fray * focal / pa[2]
    loose = farthest * reach + 1.0
    x0 = max(0, math.floor(cx + min(xs) - loose))
    x1 = min(width, math.ceil(cx + max(xs) + loose) + 1)
    y0 = max(0, math.floor(cy + min(ys) - loose))
    y1 = min(height, math.ceil(cy + max(ys) + loose) + 1)
    for y in range(y0, y1):
        for x in range(x0, x1):
            sx, sy = x + 0.5, y + 0.5
            if farthest > 0.0:
                sx += reach * warp[y, x, 0]
                sy += reach * warp[y, x, 1]
            u, v = (sx - cx) / focal, (sy - cy) / focal
            slope = nx * u + ny * v + nz
            if abs(slope) < 1e-14:
                continue
            t = offset / slope
            if t < NEAREST_DEPTH or t >= depth[y, x]:
                continue
            wa = t * (ax * u + ay * v + az) * det
            wb = t * (qx * u + qy * v + qz) * det
            if wa < 0.0 or wb < 0.0 or wa + wb > 1.0:
                continue
            depth[y, x] = t
            normal[y, x, 0] = sign * nx / length
            normal[y, x, 1] = sign * ny / length
            normal[y, x, 2] = -sign * nz / length
            index[y, x] = i
            along[y, x, 0] = wa
            along[y, x, 1] = wb
            front[y, x] = 1 if sign > 0.0 else 0


@njit(cache=True)
def _draw(
    depth: Any, normal: Any, index: Any, along: Any, front: Any, kind: Any, pa: Any, pb: Any,
    pc: Any, ra: Any, rb: Any, blend: Any, fur: Any, warp: Any, farthest: float,
    focal: float, cx: float, cy: float,
) -> None:  # fmt: skip
    for i in range(kind.shape[0]):
        frayed = farthest if fur[i] > 0.0 else 0.0
        if kind[i] == 0:
            if min(pa[i, 2], pb[i, 2]) > 0.05 and min(ra[i], rb[i]) > 1e-6:
                _cone(
                    i, depth, normal, index, along, pa[i], pb[i], ra[i], rb[i], blend[i], fur[i],
                    warp, frayed, focal, cx, cy,
                )  # fmt: skip
        elif min(pa[i, 2], pb[i, 2], pc[i, 2]) > 0.05:
            _triangle(
                i, depth, normal, index, along, front, pa[i], pb[i], pc[i], fur[i], warp, frayed,
                focal, cx, cy,
            )  # fmt: skip


@njit(cache=True)
def _resolve(
    index: Any, along: Any, front: Any, normal: Any, kind: Any, part: Any, part_back: Any,
    owner: Any, rest_a: Any, rest_b: Any, rest_c: Any, to_rest: Any, out_part: Any, out_owner: Any,
    local: Any, box: Any,
) -> None:  # fmt: skip
    height, width = index.shape
    box[0], box[1], box[2], box[3] = width, height, 0, 0
    for y in range(height):
        for x in range(width):
            i = index[y, x]
            if i < 0:
                continue
            box[0], box[1] = min(box[0], x), min(box[1], y)
            box[2], box[3] = max(box[2], x + 1), max(box[3], y + 1)
            n0, n1, n2 = normal[y, x, 0], normal[y, x, 1], normal[y, x, 2]
            length = math.sqrt(n0 * n0 + n1 * n1 + n2 * n2)
            if length > 1e-9:
                n0, n1, n2 = n0 / length, n1 / length, n2 / length
                normal[y, x, 0], normal[y, x, 1], normal[y, x, 2] = n0, n1, n2
            out_owner[y, x] = owner[i]
            if kind[i] == 0:
                out_part[y, x] = part[i]
                s, r = along[y, x, 0], along[y, x, 1]
                for k in range(3):
                    turned = to_rest[i, k, 0] * n0 + to_rest[i, k, 1] * n1 + to_rest[i, k, 2] * n2
                    local[y, x, k] = rest_a[i, k] + s * (rest_b[i, k] - rest_a[i, k]) + r * turned
            else:
                out_part[y, x] = part[i] if front[y, x] else part_back[i]
                wa, wb = along[y, x, 0], along[y, x, 1]
                for k in range(3):
                    local[y, x, k] = (
                        wa * rest_a[i, k] + wb * rest_b[i, k] + (1.0 - wa - wb) * rest_c[i, k]
                    )
    if box[2] == 0:
        box[0], box[1] = 0, 0


def rasterise(
    primitives: Primitives,
    camera: Camera,
    width: int,
    height: int,
    warp: Float32Array | None = None,
) -> GBuffer:
    """Draw the shapes as the camera sees them.

    `warp` (height, width, 2) float32, about unit variance: by `fur` times this each pixel looks
    aside, which frays the outline of furry shapes. Shapes that reach behind the camera are left
    out.
    """
    index = np.full((height, width), -1, np.int16)
    depth = np.full((height, width), np.inf, np.float32)
    normal = np.zeros((height, width, 3), np.float32)
    local = np.zeros((height, width, 3), np.float32)
    along = np.empty((height, width, 2), np.float32)
    front = np.empty((height, width), np.uint8)
    part = np.zeros((height, width), np.uint8)
    owner = np.full((height, width), 255, np.uint8)
    box = np.zeros(4, np.int64)
    if len(primitives):
        forward = camera.rotation * np.array(((1.0,), (1.0,), (-1.0,)))
        a, b, c = (
            (points - camera.position) @ forward.T
            for points in (primitives.a_xyz, primitives.b_xyz, primitives.c_xyz)
        )
        _draw(
            depth, normal, index, along, front, primitives.kind, a, b, c, primitives.radius_a,
            primitives.radius_b, primitives.blend, primitives.fur,
            np.zeros((1, 1, 2), np.float32) if warp is None else warp,
            0.0 if warp is None else float(np.abs(warp).max()),
            camera.focal_px, camera.centre_px[0], camera.centre_px[1],
        )  # fmt: skip
        _resolve(
            index, along, front, normal, primitives.kind, primitives.part, primitives.part_back,
            primitives.owner, primitives.rest_a, primitives.rest_b, primitives.rest_c,
            primitives.rest_frame @ camera.rotation.T, part, owner, local, box,
        )  # fmt: skip
    return GBuffer(
        depth,
        normal,
        part,
        owner,
        local,
        index,
        (int(box[0]), int(box[1]), int(box[2]), int(box[3])),
    )
