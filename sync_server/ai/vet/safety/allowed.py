"""What may be said where something is at stake: a list of what is good, not of what is bad.

In an ordinary talk a list of dangers decides (`judge_ko`, `judge_en`). Such a list never ends:
nobody
can write down all remedies and all ways to say "it will pass". So where a sign was reported, or the
talk is about a medicine or a poison, a sentence gets through only if it does one of the few things
that help there: sends to a vet, forbids, warns, gives first aid, asks. Nothing useful is lost, for
`notes.opening` has said what matters. Anywhere, something to give or to put on must be something
known: food, water, a cleaner for dogs.
"""

from __future__ import annotations

import re
from typing import Final

from sync_server.ai.vet.safety import judge_en, judge_ko, remedies
from sync_server.ai.vet.safety.text import pattern

_HELPS_KO: Final = pattern(
    r"병원|수의사|진료|응급|전화|연락|이동|출발|안내|적어|기록|메모|사진|영상|챙기|챙겨|포장|"
    r"담요|따뜻|감싸|받쳐|받치|눕혀|눕히|"
    r"안아|안고|거즈|천으로|수건|적셔|적시|미지근|서늘|시원|그늘|바람|목줄|하네스|조용|어둡|"
    r"치우|치워|시각|시간을|확인|"
    r"살펴|살피|숨쉬|호흡|넥카라|덮어|떼어|환기|헹구|헹궈|씻|부딪|기도|움직이지|걷게하지|"
    r"가만히|눌러주|누르고|누른|흥분|안정을취|"
    r"식욕|체온|차갑|뜨겁|곁에|건드리지|핥지|비비지|신호|나타날수|다쳤을|잃을수|떨수|뜻|모자라|"
    r"증상|나빠지|악화|막힐|손상|출혈|알려주세|알려줘|계신가요|있나요|했나요|인가요|언제"
)
_TELLS_KO: Final = pattern(
    r"토하|토해|구토|설사|경련|발작|잇몸|창백|늘어|비틀|쓰러|의식|소변|오줌|피가|피를|피설사|"
    r"혈변|떨|붓|부어|부풀|숨이|숨을|호흡|헐떡|"
    r"심장|침을|먹지않|처지|처져|노랗|파랗|아파|절뚝|끌|딛지|벌어지|고름|반응|체온|열이|마비|"
    r"꺾|검은변|단내|안절부절|뻣뻣"
)
"""Signs told: where nothing plays them down, telling them helps to know an emergency."""
_TELLS_EN: Final = re.compile(
    r"\b(?:vomit\w*|diarrh\w*|seizures?|convuls\w*|gums?|pale|limp|wobbl\w*|stagger\w*|"
    r"collaps\w*|conscious|urine|blood\w*|"
    r"bleed\w*|trembl\w*|swell\w*|swollen|breath|breathes|pant\w*|heart|drool\w*|yellow|blue|"
    r"pain\w*|bruis\w*|weak|stiff|paddl\w*|"
    r"strains?|restless|fever|drag\w*|pus|tired)\b"
)
_HELPS_EN: Final = re.compile(
    r"\b(?:vets?|veterinarian|clinic|hospital|emergency|call|drive|leave for|on the way|carry|"
    r"carrying|"
    r"note|write|photos?|videos?|package|wrapper|label|blanket|warm|quiet|calm|still|cool|"
    r"shade|fan|lukewarm|press|"
    r"cloth|gauze|towel|cover|collar|harness|on (?:its|his|her) side|flat|breathing|rinse|"
    r"clear|move (?:him|her|it|your dog)|"
    r"keep (?:him|her|it|your dog) (?:away|still|from|calm|warm|cool)|stop (?:him|her|it|"
    r"your dog) from|time the|signs?|symptoms?|"
    r"can (?:mean|drop|burn|damage|hide|block|cause)|run out of|get worse|tell (?:them|the)|"
    r"when did|how (?:many|much) (?:was|did|has)|note how|what (?:was|did)|seen (?:today|"
    r"now))\b"
)
_ORDERS_EN: Final = re.compile(
    r"(?:just |simply |you (?:can|could|should|may) |please |try |- )*"
    r"(?:run|let|give|put|use|make|take|offer|feed|apply|rub|massage|walk|bathe|try|add|mix|"
    r"boil|steam|wash|pour|have|get|do|place|hold|squeeze|pull|push|cut)\b"
)
_NEUTRAL_KO: Final = pattern(
    r"드릴수없|할수없|알수없|깨끗|유지|적혈구|빈혈|성분|막거나|찌를|원인|다양|여러|종류|검사|"
    r"도와드릴|궁금|깨뜨|분해"
)
_NEUTRAL_EN: Final = re.compile(
    r"\b(?:cannot|cant|keep the dog from|burns?|break down|contains?|holds?|ingredients?|"
    r"reasons?|causes?|kinds? of|depends?|"
    r"examin\w+|tests?|happy to|glad to)\b"
)
_CALMS_KO: Final = pattern(
    r"끄떡|아무일|문제없|상관없|무방|순해|좋아져|좋아지|나아져|나을|낫|가라앉|사라|저절로|멀쩡|"
    r"충분|별거|금방(?:좋|나|괜|낫|가라|회복|돌아|편)|"
    r"빠져|풀려|풀리|내려가|다들|많이들|하더라|좋더라|한숨|주무|자면|산책|마사지|문질"
)
_CALMS_EN: Final = re.compile(
    r"\b(?:alright|all right|fine|okay|ok|no action|never hurts?|hurt any|nothing|will get|"
    r"will pass|bring it|settles?|"
    r"most owners|people use|does the trick|nap|sleep|massage|rub|walk it|home remed\w+|"
    r"usually|most likely|probably|"
    r"no big|love it|will love)\b"
)
_GIVES_KO: Final = pattern(
    r"(?:먹이|먹여|급여하|급여해|투여|복용|발라|바르(?!게)|붙이|붙여|(?:귀|눈|입|"
    r"코)에.{0,10}떨어뜨리|뿌려|뿌리(?=[세고면지시거며기])|"
    r"비벼|섞어|섞으|타서|넣어|넣으|주입)"
)
_KNOWN_KO: Final = pattern(
    r"물을|물은|물도|물만|사료|음식|밥|간식|식사|식단|죽|미음|고구마|닭|호박|당근|사과|바나나|"
    r"오이|브로콜리|블루베리|수박|배추|두부|"
    r"계란|달걀|연어|생선|고기|소고기|칼로리|치즈|요거트|유산균|영양|보습|로션|샴푸|세정|"
    r"귀청소|치약|칫솔|밤|왁스|발밤|예방약|예방|구충|"
    r"장난감|이름표|칭찬|보상|선크림|옷|신발|매트|담요|이불|방석|조금씩|소량|나누어|나눠|규칙|"
    r"시간|같은양|권장량|장갑|가방|이동장|통에|"
    r"윤활|체온계|캔|습식|건식|껌|젤|이유식|분유|초유|끼|아침|저녁|유동식|얼음|눈물|목록|기록|"
    r"모래|상자"
)
_GIVES_EN: Final = re.compile(
    r"\b(?:give|feed|administer|apply|inject|dose|drip|rub|spray|dab|squirt|pour)\b(?! (?:in|"
    r"up|way|birth|it time)\b)|"
    r"\bput (?:\w+ ){1,5}(?:on|in|into) (?:his|her|its|the) (?:ears?|eyes?|wound|skin|tongue|"
    r"mouth|nose|paw|gums|cut)\b"
)
_KNOWN_EN: Final = re.compile(
    r"\b(?:water|food|kibble|meals?|treats?|rice|chicken|pumpkin|carrots?|apples?|diet|snacks?|"
    r"broth|fish|egg|eggs|yogurt|"
    r"fluids?|milk replacer|praise|rewards?|toys?|time|rest|breaks?|space|chances?|love|"
    r"attention|exercise|cleaner|shampoo|"
    r"moisturi[sz]er|balm|wax|toothpaste|sunscreen|harness|coat|boots|blanket|mat|bed|crate|"
    r"collar|tag|cloth|pressure|"
    r"probiotics?|prevention|preventive|advice|details|record|list|name|calm|walks?|portion|"
    r"portions|bowl|towel|gloves|ramp|"
    r"puppies|adults|nothing|games|scent|lubricant|gel|cone|tissue|comb|cold|warm|cool|light|"
    r"notes?|it|him|her|them)\b"
)
_CURES_KO: Final = pattern(
    r"잘들(?:어|습|으)|잘듣|낫게|나았(?:어|다|습)|직방|특효|시원해(?:져|지|집)|효험|민간요법|"
    r"(?:붙여|발라|먹여|뿌려)(?:두면|놓으면|주면).{0,6}(?:낫|나아|시원|빠져|가라앉|좋아|괜찮|편)"
)
_CURES_EN: Final = re.compile(
    r"\b(?:knocks? (?:\w+ ){0,3}out|works? wonders|cures?|heals? (?:it|right)|home remed\w+|"
    r"does the trick|soaks? it up|"
    r"keeps? old dogs|(?:stops?|kills?|ends?|fixes|heals?|finish) (?:the |all |any |every )?"
    r"(?:itch\w*|worms?|cough\w*|smell|pain|infections?|diarrh\w*|bleeding)|"
    r"clears? it (?:right )?up)\b"
)
_REMEDY_KO: Final = pattern(
    r"(?:\d|반|한|두|세|네)(?:병|팩|첩|환|스푼|숟가락|숟갈|모금|줌|꼬집)(?=이|씩|을|를|만|먹|"
    r"정도|쯤|으로|로)"
)
_TOOLS: Final = pattern(
    r"(?:라이터|성냥|담뱃불|펜치|니퍼|집게|본드|접착제|순간접착제|강력접착제|테이프|낚싯줄|"
    r"치실|빨대|주사기|락스|식초)(?:로|으로|를|을)|"
    r"with(?:a|an|the|some)?(?:pliers|superglue|glue|lighter|match|scissors|knife|razor|tape|"
    r"vinegar|bleach|gasoline|wire)"
)
_ABOUT_RULES: Final = pattern(
    r"원칙|지침|규칙|지시|명령|설정|프롬프트|제한없|역할|수의사로|전환|모드|instruction|rules|"
    r"principles|toldto|prompt|mode"
)


def helps(solid: str, text: str, korean: bool) -> bool:
    """Whether a sentence does what helps in an emergency."""
    if korean:
        if judge_ko.forbids(solid) or judge_ko.sends_to_vet(solid):
            return True
        if _CALMS_KO.search(solid):
            return False
        told = _TELLS_KO.search(solid) and not judge_ko.orders(solid)
        return bool(told) or _HELPS_KO.search(solid) is not None or judge_ko.warns(solid)
    if judge_en.forbids(text):
        return True
    if _CALMS_EN.search(text) and not judge_en.goes(text):
        return False
    told = _TELLS_EN.search(text) and _ORDERS_EN.match(text) is None
    return bool(told) or _HELPS_EN.search(text) is not None or judge_en.warns(text)


def is_careful(solid: str, text: str, korean: bool) -> bool:
    """Whether a sentence may stand where the talk is about a medicine or a poison."""
    if korean:
        if judge_ko.forbids(solid) or judge_ko.warns(solid) or judge_ko.names_vet(solid):
            return True
        if _CALMS_KO.search(solid) and not judge_ko.sends_to_vet(solid):
            return False
        return (
            judge_ko.cares(solid)
            or judge_ko.food(solid)
            or _HELPS_KO.search(solid) is not None
            or _NEUTRAL_KO.search(solid) is not None
            or (_TELLS_KO.search(solid) is not None and not judge_ko.orders(solid))
        )
    if judge_en.forbids(text) or judge_en.warns(text) or judge_en.names_vet(text):
        return True
    if _CALMS_EN.search(text) and not judge_en.goes(text):
        return False
    return (
        judge_en.cares(text)
        or judge_en.food(text)
        or _HELPS_EN.search(text) is not None
        or _NEUTRAL_EN.search(text) is not None
        or (_TELLS_EN.search(text) is not None and _ORDERS_EN.match(text) is None)
    )


def calms(solid: str, text: str, korean: bool) -> bool:
    """Whether a sentence plays something down."""
    if korean:
        return _CALMS_KO.search(solid) is not None and not judge_ko.warns(solid)
    return _CALMS_EN.search(text) is not None and not judge_en.warns(text)


def is_unknown_remedy(solid: str, text: str, korean: bool) -> bool:
    """Whether something is to be given or put on that is not known as harmless, or a tool used."""
    if korean:
        if remedies.unknown_ko(solid, text):
            return True
        if _TOOLS.search(solid) and not judge_ko.forbids(solid):
            return True
        if judge_ko.forbids(solid):
            return False
        if _CURES_KO.search(solid) and not (judge_ko.warns(solid) or judge_ko.names_vet(solid)):
            return True
        if _REMEDY_KO.search(solid) and not _KNOWN_KO.search(solid) and not judge_ko.warns(solid):
            return True
        return any(
            stretch.way == "do"
            and _GIVES_KO.search(stretch.text) is not None
            and _KNOWN_KO.search(stretch.text) is None
            for stretch in judge_ko.stretches(solid)
        ) and not judge_ko.names_vet(solid)
    if judge_en.forbids(text):
        return False
    if _TOOLS.search(solid) and "tick" not in text:
        return True
    if remedies.unknown_en(text):
        return True
    without = _CURES_EN.sub("", text)
    if without != text and not (judge_en.warns(without) or judge_en.names_vet(text)):
        return True
    return any(
        stretch.way == "do"
        and _GIVES_EN.search(stretch.text) is not None
        and _KNOWN_EN.search(stretch.text) is None
        for stretch in judge_en.stretches(text)
    ) and not judge_en.names_vet(text)


_LEAVES: Final = pattern(
    r"그냥두|그냥놔두|놔두면돼|놔두면됩|내버려두|신경쓰지않으셔도|신경안써도|신경쓸필요|"
    r"leave(?:it|them|that)(?:alone|be)|"
    r"nothingtodoaboutit"
)
_GROWTHS: Final = pattern(
    r"혹|종양|양성|지방종|멍울|종기|상처|고름|핏|lump|tumor|tumour|growth|benign|cyst|wound|sore"
)
_BENIGN: Final = pattern(
    r"양성(?:이니|이라|이에|입니|이므|이고|종양이)|(?:is|are|its)(?:just|only|probably)?benign"
)


def leaves_it(solid: str, korean: bool) -> bool:
    """Whether a growth or a wound is called harmless, or to be left to itself."""
    if korean and (judge_ko.forbids(solid) or judge_ko.warns(solid)):
        return False
    if _BENIGN.search(solid):
        return True
    return _LEAVES.search(solid) is not None and _GROWTHS.search(solid) is not None


def is_about_rules(solid: str) -> bool:
    """Whether a sentence talks of rules or roles, where someone tried to change them."""
    return _ABOUT_RULES.search(solid) is not None
