"""Post-safety: what a model says, let through word by word or held back until it can be judged.

What `CheckedStream` guarantees, for every way in which a text is cut into pieces:

1. *Same text, same outcome.* Words and sentences are found by their letters, never by the pieces
   they
   came in, so `finish` gives one answer for one text; what is shown of it depends on the text only,
   but for the piece in which an answer trips.
2. *Prefix.* While `tripped` is false, all that `feed` returned, joined, is a prefix of what
   `finish`
   returns as `content`. When it is true, `finish` says `replaced` and its content is the whole safe
   answer: what was shown before is void.
3. *Nothing unjudged.* A sentence is shown before its end only as far as no word of it is sensitive
   (`judge.is_sensitive`); each whole sentence is judged, held or not. A sentence that is judged
   dangerous is never shown to its end, and ends the answer.
4. *Bounded.* No sentence is read over `MAX_SENTENCE_CHARS`; a word or an answer that is longer than
   the limits ends the answer. Time for one answer is linear in its length.

`content` is the model's answer only: `notes.opening` comes before it, `request.partial` (what an
earlier, broken stream has shown) comes before it too and is read as its beginning.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from sync_server.ai.vet.contract import ChatRequest, Language
from sync_server.ai.vet.ports import SafetyFlags, Verdict
from sync_server.ai.vet.safety import notes
from sync_server.ai.vet.safety.judge import (
    Judged,
    Secret,
    Surroundings,
    is_sensitive,
    judge,
    pieces,
)  # fmt: skip
from sync_server.ai.vet.safety.names import look
from sync_server.ai.vet.safety.text import visible

MAX_SENTENCE_CHARS: Final = 700
MAX_WORD_CHARS: Final = 300
MAX_ANSWER_CHARS: Final = 7_500
_SENSITIVE_WINDOW: Final = 60
"""Only so much of an open sentence is searched again when a word comes."""
_MOST_DROPPED: Final = 3
"""More sentences than this cut out: what is left is no answer."""
_HARMFUL_KINDS: Final = frozenset(
    {"human_medicine", "vet_medicine", "medicine_word", "toxin", "emetic"}
)
_MEDICINE_KINDS: Final = frozenset({"human_medicine", "vet_medicine", "medicine_word"})

_ENDS: Final = re.compile(r"[.!?…。！？][\"'”’)\]*_~]{0,4}$")
_ABBREVIATION: Final = re.compile(
    r"(?:^|\W)(?:dr|mr|mrs|ms|vs|e\.g|i\.e|approx|etc|no|\d{1,2})\.$", re.IGNORECASE
)
_STARTS_LINE: Final = re.compile(r"^(?:[-*•·▪#>①-⑳]|\d{1,2}[.)])")


class RulePostSafety:
    """`ports.PostSafety` by rules. It has no state: one for all requests."""

    def check(self, request: ChatRequest, flags: SafetyFlags) -> CheckedStream:
        """Return the check of one answer."""
        return CheckedStream(request, flags)


class CheckedStream:
    """`ports.StreamCheck`; see the module for what it guarantees."""

    def __init__(self, request: ChatRequest, flags: SafetyFlags) -> None:
        self._request, self._flags = request, flags
        asked = [t.content for t in request.history if t.role == "user"][-1:]
        self._asked = _kinds_of(" ".join([*asked, request.message.content]))
        self._before: list[frozenset[str]] = []
        self._space = ""
        self._word = ""
        self._sentence = ""
        self._released = 0
        """So many characters of the open sentence are shown."""
        self._held = False
        self._content: list[str] = []
        self._shown = 0
        self._read = 0
        self._dropped = 0
        self._reasons: list[str] = []
        self._tripped = False
        self._done: Verdict | None = None
        if request.partial:
            self._resume(request.partial)

    @property
    def tripped(self) -> bool:
        """Whether the model's answer is void: stop it and call `finish`."""
        return self._tripped

    def feed(self, text: str) -> str:
        """Take the next text; return what may be shown."""
        if self._tripped or self._done is not None:
            return ""
        out: list[str] = []
        for c in visible(text):
            self._read += 1
            if self._read > MAX_ANSWER_CHARS:
                self._trip("too_long")
                break
            if c.isspace():
                if self._word:
                    out.append(self._word_ended())
                self._space += c
            else:
                self._word += c
                if len(self._word) > MAX_WORD_CHARS:
                    self._trip("too_long")
            if self._tripped:
                break
        return "" if self._tripped else self._show("".join(out))

    def finish(self) -> Verdict:
        """Judge what is left and give the whole."""
        if self._done is None:
            if not self._tripped and self._word:
                self._content_add(self._word_ended())
            if not self._tripped and self._sentence:
                self._content_add(self._sentence_ended())
            content = "".join(self._content)
            if not self._tripped and not content.strip() and not self._request.partial:
                self._trip("empty")
            if self._tripped:
                template = notes.safe_template(self._request, self._flags, self._request.language)
                self._done = Verdict(template, True, tuple(dict.fromkeys(self._reasons)))
            else:
                self._done = Verdict(content, False, tuple(dict.fromkeys(self._reasons)))
        return self._done

    def _show(self, text: str) -> str:
        if text:
            self._content.append(text)
        return text

    def _content_add(self, text: str) -> None:
        if text:
            self._content.append(text)

    def _word_ended(self) -> str:
        """Put a word into its sentence; return what may be shown now."""
        word, space = self._word, self._space
        self._word = self._space = ""
        out = ""
        new_line = "\n" in space
        if self._sentence and new_line and (space.count("\n") > 1 or _STARTS_LINE.match(word)):
            out += self._sentence_ended()
            if self._tripped:
                return ""
        self._sentence += space + word
        if _ENDS.search(word) and not _ABBREVIATION.search(self._sentence[-12:]):
            return out + self._sentence_ended()
        if len(self._sentence) > MAX_SENTENCE_CHARS:
            return out + self._sentence_ended()
        if not self._held:
            tail = self._sentence[-_SENSITIVE_WINDOW - len(word) :]
            self._held = is_sensitive(look(tail), self._around())
        if not self._held:
            out += self._sentence[self._released :]
            self._released = len(self._sentence)
        return out

    def _sentence_ended(self) -> str:
        text, released = self._sentence, self._released
        self._sentence, self._released, self._held = "", 0, False
        judged = judge(text, self._around(), _secret())
        self._before = [*self._before[-1:], judged.kinds]
        if judged.verdict == "ok":
            return text[released:]
        self._reasons.append(judged.reason)
        if judged.verdict == "danger":
            self._trip(judged.reason)
            return ""
        return self._mended(text, released, judged)

    def _mended(self, text: str, released: int, judged: Judged) -> str:
        """Give a sentence another end, or leave it out."""
        shown = text[:released]
        new = judged.rewritten
        if judged.verdict == "soften":
            if new.startswith(shown):
                return new[released:]
        elif new.strip() and new.startswith(shown):
            return new[released:].rstrip()
        self._dropped += not judged.reviewed
        half_told = judged.reason in _NOT_HALF and len(shown.split()) > 1
        if self._dropped > _MOST_DROPPED or half_told:
            self._trip(judged.reason)
            return ""
        return _ask_vet(self._request.language) if shown.strip() else ""

    def _trip(self, reason: str) -> None:
        self._tripped = True
        self._reasons.append(reason)
        self._word = self._space = self._sentence = ""

    def _around(self) -> Surroundings:
        asked = bool(self._asked & _HARMFUL_KINDS) or bool(self._flags.declined & _RISKY)
        kinds = self._asked.union(*self._before) if self._before else self._asked
        return Surroundings(
            emergency=bool(self._flags.pressing),
            earlier=bool(self._flags.earlier),
            crisis=self._flags.owner_crisis,
            asked_of_harm=asked,
            harmful=asked or bool(kinds & _HARMFUL_KINDS),
            injection=self._flags.injection,
            medicine=bool(kinds & _MEDICINE_KINDS),
        )

    def _resume(self, partial: str) -> None:
        """Read what was shown by an earlier stream: its open sentence goes on here."""
        cut = max(partial.rfind(end) for end in (". ", "! ", "? ", "\n"))
        last = visible(partial[cut + 1 :] if cut >= 0 else partial)[-MAX_SENTENCE_CHARS:]
        if cut >= 0:
            self._before = [_kinds_of(partial[max(0, cut - 300) : cut + 1])]
        if last.strip() and not _ENDS.search(last.strip()):
            self._sentence, self._released = last, len(last)
            self._held = is_sensitive(look(last), self._around())


_NOT_HALF: Final = frozenset({"medicine", "unknown_remedy", "no_vet", "leak"})
"""Of such a sentence not even the beginning may stay."""
_RISKY: Final = frozenset({"dose", "human_medicine", "prescription"})


def _kinds_of(text: str) -> frozenset[str]:
    return frozenset(look(text[:4_000]).kinds)


def _ask_vet(language: Language) -> str:
    return (
        " … 이 부분은 수의사에게 확인해 주세요."
        if language == "ko"
        else " … please ask a vet about this."
    )


@cache
def _secret() -> Secret:
    """Runs of letters by which the model's rules would be known in an answer.

    English needs longer ones: 45 letters are about nine words.
    """
    return pieces(notes.system_rules("ko"), 18), pieces(notes.system_rules("en"), 45)
