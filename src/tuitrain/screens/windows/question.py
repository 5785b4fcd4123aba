"""Ask a question with a few answers, each chosen by a letter."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option


class QuestionScreen(ModalScreen[str | None]):
    """Show `answers`, (key, text) pairs, the default first. Dismiss with the chosen key, or None on escape."""

    CSS_PATH = "question.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "cancel", id="question.cancel"),
        Binding("j", "focused.cursor_down", show=False),
        Binding("k", "focused.cursor_up", show=False),
    ]

    def __init__(self, text: str, answers: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._text, self._answers = text, answers

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Content(self._text), id="text")
            yield OptionList(*(Option(Content(f" {key}  {text}"), id=key) for key, text in self._answers), markup=False)

    def on_key(self, event: Key) -> None:
        if event.character in dict(self._answers):
            self.dismiss(event.character)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)
