"""What of an answer has been shown: one place that knows, also when a broken stream goes on."""

from __future__ import annotations

from sync_server.ai.vet.contract import Replace, Token


class Emitter:
    """Turns made text into events. What was `shown` before is passed over where it comes again.

    Where the text turns out to be another one, all is held until `replace` says the whole.
    """

    def __init__(self, shown: str = "") -> None:
        self.shown = shown
        """What the user sees."""
        self.made = ""
        """The answer as far as it is made."""

    def add(self, text: str) -> list[Token | Replace]:
        """Take the next text; return what is new of it to show."""
        self.made += text
        if len(self.made) <= len(self.shown) or not self.made.startswith(self.shown):
            return []
        return self.replace(self.made)

    def replace(self, text: str) -> list[Token | Replace]:
        """Take the whole answer; what was shown is void only where it is not its beginning."""
        shown, self.shown, self.made = self.shown, text, text
        if text == shown:
            return []
        return [Token(text[len(shown) :]) if text.startswith(shown) else Replace(text)]
