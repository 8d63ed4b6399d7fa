"""Whether what a phrase found is really said of the dog, and now.

Denied ("경련은 없어요", "no seizure"), only asked about ("먹으면 어떻게 되나요?", "if a dog eats
..."),
long past and over, or said of someone else. Each rule needs its words right beside the found place:
a doubt leaves the sign standing.
"""

from __future__ import annotations

import re
from typing import Final

from sync_server.ai.vet.safety.phrases import Found
from sync_server.ai.vet.safety.text import Sentence, pattern

_LOOK: Final = 40
"""Characters before and after a place that are looked at."""


_SYMPTOM: Final = (
    "(?:구토|설사|경련|발작|호흡곤란|출혈|기침|콧물|발열|혈변|혈뇨|마비|기절|실신|쇼크|떨림|피|열|통증|증상|토|"
    "혈토|탈수|상처|쓰러지|쓰러짐|황달|부종|붓기)"
)
_DENIED_AFTER: Final = pattern(
    rf"^(?:(?:이나|나|와|과|랑|이랑|도|거나|및|또는|이고)?{_SYMPTOM}(?:하)?){{0,5}}"
    r"(?:하거나|이나|나)?(?:발작|경련|구토|설사)?(?:한|했던|하는|된|난)?"
    r"(?:같은|한|하는|할)?(?:거|것|건|게|적|일|기미|증상|반응|느낌)?(?:은|는|이|가|도|을|를|두)?"
    r"(?:전혀|아직|아예|딱히|별로|모두|다|둘다|한번도|절대)?"
    r"(?:하지|지|나지|보이지|있지|하진|진|지는|지도|하지는|하지도|나지는|나지도|인지는)?(?:은|"
    r"는|도|를)?"
    r"(?:없|않|아니|아닌|안해|안하|안했|안보|안나|안합|안함|안먹|안났|못봤|안됐|음성)"
)
"""What follows a sign that is denied, from its last letter on."""
_ASKED_AFTER: Final = pattern(
    r"^(?:이|가|을|를|은|는|도)?(?:하|오|나|생기|일어나|쓰러지|먹|되|걸리|심하|있|보이|발생하|"
    r"했|엇)?(?:으)?면(?!서|역|봉|도)"
    r"|^(?:이|가|을|를|은|는)?(?:뭐|무엇|어떤병|무슨병|어떤건|왜위험|증상이뭐|증상은뭐|의?증상|"
    r"의?원인|의?예방|예방|어떻게예방|을?막으려|왜)"
    r"|^(?:을|를)?(?:때|경우)(?:는|에는|엔)?(?:어떻|뭘|무엇|무얼)"
)
_GENERAL: Final = pattern(
    r"예방하|예방법|미리알아|대처법|증상이뭐|증상은뭐|증상이뭔|증상알려|어떤병|무슨병이|"
    r"뭐예요$|뭔가요$|보관"
)
_PAST: Final = pattern(
    r"재작년|작년|예전|옛날|지난해|년전|달전에|개월전|어릴때|어렸을때|아기때|새끼때|한때|"
    r"과거에|지난봄|지난여름|지난가을|지난겨울"
)
_OVER: Final = pattern(
    r"(?:지금|이제|이젠|현재|요즘|오늘)(?:은|는|도)?(?:아주|아무|다|완전|정말|매우|잘|많이|"
    r"아무렇지)*"
    r"(?:괜찮|멀쩡|건강|나았|나아|없|정상|회복|문제없|잘지내|잘놀|잘먹|안해|안하|좋아)"
    r"|다나았|완치|회복했|나았어|나았지|괜찮아졌|치료받고|치료받았|치료를받|다녀왔는데괜찮|"
    r"괜찮대|괜찮다고(?:했|하|들)"
)
_AGAIN: Final = pattern(
    r"(?<!어)또(?!렷|래)|다시(?:시작|해|했|토|그래|그러)|재발|방금|어제도|오늘도|지금도"
)
_SELF: Final = pattern(
    r"(?:^|(?<=[^가-힣]))?(?:제가|내가|저는|나는|남편이|아내가|와이프가|딸이|아들이|엄마가|"
    r"아빠가|친구가|동생이|언니가|남편은)"
)
_DOG: Final = pattern(
    r"강아지|개가|댕댕|멍멍|우리애|저희애|애가|아이가|얘가|녀석|먹였|먹인|한테|에게"
)
_GOOD: Final = (
    "appetite|food|energy|response|water|movement|pulse|breathing|urine|pee|interest|money|idea"
)
_NOT: Final = (
    r"(?:no|not|never|without|nor|neither|hasnt|havent|isnt|doesnt|didnt|dont|wasnt|has not|"
    r"have not|is not|does not|did not|do not|denies|no signs? of)"
)
_FILL: Final = (
    r"(?:any|a|an|more|had|have|has|having|been|being|signs?|of|actual|visible|the|further|new|"
    r"other|"
    r"ever|really|yet|history|trouble|difficulty|and|or|even|sign|show|showing|to)"
)
_DENIED_BEFORE: Final = re.compile(
    rf"\b{_NOT} (?:{_FILL} )*"
    rf"(?:(?!(?:{_GOOD})\b)[a-z]{{3,14}}(?: up)?(?:, (?:no |not |or |nor )?| or |"
    rf" nor )(?:{_FILL} )*){{0,4}}$"
)
_ASKED_BEFORE: Final = re.compile(
    r"\b(?:what (?:are|is) (?:the )?(?:signs?|symptoms?|causes?)|signs? of|symptoms? of|prevent|"
    r"avoid(?:ing)?|why (?:is|are|does|do)|what is|how (?:do|can|to) (?:i |you |we )?"
    r"(?:prevent|recogni[sz]e|spot|tell|avoid)|ever (?:has|have|gets?)|risk of|"
    r"(?:can|could|should|may|do) (?:a |my )?dogs? (?:have|eat|be))\b[^.!?]{0,30}$"
)
_IF: Final = re.compile(r"\b(?:if|when|in case)\b(?: [a-z0-9]+){0,6} ?$")
_NOT_SURE: Final = re.compile(r"\b(?:know|sure|tell|wonder|wondering|see|asking|unsure) if\b")
_PAST_EN: Final = re.compile(
    r"\b(?:last year|years? ago|months? ago|as a puppy|when (?:he|she) was (?:a|young)|in the past|"
    r"long ago|used to)\b"
)
_OVER_EN: Final = re.compile(
    r"\b(?:(?:fine|ok|okay|healthy|well|good|normal|recovered) (?:now|since|ever since|again|"
    r"today)|"
    r"(?:been|is|now|fully|totally|all) (?:fine|ok|okay|healthy|better|well|recovered)|"
    r"vet (?:said|says) "
    r"(?:he|she|its?|hes|shes)[a-z ]{0,12}(?:fine|ok|okay)|got treated|was treated|"
    r"has been treated|"
    r"surgery last year|back from the vet)\b"
)
_AGAIN_EN: Final = re.compile(r"\b(?:again|just now|right now|today|another|keeps|still)\b")
_SELF_EN: Final = re.compile(
    r"\b(?:i|we|my (?:husband|wife|son|daughter|mom|dad|kid|kids|boyfriend|girlfriend|friend|"
    r"roommate))"
    r"(?: (?:just|also|accidentally|only|already|have|had|was|am|were))* "
    r"(?:ate|eat|eaten|eating|had|drank|drink|drinking|swallowed|took|chewed)\b[^.!?]{0,40}$"
)


def is_denied(sentence: Sentence, found: Found[str]) -> bool:
    """Whether the sentence says that it is not so."""
    if found.korean:
        tail = sentence.solid[found.end : found.end + _LOOK]
        if _DENIED_AFTER.match(tail) and not _absence_is_bad(tail):
            return True
        if found.owner == "choking" and _SOUNDS_LIKE.match(tail):
            return True
        if _is_eating(found) and _could_not(sentence, found.parts[-1][0]):
            return True
        return any(_not_before(sentence, begin) for begin, _ in found.parts)
    before = _around(sentence, found)[0]
    return _DENIED_BEFORE.search(before) is not None


def is_only_asked(sentence: Sentence, found: Found[str]) -> bool:
    """Whether it is a general or a what-if question."""
    if found.korean:
        if _ASKED_AFTER.match(sentence.solid[found.end : found.end + _LOOK]):
            return True
        return _GENERAL.search(sentence.solid) is not None
    before = _around(sentence, found)[0]
    if _ASKED_BEFORE.search(before):
        return True
    return _IF.search(before) is not None and _NOT_SURE.search(before) is None


def is_long_past(sentence: Sentence) -> bool:
    """Whether the sentence tells of a time that is over, and of nothing that came again."""
    if _PAST.search(sentence.solid):
        return _AGAIN.search(sentence.solid) is None
    return _PAST_EN.search(sentence.words) is not None and _AGAIN_EN.search(sentence.words) is None


def says_it_is_over(sentence: Sentence) -> bool:
    """Whether the sentence says that the dog is well again."""
    if _OVER.search(sentence.solid):
        return _AGAIN.search(sentence.solid) is None
    return _OVER_EN.search(sentence.words) is not None and _AGAIN_EN.search(sentence.words) is None


def is_of_someone_else(sentence: Sentence, found: Found[str]) -> bool:
    """Whether the owner, not the dog, ate it."""
    if found.korean:
        before = sentence.solid[max(0, found.begin - 16) : found.begin + 2]
        around = sentence.solid[max(0, found.begin - 16) : found.end + 4]
        if _SELF.search(before) is None or _MEANWHILE.search(around):
            return False
        return not _DOG.search(around)
    last = max(begin for begin, _ in found.parts)
    first = min(begin for begin, _ in found.parts)
    words = sentence.words[max(0, first - _LOOK) : last + 16]
    return _SELF_EN.search(words) is not None and not re.search(r"\b(?:dog|puppy|pup)\b", words)


def _absence_is_bad(tail: str) -> bool:
    """Whether what is missing there is something that a dog needs: 발작하고 의식도 없어요."""
    return _NEEDED.search(tail[: tail.find("없") + 1 or 0]) is not None


_SOUNDS_LIKE: Final = pattern(r"^(?:듯(?:한|이)?)?(?:소리|것처럼|거처럼|것마냥|컥|콜록|기침)")
"""A cough that sounds as if something were stuck."""
_MEANWHILE: Final = pattern(r"사이|동안|틈|한눈|자리를비|떨어뜨|흘린|흘렸|놓친|쏟")


def _is_eating(found: Found[str]) -> bool:
    return found.owner.startswith("poison_") or found.owner == "foreign_body"


def _could_not(sentence: Sentence, begin: int) -> bool:
    """Whether the verb has 못 right before it: 못 먹고."""
    return begin >= 1 and sentence.solid[begin - 1] == "못" and sentence.opens[begin - 1]


_NEEDED: Final = pattern(r"의식|숨|호흡|기운|힘|식욕|반응|맥|움직임|소변|오줌")


_INSIDE: Final = pattern(r"(?:차|집|방|입|귀|몸|눈|코|배|속|뱃속|이동장)안$")
"""안 as "in": 차 안 온도."""


def _not_before(sentence: Sentence, begin: int) -> bool:
    """Whether 안 stands right before, as a word of its own."""
    if begin < 1 or sentence.solid[begin - 1] != "안" or _INSIDE.search(sentence.solid[:begin]):
        return False
    return sentence.opens[begin - 1]


def _around(sentence: Sentence, found: Found[str]) -> tuple[str, str]:
    """Give the text with its commas before and after an English place."""
    # `words` has no commas; the clause is found again by counting the words before.
    count = sentence.words[: found.begin].split()
    text = sentence.text
    at = 0
    for word in count:
        at = text.find(word, at) + len(word)
    begin = max(0, at - 80)
    before = text[begin:at]
    for stop in (" but ", " however", ";", " then ", " so ", " yet ", " though "):
        cut = before.rfind(stop)
        if cut >= 0:
            before = before[cut + len(stop) :]
    return before.rstrip(" ") + " ", text[at:]
