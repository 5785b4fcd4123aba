"""Ask the network of a run about new pictures."""

from typing import ClassVar

from msgspec.structs import replace
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, Static

from tuitrain.analysis import units
from tuitrain.hosts.explain.explained import Source
from tuitrain.hosts.explain.process import ExplainProcess
from tuitrain.hosts.explain.process import Request as ExplainRequest
from tuitrain.hosts.predict_process import Answer, PredictProcess, Request
from tuitrain.runs.folder import RunFolder
from tuitrain.text import plain
from tuitrain.widgets.explanation import ExplanationPanel
from tuitrain.widgets.forms.path_input import PathInput
from tuitrain.widgets.panels.fixed_text import FixedText
from tuitrain.widgets.panels.progress_bars import bar
from tuitrain.widgets.picture import PictureView
from tuitrain.widgets.shorten import shorten
from tuitrain.widgets.terminal.colors import MUTED
from tuitrain.widgets.terminal.footer import FittingFooter
from tuitrain.widgets.terminal.pictures import pixels_to_request, side_to_request

TICK = 0.1
# Columns of a percentage, and the longest name of a class.
PERCENT, NAME = 9, 20


class PredictScreen(Screen[None]):
    """Classifies the picture at a path, and explains the prediction on request. Two processes do so while the screen
    stays responsive."""

    CSS_PATH = "predict.tcss"
    TITLE = "Classify pictures"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l,right,j,down", "move(1)", "next picture", key_display="l", id="predict.next"),
        Binding("h,left,k,up", "move(-1)", "previous", key_display="h", id="predict.previous"),
        Binding("slash", "path", "path", key_display="/", tooltip="Enter the path of a picture or folder"),
        Binding("W", "explain", "why", tooltip="Explain the prediction for this image", id="predict.explain"),
        Binding("H", "heat", "heat map", tooltip="Show or hide the heat map", id="predict.heat"),
        Binding("w", "evaluation", "weights", tooltip="Last or best weights", id="predict.weights"),
        Binding("escape", "app.pop_screen", "back", tooltip="Back", id="predict.back"),
        Binding("q", "app.quit", tooltip="Quit", show=False),
    ]

    def __init__(self, folder: RunFolder, process: PredictProcess | None = None) -> None:
        super().__init__()
        self._folder, self._process = folder, process or PredictProcess()
        self._explanations = ExplainProcess()
        self._explaining, self._heated = False, True
        self._which = "last"
        self._request: Request | None = None
        self._shown: Answer | None = None

    def compose(self) -> ComposeResult:
        yield FixedText(id="head")
        field = PathInput("", select_on_focus=False)
        field.id, field.placeholder = "path", "path of a picture or a folder · tab completes · enter classifies"
        yield field
        with Horizontal(id="body"):
            yield PictureView(id="picture")
            yield Static(id="top")
        yield ExplanationPanel()
        yield FixedText(id="about")
        yield FittingFooter()

    def on_mount(self) -> None:
        self.query_one("#path").focus()
        self._show_head()
        self.set_interval(TICK, self.tick)

    def on_unmount(self) -> None:
        self._process.close()
        self._explanations.close()

    def on_resize(self) -> None:
        self.call_after_refresh(self._ask)

    def tick(self) -> None:
        self.query_one(ExplanationPanel).show(self._explanations.latest, heated=self._heated)
        answer = self._process.latest
        if answer is None or answer is self._shown or answer.request != self._request:
            return
        self._shown = answer
        if answer.picture is not None or not answer.doing:
            self.query_one("#picture", PictureView).show(answer.picture)
            self._show_top()
        self._show_about()
        self._explain()
        self.refresh_bindings()

    def _explain(self) -> None:
        """Request an explanation of the shown picture if the user wants one."""
        answer = self._shown
        if self._explaining and answer is not None and answer.top:
            source = Source(path=answer.path)
            side = side_to_request(self.app)
            self._explanations.request(ExplainRequest(answer.request.folder, answer.request.which, source, side))

    def _ask(self) -> None:
        """Request the present picture in the present size of its widget."""
        if self._request is not None:
            width, height = pixels_to_request(self.app, self.query_one("#picture").size)
            self._request = replace(self._request, which=self._which, width=width, height=height)
            self._process.request(self._request)
            self._show_about()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self._request = Request(str(self._folder.path.absolute()), self._which, event.value)
            self.query_one("#picture").focus()
            self._ask()

    def _show_head(self) -> None:
        head = Content.assemble(
            ("What does the network say?", "bold $accent"),
            (f" · {self._which} weights · {plain(self._folder.id)}", MUTED),
        )
        self.query_one("#head", FixedText).show(head)

    def _show_top(self) -> None:
        answer, widget = self._shown, self.query_one("#top", Static)
        if answer is None or answer.problem:
            widget.update(Content.styled(answer.problem if answer else "", "$text-error"))
            return
        names = [shorten(plain(guess.name, 60), NAME) for guess in answer.top]
        room = max(map(len, names), default=0)
        width = max(4, widget.size.width - room - PERCENT - 2)
        lines = [
            Content.assemble(
                (f"{name:<{room}} ", "bold" if number == 0 else ""),
                bar(guess.probability, width),
                f" {units.percent(guess.probability):>{PERCENT}}",
            )
            for number, (name, guess) in enumerate(zip(names, answer.top, strict=True))
        ]
        widget.update(Content("\n").join(lines))

    def _show_about(self) -> None:
        answer = self._process.latest
        if answer is None or answer.request != self._request:
            text = Content.styled("starting" if self._shown is None else "waiting", MUTED)
        else:
            parts = [answer.doing, f"{answer.number + 1:,} of {answer.count:,}" if answer.count else "", answer.changes]
            path = Content(plain(answer.path, 300))
            text = Content.assemble(path, (" · ".join(["", *filter(None, parts)]), MUTED))
        self.query_one("#about", FixedText).show(text)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        if action == "move":
            return self._shown is not None and self._shown.count > 1
        if action == "explain":
            return self._shown is not None and bool(self._shown.top)
        if action == "heat":
            return self._explaining
        return True

    def action_move(self, step: int) -> None:
        if self._request is not None and self._shown is not None:
            # Keys that arrive before the answer count, too.
            number = self._shown.number if self._request.number is None else self._request.number
            self._request = replace(self._request, number=number + step)
            self._ask()

    def action_explain(self) -> None:
        self._explaining = not self._explaining
        self.set_class(self._explaining, "explaining")
        self._explain()
        self.tick()
        self.refresh_bindings()

    def action_heat(self) -> None:
        self._heated = not self._heated
        self.tick()

    def action_path(self) -> None:
        self.query_one("#path").focus()

    def action_evaluation(self) -> None:
        self._which = "best" if self._which == "last" else "last"
        self._show_head()
        self._ask()
