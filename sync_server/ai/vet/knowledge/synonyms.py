"""What owners and entries say in other words: each line is one concept, in both languages.

General words of dogs' health, written before any examination of the search. A pattern is found at
the start of a word and may go on inside it; a space in a Korean one may be missing in the text.
`*`: anywhere in a word ("*중독" also in "초콜릿중독"). English ones of up to 4 letters are whole
words, in the singular or plural, unless `~` follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_CONCEPTS: Final = """
vomit: *구토, 토하, 토해, 토했, 토함, 토를, 토만, 토한, 게워, 게우, 토혈, 웩웩, 구역질, 헛구역,
  위액, 쏟아내, 쏟아냈, 올렸, 올려요, 올리고 | vomit, throw up, throwing up, threw up, throws
  up, thrown up, puk~, retch, heaving, barf, sick up, being sick, brought up, back up, bring up,
  brings up
stool: 변을, 변이, 변에, 대변, 똥, 응가 | stool, poo, poop, poops, pooped, pooping, feces,
  faeces, defecat
diarrhoea: *설사, 설싸, 물처럼, 물똥, 물변, 묽은 변, 무른 변, 무른 똥, 묽은 똥, 변이 묽, 똥이
  묽, 배탈 | diarrh, diarhea, diarrea, loose stool, loose poo, the runs, watery stool, watery
  poo, runny poo, runny stool, soft stool, soft poo
constipation: 변비, 화장실을 못, 힘만, 변을 못, 똥을 못, 응가를 못, 변을 안, 똥을 안 |
  constipat, cant poo, cannot poo, strain to poo, straining to poo, hard stool, not pooping,
  hasnt pooped
bloodstool: *혈변, 피똥, 피 섞인 변, 변에 피, 똥에 피, 검은 변, 까만 똥 | bloody stool, blood in
  stool, blood in the stool, blood in her stool, blood in his stool, bloody poo, blood in poo,
  black stool, tarry
urine: 소변, 오줌, 쉬를, 쉬야, 배뇨 | urin, pee, peeing, wee
bloodurine: *혈뇨, 오줌에 피, 소변에 피, 피오줌, 빨간 오줌, 붉은 소변 | bloody urine, blood in
  urine, blood in the urine, blood in pee, red urine, bloody pee
appetite: *식욕, 냄새만 맡, 밥그릇, 입에도 안, 쳐다도 안, 밥을 안, 밥을 거, 사료를 안, 사료를
  거, 안 먹, 먹지 않, 입맛, 밥투정, 편식 | appetite, not eating, wont eat, doesnt eat, didnt
  eat, hasnt eaten, refuses breakfast, refuses dinner, refuses food, refuses to eat, off her
  food, off his food, picky eat, stopped eating
thirst: 물을 많이, 물그릇, 소변양, 물만, 물을 자주, 물을 너무, 다음 다뇨, 갈증 | drinking a lot,
  water bowl, drinking so much, drinks a lot, thirst, drinking more, drinks more, excessive
  drinking
fever: 열이 나, 열나, 발열, 고열, 체온이 높 | fever, high temperature, feels hot
cough: 기침, 켁켁거, 켁켁, 콜록, 컥컥, 캑캑 | cough, hack~, honk~
sneeze: 재채기, 콧물, 코감기 | sneez, runny nose, nasal discharge, snot~
breathing: *호흡, 숨을, 숨이, 숨소리, 숨쉬, 헐떡, 헥헥, 혀가 파 | blue gums, blue tongue,
  breath, pant, gasp, respirat
limp: 절뚝, 발을 못, 발을 땅, 못 디, 디디지, 절룩, 다리를 절, 절어, 파행, 발을 들고, 다리를
  들고, 깽깽이 | limp~, lame, hobbl, holding up leg, not putting weight, wont put weight,
  favoring, favouring, holds up, holding up, skips
patella: *슬개골, 무릎 | patella, kneecap, luxat
joint: *관절, 고관절, 다리가 뻣 | joint, arthrit, hip dysplasia, stiff
spine: 디스크, 뒷다리에 힘, 뒷다리를 못, 뒷다리를 끌, *척추, 허리, 추간판 | disc, disk, spine,
  spinal, back pain, hind legs, back legs
seizure: 경련, 거품을 물, 거품 물, 휘젓, 발작, 간질, 뇌전증 | seizur, convuls, paddl, foaming,
  fitting, epilep
tremor: 떨어요, 떨고, 떨면, 덜덜, 벌벌, 부들부들 | trembl, shak~, shiver, tremor
faint: 기절, 실신, 쓰러, 의식 | faint, collaps, unconscious, pass out, passed out
itch: *가려움, 가려워, 가려운, 간지러, 긁 | itch~, scratch
skin: *피부, 각질, 발진, 두드러기, 비듬 | skin, rash, flak~, dandruff, hives
hairloss: 탈모, 털이 빠, 털빠, 털이 많이 빠 | hair loss, losing hair, shed~, bald, fur loss,
  losing fur
hotspot: 핫스팟, 습진, 진물, 짓무 | wet sore, raw patch, red sore, hot spot, hotspot, moist dermat
lick: 핥 | lick~
paw: *발바닥, 패드, 발가락, 발을 | paw, pad, toe
nail: *발톱 | nail, claw
ear: 귀를, 귀가, 귀에, 귓, 귀청소, 외이염, 귀지, 귀 | ear, ears, earwax, otitis
eye: 눈을, 눈이, 눈에, 눈곱, 눈꼽, 눈물, 결막, 각막, 충혈, 백내장, 눈꺼풀 | eye, eyes, tear
  stain, conjunctiv, cornea, cataract
teeth: *이빨, 양치질, 칫솔질, 치아, 양치, 치석, 잇몸, 구취, 입냄새, 치약, 칫솔, 치주, 스케일링,
  이를 닦 | tooth, teeth, dental, tartar, gum disease, bad breath, halitosis, toothpaste, brush,
  plaque
heat: *열사병, 일사병, 뙤약볕, 땡볕, 차 안에, 더위, 더운, 더워, 폭염, 한여름, 무더운 | heat
  stroke, heatstroke, overheat, hot weather, hot day, hot car, in the car
cold: 추위, 추워, 추운, 영하, 겨울, 한파, 동상, 저체온 | hypotherm, frostbite, cold weather,
  winter
poison: *중독, 독성, 독이 | poison, toxic
swallow: 삼켰, 삼킨, 삼켜, 삼키, 꿀꺽, 통째로, 먹어버, 주워, 이물 | swallow, gulped, ate
  something, foreign, ingest, ate my, ate part of, ate his, ate her
chocolate: *초콜릿, 초콜렛, 쵸콜릿, 쵸코, 초코, 카카오, 코코아, 브라우니 | chocolat, cocoa,
  brownie
grape: 포도, 건포도, 샤인머스캣 | grape, raisin, sultana
onion: *양파, 마늘, 대파, 쪽파, 부추 | onion, garlic, leek, chive
xylitol: *자일리톨, 껌, 무설탕 | xylitol, birch sugar, sugar free, sugarfree
humandrug: 타이레놀, 두통약, 사람이 먹는, 사람 먹는, 알약, *진통제, 사람 약, 감기약, 이부프로펜,
  소염제, 아세트아미노펜, 해열제 | tylenol, paracetamol, acetaminophen, ibuprofen, advil,
  aspirin, human medic, painkiller, human drug
rodenticide: 쥐약, 쥐 잡는, 쥐 덫, 살충제, 제초제, 농약, 부동액 | rat poison, mouse poison,
  mouse bait, rat bait, rodenticide, antifreeze, pesticide, insecticide, slug bait, weed killer
flea: 벼룩, 진드기, 외부 기생충 | flea~, tick~, parasite
heartworm: *사상충, 모기 | heartworm, mosquito
worm: 기생충, 구충, 회충, 촌충 | deworm, worm~, tapeworm, roundworm
vaccine: *접종, 백신, 예방주사, 주사 일정, 광견병 | vaccin, shots, jab, immunis, immuniz, rabies
parvo: 파보 | parvo
kennelcough: 켄넬코프, 켄넬 | kennel cough
neuter: *중성화 | neuter, spay, castrat
season: 생리, 발정 | in heat, season, estrus, oestrus
pregnant: 임신, 출산, 분만 | pregnan, whelp, birth, labor, labour
surgery: *수술, 회복, 실밥, 넥카라 | surger, operat, stitches, post op, recover
senior: *노령, 나이 많, 열두 살, 열세 살, 열네 살, 열다섯 살, 할머니견, 노견, 늙, 나이 든,
  나이가 많, 시니어 | senior, old dog, elderly, ageing, aging, older
puppy: 새끼, 퍼피, 자견, 개월, 두 달 된, 어린 강아지 | pupp, weeks old, months old
dementia: 치매, 인지, 배회 | dementia, cognitive, senil, disorient, confus
obesity: 비만, 살이 너무, 살쪘, 살이 많이, 뚱뚱, 살이 쪄, 살이 찌, 살이 쪘, 살을 빼, 살 빼,
  다이어트, 과체중 | overweight, obes, too fat, too heavy, lose weight, weight gain
thin: 말랐, 마르, 살이 빠, 야위, 체중 감소, 체중이 줄, 살이 안 | losing weight, weight loss,
  lost weight, skinny, too thin, underweight
allergy: *알레르기, 알러지, 아토피 | allerg, atop~
food: *사료, 간식, 급여, 밥 | food, feed, kibble, treat, diet
walk: *산책 | walk
alone: 분리불안, 불안, 혼자, 외출, 집을 비 | leave the house, when i leave, we leave,
  separation, anxi, alone
noise: 천둥, 폭죽, 불꽃, 번개, 무서워, 겁을, 소음 | thunder, firework, scared, afraid, fear,
  phobia, noise
bark: 짖, 하울링 | bark~, howl~
aggression: 공격, 이를 드러, 이빨을 드러, 으르렁, 사나워, 입질, 물려고 | aggress, growl, bites
  people, biting, nipping, snap
training: *배변, 실수를, 대소변, 아무 데나, 패드 말고, 가리기 | pees on, peeing on the, poops
  on, potty, toilet, housetrain, house train, accidents, pee pad
bitten: 물렸, 물린, 교상, 싸웠 | bitten, got bit, bite wound, dog fight, attacked
wound: 상처, 피가 안 멈, 피가 나, 베였, 베인, 찢어, 찢긴, 피가, 출혈, 지혈, 피나 | wound, cut,
  bleed, lacerat
burn: 화상, 데였, 데었 | burn~, scald
sting: 벌에, 쏘였, 쏘인, 쏘여 | bee, sting, wasp, stung, hornet
lump: 혹이, 혹 , 만져져, 만져지, 몽글, 멍울, *종양, 덩어리, 몽우리, 암이 | lump~, bump~, tumor,
  tumour, mass, growth, cancer
heart: 심장 | heart disease, heart murmur, murmur, heart fail
kidney: 신장, 콩팥, 신부전 | kidney, renal
diabetes: 당뇨 | diabet
hormone: 갑상선, 쿠싱, 호르몬 | thyroid, cushing, hormon
pancreas: *췌장, 기름진, 기름을, 삼겹살, 비계 | pancrea, fatty, greas, bacon
liver: 간수치, 황달, 간 질환 | liver, jaundice, yellow gums
bloat: 배가 부풀, 배가 빵빵, 배가 불룩, 위염전, 위확장, 복부 팽만, 배가 부어, 배가 풍선, 배가
  커, 배가 딱딱 | bloat, balloon, blown up, torsion, gdv, swollen belly, distended, swollen
  stomach
anal: 항문, 똥꼬, 엉덩이, 똥구멍 | anal, scoot, bottom, butt, rear end, drags his, drags her
coprophagia: 똥을 먹, 식분, 변을 먹, 똥 먹 | eats poop, eating poop, eats poo, eating poo,
  coprophag, eats feces, eating feces, eating stool, eats his own, eats her own
reversesneeze: 역재채기, 거위 소리, 기관 협착, 기관허탈, 꺽꺽 | reverse sneez, tracheal, goose
  honk, snort
travel: 차멀미, 멀미, 차를 타, 차만 타, 비행기, 여행 | car sick, carsick, motion sick, travel,
  car ride
bath: 목욕, 샴푸, 씻기, 씻겨 | bath, shampoo
snake: 뱀, 독사 | snake, viper
electric: 감전, 전선, 전깃줄 | electric, electrocut, power cord
choke: 목에 걸, 질식, 기도가, 기도 막, 하임리히 | chok~, stuck in throat, stuck in his throat,
  stuck in her throat, heimlich
accident: 교통사고, 차에 치, 치였, 떨어졌, 추락, 낙상 | hit by a car, hit by car, fell, fall from
bone: 뼈, 닭뼈 | bone
milkteeth: 이갈이, 유치 | teething, baby teeth, milk teeth
lethargy: 기운, 기력, 무기력, 누워만, 누워 있, 축 늘, 시무룩, 맥이, 축 처, 힘이 없, 늘어져 |
  letharg, tired, no energy, weak, listless
smell: *냄새 | smell, odor, odour, stink
drool: 침을, 침흘, 침이 | drool, saliva, slobber
plant: 백합, 식물, 화분, 튤립 | plant, lily, lilies, tulip
pain: 통증, 아파, 아픈, 아프, 낑낑, 끙끙, 비명 | pain, hurt, whin, whimper, yelp
cost: 보험, 병원비 | insurance, vet bill
hotground: 아스팔트, 뜨거운 바닥, 뜨거운 길 | asphalt, hot pavement, hot ground
"""


def concepts_in(text: str) -> Iterator[str]:
    """Yield the concepts in a text (lower case, composed), each once."""
    for name, pattern in _PATTERNS:
        if pattern.search(text):
            yield name


def _pattern(korean: str, english: str) -> re.Pattern[str]:
    ways = []
    for word in (one.strip() for one in korean.split(",")):
        anywhere = word.startswith("*")
        body = re.escape(word.removeprefix("*")).replace(r"\ ", " ?")
        ways.append(body if anywhere else f"(?<![가-힣]){body}")
    for word in (one.strip() for one in english.split(",")):
        # A short one is a whole word ("ear" is not in "early") unless `~` says how it goes on.
        whole = r"s?\b" if len(word) <= 4 and not word.endswith("~") else ""
        ways.append(rf"\b{re.escape(word.removesuffix('~'))}{whole}")
    return re.compile("|".join(ways))


def _compiled() -> Iterator[tuple[str, re.Pattern[str]]]:
    # A line that begins with blanks goes on with the one before it.
    for line in re.sub(r"\n +", " ", _CONCEPTS).strip().splitlines():
        name, words = line.split(":", 1)
        korean, english = words.split("|")
        yield name, _pattern(korean, english)


_PATTERNS: Final = tuple(_compiled())
