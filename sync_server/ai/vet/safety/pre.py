"""Pre-safety: what the user's words ask for, before any model sees them.

Rules over reviewed lists, in time that grows with the length of the text only. Documents, pictures
and the memory are never read here: they may not raise or lower a flag.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Final, cast

from sync_server.ai.vet.contract import ChatRequest, Language
from sync_server.ai.vet.ports import Declined, SafetyFlags, Sign
from sync_server.ai.vet.safety import denied, follows, lists
from sync_server.ai.vet.safety.phrases import Found
from sync_server.ai.vet.safety.text import Sentence, plain, sentence, sentences, spelled, visible

MAX_READ_CHARS: Final = 8_000
"""Of one turn so much is read: the contract allows no more."""
_HISTORY_CHARS: Final = 16_000
"""Of all earlier turns, from the newest back."""
_CRISIS_TURNS: Final = 2
"""So many turns after it, despair is still in the room."""

_MARKS: Final = re.compile(
    r"<\|[a-z_]{2,20}\|>|\[/?inst\]|<</?sys>>|</?(?:system|assistant|developer)>"
    r"|(?:^|\n)[ \t]*(?:#{1,6}[ \t]*)?(?:system|assistant|developer|시스템|어시스턴트)[ \t]*:"
    r"|\[(?:시스템|system|admin|관리자)\]"
)
_WRAPPED: Final = re.compile(r"[A-Za-z0-9+/_-]{16,4000}={0,2}")


class RulePreSafety:
    """`ports.PreSafety` by rules. It has no state: one for all requests."""

    def __init__(self) -> None:
        lists.sign_phrases(), lists.wish_phrases(), lists.misspellings()

    def screen(self, request: ChatRequest) -> SafetyFlags:
        """Flag signs, wishes, tries to change the rules, and despair. Never raises."""
        now = _read(request.message.content, request.language)
        signs = dict(now.signs)
        injection = now.injection
        over = now.over
        crisis = now.crisis
        left, user_turns = _HISTORY_CHARS, 0
        goes_on = follows.refers_back(request.message.content)
        for turn in reversed(request.history):
            if left <= 0:
                break
            text = turn.content[: min(MAX_READ_CHARS, left)]
            left -= len(text)
            if turn.role == "assistant":
                injection = injection or _tries(plain(text)) or _hides_a_try(text)
                continue
            earlier = _read(text, request.language)
            user_turns += 1
            crisis = crisis or (earlier.crisis and user_turns <= _CRISIS_TURNS)
            injection = injection or earlier.injection
            if not over:
                for sign_id, sign in earlier.signs.items():
                    signs.setdefault(sign_id, replace(sign, earlier=not goes_on))
            over = over or earlier.over
        ordered = sorted(signs.values(), key=lambda sign: (sign.earlier, sign.urgency != "now"))
        wishes = now.wishes
        if any(not sign.earlier for sign in ordered) and wishes & {"off_topic"}:
            wishes = wishes - {"off_topic"}
        return SafetyFlags(
            signs=tuple(ordered),
            declined=wishes,
            injection=injection,
            owner_crisis=crisis,
        )


@dataclass(frozen=True)
class _Read:
    """What one turn says."""

    signs: dict[str, Sign]
    wishes: frozenset[Declined] = frozenset()
    injection: bool = False
    crisis: bool = False
    over: bool = False
    """The turn says that what was before is over."""


def _read(text: str, language: Language) -> _Read:
    text = text[:MAX_READ_CHARS]
    folded = spelled(plain(text), lists.misspellings())
    parts = [sentence(" ".join(part.split())) for part in sentences(folded)]
    signs: dict[str, Sign] = {}
    wishes: set[Declined] = set()
    injection = crisis = False
    told_past = [denied.is_long_past(part) for part in parts]
    told_over = [denied.says_it_is_over(part) for part in parts]
    over = any(told_over)
    for number, part in enumerate(parts):
        # What is over is told in the same sentence or in one of the next two.
        is_over = told_over[number] or any(told_over[number + 1 : number + 3])
        for sign_id in _signs_in(part):
            if told_past[number] or is_over:
                continue
            signs[sign_id] = _sign(sign_id, language)
        found_wishes = lists.wish_phrases().search(part)
        for wish in {found.owner for found in found_wishes if _stands_alone(part, found)}:
            if wish == "injection":
                injection = True
            elif wish == "owner_crisis":
                crisis = True
            else:
                wishes.add(cast(Declined, wish))
    return _Read(
        signs=signs,
        wishes=frozenset(wishes),
        injection=injection or _hides_a_try(text),
        crisis=crisis,
        over=over and not signs,
    )


def _signs_in(part: Sentence) -> list[str]:
    found_ids = {
        found.owner
        for found in lists.sign_phrases().search(part)
        if not denied.is_denied(part, found)
        and not denied.is_only_asked(part, found)
        and not denied.is_of_someone_else(part, found)
    }
    return [sign_id for sign_id in lists.signs() if sign_id in found_ids]


def _stands_alone(part: Sentence, found: Found[str]) -> bool:
    """Whether small words of a wish are words: 제가 is in 언제가, 토 in 토끼."""
    return not found.korean or all(
        part.solid[begin:end] not in _SMALL_WORDS or part.opens[begin] for begin, end in found.parts
    )


_SMALL_WORDS: Final = frozenset(plain(word) for word in ("제", "내", "제가", "내가"))


def _sign(sign_id: str, language: Language) -> Sign:
    entry = lists.signs()[sign_id]
    return Sign(sign_id, getattr(entry.name, language), entry.urgency)


def _tries(folded: str) -> bool:
    """Whether a folded text tries to change the rules in plain words."""
    return any(
        found.owner == "injection"
        for part in sentences(folded)
        for found in lists.wish_phrases().search(sentence(" ".join(part.split())))
    )


def _hides_a_try(text: str) -> bool:
    """Whether it does so by marks of another role's turn, or wrapped in base64 or rot13."""
    shown = unicodedata.normalize("NFKC", visible(text))
    if _MARKS.search(shown.lower()):
        return True
    readings = _unwrapped(shown)
    if shown.isascii():
        readings.append(codecs.encode(shown, "rot13"))
    return any(_tries(plain(reading)) for reading in readings)


def _unwrapped(text: str) -> list[str]:
    """Read what is wrapped in base64; at most four pieces."""
    found = []
    for piece in _WRAPPED.findall(text)[:4]:
        coded = piece.rstrip("=").replace("-", "+").replace("_", "/")
        try:
            raw = base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True)
            found.append(raw.decode())
        except (binascii.Error, UnicodeDecodeError):
            continue
    return found
