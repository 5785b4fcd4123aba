"""The help screen: a list of keys, generated from the bindings."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static


class HelpScreen(ModalScreen[None]):
    """List a screen's active `bindings` that have a tooltip or a description."""

    CSS_PATH = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q", "dismiss", "close", id="help.close")]

    def __init__(self, title: str, bindings: list[ActiveBinding]) -> None:
        super().__init__()
        self._title, self._active = title, bindings

    def compose(self) -> ComposeResult:
        with VerticalScroll() as box:
            box.border_title = Content(self._title)
            yield Static(Content("\n").join(self._lines()))

    def on_mount(self) -> None:
        self.watch(self.query_one(VerticalScroll), "scroll_y", self._update_subtitle, init=False)

    def on_resize(self) -> None:
        self.call_after_refresh(self._update_subtitle)

    def _update_subtitle(self) -> None:
        box = self.query_one(VerticalScroll)
        box.border_subtitle = Content("↓ more · " * (box.scroll_y < box.max_scroll_y) + "esc close")

    def _lines(self) -> list[Content]:
        # Dicts as ordered sets: the keys of each action, in the order of the bindings.
        keys: dict[str, dict[str, None]] = {}
        for active in self._active:
            binding = active.binding
            text = binding.tooltip or (binding.description if binding.id else "")
            if text and not binding.system:
                keys.setdefault(text, {})[self.app.get_key_display(binding)] = None
        width = max((len(" ".join(names)) for names in keys.values()), default=0)
        return [
            Content.assemble((" ".join(names).rjust(width), "$footer-key-foreground"), "  ", text)
            for text, names in keys.items()
        ]
