"use strict";
// Every text of the page, in both languages, and how numbers are written in them.
const WORDS = {
  ko: {
    title: "댕동여지도", subtitle: "발자국으로 그린 우리 동네 땅 지도", skip: "순위와 산책 목록으로 가기",
    mapLabel: "땅 지도", panel: "순위와 산책",
    mapHelp: "화살표 키로 움직이고, + 와 - 로 확대하거나 축소하고, 0 으로 처음 자리에 돌아갑니다. 가운데 칸의 주인을 읽어 줍니다. 같은 내용이 옆의 표에 있습니다.",
    controls: "지도 조작", zoomIn: "확대", zoomOut: "축소", fit: "처음 자리로", expand: "지도 크게 보기",
    language: "언어", empty: "아직 차지한 땅이 없어요. 산책을 나가면 여기에 그려져요.",
    owners: "누구 땅일까요", layers: "지도에 보일 것", territory: "땅", tracks: "산책길", patterns: "무늬", names: "이름",
    rankings: "순위", board: "순위표 고르기", walks: "산책", noWalks: "아직 산책이 없어요.", noRankings: "아직 순위가 없어요.",
    sumCells: "주인 있는 칸", sumArea: "땅 넓이", sumPlayers: "함께한 견주", sumWalks: "산책",
    cells: (n) => `${n}칸`, days: (n) => `${n}일`, hm: (h, m) => (h ? `${h}시간 ${m}분` : `${m}분`), ms: (m, s) => `${m}분 ${s}초`,
    strength: "세기", free: "주인 없는 칸", nothing: "여기에는 보이는 땅이 없어요", owner: "주인", strengthOf: (n, max) => `세기 ${n} / ${max}`,
    legendStrength: "세기: 자주 지나갈수록 짙고 등고선이 늘어요", legendTrack: "산책길", legendTick: (d) => `눈금 한 칸 = ${d}`,
    legendDropped: "세지 않은 길", legendStart: "출발", legendFinish: "도착", weak: "약함", strong: "강함",
    rank: "순위", name: "견주", share: "비율", asOf: (t) => `${t} 기준`, showOwner: (n) => `${n} 땅과 산책길 보기`, showTrack: (n) => `${n} 길 보기`,
    goTo: (n) => `${n} 지도에서 보기`, captured: (cells) => `${cells} 차지`, ofLoops: (n) => `그중 고리로 ${n}칸`, notCounted: "순위에 세지 않음", trust: (n) => `신뢰 ${n}`,
    notes: "알림", generated: (t) => `${t}에 만듦`, rules: (v) => `규칙 ${v}`, anonymous: "이름 없음",
    measure: { cells_held: "칸 수", area_held: "넓이", new_captures: "새로 차지", distance: "거리", walking_time: "시간", walk_days: "산책한 날" },
    scope: { everyone: "모두", region: "지역", friends: "친구", team: "팀", random: "무작위 30명" },
    period: { day: "오늘", week: "이번 주", month: "이번 달", season: "이번 시즌", all: "전체 기간" },
    state: { open: "산책 중", finished: "끝남", cancelled: "취소함", abandoned: "끝맺지 않음" },
    code: {
      offline: "오프라인 기록", killed_resumed: "꺼졌다 이어감", resumed: "이어서 기록", late: "늦게 도착", gpx: "GPX 파일", car: "자동차",
      vehicle: "자동차로 움직인 구간은 세지 않아요", jump: "위치가 튄 구간은 세지 않아요", gap: "기록이 끊긴 구간이 있어요",
      accuracy: "위치가 정확하지 않은 점은 뺐어요", mock: "가짜 위치는 세지 않아요", out_of_range: "잘못된 좌표는 뺐어요",
      vehicle_stop: "자동차가 잠시 멈춘 구간도 세지 않아요", duplicate_time: "같은 시각의 점은 한 번만 썼어요",
      low_trust: "믿기 어려운 기록이라 순위에 세지 않아요", no_region: "지역 경계를 가져오지 않아 지역은 '없음'이에요",
    },
  },
  en: {
    title: "Daengdong Yeojido", subtitle: "The neighbourhood, mapped by paw", skip: "Skip to rankings and walks",
    mapLabel: "Territory map", panel: "Rankings and walks",
    mapHelp: "Arrow keys move the map, plus and minus zoom, 0 goes back. The owner of the cell in the middle is read out. The tables beside the map hold the same content.",
    controls: "Map controls", zoomIn: "Zoom in", zoomOut: "Zoom out", fit: "Back to the start", expand: "Larger map",
    language: "Language", empty: "Nobody owns any ground yet. It is drawn here after the first walk.",
    owners: "Whose ground is it", layers: "Shown on the map", territory: "Territory", tracks: "Tracks", patterns: "Patterns", names: "Names",
    rankings: "Rankings", board: "Choose a board", walks: "Walks", noWalks: "No walks yet.", noRankings: "No rankings yet.",
    sumCells: "cells owned", sumArea: "ground held", sumPlayers: "owners", sumWalks: "walks",
    cells: (n) => `${n} ${n === "1" ? "cell" : "cells"}`, days: (n) => `${n} ${n === "1" ? "day" : "days"}`, hm: (h, m) => (h ? `${h} h ${m} min` : `${m} min`), ms: (m, s) => `${m} min ${s} s`,
    strength: "Strength", free: "Nobody's cell", nothing: "Nothing shown here", owner: "Owner", strengthOf: (n, max) => `Strength ${n} of ${max}`,
    legendStrength: "Strength: darker and more contours with every visit", legendTrack: "track", legendTick: (d) => `one tick = ${d}`,
    legendDropped: "not counted", legendStart: "start", legendFinish: "finish", weak: "weak", strong: "strong",
    rank: "Rank", name: "Owner", share: "Share", asOf: (t) => `as of ${t}`, showOwner: (n) => `Show ground and tracks of ${n}`, showTrack: (n) => `Show the track ${n}`,
    goTo: (n) => `Show ${n} on the map`, captured: (cells) => `${cells} captured`, ofLoops: (n) => `${n} of them by loop`, notCounted: "Not on the board", trust: (n) => `trust ${n}`,
    notes: "Notes", generated: (t) => `made ${t}`, rules: (v) => `rules ${v}`, anonymous: "no name",
    measure: { cells_held: "Cells", area_held: "Area", new_captures: "Captures", distance: "Distance", walking_time: "Time", walk_days: "Days" },
    scope: { everyone: "Everyone", region: "Region", friends: "Friends", team: "Team", random: "Random 30" },
    period: { day: "today", week: "this week", month: "this month", season: "this season", all: "all time" },
    state: { open: "walking", finished: "finished", cancelled: "cancelled", abandoned: "never finished" },
    code: {
      offline: "Recorded offline", killed_resumed: "Killed and resumed", resumed: "Resumed", late: "Arrived late", gpx: "GPX file", car: "By car",
      vehicle: "Pieces driven by car do not count", jump: "Pieces where the position jumped do not count", gap: "The recording has gaps",
      accuracy: "Inexact positions were left out", mock: "Mock positions do not count", out_of_range: "Impossible coordinates were left out",
      vehicle_stop: "Stops of the car do not count either", duplicate_time: "Positions of the same moment were used once",
      low_trust: "Not trustworthy enough for the board", no_region: "No boundaries imported: there are no regions",
    },
  },
};

let language = "ko";
const word = (key, ...values) => {
  const found = WORDS[language][key];
  return typeof found === "function" ? found(...values) : found;
};
// Codes outside the list are plain sentences already; `hasOwn` keeps "constructor" a sentence.
const wordOf = (list, key) => (Object.hasOwn(WORDS[language][list], key) ? WORDS[language][list][key] : String(key));
const number = (value, digits = 0) =>
  new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(Number.isFinite(value) ? value : 0);
const distanceText = (m) => (m < 1000 ? `${number(m)} m` : `${number(m / 1000, m < 100000 ? 2 : 0)} km`);
const areaText = (m2) => (m2 < 10000 ? `${number(m2)} m²` : m2 < 1e6 ? `${number(m2 / 1e4, 1)} ha` : `${number(m2 / 1e6, 2)} km²`);
const durationText = (ms) => {
  const seconds = Math.round((Number.isFinite(ms) ? ms : 0) / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return word("ms", number(minutes), number(seconds % 60));
  return word("hm", Math.floor(minutes / 60) && number(Math.floor(minutes / 60)), number(minutes % 60));
};
const timeText = (ms, zone) =>
  new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short", timeZone: zone }).format(new Date(ms));
const MEASURE_TEXT = {
  cells_held: (v) => word("cells", number(v)),
  new_captures: (v) => word("cells", number(v)),
  area_held: areaText,
  distance: distanceText,
  walking_time: durationText,
  walk_days: (v) => word("days", number(v)),
};
const measureText = (measure, value) =>
  Object.hasOwn(MEASURE_TEXT, measure) ? MEASURE_TEXT[measure](value) : number(value, 1);
