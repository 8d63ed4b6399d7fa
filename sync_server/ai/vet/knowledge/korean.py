"""Tokens of a Korean word: its stem, and its syllable pairs without what conjugation changes.

No dictionary: endings and particles are stripped by form, and where that goes wrong it goes wrong
alike in the index and in the question; the pairs meet anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_FIRST: Final = 0xAC00
_SYLLABLES: Final = 11_172
_ENDINGS_TEXT: Final = """
습니다 ㅂ니다 합니다 합니까 입니다 입니까 습니까 거든요 는데요 은데요 인데요 데요 는데 은데 인데
던데 하는데 한데 해서 하고 하면 하지 하나 하니 하게 하기 하는 해요 해도 했어 했어요 했는데
했더니 해야 할까요 할까 할게 할지 할때 하려고 하다가 하다 한다 된다 돼요 되나요 되는 되면 되고
되어 돼서 됐어요 어요 아요 여요 예요 이에요 에요 네요 나요 까요 을까요 을까 는지 은지 을지 던지
는걸 는거 은거 었어요 았어요 였어요 었는데 았는데 였는데 었더니 았더니 더니 었어 았어 어서 아서
여서 어도 아도 여도 으면 면서 으면서 지만 지마 지도 지는 니까 으니까 려고 으려고 거나 든지 다가
다고 라고 자고 고 면 게 지 죠 요 서 다 네 니 는 은
"""
_ENDINGS: Final = sorted(_ENDINGS_TEXT.split(), key=len, reverse=True)
_PARTICLES_TEXT: Final = """
에서는 에서도 에게서 으로는 으로도 이라도 이라고 이랑 에서 에게 한테 께서 까지 부터 처럼 보다
마다 마저 조차 이나 이든 으로 에는 에도 라도 하고 들이 들은 들을 들도 은 는 이 가 을 를 에 의 도
만 로 와 과 랑 나 들 야
"""
_PARTICLES: Final = sorted(_PARTICLES_TEXT.split(), key=len, reverse=True)
_AFTER_CONSONANT: Final = frozenset("은이을과")
_AFTER_VOWEL: Final = frozenset("는가를와랑나")
_STOP_TEXT: Final = """
강아지 반려견 우리 우리집 저희 저희집 아이 애기 아기 애가 얘가 멍멍이 댕댕이 그리고 그런데 근데
그래서 혹시 제가 저는 나는 어떻게 어떡해 어떡하 어떡 어쩌 어떤 무엇 뭐 뭘 왜 언제 얼마 얼마나
어디 정도 너무 많이 조금 좀 자꾸 계속 갑자기 요즘 오늘 어제 지금 아까 며칠 있어요 있나요 있는데
있을까요 있어 있는 있다 없어요 없는데 없어 괜찮 괜찮아요 괜찮은 괜찮을 괜찮나요 해야 하나요
되나요 될까요 돼요 할까요 좋을까요 좋아요 같아요 같은데 같은 싶어요 알려주세요 알려줘 궁금해요
궁금 방법 집 기간 이전 모두 다음 주의 주의할 법 점 소리 나요 추천 추천해줘 알려 만드는 만들기
필요 준비 시작 이유 원인 증상 질문 병원 가야하나요 가야 세 번 한 두 번이나 하루 이틀 일주일 반
판 후 전 뒤 뒤에 전부 다시 또 더 잘 못 안 했는데 했어요 이럴까요 먹고 것 거 수 때 걸 게 건가
건가요 하는 하면 하고 해도 이거 그거 그게 이게 이런 저런 그냥 정말 진짜 것도 것은
"""
_STOP: Final = frozenset(_STOP_TEXT.split())
"""Words of any question: they say nothing of what is asked."""
_MOVING_TAILS: Final = frozenset({4, 8, 16, 17, 20})
"""ㄴ ㄹ ㅁ ㅂ ㅆ: come and go with endings."""
_HIEUH, _AE, _A = 18, 1, 0
_CONTRACTED: Final = {6: 20, 14: 13, 9: 8, 10: 11}
"""Vowels: ㅕ is ㅣ and ㅓ, ㅝ is ㅜ and ㅓ, ㅘ is ㅗ and ㅏ, ㅙ is ㅚ and ㅓ."""


def korean_stem(word: str) -> str:
    """The stem of a word of Hangul syllables; empty for a word of any question."""
    stem = _stem(word)
    return "" if word in _STOP or stem in _STOP else stem


def pairs_of(stem: str) -> Iterator[str]:
    """Yield the syllable pairs of a stem, but for the stem itself."""
    for start in range(len(stem) - 1):
        pair = stem[start] + _opened(stem[start + 1])
        if pair != stem:
            yield pair


def _stem(word: str) -> str:
    """The word without one ending or one particle; at least a syllable stays."""
    for ending in _ENDINGS:
        left = len(word) - len(ending)
        if left >= 1 and word.endswith(ending) and (left >= 2 or len(ending) >= 2):
            return word[:left]
    for particle in _PARTICLES:
        left = len(word) - len(particle)
        if left >= 1 and word.endswith(particle) and _fits(word[left - 1], particle, left):
            return word[:left]
    return word


def _fits(before: str, particle: str, left: int) -> bool:
    """Whether a particle may follow: 이 a closed syllable ("눈이"), 가 an open one ("귀가")."""
    if len(particle) > 1:
        return True
    closed = (ord(before) - _FIRST) % 28 != 0
    if particle in _AFTER_CONSONANT:
        return closed
    if particle in _AFTER_VOWEL:
        return not closed
    return left >= 2


def _opened(syllable: str) -> str:
    """A syllable without what conjugation changes: 려, 린, 릴, 렸 -> 리; 해, 했, 한 -> 하."""
    at = ord(syllable) - _FIRST
    if not 0 <= at < _SYLLABLES:
        return syllable
    lead, vowel, tail = at // 588, at % 588 // 28, at % 28
    if tail in _MOVING_TAILS:
        tail = 0
    if tail == 0:
        vowel = _CONTRACTED.get(vowel, vowel)
        if lead == _HIEUH and vowel == _AE:
            vowel = _A
    return chr(_FIRST + lead * 588 + vowel * 28 + tail)
