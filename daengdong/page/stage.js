// The map on screen: where we look, and everything drawn fresh in each frame above the land.
const stage = document.getElementById("stage");
const mapBox = document.getElementById("map");
const canvas = document.getElementById("canvas");
const pen = canvas.getContext("2d");
const layers = { territory: true, tracks: true, patterns: true, names: true };
const view = { x: 0, y: 0, s: 1 };
const size = { width: 1, height: 1, dpr: 1 };
const looks = { cell: -1, walk: null, crosshair: false };
const SCALE_RANGE = [2e-5, 12];
const SETTLE_MS = 110;
const SERIF = "'Nanum Myeongjo', AppleMyungjo, Batang, 'Noto Serif KR', 'Noto Serif CJK KR', serif";
const SANS = "Pretendard, 'Apple SD Gothic Neo', 'Malgun Gothic', 'Noto Sans KR', 'Noto Sans CJK KR', system-ui, sans-serif";
let asked = 0;
let stale = true;
let settledAt = 0;

const toScreen = (x, y) => [(x - view.x) * view.s + size.width / 2, (y - view.y) * view.s + size.height / 2];
const toWorld = (px, py) => [(px - size.width / 2) / view.s + view.x, (py - size.height / 2) / view.s + view.y];
const metresPerPixel = () => Math.cos(unproject(view.x, view.y)[0] * RAD) / TRUE_AT / view.s;
function redraw(landChanged = false) {
  stale ||= landChanged;
  window.daengdongMap.screenshotReady = false;
  asked ||= requestAnimationFrame(drawFrame);
}
function zoomTo(s, px = size.width / 2, py = size.height / 2) {
  const [x, y] = toWorld(px, py);
  view.s = Math.min(SCALE_RANGE[1], Math.max(SCALE_RANGE[0], s));
  view.x = x - (px - size.width / 2) / view.s;
  view.y = y - (py - size.height / 2) / view.s;
  settledAt = performance.now() + SETTLE_MS;
  redraw();
}
function pan(dx, dy) {
  view.x -= dx / view.s;
  view.y -= dy / view.s;
  redraw();
}
function fitTo(box, most = 0.9) {
  if (!box) return;
  const pad = 2 * cellRadius_m;
  const frame_px = size.width < 600 ? 40 : 84;
  const s = Math.min((size.width - frame_px) / (box[2] - box[0] + pad), (size.height - frame_px) / (box[3] - box[1] + pad), most);
  Object.assign(view, { x: (box[0] + box[2]) / 2, y: (box[1] + box[3]) / 2, s: Math.min(SCALE_RANGE[1], Math.max(SCALE_RANGE[0], s)) });
  redraw(true);
}
function measureStage() {
  size.width = mapBox.clientWidth;
  size.height = mapBox.clientHeight;
  size.dpr = Math.min(2, window.devicePixelRatio || 1);
  canvas.width = size.width * size.dpr;
  canvas.height = size.height * size.dpr;
  redraw(true);
}

function drawFrame(now) {
  asked = 0;
  if (!size.width || !size.height) return;
  const zoomed = !bake.view || bake.view.s !== view.s;
  const settling = zoomed && now < settledAt;
  if (stale || (zoomed && !settling) || (!zoomed && !isCovered())) {
    paintLand(view, size.width, size.height, size.dpr, layers);
    stale = false;
  }
  if (settling) redraw();
  pen.setTransform(size.dpr, 0, 0, size.dpr, 0, 0);
  pen.lineJoin = pen.lineCap = "round";
  drawPaper();
  drawGraticule();
  const ratio = view.s / bake.view.s;
  const [left, top] = toScreen(bake.view.x, bake.view.y);
  pen.drawImage(bake.canvas, left - (bake.width / 2) * ratio, top - (bake.height / 2) * ratio, bake.width * ratio, bake.height * ratio);
  if (layers.tracks) for (const walk of walks) if (!walk.hidden && !owners[walk.owner].hidden) drawTrack(walk);
  if (layers.names) drawNames();
  drawLook();
  drawNeatline();
  drawScale();
  window.daengdongMap.screenshotReady = !settling;
}
function isCovered() {
  const dx = Math.abs(view.x - bake.view.x) * view.s;
  const dy = Math.abs(view.y - bake.view.y) * view.s;
  return dx <= (bake.width - size.width) / 2 && dy <= (bake.height - size.height) / 2;
}

let paper = null;
/** Hanji: warm paper with a few long fibres, the same on every visit. */
function drawPaper() {
  if (!paper) {
    paper = document.createElement("canvas");
    paper.width = paper.height = 420;
    const c = paper.getContext("2d");
    c.fillStyle = css(theme.paper);
    c.fillRect(0, 0, 420, 420);
    let seed = 1861;
    const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
    for (let i = 0; i < 190; i++) {
      const [x, y, turn, length] = [random() * 420, random() * 420, random() * 6.3, 6 + random() * 26];
      c.strokeStyle = css(theme.fibre, 0.05 + random() * 0.12);
      c.lineWidth = 0.4 + random() * 0.6;
      // Drawn at each wrapped place too, so that the tile has no seam.
      for (const [ox, oy] of [[0, 0], [420, 0], [-420, 0], [0, 420], [0, -420]]) {
        c.beginPath();
        c.moveTo(x + ox, y + oy);
        c.quadraticCurveTo(x + ox + Math.cos(turn) * length * 0.5 + 4, y + oy + Math.sin(turn) * length * 0.5 - 4, x + ox + Math.cos(turn) * length, y + oy + Math.sin(turn) * length);
        c.stroke();
      }
    }
  }
  pen.fillStyle = pen.createPattern(paper, "repeat");
  pen.fillRect(0, 0, size.width, size.height);
}

const STEPS_DEG = [20, 10, 5, 2, 1, 30 / 60, 10 / 60, 5 / 60, 2 / 60, 1 / 60, 30 / 3600, 20 / 3600, 10 / 3600, 5 / 3600, 2 / 3600, 1 / 3600];
const metresPerDegree = () => TRUE_AT * EARTH_M * RAD;
const graticuleStep = () => STEPS_DEG.findLast((step) => step * metresPerDegree() * view.s >= (size.width < 600 ? 96 : 120)) ?? STEPS_DEG[0];
function degreeText(value) {
  const seconds = Math.round(Math.abs(value) * 3600);
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (n) => String(n).padStart(2, "0");
  return `${parts[0]}°${parts[1] || parts[2] ? `${two(parts[1])}′` : ""}${parts[2] ? `${two(parts[2])}″` : ""}`;
}
function gridLines() {
  const step = graticuleStep();
  const [north, west] = unproject(...toWorld(0, 0));
  const [south, east] = unproject(...toWorld(size.width, size.height));
  const lines = { x: [], y: [] };
  for (let n = Math.floor(west / step); n * step <= east + step; n++) lines.x.push([toScreen(project([0, 0])[0] + n * step * metresPerDegree(), 0)[0], n * step, n]);
  for (let n = Math.floor(south / step); n * step <= north + step && lines.y.length < 90; n++) if (Math.abs(n * step) < 85) lines.y.push([toScreen(0, project([n * step, anchor[1]])[1])[1], n * step, n]);
  return lines;
}
function drawGraticule() {
  const { x, y } = gridLines();
  pen.strokeStyle = css(theme.grid, 0.34);
  pen.lineWidth = 0.8;
  pen.beginPath();
  for (const [at] of x) { pen.moveTo(at, 0); pen.lineTo(at, size.height); }
  for (const [at] of y) { pen.moveTo(0, at); pen.lineTo(size.width, at); }
  pen.stroke();
}
/** The double frame with its black and white degrees, and their numbers. */
function drawNeatline() {
  const wide = size.width >= 600;
  const [gap, band] = wide ? [10, 6] : [5, 4];
  const inner = gap + band;
  const { width, height } = size;
  const { x, y } = gridLines();
  pen.strokeStyle = css(theme.paper);
  pen.lineJoin = "miter";
  pen.lineWidth = inner;
  pen.strokeRect(inner / 2, inner / 2, width - inner, height - inner);
  pen.fillStyle = css(theme.ink, 0.8);
  const from = (at, end) => Math.max(inner, Math.min(end - inner, at));
  x.forEach(([at, , n], i) => {
    const a = from(at, width);
    const b = from(x[i + 1]?.[0] ?? width, width);
    if (n & 1) { pen.fillRect(a, gap, b - a, band); pen.fillRect(a, height - inner, b - a, band); }
  });
  y.forEach(([at, , n], i) => {
    const a = from(y[i + 1]?.[0] ?? 0, height);
    const b = from(at, height);
    if (n & 1) { pen.fillRect(gap, a, band, b - a); pen.fillRect(width - inner, a, band, b - a); }
  });
  pen.strokeStyle = css(theme.ink, 0.85);
  pen.lineWidth = 1;
  for (const at of [gap, inner]) pen.strokeRect(at - 0.5, at - 0.5, width - 2 * at + 1, height - 2 * at + 1);
  pen.lineWidth = wide ? 2 : 1.2;
  pen.strokeRect(gap - 4, gap - 4, width - 2 * gap + 8, height - 2 * gap + 8);
  pen.font = `${wide ? 11 : 9.5}px ${SERIF}`;
  pen.textAlign = "left";
  pen.lineJoin = "round";
  // The corners belong to the north arrow, the buttons and the scale.
  for (const [at, value] of x) if (at > inner + 60 && at < width - 130) halo(degreeText(value) + (value < 0 ? "W" : "E"), at + 4, inner + 13);
  for (const [at, value] of y) if (at > inner + 190 && at < height - 80) halo(degreeText(value) + (value < 0 ? "S" : "N"), inner + 5, at - 4);
}
function halo(text, x, y, colour = css(theme.ink, 0.75), width = 3) {
  pen.strokeStyle = css(theme.halo, 0.88);
  pen.lineWidth = width;
  pen.strokeText(text, x, y);
  pen.fillStyle = colour;
  pen.fillText(text, x, y);
}

const TICKS_M = [50, 100, 200, 500, 1000, 2000, 5000, 10000, 50000];
const tickStep_m = () => TICKS_M.find((step) => step / metresPerPixel() >= 30) ?? TICKS_M.at(-1);
function pointAt(walk, along) {
  const d = walk.along_m;
  let low = 0;
  let high = d.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (d[middle] <= along) low = middle;
    else high = middle;
  }
  const share = Math.min(1, Math.max(0, (along - d[low]) / (d[high] - d[low] || 1)));
  return [walk.xy[low][0] + (walk.xy[high][0] - walk.xy[low][0]) * share, walk.xy[low][1] + (walk.xy[high][1] - walk.xy[low][1]) * share, low];
}
function tracePieces(walk, kept) {
  pen.beginPath();
  let last = null;
  let open = false;
  for (let i = 0; i < walk.kept.length; i++) {
    if (walk.kept[i] !== kept) { open = false; continue; }
    if (!open) { last = toScreen(...walk.xy[i]); pen.moveTo(...last); open = true; }
    const p = toScreen(...walk.xy[i + 1]);
    // Points closer than a pixel cost time and show nothing; the last of a piece always counts.
    if (Math.abs(p[0] - last[0]) + Math.abs(p[1] - last[1]) < 0.9 && walk.kept[i + 1] === kept) continue;
    pen.lineTo(...p);
    last = p;
  }
}
/** A road as Kim Jeong-ho drew it in 1861: a line with a tick at every even distance. */
function drawTrack(walk) {
  if (walk.xy.length < 2) return;
  const owner = owners[walk.owner];
  const strong = looks.walk === walk;
  for (const kept of [0, 1]) {
    tracePieces(walk, kept);
    pen.strokeStyle = css(theme.halo, 0.8);
    pen.lineWidth = strong ? 7 : 4.6;
    if (kept) pen.stroke();
    pen.setLineDash(kept ? [] : [2, 6]);
    pen.strokeStyle = kept ? css(owner.deep) : css(mix(owner.deep, theme.ink, 0.4), 0.85);
    pen.lineWidth = strong ? 3.6 : 2.2;
    pen.stroke();
    pen.setLineDash([]);
  }
  const step = tickStep_m();
  const total = walk.along_m.at(-1);
  pen.beginPath();
  for (let along = step; along < total; along += step) {
    const [x, y, i] = pointAt(walk, along);
    if (!walk.kept[Math.min(i, walk.kept.length - 1)]) continue;
    const [px, py] = toScreen(x, y);
    if (px < 0 || py < 0 || px > size.width || py > size.height) continue;
    const [ax, ay] = pointAt(walk, along - 8);
    const [bx, by] = pointAt(walk, along + 8);
    const length = Math.hypot(bx - ax, by - ay) || 1;
    const [nx, ny] = [(-(by - ay) / length) * 4.2, ((bx - ax) / length) * 4.2];
    pen.moveTo(px - nx, py - ny);
    pen.lineTo(px + nx, py + ny);
  }
  pen.lineWidth = 1.4;
  pen.strokeStyle = css(owner.deep);
  pen.stroke();
  drawEnds(walk, owner, strong);
}
function drawEnds(walk, owner, strong) {
  const r = strong ? 6.5 : 5;
  pen.lineWidth = 2.2;
  pen.strokeStyle = css(owner.deep);
  const [fx, fy] = toScreen(...walk.xy.at(-1));
  pen.fillStyle = css(owner.deep);
  pen.beginPath();
  pen.rect(fx - r, fy - r, 2 * r, 2 * r);
  pen.fill();
  pen.strokeStyle = css(theme.halo);
  pen.lineWidth = 1.4;
  pen.stroke();
  const [sx, sy] = toScreen(...walk.xy[0]);
  pen.fillStyle = css(theme.halo);
  pen.strokeStyle = css(owner.deep);
  pen.lineWidth = 2.4;
  pen.beginPath();
  pen.arc(sx, sy, r - 0.5, 0, 7);
  pen.fill();
  pen.stroke();
}

/** Initials on each large piece of land, so that colour is never the only sign. */
function drawNames() {
  if (!layers.territory) return;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  for (const piece of pieces) {
    const owner = owners[piece.owner];
    const area_px = piece.size * 2.6 * (cellRadius_m * view.s) ** 2;
    if (owner.hidden || (area_px < 2200 && !leading.has(piece)) || area_px < 60) continue;
    const [x, y] = toScreen(cells.centreX[piece.seat], cells.centreY[piece.seat]);
    const r = area_px > 9000 ? 13 : 10;
    pen.beginPath();
    pen.arc(x, y, r, 0, 7);
    pen.fillStyle = css(theme.dark ? mix(owner.rgb, [0, 0, 0], 0.35) : owner.deep);
    pen.fill();
    pen.lineWidth = 2;
    pen.strokeStyle = css(theme.halo);
    pen.stroke();
    pen.fillStyle = "#fff";
    pen.font = `700 ${r + 1}px ${SANS}`;
    pen.fillText(owner.initial, x, y + 1);
  }
  pen.textBaseline = "alphabetic";
}
function drawLook() {
  if (looks.cell >= 0 && layers.territory) {
    pen.beginPath();
    trace(pen, cells, looks.cell, { s: view.s, x: size.width / 2 - view.x * view.s, y: size.height / 2 - view.y * view.s });
    pen.strokeStyle = css(theme.halo);
    pen.lineWidth = 5;
    pen.stroke();
    pen.strokeStyle = css(theme.ink);
    pen.lineWidth = 2;
    pen.stroke();
  }
  if (looks.crosshair) {
    const [x, y] = [size.width / 2, size.height / 2];
    pen.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) { pen.moveTo(x + dx * 5, y + dy * 5); pen.lineTo(x + dx * 14, y + dy * 14); }
    pen.strokeStyle = css(theme.seal);
    pen.lineWidth = 2;
    pen.stroke();
  }
}

const scaleBar = document.getElementById("scale-bar");
let scaleShown = 0;
function drawScale() {
  const most_m = metresPerPixel() * (size.width < 600 ? 96 : 150);
  const power = 10 ** Math.floor(Math.log10(most_m));
  const length_m = [5, 2, 1].find((n) => n * power <= most_m) * power;
  const bar_px = length_m / metresPerPixel();
  if (Math.abs(bar_px - scaleShown) < 0.05) return;
  scaleShown = bar_px;
  const part = bar_px / 4;
  const bar = (name, x, w) => {
    const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const [key, value] of Object.entries({ class: name, x: x + 1, y: 1, width: w, height: 6 })) rect.setAttribute(key, value);
    return rect;
  };
  scaleBar.replaceChildren(...[0, 1, 2, 3].map((n) => bar(n % 2 ? "light" : "dark", n * part, part)));
  scaleBar.setAttribute("width", bar_px + 2);
  document.getElementById("scale-text").textContent = length_m < 1000 ? `${length_m} m` : `${length_m / 1000} km`;
  document.dispatchEvent(new Event("scalechange"));
}
