"""Find a learning rate for the form by a range test."""

from math import log10
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from tuitrain.analysis import units
from tuitrain.hosts.preview.lr_range import RangeAnswer, RangeProcess, RangeRequest
from tuitrain.text import plain, utf8_locale
from tuitrain.widgets.charts.line import Line
from tuitrain.widgets.charts.render import draw
from tuitrain.widgets.panels.fixed_text import FixedText
from tuitrain.widgets.terminal.colors import theme_color
from tuitrain.widgets.terminal.footer import FittingFooter

TICK = 0.1


class RangeCurve(Widget):
    """The smoothed loss over the logarithm of the learning rate."""

    answer = RangeAnswer()

    def render(self) -> Text:
        line = Line(
            "", [log10(rate) for rate in self.answer.rates], list(self.answer.losses), theme_color(self, "accent")
        )
        return draw(
            [line],
            self.size.width,
            self.size.height,
            braille=utf8_locale(),
            foreground=theme_color(self, "foreground-muted"),
            grid=theme_color(self, "foreground-disabled"),
            empty="",
        )


class LRFinder(Screen[float | None]):
    """Run a range test and draw its curve. Dismiss with the suggested learning rate, or None."""

    CSS_PATH = "lr_finder.tcss"
    TITLE = "Learning-rate range test"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "accept", "use it", tooltip="Use the suggested learning rate", id="lr.accept"),
        Binding("escape,q", "close", "close", key_display="esc", tooltip="Back to the form", id="lr.close"),
    ]

    def __init__(self, request: RangeRequest) -> None:
        super().__init__()
        self._process = RangeProcess(request)
        self._shown: RangeAnswer | None = None

    def compose(self) -> ComposeResult:
        yield FixedText(id="head")
        yield Static(id="message")
        yield RangeCurve()
        yield FittingFooter()

    def on_mount(self) -> None:
        self.set_interval(TICK, self.tick)
        self.tick()

    def on_unmount(self) -> None:
        self._process.close()

    def tick(self) -> None:
        latest = self._process.latest
        if latest is self._shown:
            return
        self._shown = latest
        curve = self.query_one(RangeCurve)
        curve.answer = latest
        curve.refresh()
        self.query_one("#head", FixedText).show(
            Content.assemble(
                ("Learning-rate range test", "bold $accent"),
                (" · loss over the logarithm (base 10) of the learning rate", "$foreground-muted"),
            )
        )
        self.query_one("#message", Static).update(_message(latest))
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        return action != "accept" or bool(self._shown and self._shown.suggestion)

    def action_accept(self) -> None:
        self.dismiss(self._shown.suggestion if self._shown else None)

    def action_close(self) -> None:
        self.dismiss(None)


def _message(answer: RangeAnswer) -> Content:
    if answer.problem:
        return Content(plain(answer.problem, 400)).stylize("$text-error")
    if answer.activity:
        return Content(plain(answer.activity)).stylize("$foreground-muted")
    if answer.suggestion is None:
        return Content("The loss did not fall at any learning rate: no suggestion.")
    return Content.assemble("suggested learning rate ", (units.number(answer.suggestion), "bold $accent"))
