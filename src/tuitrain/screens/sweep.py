"""Sweep: which settings matter, and how far is it?"""

import time
from collections import Counter
from collections.abc import Callable
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tuitrain.analysis import sweep as analysis
from tuitrain.analysis import units
from tuitrain.config.sweep import options as sweep_options
from tuitrain.config.values import parsed
from tuitrain.errors import RunError, TuitrainError
from tuitrain.hosts.sweep import spawn, stop
from tuitrain.runs.sweep import SweepFolder
from tuitrain.runs.sweep_index import Outcome, SweepIndex
from tuitrain.text import plain
from tuitrain.widgets import sweep as tables
from tuitrain.widgets import terminal
from tuitrain.widgets.footer import FittingFooter
from tuitrain.widgets.look import utf8_locale
from tuitrain.widgets.meter import progress
from tuitrain.widgets.navigation import AskValue, OpenRun
from tuitrain.widgets.report import MUTED, STATUS
from tuitrain.widgets.sweep_table import SweepTable
from tuitrain.widgets.ticking import TickingScreen

PAGES = ("runs", "map", "effects")


class Sweep(TickingScreen):
    """A sweep, read from its folder; leaving this screen changes nothing for it."""

    CSS_PATH = "sweep.tcss"
    TITLE = "Sweep"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(number), f"page('{page}')", page, tooltip=f"The page of {page}", id=f"sweep.{page}")
            for number, page in enumerate(PAGES, 1)
        ),
        Binding("p", "pause", "pause", tooltip="Begin no further runs, or begin them again", id="sweep.pause"),
        Binding("s", "stop", "stop", tooltip="Save the runs that go on, and end; r goes on", id="sweep.stop"),
        Binding("r", "resume", "resume", tooltip="Go on, in a process of its own", id="sweep.resume"),
        Binding("f", "first", "first", tooltip="Do this run before all others", id="sweep.first"),
        Binding("m", "more", "more", tooltip="More seeds, or trials where they are sampled", id="sweep.more"),
        Binding("x", "turn('across')", "across", tooltip="The map's next setting across", id="sweep.across"),
        Binding("y", "turn('down')", "down", tooltip="The map's next setting down", id="sweep.map_down"),
        Binding("o", "order", "order", tooltip="The best first, or as they are done", id="sweep.order"),
        Binding("v", "value", "value", tooltip="Map and effects of the metric, or of the test", id="sweep.value"),
        Binding("escape", "app.pop_screen", "back", tooltip="Back; the sweep goes on", id="sweep.back"),
    ]

    def __init__(self, folder: SweepFolder) -> None:
        super().__init__()
        self.folder = folder
        self._index = SweepIndex(folder)
        self._sweep = folder.sweep()
        self._outcomes: list[Outcome] = []
        self._status = ""
        self._paused = False
        self._page = PAGES[0]
        self._turned = {"down": 0, "across": 0}
        self._test = False
        self._blocks = utf8_locale()

    def compose(self) -> ComposeResult:
        yield Static(id="head")
        yield Static(id="progress")
        yield Static(id="best")
        yield SweepTable()
        with Container(id="tables"):
            with VerticalScroll(id="map"):
                yield Static(id="heat")
            with VerticalScroll(id="effects"):
                yield Static(id="values")
        yield FittingFooter()

    def on_mount(self) -> None:
        self.query_one(SweepTable).focus()

    @property
    def wide(self) -> bool:
        """Whether all pages are seen at a time."""
        return self.size.width >= 100 and self.size.height >= 30

    def on_resize(self) -> None:
        self._lay_out()
        if self.is_mounted and self._outcomes:
            self._show()

    def _lay_out(self) -> None:
        self.set_class(self.wide, "wide")
        for page, selector in zip(PAGES, ("SweepTable", "#map", "#effects"), strict=True):
            self.query_one(selector).display = self.wide or page == self._page
        self.query_one("#tables").display = self.wide or self._page != "runs"
        self.refresh_bindings()

    def tick(self) -> None:
        try:
            self._sweep, self._outcomes = self.folder.sweep(), self._index.refresh()
            self._paused = self.folder.control().paused
            self._status = self.folder.status(all(one.done for one in self._outcomes))
        except RunError as error:
            self.query_one("#head", Static).update(Content(str(error)))
            return
        self._show()
        self.refresh_bindings()

    def _show(self) -> None:
        ended = sum(one.done for one in self._outcomes)
        part = ended / len(self._outcomes) if self._outcomes else 0.0
        terminal.title(self.app, f"{part:.0%} {self._sweep.options.name} · {self._status}")
        self.query_one("#head", Static).update(self._head(ended))
        self.query_one("#progress", Static).update(
            progress("runs", part, max(20, self.size.width - 2), blocks=self._blocks)
        )
        self.query_one("#best", Static).update(self._best())
        self.query_one(SweepTable).show(self._sweep, self._outcomes, self._found())
        self._tables()

    def _head(self, ended: int) -> Content:
        counts = Counter(one.status for one in self._outcomes)
        words = [f"{ended} of {len(self._outcomes)} runs"]
        words += [f"{counts[status]} {status}" for status in ("running", "failed", "interrupted") if counts[status]]
        left = analysis.seconds_left(self._outcomes) if self._status == "running" else None
        if left is not None:
            words.append(f"ends {units.clock(time.time() + left)} (in {units.duration(left)})")
        return Content.assemble(
            (plain(self._sweep.options.name, 60), "bold"), " · ", (self._status, STATUS.get(self._status, "")),
            (f" · {' · '.join(words)}", MUTED),
        )  # fmt: skip

    def _found(self) -> tuple[int, analysis.Summary] | None:
        """The best trial so far."""
        return analysis.best(analysis.results(self._sweep, self._outcomes), self._sweep.higher_is_better)

    def _best(self) -> Content:
        name, found = self._sweep.options.metric, self._found()
        if found is None:
            return Content.styled(f"best {name}: none yet", MUTED)
        trial, seen = found
        values = next(one.values for one in self._outcomes if one.job.trial == trial and one.values is not None)
        spread = f" ± {analysis.shown(name, seen.sd)}" if seen.sd is not None else ""
        return Content.assemble(
            (f"best {name}: ", MUTED), (f"{analysis.shown(name, seen.mean)}{spread}", "bold"),
            (f" (n {seen.n}) ", MUTED), f"trial {trial} ", (analysis.described(values), MUTED),
        )  # fmt: skip

    def _tables(self) -> None:
        """Of the trials that are combinations of all values; the extra ones stand by themselves."""
        sweep = self._sweep
        name = "test.accuracy" if self._test else sweep.options.metric
        keys = list(sweep.values)
        results = analysis.results(sweep, (one for one in self._outcomes if set(one.values or ()) == set(keys)), name)
        higher = name.endswith("accuracy")
        pair = tables.pairs(keys, self._turned)
        heat = Content.styled("A map needs two settings that vary.", MUTED)
        if pair is not None:
            width = (self.size.width // 2 if self.wide else self.size.width) - 3
            heat = tables.heat(analysis.heat_map(results, *pair), *pair, name, higher, width)
        self.query_one("#heat", Static).update(heat)
        self.query_one("#values", Static).update(tables.effects(results, keys, name, blocks=self._blocks))

    def on_data_table_row_selected(self) -> None:
        one = self.query_one(SweepTable).selected
        if one is not None and one.run is not None:
            self.post_message(OpenRun(one.run))

    def on_data_table_row_highlighted(self) -> None:
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "page":
            return not self.wide and self._page != parameters[0]
        if action in ("pause", "stop"):
            return self._status in ("running", "paused")
        if action == "resume":
            return self._status == "stopped"
        if action == "order":
            return self._sees("runs")
        if action == "first":
            one = self.query_one(SweepTable).selected if self.is_mounted else None
            return one is not None and one.status == "queued" and self._page == "runs"
        if action == "turn":
            return len(self._sweep.values) > (2 if parameters[0] == "across" else 1) and self._sees("map")
        if action == "value":
            return self._sees("map") or self._sees("effects")
        return True

    def _sees(self, page: str) -> bool:
        return self.wide or self._page == page

    def action_page(self, page: str) -> None:
        self._page = page
        self._lay_out()
        self.query_one("SweepTable" if page == "runs" else f"#{page}").focus()
        self._show()

    def action_turn(self, which: str) -> None:
        self._turned[which] += 1
        self._tables()

    def action_order(self) -> None:
        table = self.query_one(SweepTable)
        table.best_first = not table.best_first
        self._show()

    def action_value(self) -> None:
        self._test = not self._test
        self._tables()

    def action_pause(self) -> None:
        self._ask("go on" if self._paused else "pause", lambda: self.folder.ask(paused=not self._paused))

    def action_stop(self) -> None:
        self._ask("stop", lambda: stop(self.folder))

    def action_first(self) -> None:
        one = self.query_one(SweepTable).selected
        if one is not None:
            first = dict.fromkeys((one.job.key, *self.folder.control().first))
            self._ask("first", lambda: self.folder.ask(first=tuple(first)))

    def action_more(self) -> None:
        name = "seeds" if self._sweep.options.method == "grid" else "trials"
        wanted = sweep_options()[f"sweep.{name}"]

        def answer(text: str | None) -> None:
            if text is not None:
                self._ask(f"{text} {name}", lambda: self.folder.extend(**{name: parsed(wanted, text)}))

        what = "Runs a trial, each with another seed" if name == "seeds" else "Trials in all"
        present = str(getattr(self._sweep.options, name))
        self.post_message(AskValue(what, present, lambda text: parsed(wanted, text), answer))

    @work(thread=True, exit_on_error=False)
    def action_resume(self) -> None:
        try:
            self.folder.ask(paused=False)
            spawn(self.folder)
        except TuitrainError as error:
            self.app.call_from_thread(self.notify, str(error), severity="error", markup=False)

    def _ask(self, what: str, do: Callable[[], None]) -> None:
        try:
            do()
            self.notify(f"{what}: done" if what in ("first",) else f"{what}: asked for", timeout=2, markup=False)
        except TuitrainError as error:
            self.notify(str(error), severity="error", markup=False)
        self.tick()
