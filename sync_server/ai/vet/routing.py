"""Which contexts a question needs, what kind it is, and whether its picture must be looked at.

Rules over words, both languages at once, because owners mix them. A wrong guess costs little: too
much context is a longer prompt, too little an answer that is more general.

Contexts: the dog (우리 아이 기준으로, 얘, my dog, its name, a sign, age and weight) unless the
question is of dogs in general; memory when they point back (아까, 말했잖아, as I said) or there are
older turns at all; knowledge for everything but greetings and thanks.

Route `vlm` only when there is a picture, the backend can see, and the question is of something to
be seen (skin, eyes, wound, stool, teeth, a thing eaten) or of the picture itself; a question of
plans and papers (vaccination, price, insurance) never is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from sync_server.ai.vet.contract import ChatRequest, Route
from sync_server.ai.vet.ports import SafetyFlags

MAX_QUERY_CHARS: Final = 600
_SHORT_CHARS: Final = 15
Kind: TypeAlias = Literal["greeting", "thanks", "may_eat", "when_vet", "home_care", "what_is"]


def _words(patterns: str) -> re.Pattern[str]:
    """Any of the patterns, which blanks part (a blank to match is \\s)."""
    return re.compile("|".join(patterns.split()), re.IGNORECASE)


_GREETING: Final = re.compile(
    r"(안녕\w*|하이|헬로우?|ㅎㅇ|반가\w*|hello|hi|hey|good (morning|evening|afternoon))"
    r"( there| vet| doctor|,? ?(수의사|선생)님?)?",
    re.IGNORECASE,
)
_THANKS: Final = re.compile(
    r"((정말|너무|아주|네|넵|응)\s*)*"
    r"(고마\w*|고맙\w*|감사\w*|땡큐|ㄱㅅ|알겠\w*|도움\s?(이\s)?(많이\s)?됐\w*)(\s*(정말|많이|드려요|합니다))*"
    r"|(ok(ay)?,? )?(thanks?( you)?|thx|got it|many thanks)( so much| a lot| very much)?",
    re.IGNORECASE,
)
_EDGES: Final = re.compile(r"^[\W_]+|[\W_]+$")

_OWN_DOG: Final = _words(
    r"""
    우리 저희 제\s?(강아지|반려견|개) 내\s?(강아지|반려견) 울\s?(강아지|애|댕)
    (^|\s)(얘|애|걔|아이)(가|는|를|한테|도|의|\s) 기준으로 \bmy\b \bour\b \b(he|she)('s)?\b
    \bhis\b \bher\b
    """
)
_BY_MEASURE: Final = _words(
    r"""
    체중 몸무게 비만 살이?\s?(쪄|찌|빼|빠) 사료\s?(양|량) 얼마나\s?(먹|줘|급여|산책) 나이
    노령|노견|퍼피|\d+\s?(살|개월|kg|키로|킬로) \bweight\b \bage\b
    how\smuch\s(food|to\sfeed|exercise) \d+\s?(kg|years?|months?)\b 산책
    보행|걸음|절뚝|절어|절름 \blimp \bgait\b \bwalk
    """
)
_IN_GENERAL: Final = _words(
    r"""
    일반적 보통 강아지(는|들|란)\s 개(는|들은)\s 반려견(은|들)\s \bdogs\b \ba\s(dog|puppy)\b
    \bpuppies\b
    """
)
_LOOKS_BACK: Final = _words(
    r"""
    아까 방금 말했잖 말씀\s?드렸 전에\s?(말|얘기|물어) 지난번 이어서 그때 여전히 아직도
    (그럼|그러면|그건|그거|그래서) as\si\s(said|told|mentioned) i\s(told|said) \bearlier\b
    \bstill\b last\stime \bthen\b \bthat\b
    """
)

_TO_SEE: Final = _words(
    r"""
    사진 이미지 보이 보여 봐\s?주 이게\s?뭐 이거\s?(뭐|괜찮) 피부 발진
    빨갛|빨개|붉|붓|부었|부어 혹|멍울|덩어리|사마귀 상처 긁 털 비듬
    눈(이|을|에|가|꼽|물|곱|\s) 각막|결막 귀(가|를|에|지|속|\s) 이빨|치아|잇몸|치석
    발(바닥|가락|톱|이|을) 변(이|을|에|색|\s)|대변|설사|혈변|점액 토(했|한|사물|를)|구토
    소변|오줌 피(가|를)|출혈 진드기|벌레|벼룩 먹은\s?(것|게) \bphoto \bpicture \bimage
    look(s|ing)?\b \bsee\b \bskin\b \brash \bred\b \bswollen \blump \bbump \bwound \bcut\b
    \bsore \beyes?\b \bears?\b \bteeth|\btooth|\bgums?\b \bpaw \bnail
    \bstool|\bpoop?\b|\bdiarrh \bvomit \burine|\bpee\b \bblood \btick|\bflea what\sis\sthis
    """
)
_NOT_TO_SEE: Final = _words(
    r"""
    예방\s?접종|백신|접종\s?(일정|시기|스케줄) 일정|스케줄|몇\s?(개월|살|번|주)
    비용|가격|얼마예요|보험 중성화\s?(시기|언제) \bvaccin \bschedule
    \bprice|\bcosts?\b|\binsurance when\s(should|to)\s(i\s)?(spay|neuter)
    """
)
_OF_THE_PICTURE: Final = _words(
    r"""
    사진 이미지 이게\s?뭐 보이 봐\s?주 \bphoto \bpicture \bimage what\sis\sthis
    """
)

_MAY_EAT: Final = _words(
    r"""
    먹(어|여|이|일|을|은|었|였)\w*\s?(도|면)?\s?(되|돼|괜찮|안\s?(되|돼)|나요|줘) 먹어도
    먹여도 줘도 급여해도 (삼켰|먹었|먹어\s?버렸|핥았)
    can\s(my\s|our\s|a\s)?(dog|puppy|dogs|he|she|they)\s(eat|have|drink)
    (is|are)\s.{1,40}\s(safe|toxic|poisonous|bad|ok|okay) \b(ate|eaten|swallowed|licked)\b
    """
)
_WHEN_VET: Final = _words(
    r"""
    병원\s?(에)?\s?(가야|가\s?봐|갈|데려) (언제|지금)\s?.{0,8}병원 응급 심각 위험한(가|지|건)
    괜찮(을까|은가|은지|나요|아요|겠) (go\sto|see|visit|call)\s(the\s|a\s)?vet \bemergency\b
    \bserious\b should\si\s(worry|be\sworried) is\sit\s(dangerous|ok)
    """
)
_HOME_CARE: Final = _words(
    r"""
    어떻게\s?(해|하|관리|돌|씻|닦|줄|먹|산책|도와|키) 방법 집에서 관리 해\s?줄\s?수 뭘\s?해
    어떡|어쩌|어째 해도\s?(되|돼) 케어 how\s(do|can|should|to) what\s(can|should)\si\sdo
    at\shome \bcare\b \btips?\b
    """
)


@dataclass(frozen=True)
class Wanted:
    """What a question asks for."""

    kind: Kind
    knowledge: bool
    dog: bool
    memory: bool
    looks: bool
    """Something is to be seen, if a picture is there."""


def read_question(request: ChatRequest) -> Wanted:
    """Say what a question needs; see the module."""
    text = request.message.content
    bare = _EDGES.sub("", text)
    small: Kind | None = (
        "greeting" if _GREETING.fullmatch(bare) else "thanks" if _THANKS.fullmatch(bare) else None
    )
    if small is not None and request.image_url is None:
        return Wanted(small, knowledge=False, dog=False, memory=False, looks=False)
    name = request.dog.name if request.dog is not None else ""
    general = bool(_IN_GENERAL.search(text))
    own = bool(_OWN_DOG.search(text)) or bool(_BY_MEASURE.search(text))
    older = request.memory is not None and bool(request.memory.summary or request.memory.key_facts)
    return Wanted(
        kind=_kind(text),
        knowledge=True,
        dog=not general or own or (len(name) > 1 and name in text),
        memory=older and (bool(_LOOKS_BACK.search(text)) or len(request.history) > 0),
        looks=_looks(text),
    )


def query_of(request: ChatRequest, flags: SafetyFlags) -> str:
    """What to search for: the question, with the signs that it is about.

    One that looks back takes the question before it along, unless a sign is what it is about.
    """
    text = request.message.content
    if flags.pressing:
        return " ".join([text, *(sign.name for sign in flags.pressing)])[:MAX_QUERY_CHARS]
    return leaning_query(request) if _LOOKS_BACK.search(text) else text[:MAX_QUERY_CHARS]


def leaning_query(request: ChatRequest) -> str:
    """The question together with the one before it; for what finds little by itself."""
    before = [turn.content for turn in request.history if turn.role == "user"]
    return " ".join([request.message.content, *before[-1:]])[:MAX_QUERY_CHARS]


def may_lean(request: ChatRequest) -> bool:
    """Whether a question is so short that it may mean the one before it: 얼마나 자주요?"""
    return len(request.message.content) < _SHORT_CHARS and bool(request.history)


def choose_route(wanted: Wanted, has_picture: bool, can_see: bool) -> Route:
    """`vlm` where a picture is there, asked about, and the backend can see."""
    return "vlm" if has_picture and can_see and wanted.looks else "text_only"


def _looks(text: str) -> bool:
    if _NOT_TO_SEE.search(text):
        return bool(_OF_THE_PICTURE.search(text))
    return bool(_TO_SEE.search(text))


def _kind(text: str) -> Kind:
    if _MAY_EAT.search(text):
        return "may_eat"
    if _WHEN_VET.search(text):
        return "when_vet"
    return "home_care" if _HOME_CARE.search(text) else "what_is"
