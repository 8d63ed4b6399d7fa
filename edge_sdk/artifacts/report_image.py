"""The report picture: five scores, stance times, joint angles, measures with their errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from edge_sdk.artifacts import words
from edge_sdk.artifacts.overlay import contact_spans
from edge_sdk.artifacts.palette import (
    FAINT,
    FAIR,
    GOOD,
    INK,
    LEFT,
    LINE,
    PAPER,
    POOR,
    RIGHT,
    Colour,
    pillow,
    score_colour,
)
from edge_sdk.artifacts.sheet import Box, Sheet
from edge_sdk.gait.anatomy import LIMBS
from edge_sdk.gait.measures import Measure
from edge_sdk.gait.report import AngleCurve, GaitReport
from edge_sdk.gait.scores import METRICS

WIDTH: Final = 1240
MARGIN: Final = 48
GAP: Final = 24
_LEVEL_COLOUR: Final[dict[str | None, Colour]] = {
    "low": GOOD, "medium": FAIR, "high": POOR, None: FAINT,
}  # fmt: skip
_LIMB_ROWS: Final = ("FL", "FR", "RL", "RR")
_SIDE_COLOUR: Final[dict[str, Colour]] = {"left": LEFT, "right": RIGHT}


def write_report_image(report: GaitReport, picture: Any | None, path: Path) -> Path:
    """Write a png of the report, with `picture` (of Pillow) of the dog when there is one.

    Words are Korean where the system has a font for them, else English. Raises `MissingExtra`
    without Pillow.
    """
    sheet = Sheet(WIDTH, 1640)
    y = _header(sheet, report)
    y = _scores(sheet, report, picture, y)
    y = _stances(sheet, report, y)
    y = _angles(sheet, report, y)
    y = _measures(sheet, report, y)
    bottom = sheet.paragraph(MARGIN, y + 8, WIDTH - 2 * MARGIN, sheet.say(words.FOOTER), 15, FAINT)
    image = sheet.image().crop((0, 0, WIDTH, min(sheet.height, round(bottom + 28))))
    image.save(path, optimize=True)
    return path


def _header(sheet: Sheet, report: GaitReport) -> float:
    sheet.text(MARGIN, 44, sheet.say(words.TITLE), 38, bold=True)
    level = report.overall_risk_level
    badge = sheet.say(words.LEVELS[level])
    width = sheet.text_width(badge, 22, bold=True) + 40
    box = (WIDTH - MARGIN - width, 46, WIDTH - MARGIN, 90)
    sheet.panel(box, _LEVEL_COLOUR[level], radius=22)
    sheet.text((box[0] + box[2]) / 2, 68, badge, 22, colour=PAPER, bold=True, anchor="mm")
    processing = report.processing
    facts = " · ".join(
        part
        for part in (
            report.analyze_at[:10],
            f"{processing.video_duration_sec:.1f} {sheet.say(words.SECONDS)}",
            f"{processing.frames_sampled} frames · {processing.fps_used:.0f} fps",
            sheet.say(words.GAITS.get(report.gait, ("", ""))),
        )
        if part
    )
    sheet.text(MARGIN, 100, facts, 16, colour=FAINT)
    summary = sheet.say((report.summary, report.summary_en))
    return sheet.paragraph(MARGIN, 134, WIDTH - 2 * MARGIN, summary, 20, most_lines=3) + 12


def _scores(sheet: Sheet, report: GaitReport, picture: Any | None, y: float) -> float:
    height = 348.0
    left = MARGIN
    if picture is not None:
        wide = picture.width / picture.height >= 1.2
        span = 470.0 if wide else 300.0
        sheet.picture(picture, (MARGIN, y, MARGIN + span, y + height))
        left = round(MARGIN + span + GAP)
    sheet.panel((left, y, WIDTH - MARGIN, y + height))
    sheet.text(left + 24, y + 20, sheet.say(words.SCORES_TITLE), 18, bold=True)
    for row, name in enumerate(METRICS):
        metric = report.metrics[name]
        top = y + 62 + row * 56
        sheet.text(left + 24, top, sheet.say(words.SCORES[name]), 18)
        bar: Box = (left + 24, top + 28, WIDTH - MARGIN - 120, top + 40)
        sheet.bar(bar, LINE, radius=6)
        if metric.score is None:
            sheet.text(bar[2] + 100, top + 34, "–", 30, colour=FAINT, bold=True, anchor="rm")
            # A clip that was refused says why in its summary, once.
            if report.refusal is None:
                reason = sheet.say((report.description(name), report.description_en(name)))
                shown = _fitted(sheet, reason, bar[2] - bar[0] - 130, 14)
                sheet.text(bar[2], top + 12, shown, 14, colour=FAINT, anchor="rm")
            continue
        span = bar[2] - bar[0]
        colour = score_colour(metric.score)
        sheet.bar((bar[0], bar[1], bar[0] + span * metric.score / 100, bar[3]), colour, radius=6)
        if metric.ci95 is not None:
            ends = [bar[0] + span * end / 100 for end in metric.ci95]
            sheet.line([(ends[0], top + 34), (ends[1], top + 34)], INK, 1.6)
            for end in ends:
                sheet.line([(end, top + 29), (end, top + 39)], INK, 1.6)
        sheet.text(bar[2] + 100, top + 34, f"{metric.score:.0f}", 30, colour=colour, bold=True,
                   anchor="rm")  # fmt: skip
    return y + height + GAP


def _stances(sheet: Sheet, report: GaitReport, y: float) -> float:
    spans = contact_spans(report, 0.0)
    ends = [up for own in spans for _, up in own]
    if not ends:
        return y
    height = 236.0
    sheet.panel((MARGIN, y, WIDTH - MARGIN, y + height))
    sheet.text(MARGIN + 24, y + 18, sheet.say(words.STANCE_TITLE), 18, bold=True)
    last_ms = max(*ends, 1000 * report.view.duration_s)
    left, right = MARGIN + 170, WIDTH - MARGIN - 28

    def x_of(ms: float) -> float:
        return left + (right - left) * min(max(ms / last_ms, 0.0), 1.0)

    for second in range(int(last_ms // 1000) + 1):
        x = x_of(1000 * second)
        sheet.line([(x, y + 54), (x, y + 200)], LINE)
        label = f"{second}" if second else f"0 {sheet.say(words.SECONDS)}"
        sheet.text(x, y + 206, label, 14, colour=FAINT, anchor="ma")
    for row, limb in enumerate(_LIMB_ROWS):
        top = y + 58 + row * 36
        sheet.text(MARGIN + 24, top + 12, sheet.say(words.LIMBS[limb]), 16, anchor="lm")
        colour = LEFT if limb.endswith("L") else RIGHT
        for down, up in spans[LIMBS.index(limb)]:
            sheet.bar((x_of(down), top, x_of(up), top + 24), colour)
        for down, up in _carried(report, limb):
            sheet.frame((x_of(down), top + 3, x_of(up), top + 21), POOR, 1.4)
            middle_x = (x_of(down) + x_of(up)) / 2
            # Drawn, not written: not every font has the sign.
            for slope in (-4, 4):
                stroke = [(middle_x - 4, top + 12 - slope), (middle_x + 4, top + 12 + slope)]
                sheet.line(stroke, POOR, 1.4)
    return y + height + GAP


def _carried(report: GaitReport, limb: str) -> list[tuple[float, float]]:
    for contacts in report.contacts:
        if contacts.limb == limb:
            steps = zip(contacts.touchdown_ms, contacts.liftoff_ms, contacts.carried, strict=True)
            return [(down, up) for down, up, carried in steps if carried]
    return []


def _angles(sheet: Sheet, report: GaitReport, y: float) -> float:
    if not report.angles:
        return y
    height = 264.0
    half = (WIDTH - 2 * MARGIN - GAP) / 2
    for column, joint in enumerate(("stifle", "hock")):
        left = MARGIN + column * (half + GAP)
        box = (left, y, left + half, y + height)
        sheet.panel(box)
        sheet.text(left + 24, y + 18, sheet.say(words.JOINTS[joint]), 18, bold=True)
        curves = [curve for curve in report.angles if curve.joint == joint]
        _curves(sheet, curves, (left + 66, y + 60, left + half - 24, y + height - 44))
    legend_x = float(WIDTH - MARGIN - 24)
    for side, label in (("right", words.RIGHT), ("left", words.LEFT)):
        text = sheet.say(label)
        legend_x -= sheet.text_width(text, 15)
        sheet.text(legend_x, y + 30, text, 15, anchor="lm")
        sheet.dot(legend_x - 13, y + 30, 6, _SIDE_COLOUR[side])
        legend_x -= 36
    return y + height + GAP


def _curves(sheet: Sheet, curves: list[AngleCurve], box: Box) -> None:
    values = np.array([curve.degrees for curve in curves])
    low = np.floor(values.min() / 10) * 10
    high = max(np.ceil(values.max() / 10) * 10, low + 20)
    left, top, right, bottom = box

    def y_of(degrees: float) -> float:
        return float(bottom - (bottom - top) * (degrees - low) / (high - low))

    step = 20 if high - low > 50 else 10
    for degrees in np.arange(low, high + 1, step):
        sheet.line([(left, y_of(degrees)), (right, y_of(degrees))], LINE)
        sheet.text(left - 8, y_of(degrees), f"{degrees:.0f}°", 14, colour=FAINT, anchor="rm")
    for percent in (0, 25, 50, 75, 100):
        x = left + (right - left) * percent / 100
        sheet.text(x, bottom + 6, f"{percent}", 14, colour=FAINT, anchor="ma")
    sheet.text((left + right) / 2, bottom + 24, sheet.say(words.STRIDE), 13, colour=FAINT,
               anchor="ma")  # fmt: skip
    for curve in curves:
        closed = [*curve.degrees, curve.degrees[0]]
        across = np.linspace(left, right, len(closed))
        path = [(float(x), y_of(degrees)) for x, degrees in zip(across, closed, strict=True)]
        sheet.line(path, _SIDE_COLOUR[curve.side], 2.6)


def _measures(sheet: Sheet, report: GaitReport, y: float) -> float:
    known = [
        (name, measure)
        for name in words.MEASURES
        if (measure := report.measures.get(name)) is not None and measure.value is not None
    ]
    if not known:
        return y
    # Two columns of a table are easier to read on a phone than a long one.
    rows = -(-len(known) // 2)
    height = 92.0 + 30 * rows
    sheet.panel((MARGIN, y, WIDTH - MARGIN, y + height))
    sheet.text(MARGIN + 24, y + 18, sheet.say(words.MEASURES_TITLE), 18, bold=True)
    half = (WIDTH - 2 * MARGIN - 48) / 2
    for column in range(2):
        left = MARGIN + 24 + column * (half + 12)
        places = (left, left + 322, left + 424, left + half - 20)
        for x, heading, anchor in zip(
            places[1:], words.COLUMNS[1:4], ("ra", "ra", "ra"), strict=True
        ):
            sheet.text(x, y + 52, sheet.say(heading), 13, colour=FAINT, anchor=anchor)
        for row, (name, measure) in enumerate(known[column * rows : (column + 1) * rows]):
            _measure_row(sheet, name, measure, places, y + 76 + 30 * row)
    return y + height + GAP / 2


def _measure_row(
    sheet: Sheet, name: str, measure: Measure, places: tuple[float, ...], y: float
) -> None:
    sheet.text(places[0], y, sheet.say(words.MEASURES[name]), 15)
    unit = sheet.say(words.UNITS.get(measure.unit, (measure.unit, measure.unit)))
    joined = "" if unit in ("%", "°") else " "
    sheet.text(places[1], y, f"{measure.value:.1f}{joined}{unit}", 15, bold=True, anchor="ra")
    if measure.ci95 is not None:
        low, high = measure.ci95
        sheet.text(places[2], y, f"{low:.1f} ~ {high:.1f}", 15, anchor="ra")
    if measure.mdc95 is not None:
        sheet.text(places[3], y, f"± {measure.mdc95:.1f}", 15, colour=FAINT, anchor="ra")


def _fitted(sheet: Sheet, text: str, room: float, size: int) -> str:
    """The text, cut with an ellipsis where it is too long."""
    if sheet.text_width(text, size) <= room:
        return text
    while text and sheet.text_width(text + "…", size) > room:
        text = text[:-1]
    return text.rstrip() + "…"


def representative_picture(image: np.ndarray[Any, np.dtype[np.uint8]]) -> Any:
    """A frame as a picture of Pillow."""
    return pillow("Image").fromarray(image)
