// The data in map coordinates: metres of a Mercator map true to scale at the territory, y down.
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const result = read("result");
const settings = read("settings");
const EARTH_M = 6378137;
const RAD = Math.PI / 180;
const isPoint = (p) => Array.isArray(p) && Number.isFinite(p[0]) && Number.isFinite(p[1]) && Math.abs(p[0]) < 85;

const anchor = result.cells[0]?.boundary.find(isPoint) ?? result.walks.flatMap((w) => w.track).find(isPoint) ?? [37.5665, 126.978];
const TRUE_AT = Math.cos(anchor[0] * RAD);
const mercatorY = (lat) => Math.log(Math.tan(Math.PI / 4 + (lat * RAD) / 2));
const ORIGIN_Y = mercatorY(anchor[0]);
const project = ([lat, lng]) => [
  // The short way round from the anchor, so a cell across the date line stays one cell.
  TRUE_AT * EARTH_M * RAD * (((lng - anchor[1] + 540) % 360) - 180),
  -TRUE_AT * EARTH_M * (mercatorY(lat) - ORIGIN_Y),
];
const unproject = (x, y) => [
  (2 * Math.atan(Math.exp(ORIGIN_Y - y / (TRUE_AT * EARTH_M))) - Math.PI / 2) / RAD,
  anchor[1] + x / (TRUE_AT * EARTH_M * RAD),
];

const HEX_COLOUR = /^#[0-9a-f]{6}$/i;
const rgbOf = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
const mix = (a, b, share) => a.map((v, i) => Math.round(v * (1 - share) + b[i] * share));
const css = (rgb, alpha = 1) => `rgba(${rgb[0]},${rgb[1]},${rgb[2]},${alpha})`;

// Control and direction characters would turn a one-letter badge into nothing.
const firstLetter = (text) => {
  const shown = String(text).replace(/[\p{C}\p{Z}\p{P}\p{S}]/gu, "");
  return [...(shown || "?")][0].toLocaleUpperCase();
};
const owners = [];
const ownerIndex = new Map();
const addOwner = (row) => {
  const index = owners.length;
  const fallback = settings.colours[index % settings.colours.length];
  owners.push({ ...row, index, rgb: rgbOf(HEX_COLOUR.test(row.colour) ? row.colour : fallback), initial: firstLetter(row.dog || row.name), hidden: false });
  ownerIndex.set(row.user_id, index);
  return index;
};
result.players.forEach(addOwner);
const ownerOf = (userId) =>
  ownerIndex.get(userId) ??
  addOwner({ user_id: userId, name: "", dog: "", colour: "", cells_held: null, area_m2: 0, distance_m: 0, walking_ms: 0, new_captures: 0, rank: null });

/** Outlines in flat arrays: cell i has the vertices start[i] .. start[i + 1] - 1. */
function outlines(boundaries) {
  const rings = boundaries.map((ring) => ring.filter(isPoint).map(project));
  const start = new Uint32Array(rings.length + 1);
  rings.forEach((ring, i) => { start[i + 1] = start[i] + ring.length; });
  const x = new Float64Array(start[rings.length]);
  const y = new Float64Array(start[rings.length]);
  const centreX = new Float64Array(rings.length);
  const centreY = new Float64Array(rings.length);
  rings.forEach((ring, i) => {
    ring.forEach((p, j) => {
      x[start[i] + j] = p[0];
      y[start[i] + j] = p[1];
      centreX[i] += p[0] / ring.length;
      centreY[i] += p[1] / ring.length;
    });
  });
  return { count: rings.length, start, x, y, centreX, centreY };
}
const cells = outlines(result.cells.map((row) => row.boundary));
cells.owner = Uint16Array.from(result.cells, (row) => ownerOf(row.owner));
cells.strength = Uint8Array.from(result.cells, (row) => Math.min(row.strength, settings.strength_max));
cells.id = result.cells.map((row) => row.cell);
const free = outlines(settings.free_cells);

function radiusOf(shape) {
  for (let i = 0; i < shape.count; i++) {
    const at = shape.start[i];
    if (shape.start[i + 1] > at) return Math.hypot(shape.x[at] - shape.centreX[i], shape.y[at] - shape.centreY[i]);
  }
  return 25;
}
const cellRadius_m = radiusOf(cells);

/** Cells by square of the map, to find the one under a point. */
function indexOf(shape) {
  const side = cellRadius_m * 4;
  const squares = new Map();
  const key = (ix, iy) => `${ix},${iy}`;
  for (let i = 0; i < shape.count; i++) {
    const at = key(Math.floor(shape.centreX[i] / side), Math.floor(shape.centreY[i] / side));
    if (squares.has(at)) squares.get(at).push(i);
    else squares.set(at, [i]);
  }
  const inside = (i, px, py) => {
    let odd = false;
    for (let a = shape.start[i], b = shape.start[i + 1] - 1; a < shape.start[i + 1]; b = a++) {
      const crosses = shape.y[a] > py !== shape.y[b] > py;
      if (crosses && px < ((shape.x[b] - shape.x[a]) * (py - shape.y[a])) / (shape.y[b] - shape.y[a]) + shape.x[a]) odd = !odd;
    }
    return odd;
  };
  return (px, py) => {
    const ix = Math.floor(px / side);
    const iy = Math.floor(py / side);
    for (let dx = -1; dx <= 1; dx++)
      for (let dy = -1; dy <= 1; dy++)
        for (const i of squares.get(key(ix + dx, iy + dy)) ?? []) if (inside(i, px, py)) return i;
    return -1;
  };
}
const cellAt = indexOf(cells);
const freeAt = indexOf(free);

/** Outer edges of each owner's land and its connected pieces, from edges that cells share. */
function borders() {
  // Rounding may write a shared corner twice, a tenth of a metre apart: merge within half a metre.
  const corners = new Map();
  let cornerCount = 0;
  const corner = (x, y) => {
    const ix = Math.round(x);
    const iy = Math.round(y);
    for (let dx = -1; dx <= 1; dx++)
      for (let dy = -1; dy <= 1; dy++) {
        const found = corners.get((ix + dx) * 67108864 + iy + dy);
        if (found !== undefined && Math.hypot(found.x - x, found.y - y) < 0.5) return found.id;
      }
    corners.set(ix * 67108864 + iy, { x, y, id: cornerCount });
    return cornerCount++;
  };
  const root = Int32Array.from({ length: cells.count }, (_, i) => i);
  const find = (i) => {
    while (root[i] !== i) i = root[i] = root[root[i]];
    return i;
  };
  const open = new Map();
  for (let i = 0; i < cells.count; i++) {
    const from = cells.start[i];
    const n = cells.start[i + 1] - from;
    const ids = Array.from({ length: n }, (_, j) => corner(cells.x[from + j], cells.y[from + j]));
    for (let j = 0; j < n; j++) {
      const a = ids[j];
      const b = ids[(j + 1) % n];
      const edge = (Math.min(a, b) * 4194304 + Math.max(a, b)) * 2;
      const twin = [edge, edge + 1].map((key) => open.get(key)).find((e) => e && cells.owner[e.cell] === cells.owner[i]);
      if (twin) {
        open.delete(twin.key);
        root[find(i)] = find(twin.cell);
      } else {
        const key = open.has(edge) ? edge + 1 : edge;
        open.set(key, { key, cell: i, a: from + j, b: from + ((j + 1) % n) });
      }
    }
  }
  const pieces = new Map();
  for (let i = 0; i < cells.count; i++) {
    const at = find(i);
    if (pieces.has(at)) pieces.get(at).push(i);
    else pieces.set(at, [i]);
  }
  return { edges: [...open.values()], pieces: [...pieces.values()].map(pieceOf).sort((p, q) => q.size - p.size) };
}
function pieceOf(members) {
  let x = 0;
  let y = 0;
  for (const i of members) {
    x += cells.centreX[i] / members.length;
    y += cells.centreY[i] / members.length;
  }
  // The middle of a ring lies outside it: stand on the member nearest to it.
  const far = (i) => Math.hypot(cells.centreX[i] - x, cells.centreY[i] - y);
  const seat = members.reduce((best, i) => (far(i) < far(best) ? i : best), members[0]);
  return { owner: cells.owner[seat], size: members.length, seat };
}
const { edges, pieces } = borders();
const edgesOf = owners.map(() => []);
for (const edge of edges) edgesOf[cells.owner[edge.cell]].push(edge);
const leading = new Set(owners.map((o) => pieces.find((piece) => piece.owner === o.index)));

const walks = result.walks.map((row) => {
  const points = row.track.filter(isPoint);
  const xy = points.map(project);
  const along_m = new Float64Array(xy.length);
  for (let i = 1; i < xy.length; i++) {
    const stretch = Math.cos(points[i][0] * RAD) / TRUE_AT;
    along_m[i] = along_m[i - 1] + Math.hypot(xy[i][0] - xy[i - 1][0], xy[i][1] - xy[i - 1][1]) * stretch;
  }
  const kept = new Uint8Array(Math.max(0, xy.length - 1)).fill(row.counts_for_board ? 1 : 0);
  // Ranges name points of the whole track; they only fit while no point had to be left out.
  if (points.length === row.track.length) for (const [first, last] of row.dropped) kept.fill(0, first, last);
  return { ...row, owner: ownerOf(row.user_id), xy, along_m, kept, hidden: false };
});
while (edgesOf.length < owners.length) edgesOf.push([]);

const boundsOf = (points) => {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of points) {
    box[0] = Math.min(box[0], x);
    box[1] = Math.min(box[1], y);
    box[2] = Math.max(box[2], x);
    box[3] = Math.max(box[3], y);
  }
  return box[0] <= box[2] ? box : null;
};
const centres = () => Array.from(cells.centreX, (x, i) => [x, cells.centreY[i]]);
/** Where the map opens: the land, or its fullest part when it lies in several towns. */
function homeBounds() {
  const points = centres();
  const all = boundsOf(points) ?? boundsOf(walks.flatMap((walk) => walk.xy));
  const town_m = 20000;
  if (!points.length || Math.max(all[2] - all[0], all[3] - all[1]) < town_m) return all;
  const towns = Map.groupBy(points, ([x, y]) => `${Math.floor(x / town_m)},${Math.floor(y / town_m)}`);
  return boundsOf([...towns.values()].sort((a, b) => b.length - a.length)[0]);
}
