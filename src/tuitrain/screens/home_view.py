"""What of a folder's runs is seen, and how: filter, order, columns, groups, marks."""

from textual.binding import Binding, BindingType
from textual.widgets import Input

from tuitrain.analysis.table.columns import columns
from tuitrain.analysis.table.group_rows import Bundle
from tuitrain.analysis.table.overview import Overview
from tuitrain.screens.run_actions import RunActions
from tuitrain.widgets.forms.filter_bar import FilterBar
from tuitrain.widgets.messages import AskChoice
from tuitrain.widgets.tables.runs import RunTable

CHOICES: list[BindingType] = [
    Binding("slash", "filter", "filter", key_display="/", tooltip="Show only some runs", id="runs.filter"),
    Binding("s", "sort", "sort", tooltip="Sort by a column; the same again turns it round", id="runs.sort"),
    Binding("o", "columns", "columns", tooltip="Choose the columns", id="runs.columns"),
    Binding("a", "mark_all", tooltip="Mark all that are shown; again: none of them", show=False, id="runs.mark_all"),
    Binding("A", "mark_none", tooltip="Take all marks away", show=False, id="runs.mark_none"),
    Binding("escape", "all", tooltip="Show all runs again", show=False, id="runs.all"),
]
# After all others: the first that a narrow footer leaves to the help.
GROUP = Binding("z", "group", "seeds", tooltip="Take runs that differ only in their seed together", id="runs.group")


class HomeView(RunActions):
    """`overview` holds what is chosen; `draw` shows it."""

    overview: Overview

    def draw(self) -> None:
        raise NotImplementedError

    def keep(self) -> None:
        """Show what was chosen, the next time, too."""
        self.overview.keep()
        self.draw()

    def choosable(self, action: str) -> bool | None:
        """Whether a choice can be made now; None for an action that is none of these."""
        overview = self.overview
        if action in ("filter", "sort", "columns", "group"):
            return bool(overview.runs)
        if action in ("mark", "mark_all"):
            return self.selected is not None
        if action in ("mark_none", "all"):
            return bool(overview.identities() if action == "mark_none" else overview.text)
        return None

    def action_filter(self) -> None:
        self.query_one(FilterBar).open()

    def on_input_changed(self, event: Input.Changed) -> None:
        self.overview.filter(event.value)
        self.draw()

    def on_input_submitted(self) -> None:
        self.draw()  # a table that was hidden cannot have the focus
        self.set_focus(self.query_one(RunTable) if self.overview.shown else None)
        self.keep()

    def on_filter_input_dropped(self) -> None:
        self.action_all()

    def action_all(self) -> None:
        self.overview.filter("")
        self.query_one(FilterBar).clear()
        self.on_input_submitted()

    def action_mark(self) -> None:
        if (run := self.selected) is not None:
            self.overview.mark(run)
            self.query_one(RunTable).action_move(1)
            self.draw()

    def action_mark_all(self) -> None:
        self.overview.mark_shown()
        self.draw()

    def action_mark_none(self) -> None:
        self.overview.mark_none()
        self.draw()

    def action_group(self) -> None:
        self.overview.group()
        if self.overview.grouped and not any(isinstance(row, Bundle) for row in self.overview.shown):
            self.overview.group()
            self.notify("No two of these runs differ only in training.seed.", timeout=3)
        self.keep()

    def _columns_shown(self) -> list[str]:
        return [column.key for column in self.query_one(RunTable).columns]

    def action_sort(self) -> None:
        keys = dict.fromkeys((*self._columns_shown(), *columns()))
        options = [("", "newest first", "as they were made"), *map(_option, keys)]
        self.post_message(AskChoice("Sort by", options, self._sort))

    def _sort(self, chosen: tuple[str, ...] | None) -> None:
        if chosen is not None:
            self.overview.sort(chosen[0])
            self.keep()

    def action_columns(self) -> None:
        keys = [key for key in columns() if key != "run"]
        options = [("", "automatic", "the settings that differ, and the results"), *map(_option, keys)]
        self.post_message(AskChoice("Columns", options, self._choose, self._columns_shown()[1:], many=True))

    def _choose(self, chosen: tuple[str, ...] | None) -> None:
        if chosen is not None and set(chosen) != set(self._columns_shown()[1:]):
            self.overview.choose(chosen)
            self.keep()


def _option(key: str) -> tuple[str, str, str]:
    """A column in a list to choose from."""
    column = columns()[key]
    return key, column.title, f"{key}: {column.help}" if "." in key else column.help
