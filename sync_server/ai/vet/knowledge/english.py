"""The token of an English word: a light stem, alike for the forms that owners write."""

from __future__ import annotations

from typing import Final

_STOP_TEXT: Final = """
a an the is are was were be been am do does did done has have had having i im ive my me mine we
our us you your he him his she her hers it its they them their this that these those there here
what whats which who when where why how hows if so as of at by for from in into on onto to up
out off over with without about and or but not no nor can cant could should would will wont
shall may might must dont doesnt didnt isnt arent just very really too also any some all more
most much many dog dogs doggy puppy pup pet get gets got getting keep keeps keeping go goes
going today yesterday now lately suddenly best work works under after before tomorrow tonight
fast plan back lot while during between through again still even because than then few once
twice first last old new good bad well better make makes made take takes took come comes came
day days week weeks month months year years night morning start started since show find found
use used way long right left little bit please help tell know ok okay need want think seem seems
like thing something anything one two every time hi hello
"""
_STOP: Final = frozenset(_STOP_TEXT.split())
"""Words of any question: they say nothing of what is asked."""


def english_stem(word: str) -> str:
    """The stem of a lower-case word; empty for a word of any question."""
    return "" if word in _STOP or len(word) < 2 else _stem(word)


def _stem(word: str) -> str:
    """Plural, -ing, -ed, -ly, -er, -y, a doubled last letter and a final e go."""
    if len(word) <= 3 or not word.isalpha():
        return word
    made = word
    if made.endswith("ies") and len(made) > 4:
        made = made[:-3] + "y"
    elif made.endswith(("sses", "shes", "ches", "xes")):
        made = made[:-2]
    elif made.endswith("s") and not made.endswith(("ss", "us", "is")):
        made = made[:-1]
    for ending in ("ingly", "edly", "ing", "ed", "ly", "er", "y"):
        left = made.removesuffix(ending)
        if left != made and len(left) >= 3 and any(letter in "aeiouy" for letter in left):
            made = left
            break
    if len(made) > 3 and made[-1] == made[-2] and made[-1] not in "lsz":
        made = made[:-1]
    return made[:-1] if len(made) > 3 and made.endswith("e") else made
