"""What counts as a fact in an owner's words, Korean and English: patterns, nothing learned."""

from __future__ import annotations

import re
from re import Pattern
from typing import Final, NamedTuple


def _words(pattern: str) -> Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


class Named(NamedTuple):
    """Something that is looked for: its names, and how owners write of it."""

    ko: str
    en: str
    pattern: Pattern[str]


INJECTION: Final = _words(
    r"(이전|위의?|앞의?|기존)\s*(모든\s*)?(지시|명령|규칙|프롬프트)|(지시|규칙|명령)(사항)?[을를은는]?\s*"
    r"(모두\s*|전부\s*)?(무시|잊|따르지)|시스템\s*(프롬프트|메시지|지시)|프롬프트|너는\s*(이제|지금)(부터)?|"
    r"역할(을|극)|개발자\s*모드|라고\s*(기억|저장)해|"
    r"ignore\s+(all|any|the|your|previous|prior|above)|disregard|system\s*(prompt|message|:)|"
    r"you\s+are\s+now|remember\s+that|act\s+as|pretend|developer\s+mode|jailbreak|(new|"
    r"your)\s+(instructions?|rules?)|"
    r"(assistant|system|user)\s*:|<\s*/?\s*\w+\s*>|```|\[/?INST"
)
"""Sentences that speak to the machine and not of the dog: never remembered."""

SENTENCE_END: Final = re.compile(r"[.!?。！？…]+(?=\s|$)|\n+|(?<=[요죠])\s+|;")

SYMPTOMS: Final = (
    Named("구토", "vomiting", _words(
        r"구토|토(?=를|했|하|해|도 )|토해|(?<![가-힣])토(?=\s)|"
        r"vomit|thr(e|o)w(s|ing|n)?\s+up|puk(e|ing)")),
    Named("혈변", "blood in the stool", _words(
        r"혈변|(변|똥|설사)에\s*피|피\s*(섞인|나는)\s*(변|똥)|blood(y)?\s*(in\s+\w+\s+)?(stool|poo|diarrh)")),
    Named("설사", "diarrhoea", _words(r"설사|(무른|묽은|물)\s*(변|똥)|diarrh|loose\s+(stool|poo)")),
    Named("변비", "constipation", _words(r"변비|변을\s*못|constipat")),
    Named("기침", "coughing", _words(r"기침|켁켁|cough|hacking")),
    Named("콧물·재채기", "sneezing or a runny nose", _words(r"콧물|재채기|sneez|runny\s+nose")),
    Named("절뚝거림", "limping", _words(r"절뚝|다리를?\s*절|다리를?\s*(들고|들어)|limp|\blame")),
    Named("가려움", "itching", _words(r"긁|가려|핥|itch|scratch|licking")),
    Named("식욕 저하", "poor appetite", _words(
        r"(밥|사료|간식)[을를도은는]?\s*(잘\s*)?(안|못)\s*먹|식욕[이도]?\s*(없|떨어|줄|저하)|"
        r"(not|n't|stopped|refus\w+|won't)\s+(\w+\s+)?(eat|food)|(loss\s+of|poor|"
        r"no)\s+appetite|off\s+\w+\s+food")),
    Named("기운 없음", "low energy", _words(
        r"기운[이도]?\s*(없|빠)|무기력|축\s*(처|늘어)|letharg|no\s+energy|low\s+energy|listless")),
    Named("발작", "seizures", _words(r"발작|경련|seizure|convuls|fits?\b")),
    Named("호흡 이상", "trouble breathing", _words(
        r"숨[을이]?\s*(가쁘|헐떡|못|거칠|차)|호흡\s*(곤란|이상)|헐떡|panting|(trouble|hard|difficult\w*)\s+breath")),
    Named("눈 이상", "eye trouble", _words(
        r"눈곱|충혈|눈물|눈[을이]\s*(못|빨갛|부)|eye\s+discharge|red\s+eye|squint|watery\s+eye")),
    Named("귀 이상", "ear trouble", _words(
        r"귀(에서|가|를)?\s*(냄새|분비물|진물|빨갛|털|긁)|ear\s+(discharge|infection)|smelly\s+ear|"
        r"shak\w+\s+\w+\s+head")),
    Named("탈모", "hair loss", _words(
        r"탈모|털[이도]?\s*(많이\s*)?빠|hair\s+loss|losing\s+(hair|fur)|bald")),
    Named("혹", "a lump", _words(r"멍울|혹[이가]?\s*(만져|났|생|있)|종양|\blump|\bmass\b")),
    Named("물·소변 늘어남", "drinking or urinating more", _words(
        r"물[을도]?\s*(너무\s*)?많이\s*마|소변[을이도]?\s*(자주|많이)|오줌[을이도]?\s*(자주|많이)|"
        r"drink(s|ing)?\s+(a\s+lot|more)|(pee|urinat)\w*\s+(a\s+lot|more|often)")),
    Named("열", "fever", _words(r"열[이도]?\s*(나|있|높)|발열|fever")),
    Named("떨림", "trembling", _words(r"떨(어|고|림|려)|trembl|shiver")),
    Named("체중 변화", "weight change", _words(
        r"(살|체중|몸무게)[이가도]?\s*(많이\s*)?(빠|줄|늘|쪘|찌)|\d\s*(kg|키로|킬로)\w*\s*(이|가|나|정도)?\s*(빠|줄|늘|쪘)|"
        r"(lost|gained|losing|gaining)\s+(\w+\s+)?(weight|\d)")),
)  # fmt: skip

ABSENT_AFTER: Final = _words(
    r"^(은|는|이|가|도|를|을|하는\s*건|하진|하지는|하지)?\s*(이제|지금은|더\s?는|전혀|다시는|아직)?\s*"
    r"(안\s|안하|없|멈|멎|그쳤|그치|나았|나아|사라|하지\s?않|않|아니)|"
    r"^(ing|s|ed)?\s*(has|have|is|was)?\s*(now\s+)?(stopped|gone|resolved|over|cleared)"
)
ABSENT_BEFORE: Final = _words(
    r"(\b(no|not|never|without|isn'?t|doesn'?t|didn'?t|hasn'?t|stopped|"
    r"no\s+longer)\b(\s+\w+){0,2}\s*|"
    r"(?<![가-힣])안\s)$"
)
DURATION: Final = _words(
    r"((\d+|한두|두세|서너|몇|한|두|세|네)\s*(시간|일|주일?|주|개월|달|년)|하루|이틀|사흘|나흘|일주일|며칠|보름)\s*"
    r"(정도\s*|쯤\s*)?(전부터|전에|전|째|동안|넘게|됐|되)|"
    r"(어제|오늘|그저께|그제|엊그제|어젯밤|지난주|지난달|아침|새벽)\s*(아침|저녁|밤)?\s*(부터)?|"
    r"\b(for|since|over)\s+(the\s+(past|last)\s+)?((a|an|about|\d+|two|three|four|five|few|"
    r"couple\s+of|several)\s+)*"
    r"(hours?|days?|weeks?|months?|years?|yesterday|last\s+(night|week|month)|this\s+morning|"
    r"today)|"
    r"\b(\d+|a|an|two|three|four|few)\s+(hours?|days?|weeks?|months?|years?)\s+ago|"
    r"\b(yesterday|last\s+night|this\s+morning|last\s+week)\b"
)
TIMES: Final = _words(
    r"하루에?\s*\d+\s*(번|회)|\d+\s*(번|회)|\b(once|twice|\d+\s+times?)(\s+a\s+(day|week))?"
)

AGE: Final = _words(
    r"(?P<ko>(?<!\d)\d{1,2}(\.\d)?\s*살(?!\s*(이\s*)?(빠|쪘|찌))|(?<!\d)\d{1,2}\s*세(?![가-힣트])|"
    r"생후\s*\d{1,3}\s*(개월|주|일)|\d{1,2}\s*개월\s*(된|령|짜리|강아지))|"
    r"(?P<en>\d{1,2}(\.\d)?[\s-]*(years?|yrs?|months?|weeks?)[\s-]*old)"
)
WEIGHT: Final = _words(
    r"(?<![\d.])(?P<value>\d{1,3}([.,]\d{1,2})?)\s*(?P<unit>kg|㎏|킬로그램|킬로|키로|lbs?\b|pounds?)"
)
NOT_A_WEIGHT: Final = _words(
    r"(사료|포대|간식|food|bag|kibble|lost|gained|lose|gain)[\s\w]{0,6}$|^\s*(이|가|나|정도)?\s*(짜리|빠|줄|"
    r"늘|쪘|찌|bag)"
)

MEDICINE: Final = _words(
    r"항생제|진통제|소염제|스테로이드|구충제|영양제|유산균|안약|연고|시럽|해열제|지사제|인슐린|이부프로펜|타이레놀|"
    r"아세트아미노펜|아스피린|아포퀠|애포퀠|(심장사상충|심장|관절|피부|감기|위장|알레르기|귀|설사|구토|신장)\s?약|"
    r"(?<![가-힣])약(?=[을를은는도이]|\s)|"
    r"antibiotics?|steroids?|prednis\w+|painkillers?|apoquel|ibuprofen|tylenol|acetaminophen|"
    r"paracetamol|"
    r"aspirin|probiotics?|insulin|gabapentin|rimadyl|carprofen|metronidazole|ointment|eye\s+drops|"
    r"antihistamines?|benadryl|dewormer|medicines?|medications?"
)
TAKES: Final = _words(
    r"먹이|먹였|먹여|먹고\s*있|먹는\s*중|복용|투약|처방|바르|발라|발랐|넣어|맞고|맞았|받아|"
    r"\b(takes?|taking|took|gave|given|giving|prescribed|is\s+on|been\s+on|started)\b"
)
STOPPED: Final = _words(r"끊|중단|안\s*먹|그만|\b(stopped|no\s+longer|off)\b")
ASKS: Final = _words(
    r"(되|돼|될까|괜찮|좋을까|하나|할까|나)요?\s*\??$|\b(can|should|may|could|is\s+it)\b.*\?|까요|나요"
)

ALLERGY: Final = _words(
    r"(?P<ko>[가-힣A-Za-z]{1,8})(에|에\s*대한)?\s*알레르기|allergic\s+to\s+(?P<en>[A-Za-z]+(\s+[A-Za-z]+)?)|"
    r"(?P<en2>[A-Za-z]+)\s+allerg(y|ies)"
)
NO_ALLERGY: Final = _words(
    r"알레르기[는은이가도]?\s*(전혀\s*)?(없|아니)|\bno\s+(known\s+)?allerg|not\s+allergic"
)

OPERATION: Final = _words(
    r"(?P<ko>((?!\S*에\s)[가-힣A-Za-z]{1,8}\s?)?수술|중성화)(?=[을를은는도]?\s*(했|받|한\s*지|후|뒤|하고|시켰))|"
    r"(?P<en>([A-Za-z]+\s+)?(surgery|operation)|spayed|neutered)"
)
HAD: Final = _words(r"\b(had|after|since|got|was|is|underwent|recover\w*)\b")

FOOD: Final = _words(
    r"(사료|간식|화식|생식|습식|건식|처방식|닭가슴살|고구마|캔)[을를은는도만]?\s*(\S+\s+){0,2}?(먹이|먹여|먹고|먹는|급여|줘|주고|줬|바꿨|바꾸|바꾼)|"
    r"\b(feed(s|ing)?|fed|eats|switched\s+to|diet\s+(of|is))\s+(him\s+|her\s+|it\s+|"
    r"them\s+)?[A-Za-z][\w\s-]{2,40}"
)
