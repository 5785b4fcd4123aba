"""A line of text whose size does not depend on its content."""

from textual.content import Content
from textual.widgets import Static


class FixedText(Static):
    """A `Static` that skips equal content and never causes a new layout."""

    _shown: Content | None = None

    def show(self, content: Content) -> None:
        if self._shown is None or not content.is_same(self._shown):
            self._shown = content
            self.update(content, layout=False)
