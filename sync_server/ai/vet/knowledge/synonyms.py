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
  위액, 쏟아내, 쏟아냈, 올렸, 올려요, 올리고, 역류, 뿜, 속이 안 좋, 속이 울렁, 공복토, 노란 물,
  거품토, 사료를 그대로 | vomit, throw up, throwing up, threw up, throws up, thrown up, puk~,
  retch, heaving, barf, sick up, being sick, brought up, back up, bring up, brings up, vomm,
  regurgitat, upchuck, spew, hurl, queasy, nausea, nauseous, bile, yellow foam, cant keep
  anything down, keep food down
stool: 변을, 변이, 변에, 대변, 똥, 응가 | stool, poo, poop, poops, pooped, pooping, feces,
  faeces, defecat
diarrhoea: *설사, 설싸, 물처럼, 물똥, 물변, 묽은 변, 무른 변, 무른 똥, 묽은 똥, 변이 묽, 똥이
  묽, 배탈, 물찌, 흐물, 곤죽, 진흙, 찰진 변, 뒤를 못 가, 무르, 묽게, 묽어, 변이 퍼, 똥이 퍼 |
  diarrh, diarhea, diarrea, loose stool, loose poo, the runs, watery stool, watery poo, runny
  poo, runny stool, soft stool, soft poo, runs, mushy, pudding, liquid poo, tummy upset, upset
  stomach, upset tummy
constipation: 변비, 화장실을 못, 힘만, 변을 못, 똥을 못, 응가를 못, 변을 안, 똥을 안, 며칠째 안,
  못 눠, 안 눠, 변을 본 지, 똥꼬가 막 | constipat, cant poo, cannot poo, strain to poo,
  straining to poo, hard stool, not pooping, hasnt pooped, backed up, hasnt gone, no poop, hasnt
  been able to go, cant go
bloodstool: *혈변, 피똥, 피 섞인 변, 변에 피, 똥에 피, 검은 변, 까만 똥, 빨간 게 묻, 피가 묻,
  피가 섞, 핏물, 선홍색, 젤리 같은, 딸기잼 | bloody stool, blood in stool, blood in the stool,
  blood in her stool, blood in his stool, bloody poo, blood in poo, black stool, tarry, red
  streak, red stuff, jam, jelly like, fresh blood
urine: 소변, 오줌, 쉬를, 쉬야, 배뇨, 쉬하, 소변을 못, 오줌발, 화장실을 자주, 실수 | urin, pee,
  peeing, wee, squat, potty breaks, potty, accidents in the house, cant pee, peeing often, going
  out to pee
bloodurine: *혈뇨, 오줌에 피, 소변에 피, 피오줌, 빨간 오줌, 붉은 소변, 핏빛, 콜라색, 주황색
  소변, 분홍 | bloody urine, blood in urine, blood in the urine, blood in pee, red urine, bloody
  pee, pink urine, pink pee, brown urine, dark urine, pinkish
appetite: *식욕, 냄새만 맡, 밥그릇, 입에도 안, 쳐다도 안, 밥을 안, 밥을 거, 사료를 안, 사료를
  거, 안 먹, 먹지 않, 입맛, 밥투정, 편식, 깨작, 먹는 둥, 고개를 돌, 거들떠, 안 드세, 밥맛, 단식,
  뱉어내, 먹이를 거 | appetite, not eating, wont eat, doesnt eat, didnt eat, hasnt eaten,
  refuses breakfast, refuses dinner, refuses food, refuses to eat, off her food, off his food,
  picky eat, stopped eating, turns her nose, turning her nose, turns his nose, off food, picks
  at, wont touch, skipping meals, skips meals, no interest in food, leaves her food, leaves his
  food
thirst: 물을 많이, 물그릇, 소변양, 물만, 물을 자주, 물을 너무, 다음 다뇨, 갈증, 물통, 벌컥, 물을
  들이, 물을 달고, 물 먹는 양 | drinking a lot, water bowl, drinking so much, drinks a lot,
  thirst, drinking more, drinks more, excessive drinking, gulping water, guzzl, always thirsty,
  drains the bowl, refilling
fever: 열이 나, 열나, 발열, 고열, 체온이 높, 뜨끈, 열감, 몸이 뜨거, 귀가 뜨거 | fever, high
  temperature, feels hot, burning up, hot ears, warm nose, feverish
cough: 기침, 켁켁거, 켁켁, 콜록, 컥컥, 캑캑, 가래, 헛기침, 목에 뭐 걸 | cough, hack~, honk~,
  clearing his throat, clearing her throat, wheez, phlegm
sneeze: 재채기, 콧물, 코감기 | sneez, runny nose, nasal discharge, snot~
breathing: *호흡, 숨을, 숨이, 숨소리, 숨쉬, 헐떡, 헥헥, 혀가 파, 헐떡이, 개구호흡, 숨차, 숨 쉬,
  입을 벌리고, 쌕쌕, 그르렁 | blue gums, blue tongue, breath, pant, gasp, respirat, puffing,
  laboured, labored, gasping, fast breathing, breathing hard, open mouth
limp: 절뚝, 발을 못, 발을 땅, 못 디, 디디지, 절룩, 다리를 절, 절어, 파행, 발을 들고, 다리를
  들고, 깽깽이, 절고, 절면, 다리를 안 쓰, 다리를 못, 세 발로, 발을 안, 한 발을, 다리를 끌,
  걸음이 이상, 걷는 게 이상 | limp~, lame, hobbl, holding up leg, not putting weight, wont put
  weight, favoring, favouring, holds up, holding up, skips, limps, favors, three legged, wont
  walk on, holding his paw, holding her paw, sore leg, drags his leg
patella: *슬개골, 무릎, 슬게골, 슬개꼴 | patella, kneecap, luxat
joint: *관절, 고관절, 다리가 뻣, 계단을, 점프를 못, 뻐근, 일어나기, 앉았다 일어, 나이 들어 걷 |
  joint, arthrit, hip dysplasia, stiff, creaky, slow to rise, struggles to stand, sore joints,
  struggles with stairs, hips
spine: 디스크, 뒷다리에 힘, 뒷다리를 못, 뒷다리를 끌, *척추, 허리, 추간판, 안으면 깨갱, 만지면
  깨갱, 등을 구부, 뒷다리가 풀, 하반신, 목을 못 | disc, disk, spine, spinal, back pain, hind
  legs, back legs, back legs gave, wobbly behind, paraly, dragging back, neck pain, cries when
  picked, screams when picked, hunched back
seizure: 경련, 거품을 물, 거품 물, 휘젓, 발작, 간질, 뇌전증, 몸을 떨며, 눈이 돌아, 이를 딱딱,
  사지를, 뒤집어, 거품물 | seizur, convuls, paddl, foaming, fitting, epilep, shaking
  uncontrollably, unresponsive, rigid, legs paddling, eyes rolled, lost control
tremor: 떨어요, 떨고, 떨면, 덜덜, 벌벌, 부들부들, 덜덜거, 달달, 바들바들, 오들오들 | trembl,
  shak~, shiver, tremor, quiver, trembly, jittery
faint: 기절, 실신, 쓰러, 의식, 넘어져 안, 축 늘어지며, 혼절, 졸도, 털썩 | faint, collaps,
  unconscious, pass out, passed out, dropped to the floor, fainted, lifeless, out cold, flopped
itch: *가려움, 가려워, 가려운, 간지러, 긁, 긁어대, 벅벅, 비벼대, 물어뜯, 가렵 | itch~, scratch,
  itchy, chew herself, chews himself, gnaw, nibbl, rubbing against
skin: *피부, 각질, 발진, 두드러기, 비듬, 뾰루지, 여드름, 빨간 점, 붉은 점, 두드럭, 습진, 종기,
  딱지 | skin, rash, flak~, dandruff, hives, pimple, spots on, red dots, bumps on, eczema,
  sores, irritated
hairloss: 탈모, 털이 빠, 털빠, 털이 많이 빠, 땜빵, 휑, 맨살, 털이 없, 털이 숭숭 | hair loss,
  losing hair, shed~, bald, fur loss, losing fur, patches missing, missing fur, bare patch, coat
  thinning, fur falling, hair falling
hotspot: 핫스팟, 습진, 진물, 짓무, 상처가 번, 축축한, 까졌, 까지고 | wet sore, raw patch, red
  sore, hot spot, hotspot, moist dermat, raw spot, raw area, wet patch, open sore, weeping
lick: 핥 | lick~
paw: *발바닥, 패드, 발가락, 발을, 발등, 발에, 발이 | paw, pad, toe, feet, foot
nail: *발톱, 며느리발톱, 혈관을, 발톱깎 | nail, claw, quick, dewclaw, trimm, clipped
ear: 귀를, 귀가, 귀에, 귓, 귀청소, 외이염, 귀지, 귓속, 귀 안, 귀털, 머리를 털, 고개를 털, 귀 |
  ear, ears, earwax, otitis, head shak, shakes his head, shakes her head, shaking her head,
  shaking his head, tilts his head, tilts her head, ear flap
eye: 눈을, 눈이, 눈에, 눈곱, 눈꼽, 눈물, 결막, 각막, 충혈, 백내장, 눈꺼풀, 눈동자, 눈알, 흰자,
  안구, 눈가, 눈두덩, 결막염, 한쪽 눈 | eye, eyes, tear stain, conjunctiv, cornea, cataract,
  eyeball, pupil, pupils, bloodshot, squint, eyelid, cherry eye, tears
teeth: *이빨, 양치질, 칫솔질, 치아, 양치, 치석, 잇몸, 구취, 입냄새, 치약, 칫솔, 치주, 스케일링,
  이를 닦, 이가, 어금니, 앞니, 송곳니, 누런 이, 잇몸에서 피, 발치 | tooth, teeth, dental,
  tartar, gum disease, bad breath, halitosis, toothpaste, brush, plaque, molar, canines,
  brushing teeth, gums bleed, bleeding gums, brown teeth, yellow teeth
heat: *열사병, 일사병, 뙤약볕, 땡볕, 차 안에, 더위, 더운, 더워, 폭염, 한여름, 무더운, 찜통,
  뜨거운 차, 헉헉 | heat stroke, heatstroke, overheat, hot weather, hot day, hot car, in the
  car, parked car, sunny day, heatwave, heat wave, summer walk, too hot, baking sun
cold: 추위, 추워, 추운, 영하, 겨울, 한파, 동상, 저체온, 눈밭, 얼음, 꽁꽁, 패딩, 옷 입혀 |
  hypotherm, frostbite, cold weather, winter, snow, freezing, minus, jacket, shivers outside
poison: *중독, 독성, 독이, 뭘 잘못 먹, 잘못 먹, 유독, 위험한 걸 먹 | poison, toxic, harmful,
  lick chemical, got into the
swallow: 삼켰, 삼킨, 삼켜, 삼키, 꿀꺽, 통째로, 먹어버, 주워, 이물, 통째, 먹어 치, 넘어갔, 넘겼,
  뱃속에, 꿀떡 | swallow, gulped, ate something, foreign, ingest, ate my, ate part of, ate his,
  ate her, went down, gulp, choked down, ate a toy, ate sock, ate plastic, eaten a, swallowed
chocolate: *초콜릿, 초콜렛, 쵸콜릿, 쵸코, 초코, 카카오, 코코아, 브라우니, 초코파이, 초코과자,
  초코우유, 코코아가루, 빼빼로 | chocolat, cocoa, brownie, candy bar, easter egg, truffle,
  nutella, m&m
grape: 포도, 건포도, 샤인머스캣, 청포도, 거봉, 머스캣, 머루 | grape, raisin, sultana, raisin
  bread, currants, fruit cake, muscat, wine
onion: *양파, 마늘, 대파, 쪽파, 부추, 파김치, 짜장, 카레, 불고기 양념, 양념, 실파, 달래 | onion,
  garlic, leek, chive, curry, gravy, shallot, scallion, spring onion, onion powder, garlic bread
xylitol: *자일리톨, 껌, 무설탕, 가글, 치약을 먹, 목캔디, 은단, 무가당 | xylitol, birch sugar,
  sugar free, sugarfree, toothpaste, sugarless, breath mint, peanut butter, sweetener, no sugar
humandrug: 타이레놀, 두통약, 사람이 먹는, 사람 먹는, 알약, *진통제, 사람 약, 감기약, 이부프로펜,
  소염제, 아세트아미노펜, 해열제, 혈압약, 수면제, 영양제, 비타민, 연고, 파스, 피임약, 우울증약,
  종합감기, 애드빌, 아스피린, 사람 거, 제 약을, 내 약을 | tylenol, paracetamol, acetaminophen,
  ibuprofen, advil, aspirin, human medic, painkiller, human drug, my pills, my medication, blood
  pressure, antidepress, sleeping pill, vitamin, cold medicine, medicine cabinet, naproxen,
  aleve, motrin
rodenticide: 쥐약, 쥐 잡는, 쥐 덫, 살충제, 제초제, 농약, 부동액, 바퀴약, 개미약, 살서제, 약 놓은
  | rat poison, mouse poison, mouse bait, rat bait, rodenticide, antifreeze, pesticide,
  insecticide, slug bait, weed killer, pellets, d-con, bait station, roach, ant trap
flea: 벼룩, 진드기, 외부 기생충, 톡톡, 물린 자국, 벼룩똥 | flea~, tick~, parasite, fleas, flea
  dirt, specks
heartworm: *사상충, 모기, 하트가드, 넥스가드, 예방약 | heartworm, mosquito, preventive,
  heartgard, nexgard
worm: 기생충, 구충, 회충, 촌충, 실같은, 실 같은, 꿈틀, 국수 같은, 쌀알 같은, 구더기 | deworm,
  worm~, tapeworm, roundworm, wriggl, spaghetti, grains of rice, deworming, segments
vaccine: *접종, 백신, 예방주사, 주사 일정, 광견병, 주사를, 주사 맞, 항체, 추가접종, 종합백신 |
  vaccin, shots, jab, immunis, immuniz, rabies, shot, boosters, booster, titer, dhpp
parvo: 파보, 홍역, 장염, 혈변 설사 | parvo, distemper, puppy bloody
kennelcough: 켄넬코프, 켄넬, 애견호텔, 호텔, 유치원 | kennel cough, boarding, daycare, dog hotel
neuter: *중성화, 땅콩, 고자, 불임, 난소 | neuter, spay, castrat, fix him, fix her, get him
  fixed, get her fixed, getting fixed, desex, balls off
season: 생리, 발정, 봄만, 꽃가루, 환절기, 계절, 암캐, 생리대, 기저귀, 하혈 | in heat, season,
  estrus, oestrus, spring, pollen, seasonal, every summer, period, heat cycle, bleeding from
  vulva, spotting, diaper
pregnant: 임신, 출산, 분만, 새끼를 배, 배가 불러 오, 산통, 진통, 출산예정, 새끼가 안 | pregnan,
  whelp, birth, labor, labour, due date, pups coming, contractions, nest, litter of, expecting
surgery: *수술, 회복, 실밥, 넥카라, 마취, 봉합, 꿰맨, 깔때기, 플라스틱 칼라 | surger, operat,
  stitches, post op, incision, cone of shame, anesthe, anaesthe, cone
senior: *노령, 나이 많, 열두 살, 열세 살, 열네 살, 열다섯 살, 할머니견, 노견, 늙, 나이 든,
  나이가 많, 시니어, 살이에요, 늙어, 어르신, 노년, 나이가 들, 열한 살, 열여섯 살, 10살, 11살,
  12살, 13살, 14살, 15살, 16살, 17살 | senior, old dog, elderly, ageing, aging, older,
  geriatric, golden years, old age, 10 year, 11 year, 12 year, 13 year, 14 year, 15 year, 16
  year, 17 year, 18 year, 10yo, 11yo, 12yo, 13yo, 14yo, 15yo, 16yo, 17yo, 18yo
puppy: 새끼, 퍼피, 자견, 개월, 두 달 된, 어린 강아지, 강아지 시절, 아기 강아지, 데려온 지, 분양,
  입양, 아깽, 꼬물이, 두 달짜리, 세 달, 2개월, 3개월, 4개월, 석 달 | pupp, weeks old, months
  old, old pup, brought home, new pup, eight weeks, adoption, breeder, 5 week, 6 week, 7 week, 8
  week, 9 week, 10 week, 11 week, 12 week, 13 week, 14 week, 15 week, 16 week, month old
dementia: 치매, 인지, 배회, 멍하니, 밤마다 울, 밤에 짖, 헤매, 정신이 없, 못 알아, 방향을,
  빙글빙글, 제자리, 구석에 | dementia, cognitive, senil, disorient, confus, gets lost, paces,
  pacing, stares, circling, wanders, forgets, doesnt recognize, doesnt recognise, lost, stuck in
  corners, walks in circles, night crying
obesity: 비만, 살이 너무, 살쪘, 살이 많이, 뚱뚱, 살이 쪄, 살이 찌, 살이 쪘, 살을 빼, 살 빼,
  다이어트, 과체중, 뚱, 통통, 돼지, 포동, 비대, 허리가 없, 살이 올 | overweight, obes, too fat,
  too heavy, lose weight, weight gain, chubby, plump, chunky, fat, pounds over, heavy,
  waistline, no waist
thin: 말랐, 마르, 살이 빠, 야위, 체중 감소, 체중이 줄, 살이 안, 갈비뼈, 앙상, 빼빼, 홀쭉, 마른,
  뼈만 | losing weight, weight loss, lost weight, skinny, too thin, underweight, skinn, ribs
  show, bony, thin, bones showing, ribs, spine showing, emaciat
allergy: *알레르기, 알러지, 아토피, 눈 주위가, 특정 음식, 음식 바꾸, 단백질 | allerg, atop~,
  reaction to food, reacts to, intoleran, hypoallergenic, seasonal
food: *사료, 간식, 급여, 밥, 끼니, 몇 끼, 먹이나, 자율급식, 습식, 건사료, 화식, 생식, 수제 |
  food, feed, kibble, treat, diet, meal, portion, wet food, dry food, raw diet, meals, snack,
  bowl
walk: *산책, 나가자, 마실, 밖에 나가, 운동 | walk~, exercise, outing, stroll, jog
alone: 분리불안, 불안, 혼자, 외출, 집을 비, 나가면, 출근, 집에 없, 떨어져, 혼자두, 혼자 있 |
  leave the house, when i leave, we leave, separation, anxi, alone, home alone, when i go out,
  goes to work, leave him, leave her, left by himself, left by herself, neighbors complain,
  neighbours complain
noise: 천둥, 폭죽, 불꽃, 번개, 무서워, 겁을, 소음, 천둥번개, 드릴, 청소기 소리, 겁에 질 |
  thunder, firework, scared, afraid, fear, phobia, noise, loud noises, bangs, vacuum
bark: 짖, 하울링 | bark~, howl~
aggression: 공격, 이를 드러, 이빨을 드러, 으르렁, 사나워, 입질, 물려고 | aggress, growl, bites
  people, biting, nipping, snap
training: *배변, 실수를, 대소변, 아무 데나, 패드 말고, 가리기 | pees on, peeing on the, poops
  on, potty, toilet, housetrain, house train, accidents, pee pad
bitten: 물렸, 물린, 교상, 싸웠, 물어뜯겨, 물고 흔, 구멍이 났, 싸움 | bitten, got bit, bite
  wound, dog fight, attacked, puncture, bit by, another dog, got into a fight, mauled
wound: 상처, 피가 안 멈, 피가 나, 베였, 베인, 찢어, 찢긴, 피가, 출혈, 지혈, 피나, 유리 밟,
  유리를, 살이 벌, 긁힌, 피범벅, 붕대, 소독, 꿰매 | wound, cut, bleed, lacerat, gash, scrape,
  graze, bandage, clean a cut, stitches needed
burn: 화상, 데였, 데었 | burn~, scald
sting: 벌에, 쏘였, 쏘인, 쏘여, 말벌, 벌침, 쐬, 지네, 벌레에 물 | bee, sting, wasp, stung,
  hornet, insect bite, hives, swollen face, wasp nest
lump: 혹이, 혹, 만져져, 만져지, 몽글, 멍울, *종양, 덩어리, 몽우리, 암이, 뾰루지 같은, 튀어나온,
  혹 같은, 딱딱한 게, 물혹, 지방종, 사마귀 | lump~, bump~, tumor, tumour, mass, growth, cancer,
  lipoma, wart, skin tag, cyst, swelling under, bulge
heart: 심장, 판막, 이첨판, 심비대, 심부전, 숨차 | heart disease, heart murmur, murmur, heart
  fail, mitral, enlarged heart, valve, congestive
kidney: 신장, 콩팥, 신부전 | kidney, renal
diabetes: 당뇨, 인슐린, 혈당 | diabet, insulin, sugar level, blood sugar
hormone: 갑상선, 쿠싱, 호르몬, 갑상샘, 부신, 대사 | thyroid, cushing, hormon, adrenal, metaboli
pancreas: *췌장, 기름진, 기름을, 삼겹살, 비계, 명절음식, 느끼한, 고기 기름, 튀김, 전을 먹, 족발,
  갈비 | pancrea, fatty, greas, bacon, rich food, leftovers, turkey skin, holiday dinner, fatty
  scraps, bbq, ham
liver: 간수치, 황달, 간 질환 | liver, jaundice, yellow gums
bloat: 배가 부풀, 배가 빵빵, 배가 불룩, 위염전, 위확장, 복부 팽만, 배가 부어, 배가 풍선, 배가
  커, 배가 딱딱, 빵빵, 팽만, 가스가 찼, 배가 남산, 꼬였, 헛구역질만 | bloat, balloon, blown up,
  torsion, gdv, swollen belly, distended, swollen stomach, tight belly, hard belly, hard
  stomach, unproductive, nothing comes up, twisted
anal: 항문, 똥꼬, 엉덩이, 똥구멍, 엉덩이를 끌, 똥침, 항문을 핥, 썰매 | anal, scoot, bottom,
  butt, rear end, drags his, drags her, sliding on his, skids, rump, rear on carpet, under the
  tail
coprophagia: 똥을 먹, 식분, 변을 먹, 똥 먹, 변을 주워, 응가를 먹, 자기 응가, 똥 먹방, 고양이 똥
  | eats poop, eating poop, eats poo, eating poo, coprophag, eats feces, eating feces, eating
  stool, eats his own, eats her own, eats cat poop, eats its own, eating rabbit droppings,
  eating grass, eats dirt
reversesneeze: 역재채기, 거위 소리, 기관 협착, 기관허탈, 꺽꺽, 크르릉, 코로 들이, 돼지 소리,
  컹컹 코 | reverse sneez, tracheal, goose honk, snort, inhaling noisily, gasping through nose,
  sucking air, pig noise
travel: 차멀미, 멀미, 차를 타, 차만 타, 비행기, 여행, 드라이브, 장거리 운전, 카시트, 고속도로 |
  car sick, carsick, motion sick, travel, car ride, long drive, in the car he, backseat,
  motorway, highway
bath: 목욕, 샴푸, 씻기, 씻겨 | bath, shampoo
snake: 뱀, 독사 | snake, viper
electric: 감전, 전선, 전깃줄 | electric, electrocut, power cord
choke: 목에 걸, 질식, 기도가, 기도 막, 하임리히, 목에 낀, 목에 뭐, 뭐가 걸, 켁켁대며 발 | chok~,
  stuck in throat, stuck in his throat, stuck in her throat, heimlich, lodged, cant swallow,
  pawing at mouth, stuck in his mouth, stuck in the throat, ball in throat
accident: 교통사고, 차에 치, 치였, 떨어졌, 추락, 낙상, 차에 부딪, 오토바이, 뺑소니, 부딪혔,
  계단에서 굴, 높은 데서, 떨어트 | hit by a car, hit by car, fell, fall from, by a car, ran
  over, run over, hit and run, struck by, bumper, tyre, fell off, fell down the stairs, dropped
bone: 뼈, 닭뼈, 갈비뼈 조각, 족발뼈, 생선가시 | bone, rib bone, drumstick, turkey leg, fish bone
milkteeth: 이갈이, 유치 | teething, baby teeth, milk teeth
lethargy: 기운, 기력, 무기력, 누워만, 누워 있, 축 늘, 시무룩, 맥이, 축 처, 힘이 없, 늘어져, 축
  쳐, 기운없, 힘없, 시들, 골골, 비실, 맥없, 움직이질, 일어나질 | letharg, tired, no energy,
  weak, listless, sleepy, dull, sluggish, not himself, not herself, wont move, wont get up,
  wiped out
smell: *냄새, 꾸릿, 악취, 꼬릿, 썩은, 비린 | smell, odor, odour, stink, fishy, rotten, yeasty,
  whiff, stench, reek
drool: 침을, 침흘, 침이, 침범벅, 침이 줄, 침 흘 | drool, saliva, slobber, foam at the mouth,
  drooly
plant: 백합, 식물, 화분, 튤립 | plant, lily, lilies, tulip
pain: 통증, 아파, 아픈, 아프, 낑낑, 끙끙, 비명, 깨갱, 만지지 못, 건드리면, 앓, 아야 | pain,
  hurt, whin, whimper, yelp, cries, scream, yelps, tender, sensitive to touch, wincing, ouch
cost: 보험, 병원비 | insurance, vet bill
hotground: 아스팔트, 뜨거운 바닥, 뜨거운 길, 맨발, 달궈, 화상, 발이 데 | asphalt, hot pavement,
  hot ground, burnt pads, burned pads, hot tarmac, hot sand, blistered
rabies: 광견병, 등록, 인식표, 마이크로칩 | rabies, microchip, registration
hurry: 응급, 당장, 급해요, 큰일 | emergency, right now, urgent
belly: 배가, 배를, 배에, 뱃속, 윗배, 아랫배, 복부, 배 | belly, tummy, stomach, abdomen,
  abdominal
mouth: 입을, 입에서, 입안, 입술, 주둥이, 입가 | mouth, lip, lips, muzzle, snout, jaw
throat: 목구멍, 목에, 목을, 기도 | throat, neck, windpipe
leg: 다리, 앞발, 뒷발, 앞다리, 뒷다리 | leg, legs, limb, hind leg, front leg, back leg
knee: 무릎, 십자인대 | knee, cruciate, acl, stifle
backbone: 등을, 등이, 등에 | spine, hunch, arched
hindend: 엉덩이, 꼬리 밑, 똥꼬, 항문 | bottom, rump, butt, rear, backside, under the tail, under
  his tail, under her tail
nose: 코를, 코가, 코에, 콧 | nose, nostril
gums: 잇몸 | gum line, gums
swollen: 부었, 부어, 부은, 붓기, 퉁퉁, 팅팅, 부풀 | swell, swollen, puff, ballooned, huge
red: 빨개, 빨갛, 빨간, 벌개, 벌겋, 시뻘, 붉, 발적 | red, redness, reddish, pink, inflamed,
  bloodshot
pus: 고름, 진물, 끈적, 분비물, 짓물, 누런 | pus, discharge, goop, gunk, ooz, sticky, weep
crust: 딱지, 각질, 부스럼 | crust, scab, scale
wobbly: 비틀, 휘청, 중심을 못, 갈지자, 어지러 | wobbl, stagger, unsteady, drunk, sway, off
  balance, stumbl
stiff: 뻣뻣, 굳어, 경직 | stiff, rigid
restless: 안절부절, 서성, 가만히 못, 불안해 | restless, pacing, cannot settle, wont settle,
  agitat
unwell: 힘들어, 아파 보, 이상해 | unwell, poorly, off colour, not herself, not himself
cloudy: 뿌옇, 뿌연, 탁해, 혼탁, 하얗게 변 | cloud, hazy, milky, bluish, foggy
squint: 감고, 못 떠, 못 뜨, 찡그, 눈을 비비 | squint, keeps it shut, eye shut, wont open his
  eye, wont open her eye, blinking
wax: 귀지, 까매, 까만, 갈색 | wax, black stuff, brown gunk, yeast
wriggle: 꿈틀, 실 같은, 쌀알, 국수 | wriggl, rice like, spaghetti, noodle, segments
attached: 박혀, 박힌, 붙어서 안 | attached, embedded, latched, stuck on
jumping: 튀어, 톡톡 튀 | hopping, jumping specks, specks
eating: 먹었, 먹어치, 주워 먹, 집어 먹, 핥아먹, 훔쳐 먹, 먹어버 | ate, eaten, gobbled, snatched,
  stole, wolfed, got into
hunger: 배고, 허기, 게걸, 많이 먹, 식탐 | ravenous, hungry, eats like, starving, always begging
pill: 알약, 약을, 혈압약, 수면제, 영양제 | pill, tablet, medication, meds, vitamin, supplement
cleaner: 세제, 락스, 표백, 세정제, 디퓨저, 손소독 | bleach, cleaner, cleaning, detergent,
  disinfect, sanitizer
coolant: 부동액, 냉각수 | antifreeze, coolant, ethylene
candy: 껌, 사탕, 젤리, 민트, 감미료 | gum, mints, candy, sweets, sweetener
nuts: 마카다미아, 견과, 아보카도, 땅콩, 아몬드, 커피, 술, 맥주, 우유, 날달걀, 생고기, 복숭아씨 |
  macadamia, nuts, avocado, walnut, alcohol, beer, coffee, caffeine, raw dough, yeast dough,
  milk, cherry
produce: 사과, 당근, 고구마, 바나나, 블루베리, 수박, 과일, 야채, 채소, 배추, 오이, 브로콜리,
  호박, 단호박, 배를 줘, 참외, 귤, 딸기 | apple, carrot, banana, blueberr, watermelon, fruit,
  vegetable, sweet potato, cucumber, pumpkin, broccoli, strawberr, pear, peas, rice, egg
fatmeal: 갈비, 튀김, 치킨, 명절, 족발, 곱창, 기름 | scraps, gravy, ham, turkey skin, barbecue,
  bbq, fried
salt: 염화칼슘, 제설, 소금 | salt, deic, grit
rat: 쥐, 쥐약, 끈끈이 | rat, mouse, mice, rodent
litter: 모래, 고양이 똥 | litter, cat poo, cat poop
toy: 장난감, 양말, 공을, 끈을, 실을, 옥수수, 이쑤시개, 꼬치, 단추, 동전 | toy, sock, string,
  corn cob, skewer, toothpick, button, coin, battery, underwear, rope
antler: 뼈간식, 우족, 사슴뿔 | antler, hoof, chew bone
fang: 송곳니, 어금니, 앞니 | canine tooth, molar, fang, incisor
crack: 부러, 깨졌, 깨진, 금이, 나갔 | broke, broken, crack, chip, snapped
shortcut: 짧게 잘, 너무 짧, 바짝 | too short, quick, overcut
breathfast: 가쁘, 들썩, 호흡수, 숨이 차, 헉헉 | heaving sides, breathing fast, rapid breathing,
  short of breath, breaths a minute
purple: 파래, 파랗, 보라, 청색 | blue, purple, grey gums, pale
lostawareness: 정신을 잃, 의식을 잃, 주저앉, 고꾸라, 픽 쓰러, 풀썩 | consciousness, blacked out,
  keeled over, fell over, went down
paddle: 허우적, 휘젓, 거품, 몸이 굳 | paddl, foam, jerk, twitch, spasm
drip: 찔끔, 한 방울, 쥐어짜, 방울방울 | drops, dribbl, trickle, hardly anything, little bits,
  straining to pee, tries to pee, trying to pee
leaky: 줄줄, 새요, 지려, 지리 | leak, squirt, watery, explosive
strain: 힘을 줘, 끙끙대, 자세만, 염소똥, 딱딱한 똥, 토끼똥 | strain, pellets, hard poo, dry poo
milk: 젖이, 젖을, 유즙, 상상임신 | milk, lactat, nesting, phantom, pseudopreg
vulva: 생식기, 음부, 외음, 아래에서 | vulva, private part, down there
femaledog: 암컷, 여아, 암컷인데 | female, bitch, unspayed
maledog: 수컷, 남아, 땅콩 | male, testic, balls
getfixed: 중성화 | fixed, neuter, spay, castrat, desex
labour: 진통, 산통, 새끼가 안 나, 양수 | contraction, pushing, water broke, labor, labour
nodate: 예방약, 깜빡, 빼먹 | preventive, prevention, missed dose, missed a dose, monthly
shotplan: 몇 차, 차까지, 추가 접종, 부스터, 항체 | booster, schedule, titer, titre
regist: 동물등록, 등록, 칩을, 내장칩, 외장칩, 과태료, 벌금, 반려견 등록, 구청, 외출 인식표, 견주
  이름 | register, chip, microchip, licence, license, fine, city hall, dog tag, id tag, law
newhome: 첫날, 데려오, 입양, 새 식구, 집에 온 지, 적응, 밤에 울어, 배변 가르, 크레이트 | first
  night, bringing home, new puppy, adopt, settle in, settling, crate, first week, cries at night
wee: 한강, 홍수, 오줌을 많이 | floods, pees a lot, gallons
tired: 자기만, 계속 자, 하루종일 자, 늘 자, 느려 | sluggish, sleeps all day, sleepy, slow
weightup: 살찌, 뚱, 허리가 안, 갈비가 안 | weight gain, gaining weight, chubby, cant feel his
  ribs, cant feel her ribs, fat
aged: 살이나, 할아버지, 할머니, 노령, 고령 | old age, old guy, old girl, elderly, senior
sleepless: 밤낮이, 밤에 안 자, 벽만, 멍때 | stares at walls, staring at the wall, forgets, lost
  in corners
hairlossplace: 휑, 듬성, 숱이, 뭉텅, 털이 얇 | thinning, patchy, bare skin, bald
lickfeet: 발을 핥, 발가락을 핥, 발 핥 | lick his paw, lick her paw, licks feet, licking feet,
  chews paws, chewing paws
rub: 비벼, 비비, 문질 | rubs, rubbing
rottensmell: 썩은내, 구린내, 비린내, 꼬릿, 악취, 썩은 | rotten, fishy, stinks, foul, reek
honk: 거위, 꽥꽥, 오리 소리, 컹컹 | goose, honk, duck
collar: 목줄, 하네스, 리드줄 | collar, leash, lead, harness
pigsound: 돼지 소리, 돼지소리, 크르릉, 컥컥, 들이마 | pig, snort, sucking air, sucks air
stress: 스트레스, 하품, 긴장, 낯선, 불안해, 낑낑대, 몸을 숨, 이유 없이 헥 | stress, yawn,
  nervous, visitors, stranger, panting for no reason, panting at night, tense, cower, trembling
  at the vet
scoreword: 점수, 지수, 퍼센트, 분석 결과, 앱에서, 몇 점, 등급, 리포트, 보고서 | score, percent,
  analysis, the app, app says, result, report, rating, number mean
gaitword: 걸음걸이, 보행, 걸음, 대칭, 걸음 분석, 보폭, 다리 균형, 흔들림 | gait, stride, walking
  pattern, symmetr, walk analysis, asymmetr, sway, step length
emotionword: 표정, 감정, 슬픔, 행복, 기분, 우울, 화난, 슬퍼 보, 얼굴 분석, 표정 분석, 편안 |
  emotion, sad, happy, mood, expression, angry, relaxed, face analysis, look sad, facial
tempword: 체온, 체온계, 몇 도, 미열 | temperature, thermometer, degrees
kitword: 구급상자, 구급함, 응급 상자, 상비, 비상약, 챙겨야, 준비물 | first aid, kit, supplies,
  what to pack, medical bag
clinicnow: 응급실, 바로 가야, 뛰어가야, 한밤중, 24시, 병원에 바로, 지금 당장, 기다려도, 아침까지
  기다, 야간, 응급 | rush, emergency, go to the clinic, er vet, right away, night clinic, can it
  wait, wait until morning, after hours, urgent, at night
howmuchfood: 하루 간식, 간식을 얼마, 급여량, 사료량, 사료를 바꾸, 사료 교체 | how much food,
  portion, switching food, switch, change food, brand
hydration: 물을 안 마, 물을 잘 안, 음수량, 물 마시게, 물을 안 먹, 물 안 먹, 하루 물 | drink
  more, drinks little, not drinking, water intake, fresh water, water a day, wont drink, water
  bowl untouched
outing: 걸어야, 운동량, 산책 시간, 활동량 | exercise, outside, outing, minutes a day, hour a day
postop: 수술하고, 수술 후, 수술한 지, 재활 | post op, after surgery, after operation, after his
  operation, after her operation, rehab
bruise: 멍이, 멍들 | bruis, hematoma
fangmarks: 이빨자국, 물린 자국, 구멍 | puncture, fang marks, bite marks, teeth marks
hitvehicle: 차에, 오토바이, 자전거에, 킥보드 | by a car, scooter, motorbike, bike ran, vehicle,
  truck
gash: 벌어졌, 긁혀서, 찢, 철조망 | gash, torn, fence, barbed, open wound
walkingdifficult: 계단, 소파에 못, 못 올라, 일어날 때 | stairs, sofa, couch, get up, getting up,
  climb
toe: 발끝, 디디, 짚어 | toe touch, three legs, puts weight, put weight
kneepop: 탁탁, 빠졌다, 다리를 털 | pops out, pop, skip, kicks his leg
thoracic: 승모판, 심장, 판막, 심부전 | mitral, valve, heart
sugar: 저혈당, 굶, 한 끼, 기운이 빠, 비틀거리며 축 | low sugar, hypoglyc, skipped a meal, missed
  meal, tiny, weak and wobbly, low blood sugar, glucose, honey on gums
cage: 에어컨, 찜통, 밀폐, 땡볕, 뙤약볕 | stuffy, locked in, no air, conservatory, sun, aircon
hotroad: 달궈진, 아스팔트, 뜨거운 | sidewalk, pavement, asphalt, hot ground, midday, blister
snowy: 눈 오, 눈길, 겨울, 옷을 입 | snow, ice, sweater, coat, jacket, freezing
spot: 동전만, 하룻밤 | overnight, coin sized, patch
squishy: 말랑, 몽글, 물렁, 콩알, 혹이 | squishy, pea sized, ball under, soft lump, hard lump
mites: 모낭충, 옴, 개선충, 옮나 | mite, mites, demod, scabies, sarcopt, contagious
unknownpoison: 가루, 뭔지 모, 독이, 농약 | poison, toxic, unknown, chemical, powder
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
