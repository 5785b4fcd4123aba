"""Build the rows of the comparison table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from tuitrain.analysis import units
from tuitrain.analysis.compare import METRICS, Comparison, Metric, best_of
from tuitrain.analysis.mcnemar import McNemar, p_text
from tuitrain.analysis.table.columns import columns as table_columns
from tuitrain.analysis.table.groups import MeanSD
from tuitrain.config.formatting import format_value
from tuitrain.config.settings import SEED
from tuitrain.text import plain
from tuitrain.widgets.tables.compare_table import TableRow


@dataclass(frozen=True, slots=True)
class Styles:
    """Styles of the current theme, and the sign for the best value."""

    muted: str
    good: str
    bad: str
    best: str
    star: str


def rows(
    comparison: Comparison,
    columns: Sequence[Sequence[str]],
    tests: Mapping[str, McNemar],
    styles: Styles,
    *,
    show_all: bool = False,
    cursor: tuple[str, Mapping[str, str]] = ("", {}),
) -> list[TableRow]:
    """Return the rows for columns of run ids, the baseline's column first. `tests` are the tests against the baseline
    by run id. `cursor` is a title and the values at the charts' cursor, by the id of each column's first run."""
    title, values = cursor
    table = [TableRow("settings" if show_all else "settings that differ")]
    keys = comparison.keys if show_all else comparison.differing
    for key in keys:
        cells = [_setting(comparison, key, ids, styles) for ids in columns]
        if key == SEED and not show_all and len({cell.plain for cell in cells}) == 1:
            continue
        table.append(TableRow(key, cells, True, "setting", short_title(key)))
    if not keys:
        table.append(TableRow("none", [Text("") for _ in columns], True, "setting"))
    if title:
        table.append(TableRow(title))
        cells = [Text(values.get(ids[0], units.UNKNOWN)) for ids in columns]
        table.append(TableRow("at the cursor", cells, kind="cursor", short=title))
    table.append(TableRow("results"))
    if any(run.status != "finished" for run in comparison.runs):
        table.append(TableRow("status", [_status(comparison, ids) for ids in columns], is_text=True))
    for metric in METRICS:
        if any(comparison.run(id).metrics[metric.key] is not None for ids in columns for id in ids):
            table.append(TableRow(_title(comparison, metric), _metric(comparison, metric, columns, styles)))
        if metric.key == "test_accuracy" and tests:
            table.append(TableRow("McNemar p", [_test(tests.get(ids[0]), styles) for ids in columns]))
    return table


def short_title(key: str) -> str:
    """Return the title of a setting in the runs table."""
    known = table_columns()
    return known[key].title if key in known else key


def _title(comparison: Comparison, metric: Metric) -> str:
    return f"{metric.title} {units.percent(comparison.threshold)}" if metric.key.endswith("_to_reach") else metric.title


def _setting(comparison: Comparison, key: str, ids: Sequence[str], styles: Styles) -> Text:
    settings = [run.settings for id in ids if key in (run := comparison.run(id)).settings]
    if not settings:
        return Text(units.UNKNOWN)
    if key == SEED and len(settings) > 1:
        return Text(plain(", ".join(sorted({format_value(values[key]) for values in settings})), 60))
    reference = comparison.run(comparison.baseline).settings.get(key)
    value = settings[0][key]
    same = value == reference and key in comparison.differing and comparison.baseline not in ids
    return Text(plain(format_value(value), 60), style=styles.muted if same else "")


def _status(comparison: Comparison, ids: Sequence[str]) -> Text:
    return Text(", ".join(sorted({comparison.run(id).status for id in ids})))


def _metric(comparison: Comparison, metric: Metric, columns: Sequence[Sequence[str]], styles: Styles) -> list[Text]:
    groups = {ids[0]: ids for ids in columns}
    summaries = {first: comparison.mean_sd(ids, metric.key) for first, ids in groups.items()}
    means = {first: summary.mean if summary else None for first, summary in summaries.items()}
    top, reference = best_of(metric, means), means[columns[0][0]]
    return [
        _cell(metric, summaries[first], len(groups[first]), None if index == 0 else reference, first in top, styles)
        for index, first in enumerate(groups)
    ]


def _cell(
    metric: Metric, summary: MeanSD | None, count: int, reference: float | None, top: bool, styles: Styles
) -> Text:
    if summary is None:
        return Text(units.UNKNOWN)
    text = Text(metric.text(summary.mean))
    if summary.sd:
        text.append(f" ± {metric.difference(summary.sd).lstrip('+')}")
    if summary.n < count:
        text.append(f" (n={summary.n})", style=styles.muted)
    if top:
        text.append(f" {styles.star}", style=styles.best)
    if reference is not None and summary.mean != reference:
        change = summary.mean - reference
        good = 0 if metric.ties(summary.mean, reference) else change * metric.better
        style = styles.good if good > 0 else styles.bad if good < 0 else styles.muted
        text.append(f" {metric.difference(change)}", style)
    return text


def _test(test: McNemar | None, styles: Styles) -> Text:
    if test is None:
        return Text()
    return Text(
        p_text(test.p).removeprefix("p ").removeprefix("= ").replace("< ", "<"),
        style="" if test.significant else styles.muted,
    )
