"""map.html in a real browser: what it draws, what it says, and what hostile names cannot do."""

from __future__ import annotations

import itertools
import math
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import h3
import msgspec
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from daengdong.map_page import render
from daengdong.result import DemoResult
from game_engine.errors import UnknownRulesVersion
from tests.daengdong.sample_result import empty_result, large_result, sample_result

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
HOSTILE_NAMES = (
    "</script><script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "\u202egnirts desrever\u202c",
    "🐶👨‍👩‍👧\u0000\u2028{{script}}<!--<script>",
    "constructor",
    "",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless; only a machine without it, outside CI, may skip."""
    if not Path(CHROMIUM).exists() and "CI" not in os.environ:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


@dataclass
class OpenPage:
    """A page opened from a file, with everything it complained about or asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def wait(self) -> None:
        # Not wait_for_function: it evaluates strings in the page, which the policy forbids.
        self.page.evaluate(
            """async () => {
                const frame = () => new Promise(requestAnimationFrame);
                while (!window.daengdongMap.screenshotReady) await frame();
            }"""
        )

    def drawn(self) -> dict[str, int]:
        self.wait()
        counts: dict[str, int] = self.page.evaluate("daengdongMap.drawn")
        return counts


class Opener:
    """Writes a result as map.html and opens it the way a user does: from the disk."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self._browser = browser
        self._folder = folder
        self._opened: list[OpenPage] = []

    def open(
        self,
        result: DemoResult,
        *,
        viewport: dict[str, int] = DESKTOP,
        dark: bool = False,
        touch: bool = False,
    ) -> OpenPage:
        path = self._folder / "map.html"
        path.write_text(render(result), "utf-8")
        page = self._browser.new_page(
            viewport={"width": viewport["width"], "height": viewport["height"]},
            color_scheme="dark" if dark else "light",
            has_touch=touch,
        )
        opened = OpenPage(page)
        self._opened.append(opened)
        page.on("console", lambda message: opened.complaints.append(message.text))
        page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        page.on("dialog", lambda dialog: opened.complaints.append(dialog.message))
        page.on("request", lambda request: opened.requests.append(request.url))
        page.goto(path.as_uri())
        opened.wait()
        return opened

    def check_and_close(self) -> None:
        for opened in self._opened:
            opened.page.close()
            assert opened.complaints == []
            outside = [url for url in opened.requests if not url.startswith(("file:", "data:"))]
            assert outside == []


@pytest.fixture
def opener(browser: Browser, tmp_path: Path) -> Iterator[Opener]:
    """Opens pages; afterwards each must have been silent and asked the network for nothing."""
    pages = Opener(browser, tmp_path)
    yield pages
    pages.check_and_close()


def test_every_cell_is_drawn_for_its_owner(opener: Opener) -> None:
    result = sample_result()
    opened = opener.open(result)
    assert opened.drawn() == Counter(row.owner for row in result.cells)


def test_the_middle_of_every_cell_belongs_to_its_owner(opener: Opener) -> None:
    result = sample_result()
    opened = opener.open(result)
    centres = [h3.cell_to_latlng(row.cell) for row in result.cells]
    hits = opened.page.evaluate("list => list.map(([a, b]) => daengdongMap.hitTest(a, b))", centres)
    assert hits == [
        {"cell": row.cell, "owner": row.owner, "strength": row.strength} for row in result.cells
    ]


def test_the_paint_of_a_cell_is_nearest_to_the_colour_of_its_owner(opener: Opener) -> None:
    result = sample_result()
    opened = opener.open(result)
    for box in opened.page.locator("#layers input").all()[1:]:
        box.uncheck()
    opened.wait()
    colour_of = {player.user_id: player.colour for player in result.players}
    some = result.cells[::9]
    paints = opened.page.evaluate(
        """(places) => {
            const canvas = document.getElementById("canvas");
            const box = canvas.getBoundingClientRect();
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            return places.map(([lat, lng]) => {
                const [x, y] = daengdongMap.pixelOf(lat, lng);
                const at = 4 * (Math.floor(y - box.top) * width + Math.floor(x - box.left));
                return [...data.slice(at, at + 3)];
            });
        }""",
        [h3.cell_to_latlng(row.cell) for row in some],
    )
    assert len(some) >= 20
    for row, (red, green, blue) in zip(some, paints, strict=True):
        hue = _hue(red, green, blue)
        nearest = min(colour_of, key=lambda one: _turn(hue, _hue(*_rgb(colour_of[one]))))
        assert nearest == row.owner


def test_a_cell_under_the_mouse_names_its_owner_and_strength(opener: Opener) -> None:
    result = sample_result()
    opened = opener.open(result)
    name_of = {player.user_id: player.name for player in result.players}
    for row in result.cells[::17]:
        x, y = opened.page.evaluate("p => daengdongMap.pixelOf(...p)", h3.cell_to_latlng(row.cell))
        opened.page.mouse.move(x, y)
        tip = opened.page.locator("#tip").inner_text()
        assert name_of[row.owner] in tip
        assert f"세기 {row.strength} / 5" in tip
        assert row.cell in tip


def test_a_tap_on_a_phone_names_the_owner(opener: Opener) -> None:
    result = sample_result()
    opened = opener.open(result, viewport=PHONE, touch=True)
    row = result.cells[0]
    x, y = opened.page.evaluate("p => daengdongMap.pixelOf(...p)", h3.cell_to_latlng(row.cell))
    opened.page.touchscreen.tap(x, y)
    assert "보리네" in opened.page.locator("#tip").inner_text()


def test_a_phone_shows_everything_without_scrolling_sideways(opener: Opener) -> None:
    result = sample_result()
    opened = opener.open(result, viewport=PHONE)
    assert sum(opened.drawn().values()) == len(result.cells)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_hostile_names_are_shown_and_do_nothing(opener: Opener) -> None:
    result = _renamed(sample_result(), HOSTILE_NAMES)
    opened = opener.open(result)
    assert opened.page.evaluate("window.hacked") is None
    assert opened.page.locator("img").count() == 0
    assert opened.page.locator("script:not([type])").count() == 1
    shown = opened.page.locator("#owners .line > .name").all_inner_texts()
    assert HOSTILE_NAMES[0] in shown
    assert HOSTILE_NAMES[1] in shown
    assert opened.page.evaluate(
        "[...document.querySelectorAll('.name')].every((e) => e.tagName === 'BDI')"
    )
    for button in opened.page.locator("#walks .go").all():
        button.click()
    opened.page.get_by_role("button", name="English").click()
    opened.wait()


def test_hostile_ids_colours_and_codes_do_nothing(opener: Opener) -> None:
    result = sample_result()
    bad = "'\"><svg onload=alert(1)>"
    players = (msgspec.structs.replace(result.players[0], colour=bad), *result.players[1:])
    walks = tuple(
        msgspec.structs.replace(
            walk, title=bad, state=bad, notes=(bad, "__proto__"), events=("toString", bad)
        )
        for walk in result.walks
    )
    rankings = (msgspec.structs.replace(result.rankings[0], scope=bad, measure=bad, period=bad),)
    opened = opener.open(
        msgspec.structs.replace(
            result, players=players, walks=walks, rankings=rankings, source_note=bad
        )
    )
    assert bad in opened.page.locator("#walks").inner_text()
    assert sum(opened.drawn().values()) == len(result.cells)


def test_the_page_allows_only_its_own_script_and_style() -> None:
    html = render(_renamed(sample_result(), HOSTILE_NAMES))
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "unsafe" not in policy[1]
    assert html.count("</script>") == 3
    assert not re.search(r'(?:src|href)="(?!data:|#)', html)


def test_an_empty_result_says_so(opener: Opener) -> None:
    opened = opener.open(empty_result())
    assert opened.drawn() == {}
    assert opened.page.locator("#empty").is_visible()
    assert "아직 순위가 없어요." in opened.page.locator("#ranking").inner_text()


def test_twenty_thousand_cells_are_drawn_and_panning_copies_the_picture(opener: Opener) -> None:
    result = large_result(20_000)
    opened = opener.open(result)
    assert opened.drawn() == Counter(row.owner for row in result.cells)
    painted = opened.page.evaluate("daengdongMap.paints")
    opened.page.mouse.move(500, 400)
    opened.page.mouse.down()
    opened.page.mouse.move(620, 460, steps=12)
    opened.page.mouse.up()
    opened.wait()
    assert opened.page.evaluate("daengdongMap.paints") == painted


def test_an_owner_can_be_hidden_and_shown_again(opener: Opener) -> None:
    opened = opener.open(sample_result())
    before = opened.drawn()
    box = opened.page.locator("#owners input").first
    box.uncheck()
    without = opened.drawn()
    assert len(without) == len(before) - 1
    box.check()
    assert opened.drawn() == before


def test_the_keyboard_moves_the_map_and_reads_the_middle_cell(opener: Opener) -> None:
    opened = opener.open(sample_result())
    opened.page.locator("#map").focus()
    start = opened.page.evaluate("daengdongMap.view")
    for key in ("ArrowLeft", "+"):
        opened.page.keyboard.press(key)
    moved = opened.page.evaluate("daengdongMap.view")
    assert moved["x"] < start["x"]
    assert moved["s"] > start["s"]
    assert opened.page.locator("#spoken").inner_text()
    opened.page.keyboard.press("0")
    assert opened.page.evaluate("daengdongMap.view") == start


def test_the_wheel_keeps_the_place_under_the_mouse(opener: Opener) -> None:
    opened = opener.open(sample_result())
    place = h3.cell_to_latlng(sample_result().cells[0].cell)
    x, y = opened.page.evaluate("p => daengdongMap.pixelOf(...p)", place)
    opened.page.mouse.move(x, y)
    before = opened.page.evaluate("daengdongMap.view.s")
    opened.page.mouse.wheel(0, -240)
    opened.page.evaluate(
        """async (s) => {
            while (daengdongMap.view.s <= s) await new Promise(requestAnimationFrame);
        }""",
        before,
    )
    # The browser reports whole pixels of the mouse.
    assert opened.page.evaluate("p => daengdongMap.pixelOf(...p)", place) == pytest.approx(
        [x, y], abs=1
    )


def test_two_fingers_zoom_around_the_point_between_them(opener: Opener) -> None:
    opened = opener.open(sample_result(), viewport=PHONE, touch=True)
    before = opened.page.evaluate("daengdongMap.view.s")
    fingers = opened.page.context.new_cdp_session(opened.page)

    def touch(kind: str, half_px: int) -> None:
        points = [{"x": 195 + side * half_px, "y": 230, "id": side + 1} for side in (-1, 1)]
        event = {"type": kind, "touchPoints": [] if kind == "touchEnd" else points}
        fingers.send("Input.dispatchTouchEvent", event)

    touch("touchStart", 40)
    for half_px in (50, 60, 70, 80):
        touch("touchMove", half_px)
    touch("touchEnd", 80)
    opened.wait()
    assert opened.page.evaluate("daengdongMap.view.s") == pytest.approx(2 * before, rel=0.02)


def test_a_walk_of_the_list_is_brought_into_sight(opener: Opener) -> None:
    result = sample_result()
    opened = opener.open(result, viewport=PHONE)
    opened.page.locator("#walks .go").nth(3).click()
    opened.wait()
    for end in (result.walks[3].track[0], result.walks[3].track[-1]):
        x, y = opened.page.evaluate("p => daengdongMap.pixelOf(...p)", end)
        assert 0 < x < PHONE["width"]
        assert 0 < y < PHONE["height"] * 0.54


def test_rankings_and_walks_tell_the_same_as_the_result(opener: Opener) -> None:
    result = sample_result()
    opened = opener.open(result)
    rows = opened.page.locator("#ranking tbody tr")
    assert rows.count() == len(result.rankings[0].rows)
    assert "219칸" in rows.first.inner_text()
    opened.page.get_by_role("tab", name="거리").click()
    assert "2.31 km" in opened.page.locator("#ranking tbody").inner_text()
    car = opened.page.locator("#walks > li").nth(3).inner_text()
    assert "순위에 세지 않음" in car
    assert "자동차로 움직인 구간은 세지 않아요" in car
    assert "꺼졌다 이어감" in opened.page.locator("#walks > li").nth(1).inner_text()


def test_the_page_speaks_korean_first_and_english_on_request(opener: Opener) -> None:
    opened = opener.open(sample_result(), dark=True)
    assert opened.page.evaluate("document.documentElement.lang") == "ko"
    opened.page.get_by_role("button", name="English").click()
    assert opened.page.evaluate("document.documentElement.lang") == "en"
    texts = opened.page.locator("h1, h2, dt, thead th, .badge, .layers").all_inner_texts()
    assert not re.search("[가-힣]", " ".join(texts))
    assert "undefined" not in opened.page.locator("body").inner_text()


def test_cells_across_the_date_line_stay_whole(opener: Opener) -> None:
    result = sample_result()
    disk = sorted(h3.grid_disk(h3.latlng_to_cell(-16.5, 179.9999, 11), 8))
    rows = tuple(
        msgspec.structs.replace(
            result.cells[0], cell=cell, owner="u1", boundary=tuple(h3.cell_to_boundary(cell))
        )
        for cell in disk
    )
    opened = opener.open(msgspec.structs.replace(result, cells=rows, walks=()))
    assert opened.drawn() == {"u1": len(disk)}
    assert opened.page.evaluate("daengdongMap.view.metres_per_pixel") < 2


def test_a_cell_of_an_owner_nobody_listed_is_drawn_without_a_name(opener: Opener) -> None:
    result = sample_result()
    opened = opener.open(msgspec.structs.replace(result, players=()))
    assert sum(opened.drawn().values()) == len(result.cells)
    assert "이름 없음" in opened.page.locator("#owners").inner_text()


def test_an_unknown_rules_version_is_refused() -> None:
    with pytest.raises(UnknownRulesVersion):
        render(msgspec.structs.replace(sample_result(), rules_version="1901.1"))


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _hue(red: int, green: int, blue: int) -> float:
    return math.degrees(math.atan2(math.sqrt(3) * (green - blue), 2 * red - green - blue))


def _turn(a: float, b: float) -> float:
    return abs((a - b + 180) % 360 - 180)


def _renamed(result: DemoResult, names: tuple[str, ...]) -> DemoResult:
    replace = msgspec.structs.replace
    name_of = dict(zip((p.user_id for p in result.players), itertools.cycle(names), strict=False))
    return replace(
        result,
        players=tuple(
            replace(player, name=names[n % len(names)], dog=names[(n + 2) % len(names)])
            for n, player in enumerate(result.players)
        ),
        walks=tuple(
            replace(walk, title=names[-1 - n % len(names)]) for n, walk in enumerate(result.walks)
        ),
        rankings=tuple(
            replace(
                ranking,
                rows=tuple(replace(row, name=name_of[row.user_id]) for row in ranking.rows),
            )
            for ranking in result.rankings
        ),
    )
