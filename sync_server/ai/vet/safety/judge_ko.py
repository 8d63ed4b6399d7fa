"""What a Korean sentence of an answer does: gives a medicine, sends away from the vet, cuts, calms.

Korean says at the end of the verb whether something is to be done: "타이레놀을 먹이면 안 돼요" and
"타이레놀을 먹이세요" begin alike. So a sentence is cut into stretches that each end with a verb of
giving, and each stretch is read by that verb's ending. What no rule understands counts as unsafe.
All patterns run over text without spaces, folded (`text.plain`), with bounded repeats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from sync_server.ai.vet.safety.text import pattern

Way = Literal["do", "do_not", "told", "unclear"]

_GIVE: Final = pattern(
    r"먹이|먹여|먹일|먹인|급여|투여|투약|복용|바르(?!게)|발라|발랐|넣어|넣으|넣고|섞어|섞으|뿌리|"
    r"뿌려|타서|주사|맞히|맞혀|"
    r"쓰시|쓰세요|써보|써주|쓰면|써도|사용하|사용해|사용을|놓아두|갈아서|나눠주|나누어주|쪼개|"
    r"붙이|붙여|떨어뜨리|비벼|흘려|"
    r"(?<=[을를도만씩알정포개번더금량게간루두나럽약제푼락술컵병봉지톨쪽잔])(?<!힘을)(?<!힘만)(?:주(?!의|"
    r"변|기|사|로|인|치|간|말|식)|줘|줄(?!어|이)|준)"
)
_FILL: Final = (
    r"(?:이|여|일|주|해|하|어|아|으|셔|시|을|를|게|줘|보|두|놓|드|리|려|시키|시켜|도록|는|은)*"
)
_NOT: Final = pattern(
    rf"^{_FILL}(?:지(?:는|도|를|만)?(?:마|말|않|못|안)"
    r"|면(?:은)?(?:절대|결코|정말|매우|아주|더|오히려|자칫|생명이?|바로|강아지에게|몸에){0,2}"
    r"(?:안|위험|큰일|독|치명|해로|해롭|문제|중독|곤란|되지|좋지않|증상|간|신장|죽)"
    r"|서는?(?:절대|결코)?안|선(?:절대)?안"
    r"|(?:것|건|거|일|행동|행위)(?:은|는|이|을|도|만)?(?:절대|매우|아주|정말|가장|꼭|반드시|"
    r"굉장히|특히){0,2}"
    r"(?:금물|금지|위험|안|피|좋지않|삼가|권하지|권장하지|권장되지|막|해로|독|치명|하지마|하지말)"
    r"|(?:말|마)(?:고|아|라|세|시)|기(?:는|도)?(?:금지|위험)|금지|금물|안됩|안되|불가)"
)
_DO: Final = pattern(
    rf"^{_FILL}(?:세요|새요|십시오|시오|셔요|십쇼|면(?:됩|되|된|좋|괜찮|나아|낫|금방|곧|충분|"
    rf"효과|편)|"
    r"도(?:됩|되(?!는지|나|냐|는음|는과|는것|지)|된|괜찮(?!은지)|좋|무방|상관|안전|문제)|"
    r"고(?!있|싶)|라|자|수있(?!는지|을지)|야(?:합|하|해|됩|되|만|지)|"
    r"(?:것|걸|게|편)(?:이|을|를)?(?:좋|낫|권|추천|도움)|길(?:권|바)|기를(?:권|바)|습니다|"
    r"ㅂ니다|합니다|줍니다|입니다|요|렴|봐)"
)
_TOLD: Final = pattern(
    rf"^{_FILL}(?:었|였|했|엇|엿|햇|ㅆ|던|기전|기(?:전|에앞)|는지|을지|일지|할지|을까|일까|"
    rf"할까|여부|중(?:인|이|에|일)|량|도?되(?:는지|나|냐|는음|는과|는것)|"
    r"수있(?:는지|을지)|려(?:는|면|다|고)|(?:경우|후|뒤|지|적|다음)|한(?:경우|후|뒤|지|적|다음|"
    r"것)|고있)"
)
_INSTEAD: Final = pattern(r"^(?:이나|나|을|를|은|는)?(?:대신|말고|빼고|제외|아닌|없는|이아닌)")

_VET: Final = r"(?:병원|의원|수의사|진료|내원|응급실|의사|응급센터)"
_NO_VET: Final = pattern(
    rf"{_VET}.{{0,10}}(?:안가|않가|안데려|가지않아도|가지않으셔도|가실필요|갈필요|갈거없|"
    rf"갈것없|갈것까|갈정도(?:는|까지는)아니|가지마|가지말|"
    r"필요(?:가|는|도|까지는|조차)?(?:없|않|전혀없)|안받아도|받지않아도|받을필요|안봐도|"
    r"보이지않아도|데려가지|연락하지(?:마|말|않아도)|"
    r"전화하지(?:마|말)|안부르|없이도|없이(?:집|혼자|직접|해결)|대신|말고|보다는?(?:집|먼저)|"
    r"가봤자|가봐야|소용없|과잉|돈낭비|낭비)"
    rf"|(?:굳이|구태여|괜히){_VET}|{_VET}(?:에|은|는|을)?(?:내일|나중|모레|다음주|주말|월요일|"
    rf"천천히)(?!.{{0,6}}(?:미루지|넘기지))"
)
_NO_VET_AT_ALL: Final = pattern(
    rf"{_VET}(?:에|은|는|까지|로|으로|에는)?(?:굳이|절대|당장)?(?:가지|데려가지|연락하지|"
    rf"전화하지|방문하지|부르지)(?:마|말)|"
    r"병원(?:은|이|에서는)?.{0,4}(?:돈만|비싸기만|상술|과잉|장삿속)|(?:두면|놔두면|놔둬도|"
    r"방치해도|내버려두면)(?:나|낫|사라|없어|괜찮|좋|돼|되)|"
    r"병원비.{0,10}(?:아까|비싸|부담|절약|아끼).{0,14}(?:집에서|직접|혼자|대신)"
)
_DELAY_ALWAYS: Final = pattern(
    r"서두르(?:지|실필요|필요|시지).{0,4}(?:마|말|않|없)|서두를필요|급하지않|급한(?:상황|일|건|"
    r"것|증상)(?:은|는|이)?아|"
    r"(?:지켜보|지켜봐|두고보|기다리|기다려).{0,12}(?:내일|모레|아침|다음|며칠|그때|그다음)|"
    r"(?:가지|이동하지)(?:말고|마시고).{0,6}(?:지켜|기다|쉬)|"
    r"그때.{0,4}(?:병원|진료|가)|그냥(?:넘어|두|놔)|다음에또|"
    r"(?:심해지|나빠지|악화되|심하)면(?!서)(?:그때|바로|꼭|즉시|다시)?.{0,8}(?:병원|진료|내원|"
    r"수의사)"
)
_FINAL_NOT: Final = pattern(
    r"(?:지(?:는|도|를)?(?:마|말)(?:세요|새요|시|아요|고|십|라)?|지않(?:도록|는것|아야|게|"
    r"는게)|안됩니다|안되요|안되어요|안되는|(?<!소)금물|위험(?:해요|합니다|할수|하니|하므로|한|하고)|"
    r"미루지|지체하지|권장(?:하지|되지)않|권하지않|좋지않|피해(?:주|야)|삼가|큰일)"
)
_DELAY: Final = pattern(
    r"지켜보|지켜봐|기다려|기다리|두고보|두고봐|내일|아침까지|아침에|나중에|모레(?:쯤|까지|"
    r"병원)|며칠(?:더|만|지켜|기다|두고|쉬|후|뒤에병원)|주말|다음주|집에서쉬|푹쉬|그냥쉬|"
    r"쉬게(?:하면|하시면|해도)|쉬면(?:낫|괜찮|되|됩|나아)|재우|자고나면|저절로|시간이지나면|"
    r"시간이약|"
    r"천천히(?:가|방문|내원)|급하지|서두르|서두를|늦지않|집에서(?:해결|치료|관리|돌보|쉬|경과)|"
    r"경과를|상태를보|상황을보|푹쉬"
)
_DELAY_NOT: Final = pattern(
    r"(?:지켜보|지켜봐|기다리|기다려|두고보|내일|아침|나중|쉬게|저절로|서두르|집에서|경과|"
    r"상태를보|며칠|주말|재우|시간이지나)"
    r".{0,16}?(?:지(?:는|도)?(?:마|말)|면안|(?<=[리루하보켜])지않|서는안|선안|위험|안됩|안되|"
    r"금물|미루지|넘기지)"
)
_NOW: Final = pattern(
    r"이동(?:하|해|중)|도착(?:할|하)|가는동안|가는길|가시는|(?:즉시|바로|곧바로|곧장|지금|당장|"
    r"빨리|서둘러)(?!가지|갈필요|안가|병원에가지|병원에갈필요|병원갈필요)"
    r".{0,10}(?:병원|응급|진료|내원|이동|전화|연락|출발|가)"
)
_ON_THE_WAY: Final = pattern(r"이동하는|이동중|가는동안|가는길|도착")
_SOOTHES: Final = pattern(
    r"괜찮(?:아(?!보|질지)|습니다|을(?:거|것|겁)|으니|고|은편|다(?!고|는|면))|걱정(?:은|을|"
    r"하지|안|할|하실|도)?(?:마|말|안|않|없|필요|하지|넣)|"
    r"심각하지|심각한(?:건|것은|일은|상황은)아|별일|별거아|큰(?:일|문제)(?:은|는)?아|흔한(?:일|"
    r"증상)(?:이|입)|정상(?:입|이에|이예|적인(?:현상|반응|일))|"
    r"위험하지(?:는)?않|위험한(?:건|것은|상황은)아|문제(?:는|가|될)?(?:것)?(?:은)?없|"
    r"안심하(?:세|셔|시)|응급(?:은|상황은|상황이)?아니|대수롭지"
)
_PRAISES: Final = pattern(
    r"괜찮(?:아(?!보|질지)|습니다|을(?:거|것|겁)|으니|고|은편|다(?!고|는|면|생각)|은간식|"
    r"은음식)|안전(?:해|합|하니|하고|하며|한(?:편|간식|음식|약|양이에|양입|용량))|"
    r"문제(?:는|가|될)?(?:것)?(?:은)?없|걱정(?:은|을|하지|안|할|하실|도)?(?:마|말|안|않|없|"
    r"필요)|해롭지(?:는|도)?않|위험하지(?:는|도)?않|독성(?:이|은|도)?없|무해|"
    r"먹어도(?:됩|되(?!는지|나|냐|는음|는과|는것|지)|된|괜찮|상관|무방)|먹을수있(?:어|습|고)|"
    r"드셔도|효과(?:가|도)?(?:있|좋|빠르|뛰어)|도움(?:이|은)?(?:되(?!지)|됩|될)|"
    r"좋(?:습니다|아요|은(?:약|간식|음식|방법|선택))|추천(?:합|해|드)|권(?:합니다|해요|해드|"
    r"장합|장해|장드)|잘(?:들어|듣|듭)|낫습|나아요|진정(?:됩|돼|되)|가라앉(?!지)|"
    r"최고|특효|만능|써도됩|가능(?:합니다|해요|하고|해)"
)
_AGREES: Final = pattern(
    r"^(?:네(?!발|번|개|살|시)|예(?!방|전|민|쁘|상|약|를|외|정|컨|후)|응(?!급)|그럼요|물론|당연히|맞아요|좋아요|그렇습니다|가능|됩니다|되요|돼요|"
    r"그래도되|먹여도|그냥)"
)
_WARNS: Final = pattern(
    r"위험(?!하지(?:는|도)?않|한(?:건|것은)아|성(?:은|이)(?:없|낮))|독성(?!(?:이|은|도)?없)|"
    r"중독|치명|해로(?!운것은아)|해롭(?!지(?:는|도)?않)|(?<!소)금물|금지|절대|마세요|마새요|(?<=지)마시|말아|"
    r"마십|"
    r"안됩니다|안되요|안되는|안돼|않는것이|않는게|않도록|않아야|피해주|피하|주의|삼가|목숨|"
    r"생명|손상|사망|망가|분해하지못|응급|좋지않"
)
_CARES: Final = pattern(
    rf"{_VET}|증상|먹었|삼켰|핥았|먹은|삼킨|포장|확인|전화|연락|손이닿지|닿지않|치워|보관"
)
_UNIT: Final = (
    r"(?:mg|mcg|ug|μg|iu|ml|cc|밀리그램|밀리그람|미리그램|미리그람|마이크로그램|밀리리터|밀리|"
    r"미리|시시|그람|캡슐|앰플|바이알|방울|봉지|퍼프)"
)
_NUMBER: Final = r"(?:\d|반|한|두|세|네|다섯|여섯|일곱|여덟|아홉|열|하나|절반|스무|백|십|오)"
_DOSE: Final = pattern(
    rf"{_NUMBER}(?:개)?{_UNIT}|밀리그램|밀리그람|미리그램|\dmg|mgkg|"
    rf"(?:\d|반|한|두|세|네|다섯|여섯|일곱|여덟|아홉|열|절반|하나)(?:두|세)?(?:의)?알(?!레|래|"
    rf"려|림|아|았|고|게|맞|칼|약|코|로|맹|파)|"
    r"(?:\d|반|한|두|네|다섯|하나|절반)정(?=씩|을|를|만|이|은|의|도|먹|급|투|으로|$|[^가-힣]|반)|"
    r"(?:\d|반|한|두|네|다섯)포(?=씩|를|만|먹|급|투|이면|$|[^가-힣]|로)|알약(?:을|은)?(?:\d|반|"
    r"한|두|세|절반|하나)|"
    r"(?:\d|한|두|세|네)(?:번|회)(?:씩)?(?:먹이|먹여|복용|투여|발라|바르|투약)|(?:체중|"
    r"몸무게)?\d?(?:kg|킬로|키로|킬로그램)당\d"
)
_EVEN: Final = pattern(r"^(?:도|이라도|라도|에도|만으로도|만먹어도)")
_SPOON: Final = pattern(
    rf"{_NUMBER}(?:스푼|숟갈|숟가락|큰술|작은술|티스푼|모금|컵|개|조각|그램|g|쪽|입|잔)"
)
_FOOD: Final = pattern(
    r"물을|물은|물도|수분|음수|사료|밥을|밥은|식사|간식|죽을|미음|고구마|닭가슴살|단호박|당근|"
    r"사과|바나나|칼로리|kcal|물마시|물섭취|물의양|식염수로|미지근한물"
)
_COUNTED: Final = pattern(rf"{_NUMBER}(?:방울|알|정|캡슐|포|앰플|mg)(?!도|레|래|려)|밀리그램")
_PROCEDURE: Final = pattern(
    r"(?:토|구토)(?:를|을)?(?:하게|하도록|시키|시켜|유도|나게)|게워내게|손가락(?:을|으로|"
    r"을목).{0,6}(?:목|입|넣|자극)|목구멍.{0,6}(?:손가락|자극|눌|찔)|"
    r"(?:바늘|칼|면도칼|커터|가위|메스|핀|송곳)(?:로|을|으로).{0,12}(?:째|짼|찌르|찔러|뚫|터뜨|"
    r"터트|짜|자르|잘라|도려|절개|찢|빼)|고름(?:을|은)?.{0,4}(?:짜|빼|터)|"
    r"(?:혹|종기|농양|사마귀|물집|종양)(?:을|은|를)?.{0,8}(?:짜|터|자르|잘라|떼|째|묶)|"
    r"절개(?:하|해|를)|꿰매|꿰맨|봉합(?:하|해|을)|관장(?:하|해|을|약)|주사(?:를|기로|"
    r"기를).{0,8}(?:놓|맞|찌|찔|주|넣)|"
    r"마취(?:하|해|시|를|약)|(?:집에서|직접|스스로).{0,6}(?:수술|절개|봉합|제거|중성화|적출)|"
    r"(?:이빨|이|치아|발톱)(?:을|를)?(?:뽑|빼)|꼬리를?(?:자르|잘라)|귀를?(?:자르|잘라)|"
    r"얼음(?:물|목욕|팩)?(?:에|로|을)?.{0,6}(?:담그|담가|담궈|넣|빠뜨|채우|부어)|독(?:을|"
    r"이)?.{0,4}(?:빨아|빨|빼내)|지혈대|(?:고무줄|끈|실)(?:로|을).{0,8}(?:묶|감)|"
    r"(?:새끼|탯줄|실|끈).{0,6}(?:잡아당|당겨|당기|끌어)|입(?:에|안에).{0,4}(?:손을|숟가락|"
    r"막대|수건)|불(?:로|에)(?:지지|지져|태우)|(?:알코올|소주)(?:로|을).{0,6}(?:닦|문질|목욕|"
    r"소독)|"
    r"때리|때려|걷어차|목을조|굶기|굶겨|물을.{0,4}(?:주지마|주지말|끊)|안락사(?:를|"
    r"는)?.{0,8}(?:직접|집에서|하려면|방법)|숨을막|베개로|질식시|목을졸|빼내려면당|"
    r"(?:핀셋|면봉|집게|손가락)(?:을|으로)?.{0,6}(?:깊이|깊숙|안쪽)|억지로(?:벌려|먹|잡아)|"
    r"배(?:를|의)?.{0,4}(?:세게|강하게|꾹)|(?:엄지|손가락|손톱)(?:으로|로)?.{0,6}(?:눌러|누르)|짜내|끝까지짜|"
    r"(?:판자|부목|막대|나무젓가락)(?:를|을|로|으로)?.{0,6}(?:대고|대어|대주|고정)|붕대(?:로|를)?.{0,8}(?:꽁꽁|꽉|"
    r"단단|세게|조이)|(?:눈알|안구|눈)(?:을|를).{0,8}(?:밀어넣|눌러|누르)|"
    r"뼈(?:를|가)?.{0,6}(?:맞추|맞춰|당겨)|항문낭.{0,6}(?:뚫|찔|째)"
)
_ORDERS: Final = pattern(
    r"(?:세요|새요|십시오|시오|시면됩|시면되|면됩|면되|면좋|해라|하자|해야|하셔야|해보|주세요|"
    r"수있어요|수있습니다|도됩|도되)"
)
_COMMANDS: Final = pattern(r"세요|새요|십시오|시오|시면|해라|하자|해보|면됩|면되")
_SURE: Final = pattern(
    r"(?:입니다|이에요|이예요|예요|에요|이네요|네요|이군요|군요|이야|임이|이확실|가확실|확실|"
    r"이분명|가분명|분명|이틀림|가틀림|틀림|으로진단|로진단|진단됩|에걸렸|에걸린|걸렸|이맞|"
    r"가맞|이왔|이있습니다|가있습니다|이있어요|가있어요|이생겼|가생겼|때문입니다|때문이에요|"
    r"때문이|이라서?(?!면|도|는|고)|이니까?|(?:에|이|가|을|를|으로|로)?(?:감염|걸린|온상태|온거|온것|생긴|앓고|앓는|"
    r"진행|도진|시작된|고생)|(?:이|가)?(?:심하게|많이|이미|완전히|꽤)?(?:왔|끊어|파열|퍼졌|터졌|도졌|찬거))"
)
_HEDGES: Final = pattern(
    r"가능성|수있|수도|의심|일수|아닌지|인지|같(?:아|습|은)|원인(?:은|이|으로|중)|흔한|흔히|"
    r"대표|질환|질병|병(?:입니다|이에요)|이란|"
    r"라면|일때|아닐|모르|진단받|진단을|진단은|진단할수|진단하지|맞는지|있는지|여러|다양|"
    r"때문일|걸리면|되면|되지|하면|예방|경우|앓는(?:강아지|아이|개)|앓고있는(?:강아지|아이|개|경우)|"
    r"걸린(?:강아지|아이|개)|않도록|막|검사|접종"
)


@dataclass(frozen=True)
class Stretch:
    """Part of a sentence up to a verb of giving, and what that verb says to do."""

    text: str
    way: Way
    begin: int
    end: int


def stretches(solid: str) -> list[Stretch]:
    """Cut a sentence behind each verb of giving; what follows the last belongs to it."""
    found: list[Stretch] = []
    begin = 0
    for verb in _GIVE.finditer(solid):
        if verb.start() < begin:
            continue
        tail = solid[verb.end() : verb.end() + 28]
        found.append(Stretch(solid[begin : verb.end()], _way(tail), begin, verb.end()))
        begin = verb.end()
    if not found:
        return [Stretch(solid, "told", 0, len(solid))]
    last = found[-1]
    found[-1] = Stretch(solid[last.begin :], last.way, last.begin, len(solid))
    return found


def _way(tail: str) -> Way:
    if _NOT.match(tail):
        return "do_not"
    if _TOLD.match(tail):
        return "told"
    if _DO.match(tail):
        return "do"
    return "unclear"


def is_given(after: str) -> bool:
    """Whether an order to give follows a name at once, without a particle."""
    return _GIVEN.match(after) is not None


_GIVEN: Final = pattern(
    r"^(?:좀|꼭|더|만|조금)?(?:주세요|주새요|주십시오|주시면됩|줘도됩|줘도되|줘요)"
)


def is_instead(after: str) -> bool:
    """Whether what stands before `after` is named only as what not to use."""
    return _INSTEAD.match(after) is not None


def dose(solid: str) -> bool:
    """Whether an amount of a medicine is named."""
    return _DOSE.search(solid) is not None


def amount_told(solid: str) -> bool:
    """Whether an amount is named other than as "even one"."""
    return any(not _EVEN.match(solid[m.end() : m.end() + 4]) for m in _DOSE.finditer(solid))


def forbids(solid: str) -> bool:
    """Whether the sentence ends in a prohibition."""
    return _FINAL_NOT.search(solid[-20:]) is not None


def portion(solid: str) -> bool:
    """Whether any amount is named, of a food too."""
    return _SPOON.search(solid) is not None


def food(solid: str) -> bool:
    """Whether it is about water or plain food, and not counted as a medicine is."""
    return _FOOD.search(solid) is not None and _COUNTED.search(solid) is None


def sends_away(solid: str) -> bool:
    """Whether it says that no vet is needed, or not soon."""
    if _NO_VET_AT_ALL.search(solid):
        return True
    return _NO_VET.search(solid) is not None and _FINAL_NOT.search(solid[-24:]) is None


def delays(solid: str) -> bool:
    """Whether it tells to wait."""
    if _DELAY_ALWAYS.search(solid) and not _ON_THE_WAY.search(solid):
        return True
    if _DELAY.search(solid) is None or _DELAY_NOT.search(solid) or _FINAL_NOT.search(solid[-20:]):
        return False
    return _NOW.search(solid) is None


def soothes(solid: str) -> bool:
    """Whether it says that all is well, without sending to a vet."""
    return _SOOTHES.search(solid) is not None and not (
        _NOW.search(solid) or pattern(_VET).search(solid)
    )


def sends_to_vet(solid: str) -> bool:
    """Whether it sends to a vet at once."""
    return _NOW.search(solid) is not None


def orders(solid: str) -> bool:
    """Whether the sentence tells to do something."""
    return _COMMANDS.search(solid[-14:]) is not None


def checked(solid: str) -> bool:
    """Whether an examination is what is called safe."""
    return _CHECKED.search(solid) is not None


_CHECKED: Final = pattern(r"검사를|진료를받|수의사(?:에게|와)|병원에(?:서|가|물)|진찰")


def praises(solid: str) -> bool:
    """Whether it says that something is safe or helps."""
    return _PRAISES.search(solid) is not None and _FINAL_NOT.search(solid[-20:]) is None


def agrees(solid: str) -> bool:
    """Whether it begins with a yes."""
    return _AGREES.match(solid) is not None


def warns(solid: str) -> bool:
    """Whether it warns of harm."""
    return _WARNS.search(solid) is not None


def cares(solid: str) -> bool:
    """Whether it is about what happened, where to keep things, or whom to call."""
    return _CARES.search(solid) is not None


def names_vet(solid: str) -> bool:
    """Whether it leaves the matter to a vet."""
    return _VET_WORD.search(solid) is not None and _NO_VET.search(solid) is None


_VET_WORD: Final = pattern(
    r"처방(?:받|된|한|대로|약|에따|하는|해)|지시(?:대로|에|를)|상담|상의|의료진|수의사(?:가|의|"
    r"에게|와|만|선생님|한테|에따)|"
    r"병원(?:에서|에|의|에서는)(?:처방|받|물어|문의|상담|확인|지시|정|안내|수의사|전화|알려|"
    r"구토|토)|병원에서"
)


def cuts(solid: str) -> bool:
    """Whether it tells to do at home what only a vet may do."""
    for found in _PROCEDURE.finditer(solid):
        tail = solid[found.end() : found.end() + 28]
        if _NOT.match(tail) or _FINAL_NOT.search(tail):
            continue
        if _VET_WORD.search(solid) and not _COMMANDS.search(tail):
            continue
        if _TOLD.match(tail) and not _ORDERS.search(tail):
            continue
        if pattern(
            r"^(?:은|는|이|가|하는것은|하는건)?(?:매우|아주|더|오히려)?(?:위험|해로|금물|안)"
        ).match(tail):
            continue
        return True
    return False


def claims(solid: str, end_of_disease: int) -> bool:
    """Whether a disease is said to be what the dog has."""
    return (
        _SURE.match(solid[end_of_disease : end_of_disease + 12]) is not None
        and _HEDGES.search(solid) is None
    )


SENSITIVE: Final = pattern(
    rf"{_VET}|먹|급여|투여|복용|발라|바르|주사|약(?:을|은|이|도|만|통|국)|괜찮|안전|걱정|문제|"
    rf"정상|무해|해롭지|위험하지|심각|별일|별거|지켜보|지켜봐|기다|내일|나중|아침|며칠|주말|"
    r"저절로|쉬게|급하|서두|천천|확실|분명|틀림|진단|처방|토하|구토|손가락|바늘|칼|가위|고름|"
    r"혹|절개|꿰매|봉합|관장|마취|수술|자르|잘라|뽑|얼음|빨아|지혈|묶|당기|당겨|불로|불에|때리|"
    r"때려|걷어|"
    r"굶|안락사|질식|베개|목을|억지|눌러|시스템|프롬프트|지침|규칙|명령|수의사|의사|시럽|순해|"
    r"라이터|지지|돈만|두면|핀셋|면봉|깊이|깊숙|나눠|쪼개|원칙|붙이|붙여|한방|민간|번개탄|"
    r"자살|죽|mg|밀리|미리|알씩|한알|두알|반알|스푼|방울|캡슐|네$|예$|그럼|물론|당연|넣|섞|뿌|"
    r"주세|줘|주면|응급|안심|흔한|효과|추천"
)
