"""Reading GPX 1.0 and 1.1 as a stream: bounded memory, and a typed error for each kind of bad file.

GPX 1.1 schema: https://www.topografix.com/GPX/1/1/gpx.xsd. Elements are found by their local
names, because devices write tracks in several namespaces or none.
"""

from __future__ import annotations

import os
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Final
from xml.parsers import expat

import numpy as np
import numpy.typing as npt

from edge_sdk.errors import GpxInvalid, GpxRefused, GpxTooLarge, GpxWithoutTimes
from edge_sdk.sync.packed import TIME_LIMIT_MS
from game_engine.track import Fixes

MAX_BYTES: Final = 64_000_000
MAX_POINTS: Final = 1_000_000
MAX_DEPTH: Final = 64
METRES_PER_HDOP: Final = 5.0
"""Accuracy of a fix with hdop 1: the usual user range error of civil GPS."""
PACE_MPS: Final = (0.1, 10.0)
_READ_BYTES: Final = 65_536
_TOKEN_BYTES: Final = 1_000_000
_TEXT_CHARS: Final = 100
_EARTH_M: Final = 6_371_008.8
_UNKNOWN: Final = -1
_WANTED: Final = frozenset({"time", "hdop", "accuracy", "steps"})
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:?[0-9]{2})?",
    re.ASCII,
)


@dataclass(frozen=True, eq=False, slots=True)
class GpxTrack:
    """What a GPX file holds: its fixes, and how many points had no time and were left out."""

    fixes: Fixes
    points: int
    points_without_time: int
    segments: int
    paced: bool


def read_gpx(source: str | Path | bytes, pace_mps: float | None = None) -> Fixes:
    """Return the track points of a GPX file, all tracks and segments in order.

    With `pace_mps` a file without any time is walked at that speed, one fix a second, beginning
    at the file's own time or 1970. Accuracy is an extension element named `accuracy` (m), or 5 m
    times hdop. Raises GpxInvalid, GpxWithoutTimes, GpxRefused, GpxTooLarge.
    """
    return read_gpx_track(source, pace_mps).fixes


def read_gpx_track(
    source: str | Path | bytes, pace_mps: float | None = None, *, start_ms: int | None = None
) -> GpxTrack:
    """Do as `read_gpx` and say how many points there were; `start_ms` is where a pace begins."""
    if pace_mps is not None and not PACE_MPS[0] <= pace_mps <= PACE_MPS[1]:
        raise GpxInvalid(f"a pace is {PACE_MPS[0]} to {PACE_MPS[1]} m/s, not {pace_mps}")
    reader = _Reader()
    fed = 0
    for part in _parts(source):
        fed += len(part)
        if fed > MAX_BYTES:
            raise GpxTooLarge(f"more than {MAX_BYTES // 1_000_000} MB")
        reader.feed(part, fed)
    reader.end()
    return reader.track(pace_mps, start_ms)


def _parts(source: str | Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        with BytesIO(source) as memory:
            yield from iter(lambda: memory.read(_READ_BYTES), b"")
        return
    try:
        with open(source, "rb") as file:
            if os.fstat(file.fileno()).st_size > MAX_BYTES:
                raise GpxTooLarge(f"{source}: more than {MAX_BYTES // 1_000_000} MB")
            yield from iter(lambda: file.read(_READ_BYTES), b"")
    except OSError as error:
        raise GpxInvalid(f"{source}: {error.strerror}") from error


class _Reader:
    """Handlers of the XML parser and the columns that they fill."""

    def __init__(self) -> None:
        self._t_ms = array("q")
        self._lat, self._lng = array("d"), array("d")
        self._accuracy = array("d")
        self._steps = array("q")
        self._segment = array("l")
        self._segments = 0
        self._timed = 0
        self._path: list[str] = []
        self._in_point = False
        self._text: list[str] | None = None
        self._text_chars = 0
        self._values: dict[str, str] = {}
        self._file_time_ms: int | None = None
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.EntityDeclHandler = _refuse_doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        self._parser = parser

    def feed(self, part: bytes, fed: int) -> None:
        try:
            self._parser.Parse(part, False)
        except expat.ExpatError as error:
            raise GpxInvalid(f"not XML: {error}") from None
        # What the parser holds back is one token: a tag or a comment of a megabyte is no GPX.
        if fed - max(self._parser.CurrentByteIndex, 0) > _TOKEN_BYTES:
            raise GpxRefused(f"line {self._parser.CurrentLineNumber}: an element past 1 MB")

    def end(self) -> None:
        try:
            self._parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise GpxInvalid(f"not XML: {error}") from None

    # --- handlers --------------------------------------------------------------------------------
    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(" ")[2]
        if not self._path and local != "gpx":
            raise GpxInvalid(f"not GPX: the first element is <{local[:40]}>")
        if len(self._path) >= MAX_DEPTH:
            raise GpxRefused(f"elements nested more than {MAX_DEPTH} deep")
        self._path.append(local)
        self._text = None
        if self._in_point:
            if local.lower() in _WANTED:
                self._text, self._text_chars = [], 0
        elif local == "trkpt":
            self._begin_point(attributes)
        elif local == "trkseg":
            self._segments += 1
        elif local == "time" and self._path[1:-1] in ([], ["metadata"]):
            self._text, self._text_chars = [], 0

    def _characters(self, text: str) -> None:
        if self._text is not None:
            self._text_chars += len(text)
            if self._text_chars > _TEXT_CHARS:
                raise GpxInvalid(f"{self._where()}: <{self._path[-1]}> is too long")
            self._text.append(text)

    def _end(self, name: str) -> None:
        local = self._path.pop()
        text = None if self._text is None else "".join(self._text).strip()
        self._text = None
        if self._in_point:
            if local == "trkpt":
                self._end_point()
            elif text:
                self._values[local.lower()] = text
        elif local == "time" and text and self._file_time_ms is None:
            self._file_time_ms = self._read_time(text)

    def _begin_point(self, attributes: dict[str, str]) -> None:
        if len(self._lat) >= MAX_POINTS:
            raise GpxTooLarge(f"more than {MAX_POINTS} points")
        lat, lng = (self._degrees(attributes, *limits) for limits in (("lat", 90), ("lon", 180)))
        self._lat.append(lat)
        self._lng.append(lng)
        self._segment.append(self._segments)
        self._values = {}
        self._in_point = True

    def _end_point(self) -> None:
        self._in_point = False
        time = self._values.get("time")
        self._t_ms.append(_UNKNOWN if time is None else self._read_time(time))
        self._timed += time is not None
        accuracy = _number(self._values.get("accuracy"))
        if np.isnan(accuracy):
            accuracy = METRES_PER_HDOP * _number(self._values.get("hdop"))
        self._accuracy.append(accuracy)
        steps = _number(self._values.get("steps"))
        self._steps.append(int(steps) if 0 <= steps < 2**31 else _UNKNOWN)

    def _degrees(self, attributes: dict[str, str], name: str, limit: int) -> float:
        value = _number(attributes.get(name))
        if not -limit <= value <= limit:
            given = attributes.get(name, "missing")
            raise GpxInvalid(f"{self._where(1)}: {name} is {given[:40]!r}")
        return value

    def _read_time(self, text: str) -> int:
        try:
            if _TIME.fullmatch(text) is None:
                raise ValueError
            moment = datetime.fromisoformat(text)
            # GPX times are UTC; one without a zone is taken as that.
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            at_ms = round(moment.timestamp() * 1000)
        except (ValueError, OverflowError):
            raise GpxInvalid(f"{self._where()}: time {text[:40]!r}") from None
        if not 0 <= at_ms < TIME_LIMIT_MS:
            raise GpxInvalid(f"{self._where()}: time {text[:40]!r} is before 1970")
        return at_ms

    def _where(self, ahead: int = 0) -> str:
        line = self._parser.CurrentLineNumber
        return f"point {len(self._lat) + ahead}, line {line}"

    # --- result ----------------------------------------------------------------------------------
    def track(self, pace_mps: float | None, start_ms: int | None) -> GpxTrack:
        points = len(self._lat)
        if points == 0:
            raise GpxInvalid("the file has no track point")
        t_ms = np.array(self._t_ms, dtype=np.int64)
        lat, lng = np.array(self._lat), np.array(self._lng)
        accuracy = np.array(self._accuracy)
        steps = _filled_steps(np.array(self._steps, dtype=np.int64))
        if self._timed:
            known = t_ms != _UNKNOWN
            fixes = Fixes.of(t_ms, lat, lng, accuracy, steps=steps).take(known)
            return GpxTrack(fixes, points, points - self._timed, self._segments, False)
        if pace_mps is None:
            raise GpxWithoutTimes(
                f"none of {points} points has a time: give a pace (m/s) to walk the track at"
            )
        begin_ms = next((ms for ms in (start_ms, self._file_time_ms) if ms is not None), 0)
        segment = np.array(self._segment, dtype=np.int64)
        fixes = _walked(lat, lng, accuracy, segment, pace_mps, begin_ms)
        return GpxTrack(fixes, points, points, self._segments, True)


def _refuse_doctype(*_: object) -> None:
    raise GpxRefused("a GPX file has no document type and no entities")


def _number(text: str | None) -> float:
    """Return a plain number; NaN for anything else, which no range takes."""
    try:
        return float("nan") if text is None or "_" in text else float(text)
    except ValueError:
        return float("nan")


def _filled_steps(steps: npt.NDArray[np.int64]) -> npt.NDArray[np.int64] | None:
    """Fill missing counts with the last one known, else the first; None where there is none."""
    known = np.flatnonzero(steps != _UNKNOWN)
    if len(known) == 0:
        return None
    places = np.searchsorted(known, np.arange(len(steps)), side="right") - 1
    filled: npt.NDArray[np.int64] = steps[known[np.maximum(places, 0)]]
    return filled


def _walked(
    lat: npt.NDArray[np.float64],
    lng: npt.NDArray[np.float64],
    accuracy: npt.NDArray[np.float64],
    segment: npt.NDArray[np.int64],
    pace_mps: float,
    start_ms: int,
) -> Fixes:
    """Return fixes of a line walked at a pace: one a second within a segment, none between."""
    phi, half_dlat = np.radians(lat), np.radians(np.diff(lat)) / 2
    half_dlng = np.radians((np.diff(lng) + 180) % 360 - 180) / 2
    chord = np.sin(half_dlat) ** 2 + np.cos(phi[:-1]) * np.cos(phi[1:]) * np.sin(half_dlng) ** 2
    step_s = 2 * _EARTH_M * np.arcsin(np.sqrt(np.minimum(chord, 1.0))) / pace_mps
    at_s = np.concatenate([[0.0], np.cumsum(step_s)])
    if at_s[-1] > MAX_POINTS:
        raise GpxTooLarge(f"walked at {pace_mps} m/s this track has more than {MAX_POINTS} fixes")
    seconds = np.arange(int(at_s[-1]) + 1, dtype=np.float64)
    before = np.clip(np.searchsorted(at_s, seconds, side="right") - 1, 0, len(at_s) - 1)
    after = np.minimum(before + 1, len(at_s) - 1)
    within = (segment[before] == segment[after]) | (seconds == at_s[before])
    seconds = seconds[within]
    turns = np.unwrap(lng, period=360.0)
    return Fixes.of(
        start_ms + np.rint(seconds * 1000).astype(np.int64),
        np.interp(seconds, at_s, lat),
        (np.interp(seconds, at_s, turns) + 180) % 360 - 180,
        accuracy[before[within]],
    )
