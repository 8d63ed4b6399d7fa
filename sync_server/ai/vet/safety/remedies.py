"""Things to give or to put on: only what is known as harmless may be told in ordinary talk.

Nobody can list all folk remedies; the things that a careful answer tells an owner to give, to put
on or to wipe with are few. So the thing itself (the object of the verb, not any word of the
sentence: "oil over the food" is oil) must be on the short lists below, or a vet is left to decide.
"""

from __future__ import annotations

import re
from typing import Final

from sync_server.ai.vet.safety import judge_en, judge_ko
from sync_server.ai.vet.safety.text import pattern

_PUTS_KO: Final = pattern(
    r"먹이|먹여|떠먹|마시게|급여(?!량)|투여|복용|바르(?!게)|발라|펴바|묻혀|묻히|문지르|문질|"
    r"얹어|얹으|"
    r"담가|담그|담궈|뿌려|뿌리(?=세|면|고|시)|덮어바|비벼|섞어|섞으|타서|타먹|개어|달여|우려|"
    r"다져|갈아서|갈아(?=얹|넣|붙|먹|바)|"
    r"찜질|붙여|붙이(?=세|고|면|시)|에대주|에대고|에대어|흘려넣|떨어뜨려|적셔|"
    r"(?:을|를)(?:조금|매일|한|두|하루|아침|저녁|자주|꾸준히|가끔|좀)?(?:씩)?(?:주면|주시면|"
    r"줘보|주세요|"
    r"줘도)"
)
_GOOD_KO: Final = pattern(
    r"^물(?:$|만|도|과|이)|(?:생수|온수|수돗물|미지근한물|찬물|얼음|온찜질|냉찜질)|사료|음식|"
    r"밥|간식|식사|식단|"
    r"죽|미음|고구마|닭|호박|당근|사과|바나나|오이|브로콜리|블루베리|수박|배추|두부|계란|달걀|"
    r"연어|생선|고기|"
    r"습식|건식|캔|유동식|이유식|육수|요거트|먹이|먹을|분유|초유|대용유|유산균|"
    r"로션|보습|샴푸|세정제|세정액|귀세정|클리너|치약|칫솔|발밤|밤|왁스|선크림|자외선|넥카라|"
    r"약|연고|예방|구충|처방|백신|주사|영양제|보조제|윤활|젤|식염수|인공눈물|소독(?:약|제)|"
    r"거즈|솜|천|수건|붕대|휴지|"
    r"물티슈|손수건|양말|신발|옷|장갑|매트|담요|이불|방석|신문|패드|모래|스티커|이름표|사진|"
    r"영상|메모|라벨|"
    r"장난감|껌|공|노즈워크|퍼즐|칭찬|보상|관심|사랑|시간|휴식|자리|기회|간격|도움|힘|"
    r"부담|스트레스|변화|자극|무리|상처|눈|귀|코|입|발|다리|배|등|털|피부|몸|이빨|이를|치아|"
    r"잇몸|혀|목|"
    r"부위|자리|곳|얼굴|꼬리|항문|손|손가락|핀셋|빗|그릇|통|양|량|끼|칼로리|식이|섬유|것|걸|"
    r"줄|하네스|신호|"
    r"말|목소리|냄새|소리|처음|종류|정도|때|동안|반응|마사지|온도|속도|아이|강아지|개|어미|"
    r"새끼|혈관|바닥|"
    r"창문|집|방|산책|운동|찜질|체중|몸무게|놀이|훈련|연습|표시|기록|숫자|규칙|명령|기저귀|"
    r"에어컨|선풍기|바람|그늘"
)
"""Things (and parts of the body, and what is not a thing) that may be the object of such a verb."""
_BAD_KO: Final = pattern(
    r"참기름|식용유|올리브유|코코넛오일|오일|기름|설탕|소금|죽염|된장|고추장|간장|식초|소주|막걸리|"
    r"녹차|홍차|커피|홍삼|인삼|한약|한방|달인|배즙|즙|진액|엑기스|청을|매실|마늘|생강|양파|"
    r"감자|알로에|"
    r"벌꿀|약초|약재|황토|치약을(?:상처|발라)|매니큐어|바셀린|파스|고약|반창고|본드|접착제|베이킹|"
    r"라면|찌개|국물(?=을|에)|과산화|알코올|알콜|락스|비누|빨간약|아까징끼|후시딘|마데카솔|"
    r"사람(?:용)?(?:연고|약|분유|아기)|아기분유"
)
_WASHES_KO: Final = pattern(r"씻기|씻어|씻겨|닦아|닦으|헹궈|헹구|세척|가글|목욕")
_MADE_WATER_KO: Final = pattern(r"(?:희석한|희석해|녹인|녹여|탄|달인|우린|우려낸|섞은)물")
_ON_KO: Final = pattern(
    r"상처|눈에|눈을|눈안|귀에|귓속|귀안|귀속|잇몸|혹에|혹위|빨간|부은|부위|환부|발진|물린|"
    r"데인|항문|콧속"
)
_FIT_FOR_WOUNDS_KO: Final = pattern(
    r"물$|물을|세정|클리너|거즈|솜|천$|수건|식염수|처방|연고|보습|로션|밤$|샴푸|붕대|넥카라|"
    r"윤활|티슈|장갑|"
    r"상처|눈|귀|잇몸|부위|빨간|손|곳|핀셋|안쪽|바깥|털|사진|양말|진료"
)
"""What may come near a wound, an eye or an ear."""
_BAD_WORD_KO: Final = re.compile(
    r"(?:^|\s)(?:꿀|술|쑥|숯|재|침)(?:을|를|에|과|물을|물에|차를|로|으로)?(?=\s|$)"
)
_ADDS_GOOD_KO: Final = pattern(r"없는|무염|넣지않|빼고|말고|쓰지|마세|않은|않고|금지|안돼|안됩")
_PLAIN_WORD: Final = re.compile(r"(.{1,14}?)(?:을|를)$")

_GIVES_EN: Final = re.compile(
    r"\b(?:give|feed|administer|apply|inject|dose|drip|dab|rub|smear|spread|sprinkle|spoon|"
    r"drizzle|smother|squirt|pour)\b(?! (?:in|up|way|birth|it time|out|off)\b)([^.;:!?]{0,80})"
)
_WASHES_EN: Final = re.compile(
    r"\b(?:soak|dip|bathe|wash|rinse|wipe|clean|swab|massage|mix|stir|dissolve|brew|steep|boil|"
    r"crush|wrap|seal|coat|cover|spray|dampen|dress)\b([^.;:!?]{0,80})"
)
_PUT_ON_EN: Final = re.compile(
    r"\b(?:rubbed|applied|dabbed|smeared|sprinkled|mixed|poured|massaged|dripped|spread)\b"
)
_FRIES_EN: Final = re.compile(r"\b(?:fry|stuff|pack|fill|close|plug|place|put|use|try|hold)\b")
_WITH_EN: Final = re.compile(r"\b(?:in|with|using)\b([^.;:!?]{0,60})")
_STOP_EN: Final = re.compile(
    r"\b(?:on|onto|in|into|over|with|until|at|for|to|through|twice|once|every|daily|a day|when|"
    r"if|and|so|while|after|before|from|by|as|using)\b|,"
)
_GOOD_EN: Final = re.compile(
    r"\b(?:water|food|kibble|meals?|treats?|rice|chicken|turkey|pumpkin|carrots?|apples?|diet|"
    r"snacks?|broth|fish|eggs?|yogurt|fluids?|milk|formula|praise|rewards?|toys?|time|rest|"
    r"breaks?|space|chances?|love|attention|exercise|cleaner|shampoo|conditioner|moisturi[sz]er|"
    r"balm|wax|toothpaste|brush|sunscreen|harness|coats?|boots|blankets?|mats?|bed|bedding|crate|"
    r"collar|tag|cloth|gauze|pressure|probiotics?|prevent\w*|treatments?|product|prescribed|"
    r"medicines?|medication|ointment|advice|details|record|list|name|walks?|portions?|bowls?|"
    r"towels?|gloves|ramp|puppies|adults|dogs?|pup|puppy|nothing|games?|scent|lubricant|gel|"
    r"cone|tissue|comb|cold|warm|cool|lukewarm|light|notes?|it|him|her|them|this|these|that|"
    r"area|skin|paws?|ears?|eyes?|teeth|tooth|mouth|nose|face|body|coat|wound|cut|hands?|folds?|"
    r"outer|part|gums?|belly|legs?|fur|hair|floors?|surfaces?|yard|house|room|car|windows?|"
    r"small|little|some|less|more|amount|same|usual|new|half|bland|soft|wet|dry|saline|"
    r"wrapper|package|call|clear|plenty|enough|signs?|cords?|bin|feet|sheet|cage|vet|clinic)\b"
)
_BAD_EN: Final = re.compile(
    r"(?<!off )(?<!road )(?<!icing )\b(?:oils?|vinegar|honey|garlic|onion|whiske?y|vodka|beer|"
    r"alcohol|peroxide|bleach|salt|"
    r"epsom|sugar|butter|jelly|vaseline|petroleum|diaper|powder|baking|soda|lemon|tea|coffee|"
    r"turmeric|ginger|aloe|herb\w*|tincture|essential|cream of|cologne|toothpicks?|glue|tape|"
    r"lotion for (?:people|humans)|baby|human|nail|kerosene|charcoal|clay|yeast powder|grease|"
    r"bacon|gravy|calamine|cloves?|superglue|vicks)\b"
)
_FINE_EN: Final = re.compile(
    r"\b(?:without|no|free of|unsalted|plain|dog|dogs|canine|veterinary|pet|avoid|not|fish oil)\b"
)


def unknown_ko(solid: str, text: str) -> bool:
    """Whether a Korean sentence tells to give or put on what is not known as harmless."""
    if _ADDS_GOOD_KO.search(solid) or judge_ko.forbids(solid):
        return False
    if judge_ko.warns(solid) or judge_ko.names_vet(solid):
        return False
    puts = _PUTS_KO.search(solid) is not None
    if not puts and _WASHES_KO.search(solid) is None:
        return False
    if _MADE_WATER_KO.search(solid):
        return True
    if _BAD_KO.search(solid) or _BAD_WORD_KO.search(text):
        return True
    things = [
        found[1]
        for word in text.split()
        if (found := _PLAIN_WORD.match(word.strip(",."))) and not _VERBAL_KO.search(found[1])
    ]
    if not puts:
        return False
    told = judge_ko.orders(solid) or _BENEFIT_KO.search(solid) is not None
    if told and _ON_KO.search(solid) and things:
        return any(_FIT_FOR_WOUNDS_KO.search(thing) is None for thing in things)
    return told and any(_GOOD_KO.search(thing) is None for thing in things)


_VERBAL_KO: Final = pattern(
    r"(?:^|[가-힣])(?:씹|먹|마실|핥|놓|잡|신|입|앉|있|없|찾|만났|서너번으|두번으|번으|번)$"
)
"""What only looks like an object: 씹을, 먹을, 서너 번으로."""
_BENEFIT_KO: Final = pattern(
    r"(?:면|두면|주면|주시면|이면|하면).{0,14}(?:빠|나아|낫|가라앉|죽|나오|나와|돌아와|떨어져|"
    r"떨어지|"
    r"좋아|편해|덧나지|사라|없어|효과|시원|아물|멎|그치|안핥|안긁|잘먹)"
)


def unknown_en(text: str) -> bool:
    """Whether an English sentence tells to give or put on what is not known as harmless."""
    if judge_en.forbids(text) or judge_en.warns(text) or judge_en.names_vet(text):
        return False
    if _is_bad_en(text) and any(
        verbs.search(text) for verbs in (_PUT_ON_EN, _WASHES_EN, _GIVES_EN, _FRIES_EN)
    ):
        return True
    for found in _GIVES_EN.finditer(text):
        things = _things(found[1])
        if any(_is_bad_en(one) for one in things):
            return True
        told = _subject_before(text[: found.start()])
        if things[0].strip() and not told and _GOOD_EN.search(things[0]) is None:
            return True
    return False


def _things(rest: str) -> list[str]:
    """What follows a verb up to a preposition, and what it is done with."""
    means = [_STOP_EN.split(found[1], maxsplit=1)[0] for found in _WITH_EN.finditer(rest)]
    return [_STOP_EN.split(rest, maxsplit=1)[0], *means]


def _is_bad_en(thing: str) -> bool:
    return _BAD_EN.search(thing) is not None and _FINE_EN.search(thing) is None


def _subject_before(before: str) -> bool:
    """Whether the verb tells of something instead of ordering it: dogs rub, a hug gives."""
    return _TELLS_EN.search(before) is not None


_TELLS_EN: Final = re.compile(r"\b(?:that|which|who|dogs?|vets?|it|they|can|may|will|not)\s*$")
