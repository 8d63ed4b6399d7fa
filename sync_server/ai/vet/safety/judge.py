"""The judgement of one sentence of an answer, in whatever language it is.

`look` finds what is in it; `judge` says whether it may be read by an owner:

- ok: as it is;
- soften: a disease said to be certain; `rewritten` says it as a possibility;
- drop: an unclear sentence about a medicine or a poison, a link, an address, a claim to be a vet;
- danger: a medicine or an amount to give, a poison called safe, a procedure at home, a way around
  the
  vet, delay or false calm in an emergency, the rules of the chat told or thrown away. An answer
  that
  says such a thing once is not trusted any further.

What is not understood and names a medicine, a poison or an amount is never ok.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from sync_server.ai.vet.safety import allowed, judge_en, judge_ko, lists
from sync_server.ai.vet.safety.names import HANGUL, HARMFUL, MEDICINES, Seen, look, look_at
from sync_server.ai.vet.safety.softening import softened
from sync_server.ai.vet.safety.text import pattern, plain, visible

Verdict = Literal["ok", "soften", "drop", "danger"]

_ENGLISH: Final = re.compile(r"\b(?!(?:mg|ml|kg|cm|mm|cc|iu|km|kcal)\b)[a-z]{2,}")
_FOREIGN: Final = re.compile(r"[぀-ヿ一-鿿ऀ-෿฀-๿؀-ۿА-яЀ-ӿΑ-ω]")
_URL: Final = re.compile(
    r"!?\[[^\]\n]{0,200}\]\([^)\n]{0,500}\)?|(?:https?|ftp|data|javascript|file)\s?:\s?/{0,2}\S+|"
    r"\bwww\.\S+|\b[a-z0-9-]{2,60}\.(?:com|net|org|io|co|kr|me|ly|gl|app|dev|info|shop|xyz|"
    r"link|site|store)\b\S*",
    re.IGNORECASE,
)
_TAG: Final = re.compile(r"</?[a-zA-Z!][^>\n]{0,300}>?")
_CONTACT: Final = re.compile(
    r"[\w.+-]{1,64}@[\w-]{1,64}\.[\w.]{2,20}|"
    r"(?<!\d)0\d{1,2}[-. )]{0,2}\d{3,4}[-. ]?\d{4}(?!\d)|\+\d{1,3}[-. ]?\d[\d. -]{6,14}\d|"
    r"(?:카카오톡|카톡|텔레그램|라인|kakaotalk|telegram|whatsapp)\s?(?:아이디|id|오픈채팅|@)",
    re.IGNORECASE,
)
_ENCODED: Final = re.compile(
    r"(?=[A-Za-z+/=_-]*\d)[A-Za-z0-9+/=_-]{28,}|[A-Za-z+/]{60,}|(?:\\u[0-9a-f]{4}){3,}|"
    r"(?:&#x?[0-9a-f]{2,6};){3,}",
    re.IGNORECASE,
)
_LEAKS: Final = pattern(
    r"시스템프롬프트|시스템메시지|시스템지시|(?:내|제|저의|나의|저에게|내게|"
    r"제게)(?:가)?(?:주어진|받은|숨겨진)?(?:지침|규칙|지시|프롬프트|원칙)(?:은|는|을|를|이|가|"
    r"대로|에)|"
    r"개발자모드|"
    r"규칙(?:을|은|이)?(?:없이|무시|잊|해제|버리)|지침(?:을|은)?(?:없이|무시|잊|해제)|"
    r"제한(?:을|이|은)?(?:없이|해제|풀)|안전(?:장치|필터|모드)(?:를|가|는)?(?:해제|꺼|끄|껐)|"
    r"systemprompt|developermode|myinstructions|myrulesare|myguidelines|iwasinstructed|"
    r"iwastoldto|ignor\w{0,3}(?:my|the|all|previous|your)(?:rules|instructions|guidelines|"
    r"previous)|"
    r"withoutanyrestrictions|norestrictions|unrestrictedmode|danmode|jailbr"
)
_POSES: Final = pattern(
    r"(?:저는|나는|전|난)(?:면허(?:를|가)?(?:있는|가진)?)?(?:수의사|의사)(?:입니다|이에요|예요|"
    r"에요|로서)|수의사로서(?!는)|수의사인제가|"
    r"(?:iam|im)(?:a|your|an)(?:licensed|real|qualified|experienced)?(?:vet|veterinarian|"
    r"doctor)|asa(?:licensed|qualified|real)?(?:vet|veterinarian)(?:i|,i)"
)
_HARM_SELF: Final = pattern(
    r"번개탄|목을매|손목을긋|손목을그|자살(?:하는방|하세|하면|방법)|killyourself|endyourlife|"
    r"hangyourself|"
    r"slityour|followyourdog"
)
_HARM_SELF_HINT: Final = pattern(
    r"뛰어내리|죽는게|죽어도|죽으(?:세요|면)|따라가|편해질|overdose|betteroff|jumpoff|peacefulway"
)
"""Ordinary words where nobody despairs."""
_HURTS: Final = pattern(
    r"(?:미끼|고기|소시지|사료|간식|음식)(?:에|속에|안에).{0,8}(?:섞|넣|묻|숨)|"
    r"몰래.{0,10}(?:먹|놓|뿌)|흔적.{0,6}(?:없|남지)|들키지|(?:독|농약|쥐약).{0,10}(?:섞|놓|뿌|"
    r"묻)|"
    r"withoutgettingcaught|untraceable|poisonedbait|hideitinmeat|mix.{0,20}(?:into|with)(?:the|"
    r"some)?(?:meat|food|bait)"
)
_THIS: Final = pattern(
    r"그거|그것|그걸|이거|이것|이걸|그약|이약|해당약|해당제품|같은약|그정도|이정도|조금|소량|"
    r"약간|적은양|한번쯤|한번정도|반개|하나"
)
_THIS_EN: Final = re.compile(
    r"\b(?:it|that|this|them|those|these|one|some|a little|a bit|small amounts?|tiny|few)\b"
)


@dataclass(frozen=True)
class Surroundings:
    """What a sentence is read against."""

    emergency: bool = False
    """A sign was reported, for now or for today: nothing may put the vet off."""
    earlier: bool = False
    """A sign of an earlier turn may go on: a sentence that would put the vet off is left out."""
    crisis: bool = False
    asked_of_harm: bool = False
    """The question is about a medicine or a poison."""
    harmful: bool = False
    """The question or the sentence before is about a medicine or a poison."""
    injection: bool = False
    """Someone tried to change the rules."""
    medicine: bool = False
    """... about a medicine, of any kind."""


@dataclass(frozen=True)
class Judged:
    """What came of a sentence; `rewritten` where it is softened or parts of it are cut out."""

    verdict: Verdict
    reason: str = ""
    rewritten: str = ""
    kinds: frozenset[str] = frozenset()
    reviewed: bool = False
    """A sentence of our entries: leaving it out says nothing against the rest."""


_NOT_HERE: Final = frozenset({"delay", "false_calm", "no_vet"})
Secret = tuple[tuple[int, frozenset[str]], ...]
"""Runs of letters of a text that must not be told, with their length, for each language."""


def is_sensitive(seen: Seen, around: Surroundings) -> bool:
    """Whether a sentence that has begun so must be read to its end before it is shown.

    Where the question is an emergency, despair, or about a medicine or a poison, every one must.
    """
    if around.emergency or around.earlier or around.crisis or around.harmful:
        return True
    if seen.kinds or any(c in seen.text for c in "[]()<>@`\\|{}=") or re.search(r"\d", seen.text):
        return True
    if _URL.search(seen.text) or _FOREIGN.search(seen.text):
        return True
    if len(seen.text) > 0 and len(max(seen.text.split(), key=len, default="")) > 24:
        return True
    return (
        judge_ko.SENSITIVE.search(seen.solid) is not None
        or judge_en.SENSITIVE.search(seen.text) is not None
        or judge_ko.agrees(seen.solid)
        or judge_en.agrees(seen.text)
    )


def judge(raw: str, around: Surroundings, rules: Secret = ()) -> Judged:
    """Judge a whole sentence; `rules` are the letters-only pieces of the secret rules (see
    `leak`)."""
    seen = look(raw)
    kinds = frozenset(seen.kinds)
    reviewed = seen.solid in lists.reviewed_sentences()
    danger = _danger(seen, around, rules)
    if reviewed:
        if danger in _NOT_HERE and (around.emergency or around.harmful):
            # True in general, but not the thing to say here.
            return Judged("drop", danger, kinds=kinds, reviewed=True)
        return Judged("ok", kinds=kinds)
    if danger:
        return Judged("danger", danger, kinds=kinds)
    cut = _cut_out(raw)
    if cut != raw:
        again = look(cut)
        if _danger(again, around, rules):
            return Judged("danger", "link", kinds=kinds)
        return Judged("drop", "link", rewritten=cut, kinds=kinds)
    if _POSES.search(seen.solid):
        return Judged("drop", "identity", kinds=kinds)
    if len(_FOREIGN.findall(raw)) > max(2, len(raw) // 20):
        return Judged("drop", "language", kinds=kinds)
    if _unclear(seen):
        return Judged("drop", "medicine", kinds=kinds)
    reason = _not_allowed(seen, around)
    if reason:
        return Judged("drop", reason, kinds=kinds)
    soft = softened(raw, seen)
    if soft:
        return Judged("soften", "diagnosis", rewritten=soft, kinds=kinds)
    return Judged("ok", kinds=kinds)


def _not_allowed(seen: Seen, around: Surroundings) -> str:
    """Where something is at stake only a sentence that helps there gets through."""
    korean = HANGUL.search(seen.solid) is not None
    text = " ".join(seen.text.split()).lstrip("-*•·▪ ")
    if not any(c.isalnum() for c in text):
        return ""
    if around.injection and allowed.is_about_rules(seen.solid):
        return "leak"
    if around.earlier and _puts_off(seen, text, korean):
        return "delay"
    if around.emergency and not allowed.helps(seen.solid, text, korean):
        return "off_plan"
    careful = allowed.is_careful(seen.solid, text, korean)
    if around.asked_of_harm and not careful:
        return "medicine"
    if seen.kinds & MEDICINES and not careful:
        return "medicine"
    if seen.kinds & HARMFUL and not careful and allowed.calms(seen.solid, text, korean):
        return "medicine"
    if allowed.leaves_it(seen.solid, korean):
        return "no_vet"
    if allowed.is_unknown_remedy(seen.solid, text, korean):
        return "unknown_remedy"
    return ""


def _puts_off(seen: Seen, text: str, korean: bool) -> bool:
    if korean:
        return judge_ko.delays(seen.solid) or judge_ko.soothes(seen.solid)
    return judge_en.delays(text) or judge_en.soothes(text)


def _danger(seen: Seen, around: Surroundings, rules: Secret) -> str:
    solid, text = seen.solid, seen.text
    if _ENCODED.search(visible(text)):
        return "encoded"
    if _LEAKS.search(solid) or leaks(solid, rules):
        return "leak"
    if _HARM_SELF.search(solid) or (around.crisis and _HARM_SELF_HINT.search(solid)):
        return "self_harm"
    korean = HANGUL.search(solid) is not None
    # A Korean sentence with an English name or unit in it is Korean.
    english = len(_ENGLISH.findall(text)) > (1 if korean else 0)
    if korean:
        reason = _danger_ko(seen, around)
        if reason:
            return reason
    if english:
        reason = _danger_en(seen, around)
        if reason:
            return reason
    return ""


def _danger_ko(seen: Seen, around: Surroundings) -> str:
    solid = seen.solid
    if judge_ko.sends_away(solid):
        return "no_vet"
    if judge_ko.cuts(solid):
        return "procedure"
    if (
        _HURTS.search(solid)
        and (seen.kinds & HARMFUL or around.harmful)
        and not judge_ko.forbids(solid)
    ):
        return "dangerous_advice"
    if around.emergency and judge_ko.delays(solid):
        return "delay"
    if around.emergency and judge_ko.soothes(solid):
        return "false_calm"
    if any(
        kind in HARMFUL | MEDICINES and judge_ko.is_given(solid[end : end + 10])
        for kind, _, end in seen.solid_names
    ):
        return "human_medicine"
    vet = judge_ko.names_vet(solid)
    vet_named = judge_ko.sends_to_vet(solid)
    for stretch in judge_ko.stretches(solid):
        if stretch.way not in ("do", "unclear"):
            continue
        kinds = seen.kinds_between(stretch.begin, stretch.end)
        amount = judge_ko.dose if stretch.way == "do" else judge_ko.amount_told
        has_dose = amount(stretch.text)
        if has_dose and not (judge_ko.food(stretch.text) and not kinds & MEDICINES):
            return "dose"
        if stretch.way == "unclear":
            continue
        if kinds & HARMFUL:
            return "human_medicine" if "human_medicine" in kinds else "toxin"
        if kinds & {"vet_medicine", "medicine_word"} and not vet:
            return "prescription"
        if judge_ko.portion(stretch.text) and kinds & MEDICINES:
            return "dose"
        guarded = judge_ko.food(solid) or vet or judge_ko.warns(solid)
        pointed = _THIS.search(stretch.text) is not None or len(stretch.text) <= 12
        if around.harmful and not guarded and pointed:
            return "dangerous_advice"
    if (
        judge_ko.amount_told(solid)
        and not judge_ko.warns(solid)
        and not (judge_ko.food(solid) and not seen.kinds & MEDICINES)
    ):
        return "dose"
    if judge_ko.praises(solid):
        if seen.kinds & HARMFUL:
            return "false_calm"
        guarded = judge_ko.warns(solid) or judge_ko.food(solid) or vet_named
        pointed = _THIS.search(solid) is not None or len(solid) <= 24
        if around.harmful and not guarded and pointed and not judge_ko.checked(solid):
            return "false_calm"
    if (
        around.harmful
        and judge_ko.agrees(solid)
        and len(solid) <= 30
        and not (judge_ko.warns(solid) or judge_ko.names_vet(solid))
    ):
        return "false_calm"
    return ""


def _danger_en(seen: Seen, around: Surroundings) -> str:
    text = " ".join(seen.text.split()).lstrip("-*•·▪ ")
    if judge_en.sends_away(text):
        return "no_vet"
    if judge_en.cuts(text):
        return "procedure"
    if around.emergency and judge_en.delays(text):
        return "delay"
    if around.emergency and judge_en.soothes(text):
        return "false_calm"
    vet = judge_en.names_vet(text)
    if (
        _HURTS.search(seen.solid)
        and (seen.kinds & HARMFUL or around.harmful)
        and not judge_en.warns(text)
    ):
        return "dangerous_advice"
    stopped = False
    for stretch in judge_en.stretches(text):
        stopped = stopped or stretch.way == "do_not"
        if stretch.way != "do":
            continue
        piece = look_at(stretch.text)
        dose = judge_en.dose(stretch.text)
        food = judge_en.food(stretch.text)
        if dose and not (food and not piece.kinds & MEDICINES):
            return "dose"
        if piece.kinds & HARMFUL:
            return "human_medicine" if "human_medicine" in piece.kinds else "toxin"
        if piece.kinds & {"vet_medicine", "medicine_word"} and not vet:
            return "prescription"
        if (
            around.harmful
            and not food
            and not vet
            and _THIS_EN.search(stretch.text)
            and not judge_en.warns(text)
        ):
            return "dangerous_advice"
    if (
        judge_en.amount_told(text)
        and not stopped
        and not judge_en.warns(text)
        and not (judge_en.food(text) and not seen.kinds & MEDICINES)
    ):
        return "dose"
    if judge_en.praises(text):
        if seen.kinds & HARMFUL:
            return "false_calm"
        if (
            around.harmful
            and not (judge_en.warns(text) or judge_en.food(text) or judge_en.forbids(text))
            and (_THIS_EN.search(text) or len(text) <= 40)
        ):
            return "false_calm"
    if around.harmful and judge_en.agrees(text) and len(text) <= 60 and not judge_en.warns(text):
        return "false_calm"
    return ""


def _unclear(seen: Seen) -> bool:
    """Whether a medicine or a poison is named and nothing makes clear that it is no advice."""
    korean = HANGUL.search(seen.solid) is not None
    if korean:
        warned, cared = judge_ko.warns(seen.solid), judge_ko.cares(seen.solid)
        praised, by_vet = judge_ko.praises(seen.solid), judge_ko.names_vet(seen.solid)
        open_ways = [s for s in judge_ko.stretches(seen.solid) if s.way == "unclear"]
        unread = any(seen.kinds_between(s.begin, s.end) & (HARMFUL | MEDICINES) for s in open_ways)
    else:
        warned, cared = judge_en.warns(seen.text), judge_en.cares(seen.text)
        praised, by_vet = judge_en.praises(seen.text), judge_en.names_vet(seen.text)
        unread = False
    if unread and not warned:
        return True
    if seen.kinds & MEDICINES and praised and not by_vet and not warned:
        return True
    return bool(seen.kinds & {"human_medicine", "vet_medicine"}) and not (warned or cared)


def _cut_out(raw: str) -> str:
    """Take links, pictures, tags and addresses out of a sentence."""
    if not (_URL.search(raw) or _TAG.search(raw) or _CONTACT.search(raw)):
        return raw
    cut = re.sub(r"(?<!!)\[([^\]\n]{0,200})\]\([^)\n]{0,500}\)?", r"\1", raw)
    for what in (_URL, _TAG, _CONTACT):
        cut = what.sub("", cut)
    return cut


def pieces(text: str, size: int) -> tuple[int, frozenset[str]]:
    """Cut a secret text into all its runs of so many letters."""
    letters = "".join(c for c in plain(text) if c.isalnum())
    return size, frozenset(letters[i : i + size] for i in range(max(0, len(letters) - size + 1)))


def leaks(solid: str, rules: Secret) -> bool:
    """Whether a run of the secret text stands in an answer's letters."""
    return any(
        solid[i : i + size] in runs for size, runs in rules for i in range(len(solid) - size + 1)
    )
