"""The rows of the table that compares runs, or groups of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from tuitrain.analysis import units
from tuitrain.analysis.compare import METRICS, Comparison, Metric, best_of
from tuitrain.analysis.mcnemar import McNemar, p_text
from tuitrain.analysis.table.groups import SEED, MeanSD
from tuitrain.config.formatting import format_value
from tuitrain.text import plain
from tuitrain.widgets.tables.compare import TableRow


@dataclass(frozen=True, slots=True)
class Styles:
    """Styles of the theme in use, and the sign of what is best."""

    muted: str
    good: str
    bad: str
    best: str
    star: str


def rows(
    comparison: Comparison,
    columns: Sequence[Sequence[str]],
    tests: Mapping[str, McNemar],
    look: Styles,
    *,
    everything: bool = False,
    cursor: tuple[str, Mapping[str, str]] = ("", {}),
) -> list[TableRow]:
    """`columns` are the ids of each column's runs, the baseline's first; `tests` are against the baseline. `cursor`
    says where the charts' cursor stands, and what stands there by the id of each column's first run."""
    title, values = cursor
    table = [TableRow("settings that differ" if not everything else "settings")]
    keys = _keys(comparison, everything)
    table += [TableRow(key, [_setting(comparison, key, ids, look) for ids in columns], words=True) for key in keys]
    if not keys:
        table.append(TableRow("none", [Text("") for _ in columns], words=True))
    if title:
        table.append(TableRow(title))
        table.append(TableRow("at the cursor", [Text(values.get(ids[0], units.UNKNOWN)) for ids in columns]))
    table.append(TableRow("results"))
    table.append(TableRow("status", [_status(comparison, ids) for ids in columns], words=True))
    for metric in METRICS:
        if any(comparison.run(id).metrics[metric.key] is not None for ids in columns for id in ids):
            table.append(TableRow(_title(comparison, metric), _metric(comparison, metric, columns, look)))
        if metric.key == "test_accuracy" and tests:
            table.append(TableRow("McNemar p", [_test(tests.get(ids[0]), look) for ids in columns]))
    return table


def _keys(comparison: Comparison, everything: bool) -> Sequence[str]:
    return comparison.keys if everything else comparison.differing


def _title(comparison: Comparison, metric: Metric) -> str:
    return f"{metric.title} {units.percent(comparison.threshold)}" if metric.key.endswith("_to_reach") else metric.title


def _setting(comparison: Comparison, key: str, ids: Sequence[str], look: Styles) -> Text:
    found = [run.settings for id in ids if key in (run := comparison.run(id)).settings]
    if not found:
        return Text(units.UNKNOWN)
    if key == SEED and len(found) > 1:
        return Text(plain(", ".join(sorted({format_value(values[key]) for values in found})), 60))
    reference = comparison.run(comparison.baseline).settings.get(key)
    value = found[0][key]
    same = value == reference and key in comparison.differing and comparison.baseline not in ids
    return Text(plain(format_value(value), 60), style=look.muted if same else "")


def _status(comparison: Comparison, ids: Sequence[str]) -> Text:
    return Text(", ".join(sorted({comparison.run(id).status for id in ids})))


def _metric(comparison: Comparison, metric: Metric, columns: Sequence[Sequence[str]], look: Styles) -> list[Text]:
    groups = {ids[0]: ids for ids in columns}
    spreads = {first: comparison.mean_sd(ids, metric.key) for first, ids in groups.items()}
    means = {first: spread.mean if spread else None for first, spread in spreads.items()}
    top, reference = best_of(metric, means), means[columns[0][0]]
    return [
        _cell(metric, spreads[first], len(groups[first]), None if place == 0 else reference, first in top, look)
        for place, first in enumerate(groups)
    ]


def _cell(metric: Metric, spread: MeanSD | None, count: int, reference: float | None, top: bool, look: Styles) -> Text:
    if spread is None:
        return Text(units.UNKNOWN)
    text = Text(metric.text(spread.mean))
    if spread.sd:
        text.append(f" ± {metric.difference(spread.sd).lstrip('+')}")
    if spread.n < count:
        text.append(f" (n={spread.n})", style=look.muted)
    if top:
        text.append(f" {look.star}", style=look.best)
    if reference is not None and spread.mean != reference:
        change = spread.mean - reference
        good = 0 if metric.ties(spread.mean, reference) else change * metric.better
        text.append(f" {metric.difference(change)}", look.good if good > 0 else look.bad if good < 0 else look.muted)
    return text


def _test(test: McNemar | None, look: Styles) -> Text:
    if test is None:
        return Text()
    return Text(p_text(test.p).removeprefix("p ").removeprefix("= "), style="" if test.significant else look.muted)
