"""Mission and Emotion Reference Store: JSON files that an operator edits while the server runs.

`DAENGDONG_REFERENCES_DIR` holds `missions.json` and `emotions.json` (what is missing there comes
with the program). A file is looked at before each use and taken over whole, or refused whole: an
edit that is broken, incomplete or contradicts itself changes nothing but a log line and a metric.
Results carry the version (a hash of the content) that they were made by.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

import msgspec
import structlog
from prometheus_client import Counter

from edge_sdk.errors import EdgeError
from edge_sdk.face.narration import EMOTIONS_FILE, EmotionReferences, check_references
from edge_sdk.mission.result import MISSIONS_FILE, Mission, MissionReference, MissionReferences
from edge_sdk.references.texts import Text, Texts

log = structlog.get_logger(__name__)
File = TypeVar("File")
MAX_BYTES: Final = 1_000_000
_RACY_NS: Final = 2_000_000_000
"""A file changed this recently may change again without a new time: its content is compared."""
_SECONDS_KO: Final = re.compile(r"(\d+(?:\.\d+)?)\s*초")
_SECONDS_EN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(?:-\s*)?(?:seconds?|s\b)")
_DEGREES_KO: Final = re.compile(r"(\d+(?:\.\d+)?)\s*도")
_DEGREES_EN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(?:-\s*)?degrees?")

REFUSED = Counter("daengdong_references_refused_total", "Edits of references refused", ("file",))
LOADED = Counter("daengdong_references_loaded_total", "References taken over", ("file",))


class ReferencesInvalid(Exception):
    """An edit that cannot be taken over; the message says where and why."""


@dataclass(frozen=True)
class InForce(Generic[File]):
    """References with the version they are known by in results."""

    value: File
    version: str


@dataclass(frozen=True)
class Criteria:
    """What a judge goes by for one mission."""

    reference: MissionReference
    uncertain: Text
    version: str

    @property
    def hold_s(self) -> float | None:
        """The shortest time that the criteria ask for; None where they ask for none."""
        return min(
            (value for value, unit in _numbers(self.reference.success_criteria) if unit == "s"),
            default=None,
        )


class ReferenceStore(Generic[File]):
    """One file; `current` is what is in force now.

    `read` decodes and checks a file (any exception refuses it), `shipped` is the program's own:
    it is in force until the operator's file is there and sound.
    """

    def __init__(self, path: Path, shipped: Path, read: Callable[[Path, bytes], File]) -> None:
        self._path, self._read = path, read
        self._looking = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._seen_hash = ""
        self._in_force = self._taken(shipped, shipped.read_bytes())
        self.current()

    def current(self) -> InForce[File]:
        """Return what is in force, looking at the file first (one `stat` when nothing changed).

        Thread-safe: looks are one after another, so that an older one cannot end last.
        """
        with self._looking:
            return self._looked()

    def _looked(self) -> InForce[File]:
        try:
            state = os.stat(self._path)
        except OSError as error:
            if self._seen is not None or not isinstance(error, FileNotFoundError):
                self._refuse(f"cannot be read: {type(error).__name__}", f"stat:{error.errno}")
                self._seen = None
            return self._in_force
        mark = (state.st_mtime_ns, state.st_size, state.st_ino)
        if mark != self._seen or time.time_ns() - state.st_mtime_ns < _RACY_NS:
            self._look(mark)
        return self._in_force

    def _look(self, mark: tuple[int, int, int]) -> None:
        try:
            if mark[1] > MAX_BYTES:
                raise ReferencesInvalid(f"larger than {MAX_BYTES} bytes")
            content = self._path.read_bytes()
        except (OSError, ReferencesInvalid) as error:
            self._refuse(str(error), f"{mark}")
            return
        finally:
            self._seen = mark
        digest = hashlib.sha256(content).hexdigest()
        if digest == self._seen_hash:
            return
        try:
            taken = self._taken(self._path, content)
        except (ReferencesInvalid, EdgeError, ValueError, msgspec.MsgspecError) as error:
            self._refuse(str(error), digest)
            return
        self._seen_hash = digest
        if taken.version != self._in_force.version:
            LOADED.labels(self._path.name).inc()
            log.info("references_loaded", file=self._path.name, version=taken.version)
        # One assignment: who asks gets the old whole or the new whole.
        self._in_force = taken

    def _refuse(self, reason: str, mark: str) -> None:
        if self._seen_hash == mark:
            return
        self._seen_hash = mark
        REFUSED.labels(self._path.name).inc()
        log.error(
            "references_refused", file=str(self._path), reason=reason[:500],
            in_force=self._in_force.version,
        )  # fmt: skip

    def _taken(self, path: Path, content: bytes) -> InForce[File]:
        value = self._read(path, content)
        return InForce(value, hashlib.sha256(content).hexdigest()[:12])


class MissionReferenceStore(ReferenceStore[MissionReferences]):
    """Criteria of the missions; the folder may be empty (then the program's file is in force)."""

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__(_in(folder, MISSIONS_FILE), MISSIONS_FILE, _read_missions)

    def criteria(self, mission: Mission) -> Criteria:
        """What is in force for a mission."""
        now = self.current()
        return Criteria(now.value.missions[mission], now.value.uncertain, now.version)


class EmotionReferenceStore(ReferenceStore[EmotionReferences]):
    """How to read emotions and what to say of them."""

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__(_in(folder, EMOTIONS_FILE), EMOTIONS_FILE, _read_emotions)


def contradictions(references: MissionReferences) -> list[str]:
    """What in the missions' criteria contradicts itself, in words; empty when nothing does.

    Numbers (seconds, degrees) must agree between Korean and English item by item, and a number in
    a failure case or in the words of a failure must be one that the criteria ask for.
    """
    found: list[str] = []
    for mission, own in references.missions.items():
        if own.mission_type is not mission:
            found.append(f"{mission}: mission_type is {own.mission_type}")
        asked = _numbers(own.success_criteria)
        for name, texts in (
            ("success_criteria", own.success_criteria),
            ("failure_cases", own.failure_cases),
        ):
            if not texts.ko or len(texts.ko) != len(texts.en):
                found.append(f"{mission}.{name}: as many items in Korean as in English, at least 1")
            for ko, en in zip(texts.ko, texts.en, strict=False):
                if _numbers_ko(ko) != _numbers_en(en):
                    found.append(f"{mission}.{name}: {ko!r} and {en!r} differ in their numbers")
        for text in (own.success, own.fail, own.capture_hint, own.device_note or Text("", "")):
            if _numbers_ko(text.ko) != _numbers_en(text.en):
                found.append(f"{mission}: {text.ko!r} and {text.en!r} differ in their numbers")
        told = _numbers(own.failure_cases) | _numbers_ko(own.fail.ko)
        for value, unit in sorted(told - asked):
            found.append(f"{mission}: a failure speaks of {value:g} {unit}, the criteria do not")
    return found


def _read_missions(path: Path, content: bytes) -> MissionReferences:
    references = msgspec.json.decode(content, type=MissionReferences)
    missing = set(Mission) - set(references.missions)
    if missing:
        raise ReferencesInvalid(f"no reference for {', '.join(sorted(missing))}")
    _no_empty_text(references, path.name)
    problems = contradictions(references)
    if problems:
        raise ReferencesInvalid("; ".join(problems))
    return references


def _read_emotions(path: Path, content: bytes) -> EmotionReferences:
    references = msgspec.json.decode(content, type=EmotionReferences)
    check_references(references, path)
    _no_empty_text(references, path.name)
    return references


def _no_empty_text(node: object, where: str) -> None:
    if isinstance(node, str):
        if not node.strip():
            raise ReferencesInvalid(f"{where} is empty")
    elif isinstance(node, msgspec.Struct):
        for name in node.__struct_fields__:
            _no_empty_text(getattr(node, name), f"{where}.{name}")
    elif isinstance(node, dict):
        for name, value in node.items():
            _no_empty_text(value, f"{where}.{name}")
    elif isinstance(node, tuple):
        for number, value in enumerate(node):
            _no_empty_text(value, f"{where}[{number}]")


def _in(folder: Path | None, shipped: Path) -> Path:
    return shipped if folder is None else folder / shipped.name


def _numbers(texts: Texts) -> set[tuple[float, str]]:
    return set().union(*(_numbers_ko(text) for text in texts.ko))


def _numbers_ko(text: str) -> set[tuple[float, str]]:
    return _found(text, _SECONDS_KO, "s") | _found(text, _DEGREES_KO, "deg")


def _numbers_en(text: str) -> set[tuple[float, str]]:
    return _found(text, _SECONDS_EN, "s") | _found(text, _DEGREES_EN, "deg")


def _found(text: str, pattern: re.Pattern[str], unit: str) -> set[tuple[float, str]]:
    return {(float(one), unit) for one in pattern.findall(text)}
