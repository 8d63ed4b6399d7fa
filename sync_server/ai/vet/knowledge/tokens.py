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
from typing import Final

from sync_server.ai.vet.knowledge.english import english_tokens
from sync_server.ai.vet.knowledge.korean import korean_tokens
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


def tokens(text: str) -> list[str]:
    """Return the tokens of a text in their order, doubles and all."""
    made = plain(text)
    found: list[str] = [f"_{concept}" for concept in concepts_in(made)]
    for match in _WORD.finditer(made):
        word = match[0]
        found.extend(korean_tokens(word) if word[0] >= "가" else english_tokens(word))
    return found


def is_concept(token: str) -> bool:
    """Whether a token stands for a concept, not for a word of the text."""
    return token.startswith("_")
