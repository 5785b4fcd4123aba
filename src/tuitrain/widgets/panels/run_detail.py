"""Details of the run under the cursor: curves, settings, notes."""

from collections.abc import Sequence
from math import log, nan

from textual.content import Content
from textual.widgets import Static

from tuitrain.analysis import summary, units
from tuitrain.analysis.table.columns import columns
from tuitrain.analysis.table.group_rows import GroupRow
from tuitrain.analysis.table.layout import differing_settings
from tuitrain.analysis.table.markers import RunMarker
from tuitrain.config.formatting import format_value
from tuitrain.runs.catalog.follow import follow
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.follower import Follower
from tuitrain.text import plain, utf8_locale
from tuitrain.widgets.charts.sparkline import sparkline

# Seconds that one poll may read.
BUDGET = 0.015


class RunDetail(Static):
    """Follow one run, reading it in small slices."""

    def __init__(self) -> None:
        super().__init__()
        self._entry: Entry | None = None
        self._run: Follower | None = None
        self._others: Sequence[Entry] = ()
        self._marker: RunMarker | None = None
        self._utf8 = utf8_locale()

    def watch_run(self, entry: Entry | None, others: Sequence[Entry], marker: RunMarker | None) -> None:
        """Show a run and how it differs from `others`, the marked runs; `poll` reads its curves."""
        if self._run is not None and (entry is None or entry.folder.id != self._run.folder.id):
            self._run = None
        self._entry, self._others, self._marker = entry, others, marker
        self._draw()

    def poll(self) -> bool:
        """Read the next slice; return whether there may be more."""
        entry = self._entry
        if entry is None or entry.status == "damaged":
            return False
        if self._run is None:
            self._run = follow(entry.folder)
        news = self._run.poll(BUDGET)
        if news:
            self._draw()
        return news

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        entry = self._entry
        if entry is None:
            self.border_title = ""
            self.update("", layout=False)
            return
        sign = (self._marker.marker if self._utf8 else self._marker.ascii) if self._marker else ""
        self.border_title = Content.assemble(
            (f"{sign} " if sign else "", f"$series-{self._marker.number}" if self._marker else ""),
            (plain(entry.info.name, 40), "$foreground"),
            f" · {_title(entry)}",
        )
        self.update(Content("\n").join([self._curves(), self._settings(entry), self._notes(entry)]), layout=False)

    def _curves(self) -> Content:
        run = self._run
        if run is None:
            return Content("")
        accuracy, name = run.evaluations["validation"].only("accuracy")["accuracy"], "val accuracy"
        if not accuracy:
            accuracy, name = run.train.only("accuracy")["accuracy"], "train accuracy"
        loss = run.train.only("loss")["loss"]
        room = max(4, min(40, (self.size.width - len(name) - 36) // 2))
        parts: list[Content | tuple[str, str] | str] = []
        # The loss falls quickly at first; a log scale also shows its later course.
        log_loss = [log(value) if value > 0 else nan for value in loss]
        for title, values, drawn, show in (
            (name, accuracy, accuracy, units.percent),
            ("train loss", loss, log_loss, units.loss),
        ):
            if values:
                line = sparkline(drawn, room, braille=self._utf8)
                parts += [f"{title} ", (line, "$accent"), (f" {show(values[-1])}", "$foreground"), "   "]
        return Content.assemble(*parts)

    def _settings(self, entry: Entry) -> Content:
        if entry.status == "damaged":
            return Content("")
        others = [other for other in self._others if other.folder.id != entry.folder.id and other.status != "damaged"]
        if not others:
            text = " ".join(f"{key}={format_value(value)}" for key, value in summary.settings(entry).items())
            default = "settings unknown" if entry.folder.read_only else "all settings at their defaults"
            return Content(plain(text) or default)
        keys = differing_settings([entry, *others])
        if not keys:
            return Content(f"same settings as the {len(others)} marked runs")
        return Content.assemble("differs from the marked runs: ", *self._differences(entry, others, keys))

    def _differences(self, entry: Entry, others: Sequence[Entry], keys: list[str]) -> list[Content | tuple[str, str]]:
        """Return parts such as `lr 0.1 (0.01, 0.001)`: the run's value and those of the others."""
        parts: list[Content | tuple[str, str]] = []
        for key in keys:
            column = columns()[key]
            other_values = dict.fromkeys(column.text(other) for other in others)
            other_values.pop(column.text(entry), None)
            name = key if column.names == (key,) else column.names[0]
            others_text = Content(f" ({', '.join(other_values)})  ")
            parts += [Content(f"{name} "), (column.text(entry), "$foreground"), others_text]
        return parts

    def _notes(self, entry: Entry) -> Content:
        tags = " ".join(f"#{tag}" for tag in entry.info.tags)
        reason = entry.problem or entry.state.reason
        return Content.assemble(
            (f"{plain(reason)}  " if reason else "", "$warning"),
            (f"{plain(tags)}  " if tags else "", "$accent"),
            plain(entry.info.notes),
        )


def _title(entry: Entry) -> str:
    if isinstance(entry, GroupRow):
        return f"{len(entry.runs)} runs that differ only in their seed; the first is {plain(entry.folder.id, 80)}"
    return plain(entry.folder.id, 80)
