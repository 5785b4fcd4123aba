"""Summarize a run in three lines: result, settings, notes."""

from collections.abc import Sequence

from textual.content import Content

from tuitrain.analysis import summary, units
from tuitrain.analysis.table.columns import columns, shown_title
from tuitrain.analysis.table.group_rows import GroupRow
from tuitrain.analysis.table.layout import differing_settings
from tuitrain.config.settings import FOLD, SEED
from tuitrain.runs.catalog.listing import Entry
from tuitrain.text import plain

# The scores in the order of their importance.
SCORES = ("best-test", "best", "test", "val", "train")
MAX_SCORES = 3


def result(entry: Entry) -> Content:
    """Return the progress, the most important scores and the time."""
    if entry.status == "damaged":
        return Content("")
    known = columns()
    scores = [(shown_title(known[key], [entry]), known[key].text(entry)) for key in SCORES]
    parts = [Content(plain(summary.status(entry)))] if entry.status != "finished" else []
    parts += [
        Content.assemble(f"{title} ", (text, "bold $foreground")) for title, text in scores if text != units.UNKNOWN
    ][:MAX_SCORES]
    if entry.state.step:
        epochs = summary.epochs(entry)
        parts += [Content(f"epoch {epochs}")] if "/" in epochs else []
        parts.append(Content(summary.time(entry)))
    return Content(" · ").join(parts)


def settings(entry: Entry, others: Sequence[Entry]) -> Content:
    """Return the settings in words, or if there are `others`, how they differ from theirs."""
    if entry.status == "damaged":
        return Content("")
    others = [other for other in others if other.folder.id != entry.folder.id and other.status != "damaged"]
    if not others:
        words = summary.settings_in_words(entry, without=[SEED, FOLD] if isinstance(entry, GroupRow) else [])
        return Content(plain(words) or "settings unknown")
    keys = [
        key
        for key in differing_settings([entry, *others])
        if key not in (SEED, FOLD) or not isinstance(entry, GroupRow)
    ]
    if not keys:
        return Content(f"same settings as the {len(others)} marked runs")
    return Content.assemble("differs from the marked runs: ", *_differences(entry, others, keys))


def _differences(entry: Entry, others: Sequence[Entry], keys: Sequence[str]) -> list[Content | tuple[str, str]]:
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


def notes(entry: Entry) -> Content:
    """Return why the run failed, its tags and its note."""
    tags = " ".join(f"#{tag}" for tag in entry.info.tags)
    reason = entry.problem or entry.state.reason
    return Content.assemble(
        (f"{plain(reason)}  " if reason else "", "$warning"),
        (f"{plain(tags)}  " if tags else "", "$accent"),
        plain(entry.info.notes),
    )
