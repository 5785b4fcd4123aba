"""Words in a place of their own."""

from textual.content import Content
from textual.widgets import Static


class Said(Static):
    """Of a height that does not depend on what is said, so that other words need no new layout."""

    _words: Content | None = None

    def say(self, words: Content) -> None:
        if self._words is None or not words.is_same(self._words):
            self._words = words
            self.update(words, layout=False)
