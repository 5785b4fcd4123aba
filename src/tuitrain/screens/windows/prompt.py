"""Ask for one value in a single-line input."""

import re
from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from tuitrain.errors import TuitrainError
from tuitrain.widgets.forms.path_input import PathInput
from tuitrain.widgets.terminal.refresh import OverlayScreen

INCOMPLETE_NUMBER = re.compile(r"[-+]?(0|0?\.0*|\d+(\.\d*)?e[-+]?)?")


class PromptScreen(OverlayScreen[str | None]):
    """Dismiss with the text if `check` accepts it, that is, raises no TuitrainError; with None on escape. If `live`,
    `check` runs on each change, otherwise only on enter. Typing replaces `value` unless it is `kept`. If `is_path`, tab
    completes the text."""

    CSS_PATH = "question.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "cancel", id="prompt.cancel")]

    def __init__(
        self,
        text: str,
        value: str,
        check: Callable[[str], object],
        *,
        live: bool = True,
        kept: bool = False,
        is_path: bool = False,
    ) -> None:
        super().__init__()
        self._live, self._kept, self._is_path = live, kept, is_path
        self._text, self._value, self._check = text, value, check

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_subtitle = Content("enter save · esc cancel")
            yield Static(Content(self._text), id="text")
            yield (
                PathInput(self._value, select_on_focus=not self._kept)
                if self._is_path
                else Input(self._value, compact=True, select_on_focus=not self._kept)
            )
            yield Static(id="error")

    def on_input_changed(self, event: Input.Changed) -> None:
        # The beginning of a number, such as "0." on the way to 0.01, is not yet wrong.
        if INCOMPLETE_NUMBER.fullmatch(event.value):
            self.query_one("#error", Static).update("")
        elif self._live:
            self._show_problem(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if not self._show_problem(event.value):
            self.dismiss(event.value)

    def _show_problem(self, text: str) -> str:
        """Show why the text is refused; return it."""
        try:
            self._check(text)
            problem = ""
        except TuitrainError as error:
            problem = f"✗ {error}"
        self.query_one("#error", Static).update(Content.styled(problem, "$error"))
        return problem
