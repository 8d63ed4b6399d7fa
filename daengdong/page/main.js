// Hands, keys and boot.
const tip = $("tip");
const KEY_STEP_PX = 80;
const ZOOM_STEP = 1.5;
const TAP_PX = 6;
let tipKey = "";

/** Show whose cell lies under a point of the map; returns the same in words for a screen reader. */
function lookAt(px, py, alsoFree = false) {
  const [x, y] = toWorld(px, py);
  let at = layers.territory ? cellAt(x, y) : -1;
  if (at >= 0 && owners[cells.owner[at]].hidden) at = -1;
  const isFree = at < 0 && alsoFree && layers.territory && freeAt(x, y) >= 0;
  if (looks.cell !== at) { looks.cell = at; redraw(); }
  if (at < 0 && !isFree) return hideTip();
  const key = `${language}:${at}`;
  if (tipKey !== key) tip.replaceChildren(...(isFree ? [word("free")] : cellCard(at)));
  tipKey = key;
  tip.hidden = false;
  const left = Math.min(size.width - tip.offsetWidth - 12, Math.max(12, px - tip.offsetWidth / 2));
  const above = py - tip.offsetHeight - 18;
  tip.style.transform = `translate(${left}px, ${above < 12 ? py + 22 : above}px)`;
  return tip.innerText.replace(/\s+/g, " ");
}
function cellCard(at) {
  const owner = owners[cells.owner[at]];
  const strength = result.cells[at].strength;
  const pips = make("span", "pips", ...Array.from({ length: settings.strength_max }, (_, n) => make("i", n < strength ? "on" : "")));
  pips.setAttribute("aria-hidden", "true");
  const level = make("span");
  level.textContent = word("strengthOf", number(strength), number(settings.strength_max));
  const id = make("code");
  id.textContent = cells.id[at];
  return [make("span", "line", swatch(owner), nameOf(owner.name), ...(String(owner.dog).trim() ? [make("span", "dog", nameOf(owner.dog))] : [])), make("span", "line", pips, level), id];
}
function hideTip() {
  tip.hidden = true;
  tipKey = "";
  return "";
}
function lookAtWalk(walk) {
  walk.hidden = false;
  owners[walk.owner].hidden = false;
  layers.tracks = true;
  looks.walk = walk;
  hideTip();
  showOwners();
  showLayers();
  for (const [i, item] of [...$("walks").children].entries()) {
    item.classList.toggle("chosen", walks[i] === walk);
    if (walks[i] === walk) item.querySelector("input").checked = true;
  }
  fitTo(boundsOf(walk.xy));
  // On a phone the list lies over the map.
  stage.scrollIntoView({ block: "start" });
}

const fingers = new Map();
let pressed = null;
const placeOf = (event) => {
  const box = mapBox.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
};
const spread = ([a, b]) => ({ x: (a[0] + b[0]) / 2, y: (a[1] + b[1]) / 2, d: Math.hypot(a[0] - b[0], a[1] - b[1]) || 1 });
mapBox.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  mapBox.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, placeOf(event));
  pressed = fingers.size === 1 ? placeOf(event) : null;
  looks.crosshair = false;
});
mapBox.addEventListener("pointermove", (event) => {
  const at = placeOf(event);
  const last = fingers.get(event.pointerId);
  if (!last) {
    if (event.pointerType === "mouse") lookAt(...at, true);
    return;
  }
  const before = [...fingers.values()];
  fingers.set(event.pointerId, at);
  if (pressed && Math.hypot(at[0] - pressed[0], at[1] - pressed[1]) > TAP_PX) { pressed = null; hideTip(); }
  if (fingers.size === 1) {
    mapBox.classList.add("dragging");
    return pan(at[0] - last[0], at[1] - last[1]);
  }
  if (fingers.size === 2) {
    const [a, b] = [spread(before), spread([...fingers.values()])];
    pan(b.x - a.x, b.y - a.y);
    zoomTo((view.s * b.d) / a.d, b.x, b.y);
  }
});
function release(event) {
  if (pressed && event.type === "pointerup" && event.pointerType !== "mouse") lookAt(...placeOf(event), true);
  fingers.delete(event.pointerId);
  pressed = null;
  mapBox.classList.remove("dragging");
}
mapBox.addEventListener("pointerup", release);
mapBox.addEventListener("pointercancel", release);
mapBox.addEventListener("pointerleave", (event) => {
  if (event.pointerType !== "mouse") return;
  looks.cell = -1;
  hideTip();
  redraw();
});
mapBox.addEventListener("wheel", (event) => {
  event.preventDefault();
  const lines = event.deltaMode === 1 ? 16 : 1;
  zoomTo(view.s * Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0016)), ...placeOf(event));
  hideTip();
}, { passive: false });
mapBox.addEventListener("dblclick", (event) => zoomTo(view.s * 2, ...placeOf(event)));

const home = () => { looks.walk = null; fitTo(homeBounds()); };
const KEYS = {
  ArrowLeft: () => pan(KEY_STEP_PX, 0), ArrowRight: () => pan(-KEY_STEP_PX, 0), ArrowUp: () => pan(0, KEY_STEP_PX), ArrowDown: () => pan(0, -KEY_STEP_PX),
  "+": () => zoomTo(view.s * ZOOM_STEP), "=": () => zoomTo(view.s * ZOOM_STEP), "-": () => zoomTo(view.s / ZOOM_STEP), _: () => zoomTo(view.s / ZOOM_STEP), 0: home, Home: home,
};
mapBox.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(KEYS, event.key)) return;
  event.preventDefault();
  KEYS[event.key]();
  looks.crosshair = true;
  $("spoken").textContent = lookAt(size.width / 2, size.height / 2, true) || word("nothing");
});
mapBox.addEventListener("blur", () => { looks.crosshair = false; looks.cell = -1; hideTip(); redraw(); });

$("zoom-in").addEventListener("click", () => zoomTo(view.s * ZOOM_STEP));
$("zoom-out").addEventListener("click", () => zoomTo(view.s / ZOOM_STEP));
$("fit").addEventListener("click", home);
$("expand").addEventListener("click", () => {
  const large = document.body.classList.toggle("large-map");
  $("expand").setAttribute("aria-pressed", large);
});
$("boards").addEventListener("change", () => { picked.board = $("boards").value; showRankings(); });
$("measures").addEventListener("keydown", (event) => {
  const tabs = [...$("measures").children];
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step || !tabs.length) return;
  event.preventDefault();
  tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length].click();
});
for (const button of document.querySelectorAll("[data-language]"))
  button.addEventListener("click", () => { language = button.dataset.language; hideTip(); showPanel(); });
document.addEventListener("scalechange", showLegend);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readTheme(); paper = null; showPanel(); redraw(true); });

/** For tests and screenshots: what was painted, and what lies where. */
window.daengdongMap = {
  screenshotReady: false,
  get drawn() { return { ...bake.drawn }; },
  get freeDrawn() { return bake.freeDrawn; },
  get paints() { return bake.count; },
  get view() { return { ...view, metres_per_pixel: metresPerPixel() }; },
  hitTest(lat, lng) {
    const at = cellAt(...project([lat, lng]));
    return at < 0 ? null : { cell: cells.id[at], owner: owners[cells.owner[at]].user_id, strength: result.cells[at].strength };
  },
  pixelOf(lat, lng) {
    const box = mapBox.getBoundingClientRect();
    const [x, y] = toScreen(...project([lat, lng]));
    return [x + box.left, y + box.top];
  },
  fitAll() { window.daengdongMap.screenshotReady = false; fitTo(boundsOf(centres())); },
};
readTheme();
showPanel();
measureStage();
home();
new ResizeObserver(() => {
  if (mapBox.clientWidth !== size.width || mapBox.clientHeight !== size.height) measureStage();
}).observe(mapBox);
