"""Show why the network predicts a class for an image."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen

from tuitrain.hosts.explain.explained import Source
from tuitrain.hosts.explain.process import ExplainProcess, Request
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Evaluation
from tuitrain.text import plain
from tuitrain.widgets.confusion.samples import Samples
from tuitrain.widgets.explanation import ExplanationPanel
from tuitrain.widgets.panels.fixed_text import FixedText
from tuitrain.widgets.terminal.colors import MUTED
from tuitrain.widgets.terminal.footer import FittingFooter
from tuitrain.widgets.terminal.pictures import side_to_request

TICK = 0.1


class ExplanationScreen(Screen[None]):
    """Explains the image under the cursor of `samples`, which `process` computes while the screen stays responsive."""

    CSS_PATH = "explanation.tcss"
    TITLE = "Explanation"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("H", "heat", "heat map", tooltip="Show or hide the heat map", id="explanation.heat"),
        Binding("l,right,j,down", "move(1)", "next image", key_display="l", id="explanation.next"),
        Binding("h,left,k,up", "move(-1)", "previous", key_display="h", id="explanation.previous"),
        Binding("escape,W", "dismiss", "back", key_display="esc", tooltip="Back to the images", id="explanation.back"),
        Binding("q", "app.quit", tooltip="Quit", show=False),
    ]

    def __init__(self, folder: RunFolder, evaluation: Evaluation, samples: Samples, process: ExplainProcess) -> None:
        super().__init__()
        self._folder, self._evaluation, self._samples, self._process = folder, evaluation, samples, process
        self._heated = True

    def compose(self) -> ComposeResult:
        yield FixedText(id="head")
        yield ExplanationPanel()
        yield FittingFooter()

    def on_mount(self) -> None:
        self._request()
        self.set_interval(TICK, self.tick)

    def tick(self) -> None:
        self.query_one(ExplanationPanel).show(self._process.latest, heated=self._heated)

    def _request(self) -> None:
        sample = self._samples.selected
        assert sample is not None
        source = Source(self._evaluation.split, sample.index, sample.file)
        folder, side = str(self._folder.path.absolute()), side_to_request(self.app)
        self._process.request(Request(folder, self._evaluation.checkpoint, source, side))
        position = f"{self._evaluation.split} · {self._samples.cursor + 1:,} of {self._samples.count:,}"
        self.query_one("#head", FixedText).show(
            Content.assemble(
                ("Why does the network say this?", "bold $accent"),
                (f" · {position} · {plain(self._folder.id)}", MUTED),
            )
        )
        self.tick()

    def action_heat(self) -> None:
        self._heated = not self._heated
        self.tick()

    def action_move(self, images: int) -> None:
        self._samples.action_move(images)
        self._request()
