"""The filter input above the runs table."""

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, Static

from tuitrain.widgets.terminal.colors import MUTED

EXAMPLE = "optimizer=adam lr<0.01 test>95%"


class _Completion(Suggester):
    def __init__(self, complete: Callable[[str], str]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._complete = complete

    async def get_suggestion(self, value: str) -> str | None:
        completed = self._complete(value)
        return completed if completed != value else None


class FilterInput(Input):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", "complete", tooltip="Accept the completion", id="filter.complete"),
        Binding("enter", "submit", "apply", tooltip="Apply the filter and return to the runs", id="filter.keep"),
        Binding("down", "submit", show=False),
        Binding("escape", "drop", "clear", tooltip="Clear the filter", id="filter.clear"),
    ]

    class Cleared(Message):
        """The user clears the filter."""

    def action_complete(self) -> None:
        self.cursor_position = len(self.value)
        self.action_cursor_right()

    def action_drop(self) -> None:
        self.post_message(self.Cleared())


class FilterBar(Horizontal):
    """The filter input, created when first opened; `complete` returns a text with its last word completed."""

    def __init__(self, text: str, complete: Callable[[str], str]) -> None:
        super().__init__()
        self._text, self._complete, self._status = text, complete, ("", False)

    def compose(self) -> ComposeResult:
        if self._text:
            yield from self._widgets()

    def _widgets(self) -> ComposeResult:
        yield Static("filter ", id="label")
        yield FilterInput(
            self._text, EXAMPLE, suggester=_Completion(self._complete), compact=True, select_on_focus=False
        )
        yield Static(id="status")

    @property
    def _input(self) -> FilterInput | None:
        return next(iter(self.query(FilterInput)), None)

    @property
    def typing(self) -> bool:
        return self._input is not None and self.screen.focused is self._input

    def open(self) -> None:
        if self._input is None:
            self.mount(*self._widgets())
        self.display = True
        self.query_one(FilterInput).focus()

    def clear(self) -> None:
        if self._input is not None:
            with self.prevent(Input.Changed):
                self._input.value = ""

    def show_status(self, text: str, *, error: bool = False) -> None:
        """Show an error of the filter, or the number of matches, next to the input."""
        if self._input is None or (text, error) == self._status:
            return
        self._status = text, error
        style = "$error" if error else MUTED
        self.query_one("#status", Static).update(Content.styled(f"✗ {text}" if error else text, style))
