"""A disease that is said to be certain, said as a possibility, with the same beginning."""

from __future__ import annotations

import re
from typing import Final

from sync_server.ai.vet.safety import judge_en, judge_ko
from sync_server.ai.vet.safety.names import Seen
from sync_server.ai.vet.safety.text import plain

_CERTAINLY: Final = re.compile(r"\b(?:definitely|clearly|certainly|obviously) ", re.IGNORECASE)
_LATER_KO: Final = "일 가능성이 있어요. 정확한 판단은 수의사 진료가 필요해요."


def softened(raw: str, seen: Seen) -> str:
    """Say a disease as a possibility, or return nothing where none is claimed."""
    for kind, _begin, end in seen.solid_names:
        if kind == "disease" and judge_ko.claims(seen.solid, end):
            return raw[: _raw_place(raw, end)] + _LATER_KO
    several = sum(kind == "disease" for kind, _, _ in seen.word_names) > 1
    for kind, begin, end in () if several else seen.word_names:
        if kind == "disease" and judge_en.claims(seen.words, begin + 1):
            count = len("".join(seen.words[:end].split()))
            start = _raw_place(raw, len("".join(seen.words[: begin + 1].split())))
            name = raw[start : _raw_place(raw, count)].strip()
            lead = _CERTAINLY.sub("", raw[:start]).rstrip()
            if re.search(r"\b(?:a|an)$", lead, re.IGNORECASE):
                return f"{lead} {name}-like problem, but only a vet's examination can tell."
            return f"{lead} something that could be {name}, but only a vet's examination can tell."
    return ""


def _raw_place(raw: str, letters: int) -> int:
    """Return the place in the raw text behind so many letters and digits of the folded one."""
    seen = 0
    for at, c in enumerate(raw):
        if seen >= letters:
            return at
        seen += sum(1 for d in plain(c) if d.isalnum())
    return len(raw)
