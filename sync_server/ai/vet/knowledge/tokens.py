"""Words of Korean and English text as an index can hold and find them.

SQLite's own tokenisers do not do for Korean: `unicode61` takes "구토를" and "구토해요" for two
words, `trigram` cannot find words of two syllables, of which most Korean symptoms are. So text is
made into tokens here, the same way when it is indexed and when it is searched (figures:
docs/decisions/0018-vet-knowledge-search.md):

- a Korean word without its particle or ending ("구토를" -> "구토"), and its syllable pairs, the
  second syllable without what conjugation changes ("걸려요", "걸린" -> "걸리"), so that spacing
  errors and unknown endings still meet;
- an English word by its stem;
- concepts: what owners and entries say in other words, in either language (`synonyms`).

Every token is of letters, digits and `_` only: nothing of a query can be read as FTS5 syntax.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from sync_server.ai.vet.knowledge.english import english_stem
from sync_server.ai.vet.knowledge.korean import korean_stem, pairs_of
from sync_server.ai.vet.knowledge.synonyms import concepts_in

TOKENS_VERSION: Final = "1"
"""Changes with every change of what tokens a text has: an index of other tokens is made anew."""
MAX_CHARS: Final = 8_000
"""So much of a text is looked at; a chat message has less."""
_WORD: Final = re.compile(r"[a-z0-9]+|[가-힣]+")
_APOSTROPHES: Final = str.maketrans("", "", "'’`´")


def plain(text: str) -> str:
    """Return a text as it is compared: composed, lower case, one form of wide and narrow."""
    return unicodedata.normalize("NFKC", text[:MAX_CHARS]).lower().translate(_APOSTROPHES)


@dataclass(frozen=True)
class Tokens:
    """The tokens of a text by kind, in their order, doubles and all.

    A pair may be the same token as the word of another text: "구토" is a pair of "구토증".
    """

    words: tuple[str, ...]
    pairs: tuple[str, ...]
    concepts: tuple[str, ...]

    def different(self) -> list[str]:
        """Each token once: concepts first, then words, then pairs."""
        return list(dict.fromkeys((*self.concepts, *self.words, *self.pairs)))


def tokens(text: str) -> Tokens:
    """Return the tokens of a text."""
    made = plain(text)
    words: list[str] = []
    pairs: list[str] = []
    for match in _WORD.finditer(made):
        word = match[0]
        is_korean = word[0] >= "가"
        stem = korean_stem(word) if is_korean else english_stem(word)
        if stem:
            words.append(stem)
        if is_korean:
            pairs.extend(pairs_of(stem))
    return Tokens(tuple(words), tuple(pairs), tuple(f"_{name}" for name in concepts_in(made)))


def is_concept(token: str) -> bool:
    """Whether a token stands for a concept, not for a word of the text."""
    return token.startswith("_")
