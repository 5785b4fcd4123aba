"""What a sweep came to so far, as small tables."""

from collections.abc import Mapping, Sequence

from textual.content import Content

from tuitrain.analysis.sweep import Effect, HeatMap, Result, Summary, effect, shown, title
from tuitrain.config.sweeps.sweep import short_names
from tuitrain.text import plain
from tuitrain.widgets.panels.progress_bars import bar

MUTED = "$foreground 60%"
LABEL, CELL, BAR = 14, 10, 12
# The strongest background under a number that must stay readable.
STRONGEST = 55


def heat(found: HeatMap, down: str, across: str, metric: str, higher_is_better: bool, width: int) -> Content:
    """`width` cells wide at most; the better the value, the stronger the colour under it."""
    low, high = found.span
    names = short_names([down, across])
    margin = min(LABEL, max(map(len, found.rows), default=0) + 2)
    room = max(1, (width - margin) // CELL)
    lines = [
        Content.styled(f"mean {title(metric)}: {names[down]} down, {names[across]} across", MUTED),
        Content.assemble(
            " " * margin, *((f"{plain(label)[: CELL - 1]:>{CELL - 1}} ", MUTED) for label in found.columns[:room])
        ),
    ]
    for label, row in zip(found.rows, found.cells, strict=True):
        line = Content.styled(plain(label)[: margin - 1].ljust(margin), MUTED)
        for cell in row[:room]:
            line += _cell(cell, metric, low, high, higher_is_better)
        lines.append(line)
    if len(found.columns) > room:
        lines.append(
            Content.styled(f"{len(found.columns) - room} more columns need a wider window; y turns the map", MUTED)
        )
    return Content("\n").join(lines)


def _cell(cell: Summary | None, metric: str, low: float, high: float, higher_is_better: bool) -> Content:
    if cell is None:
        return Content.styled("-".rjust(CELL - 1) + " ", MUTED)
    share = (cell.mean - low) / (high - low) if high > low else 1.0
    strength = round((share if higher_is_better else 1 - share) * STRONGEST)
    best = cell.mean == (high if higher_is_better else low)
    text = shown(metric, cell.mean).rjust(CELL - 1) + " "
    return Content.styled(text, f"{'bold underline ' if best else ''}$foreground on $accent {strength}%")


def effects(results: Sequence[Result], keys: Sequence[str], metric: str, higher: bool, *, blocks: bool) -> Content:
    """For each setting its values: the best trial with it, then the mean over all runs with it, and how many they are.
    `higher`: whether a higher metric is the better."""
    names = short_names(keys)
    lines = [Content.styled(f"{title(metric):<{LABEL + BAR}}{'best trial':>12}{'mean':>10}{'n':>5}", MUTED)]
    for key in keys:
        lines.append(Content.styled(names[key], "bold"))
        values = effect(results, key, higher)
        top = max((found.best for found in values if found.best is not None), default=0.0)
        lines += [_value(found, metric, top, blocks=blocks) for found in values]
    return Content("\n").join(lines)


def _value(found: Effect, metric: str, top: float, *, blocks: bool) -> Content:
    name = f"  {plain(found.label)}"[: LABEL + 1].ljust(LABEL + 2)
    if found.best is None or found.all is None:
        return Content.assemble(name, ("-", MUTED))
    # A bar from nothing to the largest, so that small differences do not look large.
    part = found.best / top if top > 0 else 0.0
    rest = f"{shown(metric, found.all.mean):>10}{found.all.n:>5}"
    return Content.assemble(name, bar(part, BAR, blocks=blocks), f"{shown(metric, found.best):>10}", (rest, MUTED))


def pairs(keys: Sequence[str], chosen: Mapping[str, int]) -> tuple[str, str] | None:
    """The two settings of the heat map; None where fewer than two vary."""
    if len(keys) < 2:
        return None
    down = keys[chosen["down"] % len(keys)]
    others = [key for key in keys if key != down]
    return down, others[chosen["across"] % len(others)]
