"""Ask for one value in a single-line input."""

import re
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from tuitrain.errors import TuitrainError
from tuitrain.widgets.forms.path_input import PathInput
from tuitrain.widgets.messages import AskValue
from tuitrain.widgets.terminal.refresh import OverlayScreen

INCOMPLETE_NUMBER = re.compile(r"[-+]?(0|0?\.0*|\d+(\.\d*)?e[-+]?)?")


class PromptScreen(OverlayScreen[str | None]):
    """Ask for the value that `request` describes. Dismiss with the text that it accepts, or with None on escape."""

    CSS_PATH = "question.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "cancel", id="prompt.cancel")]

    def __init__(self, request: AskValue) -> None:
        super().__init__()
        self._request = request

    def compose(self) -> ComposeResult:
        request = self._request
        with Vertical() as box:
            box.border_subtitle = Content("enter save · esc cancel")
            yield Static(Content(request.text), id="text")
            yield (
                PathInput(request.value, select_on_focus=not request.kept)
                if request.is_path
                else Input(request.value, compact=True, select_on_focus=not request.kept)
            )
            yield Static(id="error")

    def on_input_changed(self, event: Input.Changed) -> None:
        # The beginning of a number, such as "0." on the way to 0.01, is not yet wrong.
        if INCOMPLETE_NUMBER.fullmatch(event.value):
            self.query_one("#error", Static).update("")
        elif self._request.live:
            self._show_problem(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if not self._show_problem(event.value):
            self.dismiss(event.value)

    def _show_problem(self, text: str) -> str:
        """Show and return the reason why the text is refused; empty if it is accepted."""
        try:
            self._request.check(text)
            problem = ""
        except TuitrainError as error:
            problem = f"✗ {error}"
        self.query_one("#error", Static).update(Content.styled(problem, "$error"))
        return problem
