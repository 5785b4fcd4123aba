"""Show a sheet of augmented training images."""

from typing import ClassVar

from msgspec.structs import replace
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from tuitrain.config.schema import Config
from tuitrain.hosts.preview.sheet import Request, Sheet, SheetProcess
from tuitrain.text import plain
from tuitrain.widgets.forms.augmented_images import AugmentedImages
from tuitrain.widgets.panels.fixed_text import FixedText
from tuitrain.widgets.terminal.footer import FittingFooter

TICK = 0.1


class AugmentationSheet(Screen[None]):
    """A sheet of images for `config`, which `process` renders while the screen stays responsive."""

    CSS_PATH = "sheet.tcss"
    TITLE = "Augmented images"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "more", "draw others", tooltip="Draw other images and random numbers", id="sheet.more"),
        Binding("escape,ctrl+x,q", "close", "close", key_display="esc", tooltip="Back to the form", id="sheet.close"),
    ]

    def __init__(self, config: Config, process: SheetProcess, *, may_run: bool) -> None:
        super().__init__()
        self._config, self._process = config, process
        self._request = Request(config, may_run=may_run)
        self._shown: Sheet | None = None

    def compose(self) -> ComposeResult:
        yield FixedText(id="head")
        yield Static(id="message")
        yield AugmentedImages()
        yield FittingFooter()

    def on_mount(self) -> None:
        self.query_one(AugmentedImages).focus()
        self.set_interval(TICK, self.tick)
        self._show_state("drawing …")
        self.tick()

    def tick(self) -> None:
        latest = self._process.latest
        if latest is not None and latest.request == self._request:
            if latest is not self._shown:
                self._shown = latest
                self.query_one(AugmentedImages).show(latest)
                self._show_state("")
        elif not self._process.waiting:
            self._process.request(self._request)

    def _show_state(self, state: str) -> None:
        names = ", ".join(self._config.data.augment)
        about = names or "no augmentation: training sees the originals"
        self.query_one("#head", FixedText).show(
            Content.assemble(
                ("Augmented images", "bold $accent"),
                (f" · {self._config.data.dataset} · {about}", "$foreground-muted"),
                (f" · {state}" if state else "", "$foreground-muted"),
            )
        )
        problem = self._shown.problem if self._shown and not state else ""
        message = self.query_one("#message", Static)
        message.display = bool(problem)
        message.update(Content(plain(problem, 400)).stylize("$text-error"))

    def action_more(self) -> None:
        if self._shown is not None and self._shown.request == self._request:
            self._request = replace(self._request, draw=self._request.draw + 1)
            self._show_state("drawing …")
            self.tick()

    def action_close(self) -> None:
        self.dismiss()
