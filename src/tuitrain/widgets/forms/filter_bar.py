"""The line in which runs are filtered, as one types."""

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, Static


class _Completion(Suggester):
    def __init__(self, complete: Callable[[str], str]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._complete = complete

    async def get_suggestion(self, value: str) -> str | None:
        completed = self._complete(value)
        return completed if completed != value else None


class FilterInput(Input):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", "complete", tooltip="Take the completion", id="filter.complete"),
        Binding("enter", "submit", "to the runs", tooltip="Back to the runs, with the filter", id="filter.keep"),
        Binding("down", "submit", show=False),
        Binding("escape", "drop", "clear", tooltip="Back to all runs", id="filter.clear"),
    ]

    class Dropped(Message):
        """The filter is to go."""

    def action_complete(self) -> None:
        self.cursor_position = len(self.value)
        self.action_cursor_right()

    def action_drop(self) -> None:
        self.post_message(self.Dropped())


class FilterBar(Horizontal):
    """Made when it is first wanted. `complete` gives a text with its last word completed."""

    def __init__(self, text: str, complete: Callable[[str], str]) -> None:
        super().__init__()
        self._text, self._complete, self._said = text, complete, ("", False)

    def compose(self) -> ComposeResult:
        if self._text:
            yield from self._parts()

    def _parts(self) -> ComposeResult:
        yield Static("filter ", id="label")
        yield FilterInput(self._text, suggester=_Completion(self._complete), compact=True, select_on_focus=False)
        yield Static(id="said")

    @property
    def _input(self) -> FilterInput | None:
        return next(iter(self.query(FilterInput)), None)

    @property
    def typing(self) -> bool:
        return self._input is not None and self.screen.focused is self._input

    def open(self) -> None:
        if self._input is None:
            self.mount(*self._parts())
        self.display = True
        self.query_one(FilterInput).focus()

    def clear(self) -> None:
        if self._input is not None:
            with self.prevent(Input.Changed):
                self._input.value = ""

    def say(self, text: str, *, wrong: bool = False) -> None:
        """Beside what is typed: what is wrong with it, or what it found."""
        if self._input is None or (text, wrong) == self._said:
            return
        self._said = text, wrong
        self.query_one("#said", Static).update(
            Content.styled(f"✗ {text}" if wrong else text, "$error" if wrong else "$foreground 60%")
        )
