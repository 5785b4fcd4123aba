"""The run under the cursor in four lines: how it went, and what makes it differ."""

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

BUDGET = 0.015


class RunDetail(Static):
    """Follows one run, and reads of it only a little at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._entry: Entry | None = None
        self._run: Follower | None = None
        self._others: Sequence[Entry] = ()
        self._mark: RunMarker | None = None
        self._utf8 = utf8_locale()

    def watch_run(self, entry: Entry | None, others: Sequence[Entry], mark: RunMarker | None) -> None:
        """Show this run, against the `others` that are marked. Its curves come with `poll`."""
        if self._run is not None and (entry is None or entry.folder.id != self._run.folder.id):
            self._run = None
        self._entry, self._others, self._mark = entry, others, mark
        self._draw()

    def poll(self) -> bool:
        """Read on; whether there may be more to read."""
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
        sign = (self._mark.marker if self._utf8 else self._mark.ascii) if self._mark else ""
        self.border_title = Content.assemble(
            (f"{sign} " if sign else "", f"$series-{self._mark.number}" if self._mark else ""),
            (plain(entry.info.name, 40), "$foreground"),
            f" · {_what(entry)}",
        )
        self.update(Content("\n").join([self._curves(), self._settings(entry), self._words(entry)]), layout=False)

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
        # Most of a loss falls at once; what it does from then on is seen on a logarithmic scale.
        falling = [log(value) if value > 0 else nan for value in loss]
        for title, values, drawn, show in (
            (name, accuracy, accuracy, units.percent),
            ("train loss", loss, falling, units.loss),
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
            return Content(plain(text) or f"settings {'not known' if entry.folder.read_only else 'at their defaults'}")
        keys = differing_settings([entry, *others])
        if not keys:
            return Content(f"the same settings as the {len(others)} marked")
        return Content.assemble(f"{len(keys)} differ from the marked: ", *self._against(entry, others, keys))

    def _against(self, entry: Entry, others: Sequence[Entry], keys: list[str]) -> list[Content | tuple[str, str]]:
        """`lr 0.1 (0.01, 0.001)`: the run's own value, and those of the others."""
        parts: list[Content | tuple[str, str]] = []
        for key in keys:
            column = columns()[key]
            theirs = dict.fromkeys(column.text(other) for other in others)
            theirs.pop(column.text(entry), None)
            name = key if column.names == (key,) else column.names[0]
            parts += [Content(f"{name} "), (column.text(entry), "$foreground"), Content(f" ({', '.join(theirs)})  ")]
        return parts

    def _words(self, entry: Entry) -> Content:
        tags = " ".join(f"#{tag}" for tag in entry.info.tags)
        reason = entry.problem or entry.state.reason
        return Content.assemble(
            (f"{plain(reason)}  " if reason else "", "$warning"),
            (f"{plain(tags)}  " if tags else "", "$accent"),
            plain(entry.info.notes),
        )


def _what(entry: Entry) -> str:
    if isinstance(entry, GroupRow):
        return f"{len(entry.runs)} runs that differ only in their seed; the first is {plain(entry.folder.id, 80)}"
    return plain(entry.folder.id, 80)
