// Painting the land: once into a bitmap larger than the view, so that panning only copies it.
const theme = {};
function readTheme() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["paper", "fibre", "ink", "grid", "seal", "halo"]) theme[name] = rgbOf(style.getPropertyValue(`--map-${name}`).trim());
  theme.dark = style.getPropertyValue("--scheme").trim() === "dark";
  for (const owner of owners) {
    owner.deep = mix(owner.rgb, theme.dark ? [255, 255, 255] : [20, 14, 8], theme.dark ? 0.42 : 0.38);
    owner.pattern = null;
  }
}

const PATTERN_SIDE = 12;
const PATTERNS = [
  (c) => { for (const at of [-6, 0, 6, 12]) { c.moveTo(at - 2, 14); c.lineTo(at + 14, -2); } },
  (c) => { for (const [x, y] of [[3, 3], [9, 9]]) { c.moveTo(x + 0.9, y); c.arc(x, y, 0.9, 0, 7); } },
  (c) => { for (const y of [3, 9]) { c.moveTo(-1, y); c.lineTo(13, y); } },
  (c) => { for (const [x, y] of [[3, 3], [9, 9]]) { c.moveTo(x - 2, y); c.lineTo(x + 2, y); c.moveTo(x, y - 2); c.lineTo(x, y + 2); } },
  (c) => { for (const at of [-6, 0, 6, 12]) { c.moveTo(at - 2, -2); c.lineTo(at + 14, 14); } },
  (c) => { for (const y of [3, 9]) { c.moveTo(-1, y); c.quadraticCurveTo(3, y - 4, 6, y); c.quadraticCurveTo(9, y + 4, 13, y); } },
  (c) => { for (const x of [3, 9]) { c.moveTo(x, -1); c.lineTo(x, 13); } },
  (c) => { for (const [x, y] of [[3, 3], [9, 9]]) { c.moveTo(x + 2, y); c.arc(x, y, 2, 0, 7); } },
];
/** A tile of the owner's hatching, for the map and for the swatches beside it. */
function patternTile(owner, scale) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = PATTERN_SIDE * scale;
  const c = tile.getContext("2d");
  c.scale(scale, scale);
  c.strokeStyle = c.fillStyle = css(owner.deep, theme.dark ? 0.5 : 0.42);
  c.lineWidth = 1;
  c.beginPath();
  PATTERNS[owner.index % PATTERNS.length](c);
  c.stroke();
  return tile;
}

const bake = { canvas: document.createElement("canvas"), view: null, width: 0, height: 0, drawn: {}, freeDrawn: 0, count: 0 };
const BAKE_MARGIN = 0.3;
const CELLS_PER_PATH = 400;
const CLIP_UP_TO = 6000;
// Below these sizes on screen a detail is noise.
const DETAIL_PX = { contour: 10, hairline: 5, pattern: 3.2, free: 6 };
const WASH = [0.34, 0.78];
const washOf = (strength) => WASH[0] + ((WASH[1] - WASH[0]) * (strength - 1)) / Math.max(1, settings.strength_max - 1);

/** Paint all visible land for `view` into the bitmap; `layers` says what is shown. */
function paintLand(view, width, height, dpr, layers) {
  const margin = [Math.round(width * BAKE_MARGIN), Math.round(height * BAKE_MARGIN)];
  bake.width = width + 2 * margin[0];
  bake.height = height + 2 * margin[1];
  bake.view = { ...view };
  bake.count += 1;
  bake.drawn = {};
  bake.freeDrawn = 0;
  bake.canvas.width = bake.width * dpr;
  bake.canvas.height = bake.height * dpr;
  const c = bake.canvas.getContext("2d");
  c.scale(dpr, dpr);
  c.lineJoin = c.lineCap = "round";
  if (!layers.territory) return;
  const to = { s: view.s, x: bake.width / 2 - view.x * view.s, y: bake.height / 2 - view.y * view.s };
  const radius_px = cellRadius_m * view.s;
  if (radius_px >= DETAIL_PX.free) paintFree(c, to, radius_px);
  const shown = owners.map(() => []);
  for (const i of inSight(cells, to, radius_px)) if (!owners[cells.owner[i]].hidden) shown[cells.owner[i]].push(i);
  for (const owner of owners) if (shown[owner.index].length) paintOwner(c, owner, shown[owner.index], to, radius_px, layers, dpr);
}
function* inSight(shape, to, radius_px) {
  for (let i = 0; i < shape.count; i++) {
    const x = shape.centreX[i] * to.s + to.x;
    const y = shape.centreY[i] * to.s + to.y;
    if (x > -radius_px && y > -radius_px && x < bake.width + radius_px && y < bake.height + radius_px) yield i;
  }
}
/** Add the outline of cell i to the path, shrunk towards its middle by `size` (1 = as it is). */
function trace(c, shape, i, to, size = 1) {
  const cx = shape.centreX[i];
  const cy = shape.centreY[i];
  for (let v = shape.start[i]; v < shape.start[i + 1]; v++) {
    const x = (cx + (shape.x[v] - cx) * size) * to.s + to.x;
    const y = (cy + (shape.y[v] - cy) * size) * to.s + to.y;
    if (v === shape.start[i]) c.moveTo(x, y);
    else c.lineTo(x, y);
  }
  c.closePath();
}
/** Run `finish` over the cells in paths of bounded size: one huge path is slow to fill. */
function inPaths(c, list, add, finish) {
  for (let at = 0; at < list.length; at += CELLS_PER_PATH) {
    c.beginPath();
    for (const item of list.slice(at, at + CELLS_PER_PATH)) add(item);
    finish();
  }
}
function paintFree(c, to, radius_px) {
  c.strokeStyle = css(theme.ink, 0.13);
  c.lineWidth = 0.75;
  c.setLineDash([1, 2.5]);
  const list = [...inSight(free, to, radius_px)];
  bake.freeDrawn = list.length;
  inPaths(c, list, (i) => trace(c, free, i, to, 0.96), () => c.stroke());
  c.setLineDash([]);
}
function paintOwner(c, owner, list, to, radius_px, layers, dpr) {
  const byStrength = Array.from({ length: settings.strength_max + 1 }, () => []);
  for (const i of list) byStrength[cells.strength[i]].push(i);
  byStrength.forEach((some, strength) => {
    c.fillStyle = css(owner.rgb, washOf(strength));
    inPaths(c, some, (i) => trace(c, cells, i, to), () => c.fill());
  });
  bake.drawn[owner.user_id] = list.length;
  if (layers.patterns && radius_px >= DETAIL_PX.pattern) {
    owner.pattern ??= patternTile(owner, dpr);
    const pattern = c.createPattern(owner.pattern, "repeat");
    // Anchored to the ground, so the hatching does not swim when the bitmap is painted anew.
    pattern.setTransform(new DOMMatrix([1 / dpr, 0, 0, 1 / dpr, to.x % PATTERN_SIDE, to.y % PATTERN_SIDE]));
    c.fillStyle = pattern;
    inPaths(c, list, (i) => trace(c, cells, i, to), () => c.fill());
  }
  if (radius_px >= DETAIL_PX.hairline) {
    c.strokeStyle = css(theme.paper, theme.dark ? 0.5 : 0.62);
    c.lineWidth = Math.min(1.2, radius_px / 12);
    inPaths(c, list, (i) => trace(c, cells, i, to), () => c.stroke());
  }
  if (radius_px >= DETAIL_PX.contour) {
    c.strokeStyle = css(owner.deep, 0.6);
    c.lineWidth = Math.max(0.7, Math.min(1.4, radius_px / 20));
    byStrength.forEach((some, strength) => {
      for (let ring = 1; ring < strength; ring++)
        inPaths(c, some, (i) => trace(c, cells, i, to, 0.92 - (0.72 * ring) / settings.strength_max), () => c.stroke());
    });
  }
  paintBorder(c, owner, list, to, radius_px);
}
/** The hand-coloured edge of old atlases: a band inside the border, a dark line on it. */
function paintBorder(c, owner, list, to, radius_px) {
  const seen = new Set(list);
  const line = edgesOf[owner.index].filter((edge) => seen.has(edge.cell));
  const add = ({ a, b }) => {
    c.moveTo(cells.x[a] * to.s + to.x, cells.y[a] * to.s + to.y);
    c.lineTo(cells.x[b] * to.s + to.x, cells.y[b] * to.s + to.y);
  };
  if (list.length <= CLIP_UP_TO && radius_px >= DETAIL_PX.pattern) {
    c.save();
    c.beginPath();
    for (const i of list) trace(c, cells, i, to);
    c.clip();
    c.strokeStyle = css(owner.rgb, 0.5);
    c.lineWidth = Math.min(14, radius_px * 0.8);
    c.beginPath();
    line.forEach(add);
    c.stroke();
    c.strokeStyle = css(owner.deep, 0.95);
    c.lineWidth = Math.min(3.6, Math.max(2, radius_px * 0.2));
    c.stroke();
    c.restore();
    return;
  }
  c.strokeStyle = css(owner.deep, 0.7);
  c.lineWidth = 0.8;
  inPaths(c, line, add, () => c.stroke());
}
