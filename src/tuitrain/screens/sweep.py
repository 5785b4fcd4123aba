"""Sweep: which settings matter, and how far is it?"""

import time
from collections import Counter
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tuitrain.analysis import sweep as analysis
from tuitrain.analysis import units
from tuitrain.config.sweeps.sweep import Sweep
from tuitrain.errors import RunError
from tuitrain.hosts.sweeps.background import last_error
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.index import Outcome, SweepIndex
from tuitrain.screens.sweep_actions import SWEEP_CHANGES, SweepActions
from tuitrain.text import plain, utf8_locale
from tuitrain.widgets.messages import OpenRun
from tuitrain.widgets.panels import sweep_effects as tables
from tuitrain.widgets.panels.fixed_text import Said
from tuitrain.widgets.panels.progress_bars import progress
from tuitrain.widgets.panels.run_report import MUTED, STATUS
from tuitrain.widgets.tables.sweep import SweepTable
from tuitrain.widgets.terminal import notifications
from tuitrain.widgets.terminal.footer import FittingFooter

PAGES = ("runs", "map", "effects")


class SweepScreen(SweepActions):
    """A sweep, read from its folder; leaving this screen changes nothing for it."""

    CSS_PATH = "sweep.tcss"
    TITLE = "Sweep"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(number), f"page('{page}')", page, tooltip=f"The page of {page}", id=f"sweep.{page}")
            for number, page in enumerate(PAGES, 1)
        ),
        *SWEEP_CHANGES,
        Binding("x", "turn('across')", "across", tooltip="The map's next setting across", id="sweep.across"),
        Binding("y", "turn('down')", "down", tooltip="The map's next setting down", id="sweep.map_down"),
        Binding("o", "order", "order", tooltip="The best first, or as they are done", id="sweep.order"),
        Binding(
            "v",
            "value",
            "value",
            tooltip="Map and effects of the metric, or of its test",
            id="sweep.value",
        ),
        Binding("escape", "app.pop_screen", "back", tooltip="Back; the sweep goes on", id="sweep.back"),
    ]

    def __init__(self, folder: SweepFolder) -> None:
        super().__init__()
        self.folder = folder
        self._index = SweepIndex(folder)
        self._sweep = folder.sweep()
        self._outcomes: list[Outcome] = []
        self._page = PAGES[0]
        self._turned = {"down": 0, "across": 0}
        self._test = False
        self._blocks = utf8_locale()

    def compose(self) -> ComposeResult:
        yield Said(id="head")
        yield Said(id="progress")
        yield Said(id="best")
        yield SweepTable()
        with Container(id="tables"):
            with VerticalScroll(id="map"):
                yield Static(id="heat")
            with VerticalScroll(id="effects"):
                yield Static(id="values")
        yield FittingFooter()

    @property
    def sweep(self) -> Sweep:
        return self._sweep

    @property
    def selected(self) -> Outcome | None:
        return self.query_one(SweepTable).selected if self.is_mounted and self._sees("runs") else None

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
        before = self.status
        try:
            self._sweep, self._outcomes = self.folder.sweep(), self._index.refresh()
            self.status = self.folder.status(all(one.done for one in self._outcomes))
        except RunError as error:
            self.status = ""
            self.query_one("#head", Said).say(Content(str(error)))
            self.refresh_bindings()
            return
        if before == "running" and self.status == "stopped" and (why := last_error(self.folder)):
            self.notify(why, severity="error", markup=False)
        self._show()
        self.refresh_bindings()

    def _show(self) -> None:
        ended = sum(one.done for one in self._outcomes)
        part = analysis.part_done(self._sweep, self._outcomes)
        notifications.set_title(self.app, f"{part:.0%} {self._sweep.name} · {self.status}")
        self.query_one("#head", Said).say(self._head(ended))
        self.query_one("#progress", Said).say(progress("runs", part, max(20, self.size.width - 2), blocks=self._blocks))
        self.query_one("#best", Said).say(self._best())
        self.query_one(SweepTable).show(self._sweep, self._outcomes, self._found())
        self._tables()

    def _head(self, ended: int) -> Content:
        counts = Counter(one.status for one in self._outcomes)
        words = [f"{ended} of {len(self._outcomes)} runs"]
        words += [f"{counts[status]} {status}" for status in ("running", "failed", "interrupted") if counts[status]]
        left = analysis.seconds_left(self._sweep, self._outcomes) if self.status == "running" else None
        if left is not None:
            words.append(f"ends {units.clock(time.time() + left)} (in {units.duration(left)})")
        if (until := self._until) is not None and (left is None or until < time.time() + left):
            words.append(f"no run begins after {units.clock(until)}")
        name = plain(self._sweep.name, self.size.width // 3)
        return Content.assemble(
            (name, "bold"), " · ", (self.status, STATUS.get(self.status, "")),
            (f" · {' · '.join(words)}", MUTED),
        )  # fmt: skip

    @property
    def _until(self) -> float | None:
        """When the time of those that work on it is over; None where it never is, or nobody does."""
        minutes = self._sweep.options.max_minutes
        if minutes is None or self.status != "running":
            return None
        return max((session.began + 60 * minutes for session in self.folder.sessions()), default=None)

    def _found(self) -> tuple[int, analysis.Summary] | None:
        """The best trial so far."""
        return analysis.best(analysis.results(self._sweep, self._outcomes), self._sweep.higher_is_better)

    def _best(self) -> Content:
        name, found = self._sweep.options.metric, self._found()
        if found is None:
            return Content.styled(f"best trial by {analysis.title(name)}: none yet", MUTED)
        trial, seen = found
        values = next(one.values for one in self._outcomes if one.job.trial == trial and one.values is not None)
        spread = f" ± {analysis.shown(name, seen.sd)}" if seen.sd is not None else ""
        return Content.assemble(
            f"best trial {trial}", (f": {analysis.title(name)} ", MUTED),
            (f"{analysis.shown(name, seen.mean)}{spread}", "bold"),
            (f" (n {seen.n}) {analysis.described(values)}", MUTED),
        )  # fmt: skip

    def _tables(self) -> None:
        """Of the trials that are combinations of all values; the extra ones stand by themselves."""
        sweep = self._sweep
        name = analysis.test_of(sweep.options.metric) if self._test else sweep.options.metric
        keys = list(sweep.values)
        results = analysis.results(sweep, (one for one in self._outcomes if set(one.values or ()) == set(keys)), name)
        higher = name.endswith("accuracy")
        pair = tables.pairs(keys, self._turned)
        heat = Content.styled("A map needs two settings that vary.", MUTED)
        if pair is not None:
            width = (self.size.width // 2 if self.wide else self.size.width) - 3
            heat = tables.heat(analysis.heat_map(results, *pair), *pair, name, higher, width)
        self.query_one("#heat", Static).update(heat)
        self.query_one("#values", Static).update(
            tables.effects(results, keys, name, sweep.higher_is_better, blocks=self._blocks)
        )

    def on_data_table_row_selected(self) -> None:
        one = self.selected
        if one is not None and one.run is not None:
            self.post_message(OpenRun(one.run))

    def on_data_table_row_highlighted(self) -> None:
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "page":
            return not self.wide and self._page != parameters[0]
        if action == "order":
            return self._sees("runs")
        if action == "turn":
            return len(self._sweep.values) > (2 if parameters[0] == "across" else 1) and self._sees("map")
        if action == "value":
            return self._sees("map") or self._sees("effects")
        possible = self.possible(action)
        return True if possible is None else possible

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
