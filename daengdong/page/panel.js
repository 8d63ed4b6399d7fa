// Everything beside the map. Names come from strangers: they enter by textContent only.
const $ = (id) => document.getElementById(id);
function make(tag, className = "", ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}
/** A name in its own direction, so that it cannot turn the words around it. */
function nameOf(text) {
  const element = make("bdi", "name");
  element.textContent = String(text).trim() ? text : word("anonymous");
  return element;
}
function swatch(owner) {
  const element = make("canvas", "swatch");
  element.setAttribute("aria-hidden", "true");
  element.width = element.height = 56;
  const c = element.getContext("2d");
  c.beginPath();
  for (let n = 0; n < 6; n++) c.lineTo(28 + 26 * Math.sin((n * Math.PI) / 3), 28 - 26 * Math.cos((n * Math.PI) / 3));
  c.closePath();
  c.fillStyle = css(owner.rgb, 0.72);
  c.fill();
  c.fillStyle = c.createPattern(patternTile(owner, 2), "repeat");
  c.fill();
  c.lineWidth = 4;
  c.strokeStyle = css(owner.deep);
  c.stroke();
  c.beginPath();
  c.arc(28, 28, 14, 0, 7);
  c.fillStyle = css(theme.dark ? mix(owner.rgb, [0, 0, 0], 0.35) : owner.deep);
  c.fill();
  c.fillStyle = "#fff";
  c.font = `700 19px ${SANS}`;
  c.textAlign = "center";
  c.textBaseline = "middle";
  c.fillText(owner.initial, 28, 29.5);
  return element;
}
function toggle(checked, label, onChange, ...children) {
  const box = make("input");
  box.type = "checkbox";
  box.checked = checked;
  if (label) box.setAttribute("aria-label", label);
  box.addEventListener("change", () => onChange(box.checked));
  return make("label", "toggle", box, ...children);
}
const shownName = (owner) => (String(owner.name).trim() ? owner.name : word("anonymous"));
const shownTitle = (walk) => (walk.title.trim() ? walk.title : word("walks"));

function showSummary() {
  const total = (list, of) => list.reduce((sum, item) => sum + (of(item) || 0), 0);
  const entries = [
    ["sumCells", number(cells.count)],
    ["sumArea", areaText(total(result.players, (p) => p.area_m2))],
    ["sumPlayers", number(result.players.length)],
    ["sumWalks", number(result.walks.length)],
  ];
  $("summary").replaceChildren(...entries.map(([key, value]) => {
    const term = make("dt");
    term.textContent = word(key);
    const data = make("dd");
    data.textContent = value;
    return make("div", "", term, data);
  }));
}
function showOwners() {
  const byRank = [...owners].sort((a, b) => (a.rank ?? 1e9) - (b.rank ?? 1e9));
  const most = Math.max(1, ...owners.map((o) => o.cells_held ?? 0));
  $("owners").replaceChildren(...byRank.map((owner) => {
    const facts = make("span", "facts");
    facts.textContent = [word("cells", number(owner.cells_held)), areaText(owner.area_m2), distanceText(owner.distance_m), durationText(owner.walking_ms)].join(" · ");
    const dog = make("span", "dog", nameOf(owner.dog));
    const bar = make("span", "meter");
    bar.style.setProperty("--share", (owner.cells_held ?? 0) / most);
    bar.style.setProperty("--colour", css(owner.rgb));
    const label = toggle(!owner.hidden, word("showOwner", shownName(owner)), (on) => { owner.hidden = !on; redraw(true); },
      swatch(owner), make("span", "who", make("span", "line", nameOf(owner.name), ...(String(owner.dog).trim() ? [dog] : [])), facts, bar));
    return make("li", "", label);
  }));
}
function showLayers() {
  $("layers").replaceChildren(...Object.keys(layers).map((key) => {
    const text = make("span");
    text.textContent = word(key);
    return toggle(layers[key], "", (on) => { layers[key] = on; redraw(true); }, text);
  }));
}
/** What the signs mean, drawn with the same ink as the map. */
function showLegend() {
  const ink = owners[0] ?? { rgb: theme.ink, deep: theme.ink, index: 0 };
  const sign = (width, draw) => {
    const element = make("canvas", "sign");
    element.setAttribute("aria-hidden", "true");
    element.width = width * 2;
    element.height = 44;
    element.style.width = `${width}px`;
    const c = element.getContext("2d");
    c.scale(2, 2);
    c.lineCap = "round";
    draw(c);
    return element;
  };
  const strengths = sign(settings.strength_max * 25 + 2, (c) => {
    for (let n = 1; n <= settings.strength_max; n++)
      for (let ring = 0; ring < n; ring++) {
        c.beginPath();
        const r = 11 * (ring ? 0.92 - (0.72 * ring) / settings.strength_max : 1);
        for (let v = 0; v < 6; v++) c.lineTo(n * 25 - 12 + r * Math.sin((v * Math.PI) / 3), 11 - r * Math.cos((v * Math.PI) / 3));
        c.closePath();
        c.fillStyle = css(ink.rgb, washOf(n));
        if (!ring) c.fill();
        c.strokeStyle = css(ink.deep, 0.75);
        c.stroke();
      }
  });
  const line = (dash) => sign(54, (c) => {
    c.strokeStyle = css(ink.deep);
    c.lineWidth = 2.2;
    c.setLineDash(dash);
    c.beginPath();
    c.moveTo(3, 11);
    c.lineTo(51, 11);
    c.stroke();
    if (dash.length) return;
    c.lineWidth = 1.4;
    for (const x of [13, 27, 41]) { c.beginPath(); c.moveTo(x, 6.8); c.lineTo(x, 15.2); c.stroke(); }
  });
  const end = (finish) => sign(16, (c) => {
    c.beginPath();
    if (finish) c.rect(3, 6, 10, 10);
    else c.arc(8, 11, 4.5, 0, 7);
    c.fillStyle = finish ? css(ink.deep) : css(theme.halo);
    c.strokeStyle = css(ink.deep);
    c.lineWidth = 2.2;
    c.fill();
    c.stroke();
  });
  const entry = (text, ...signs) => {
    const words = make("span");
    words.textContent = text;
    return make("div", "entry", ...signs, words);
  };
  $("legend").replaceChildren(
    entry(word("legendStrength"), strengths),
    make("div", "row", entry(`${word("legendTrack")}: ${word("legendTick", distanceText(tickStep_m()))}`, line([])), entry(word("legendDropped"), line([2, 6]))),
    make("div", "row", entry(word("legendStart"), end(false)), entry(word("legendFinish"), end(true)), entry(word("free"), sign(20, (c) => {
      c.strokeStyle = css(theme.ink, 0.45);
      c.setLineDash([1, 2.5]);
      c.beginPath();
      for (let v = 0; v < 6; v++) c.lineTo(10 + 9 * Math.sin((v * Math.PI) / 3), 11 - 9 * Math.cos((v * Math.PI) / 3));
      c.closePath();
      c.stroke();
    }))),
  );
}

const boardKey = (ranking) => JSON.stringify([ranking.scope, ranking.period]);
const picked = { board: result.rankings[0] ? boardKey(result.rankings[0]) : "", measure: result.rankings[0]?.measure };
function showRankings() {
  const boards = [...new Set(result.rankings.map(boardKey))];
  $("boards").parentElement.hidden = boards.length < 2;
  $("boards").replaceChildren(...boards.map((key) => {
    const [scope, period] = JSON.parse(key);
    const option = make("option");
    option.value = key;
    option.textContent = `${wordOf("scope", scope)} · ${wordOf("period", period)}`;
    return option;
  }));
  $("boards").value = picked.board;
  const here = result.rankings.filter((ranking) => boardKey(ranking) === picked.board);
  if (!here.some((ranking) => ranking.measure === picked.measure)) picked.measure = here[0]?.measure;
  $("measures").replaceChildren(...here.map((ranking) => {
    const tab = make("button");
    const chosen = ranking.measure === picked.measure;
    tab.type = "button";
    tab.role = "tab";
    tab.id = `tab-${ranking.measure}`;
    tab.tabIndex = chosen ? 0 : -1;
    tab.setAttribute("aria-selected", chosen);
    tab.setAttribute("aria-controls", "ranking");
    tab.textContent = wordOf("measure", ranking.measure);
    tab.addEventListener("click", () => { picked.measure = ranking.measure; showRankings(); $(tab.id).focus(); });
    return tab;
  }));
  const ranking = here.find((one) => one.measure === picked.measure);
  if (ranking) $("ranking").setAttribute("aria-labelledby", `tab-${ranking.measure}`);
  $("ranking").replaceChildren(ranking ? rankingTable(ranking) : quiet(word("noRankings")));
}
function quiet(text) {
  const element = make("p", "quiet");
  element.textContent = text;
  return element;
}
function rankingTable(ranking) {
  const cell = (tag, className, content) => {
    const element = make(tag, className);
    element.append(content);
    return element;
  };
  const head = make("tr", "", ...["rank", "name", "", "share"].map((key) => {
    const element = make("th", key === "share" || !key ? "figure" : "");
    element.scope = "col";
    element.textContent = key ? word(key) : wordOf("measure", ranking.measure);
    return element;
  }));
  const rows = ranking.rows.map((row) => {
    const owner = owners[ownerIndex.get(row.user_id)];
    const mark = owner ? [swatch(owner)] : [];
    const bar = make("span", "meter");
    bar.style.setProperty("--share", row.share_permille / 1000);
    bar.style.setProperty("--colour", owner ? css(owner.rgb) : css(theme.ink, 0.5));
    const title = cell("th", "who", make("span", "line", ...mark, nameOf(row.name)));
    title.scope = "row";
    return make("tr", "",
      cell("td", `place place-${row.rank}`, number(row.rank)), title,
      cell("td", "figure", measureText(ranking.measure, row.value)),
      cell("td", "figure share", make("span", "", `${number(row.share_permille / 10, 1)}%`, bar)));
  });
  const caption = make("caption");
  caption.textContent = `${wordOf("scope", ranking.scope)} · ${wordOf("period", ranking.period)} · ${word("asOf", timeText(ranking.as_of_ms, settings.zone_name))}`;
  return make("table", "", caption, make("thead", "", head), make("tbody", "", ...rows));
}

const BADGE_ICONS = { offline: "⌁", killed_resumed: "↻", resumed: "↻", late: "◷", car: "⨯" };
function showWalks() {
  $("walks").replaceChildren(...(walks.length ? walks.map(walkItem) : [make("li", "", quiet(word("noWalks")))]));
}
function walkItem(walk) {
  const owner = owners[walk.owner];
  const go = make("button", "go", nameOf(shownTitle(walk)));
  go.type = "button";
  go.setAttribute("aria-label", word("goTo", shownTitle(walk)));
  go.addEventListener("click", () => lookAtWalk(walk));
  const box = toggle(!walk.hidden, word("showTrack", shownTitle(walk)), (on) => { walk.hidden = !on; redraw(); }, swatch(owner));
  const numbers = [distanceText(walk.distance_m), durationText(walk.moving_ms), word("captured", word("cells", number(walk.captured)))];
  if (walk.loop_cells) numbers.push(word("ofLoops", number(walk.loop_cells)));
  const facts = make("span", "facts parts", nameOf(owner.name), ...numbers.map((text) => make("span", "", text)));
  const badge = (text, kind, icon = "") => {
    const element = make("span", `badge ${kind}`);
    element.textContent = icon ? `${icon} ${text}` : text;
    return element;
  };
  const badges = make("span", "badges",
    ...(walk.counts_for_board ? [] : [badge(word("notCounted"), "warn", "!")]),
    ...(walk.state === "finished" ? [] : [badge(wordOf("state", walk.state), "plain")]),
    ...walk.events.map((event) => badge(wordOf("code", event), "plain", Object.hasOwn(BADGE_ICONS, event) ? BADGE_ICONS[event] : "")),
    badge(word("trust", number(walk.trust)), "faint"));
  const notes = make("ul", "notes", ...walk.notes.map((note) => {
    const item = make("li");
    item.textContent = wordOf("code", note);
    return item;
  }));
  notes.setAttribute("aria-label", word("notes"));
  return make("li", walk.counts_for_board ? "" : "not-counted", box, make("div", "body", go, facts, badges, ...(walk.notes.length ? [notes] : [])));
}
function showColophon() {
  $("colophon").replaceChildren(...[
    `${word("generated", timeText(result.generated_at_ms, settings.zone_name))} · ${word("rules", result.rules_version)}`,
    wordOf("code", result.source_note),
    wordOf("code", result.region_note),
  ].filter((line) => line.trim()).map((line) => {
    const element = make("p");
    element.textContent = line;
    return element;
  }));
}
/** Fill the whole panel in the language chosen now. */
function showPanel() {
  document.documentElement.lang = language;
  document.title = word("title");
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = word(element.dataset.word);
  for (const element of document.querySelectorAll("[data-word-label]")) {
    element.setAttribute("aria-label", word(element.dataset.wordLabel));
    if (element.tagName === "BUTTON") element.title = word(element.dataset.wordLabel);
  }
  for (const button of document.querySelectorAll("[data-language]")) button.setAttribute("aria-pressed", button.dataset.language === language);
  $("empty").hidden = cells.count > 0 || walks.some((walk) => walk.xy.length > 1);
  for (const show of [showSummary, showOwners, showLayers, showLegend, showRankings, showWalks, showColophon]) show();
}
