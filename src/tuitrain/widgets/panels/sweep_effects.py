"""The heat map and the effects table of a sweep."""

from collections.abc import Sequence
from itertools import permutations

from textual.content import Content

from tuitrain.analysis.sweep import Effect, HeatMap, Result, effects_of, format_metric
from tuitrain.analysis.table.groups import MeanSD
from tuitrain.config.sweeps.sweep import short_names
from tuitrain.text import plain, utf8_locale
from tuitrain.widgets.panels.progress_bars import bar
from tuitrain.widgets.terminal.colors import MUTED

LABEL, CELL, BAR = 14, 10, 12
# Opacity in percent of the strongest cell background that keeps the number readable.
MAX_OPACITY = 55


def heat_map_text(
    heat_map: HeatMap, rows: str, columns: str, metric: str, title: str, higher_is_better: bool, width: int
) -> Content:
    """Draw the mean of `metric` over two settings, at most `width` cells wide; better cells have a stronger color."""
    if not heat_map.rows:
        return Content.styled("No run has finished yet", MUTED)
    low, high = heat_map.span
    names = short_names([rows, columns])
    margin = min(LABEL, max(map(len, heat_map.rows), default=0) + 2)
    count = max(1, (width - margin) // CELL)
    heads = [(f"{plain(label)[: CELL - 1]:>{CELL - 1}} ", MUTED) for label in heat_map.columns[:count]]
    lines = [
        Content.styled(f"mean {title} · rows {names[rows]}, columns {names[columns]}", MUTED),
        Content.assemble(" " * margin, *heads),
    ]
    for label, row in zip(heat_map.rows, heat_map.cells, strict=True):
        line = Content.styled(plain(label)[: margin - 1].ljust(margin), MUTED)
        for cell in row[:count]:
            line += _cell(cell, metric, low, high, higher_is_better)
        lines.append(line)
    if hidden := len(heat_map.columns[count:]):
        lines.append(Content.styled(f"{hidden} more columns need a wider window; X turns the map", MUTED))
    return Content("\n").join(lines)


def _cell(cell: MeanSD | None, metric: str, low: float, high: float, higher_is_better: bool) -> Content:
    if cell is None:
        return Content.styled("-".rjust(CELL - 1) + " ", MUTED)
    share = (cell.mean - low) / (high - low) if high > low else 1.0
    opacity = round((share if higher_is_better else 1 - share) * MAX_OPACITY)
    best = cell.mean == (high if higher_is_better else low)
    text = format_metric(metric, cell.mean).rjust(CELL - 1) + " "
    return Content.styled(text, f"{'bold underline ' if best else ''}$foreground on $accent {opacity}%")


def effects_text(
    results: Sequence[Result], keys: Sequence[str], metric: str, title: str, higher_is_better: bool
) -> Content:
    """List the values of each setting with the mean over all runs, the best trial and the number of runs. The bars
    show the means between the lowest and the highest one, with a mark at the best trial."""
    names = short_names(keys)
    effects = {key: effects_of(results, key, higher_is_better) for key in keys}
    scores = [score for found in effects.values() for effect in found for score in _scores(effect)]
    low, high = (min(scores), max(scores)) if scores else (0.0, 0.0)
    title = plain(title, LABEL + BAR + 1).ljust(LABEL + BAR + 2)
    lines = [Content.styled(f"{title}{'mean':>10}{'best trial':>12}{'n':>5}", MUTED)]
    if scores:
        scale = f"bars: {format_metric(metric, low)} to {format_metric(metric, high)} · {_best_sign()} best trial"
        lines.append(Content.styled(scale, MUTED))
    for key in keys:
        lines.append(Content.styled(names[key], "bold"))
        lines += [_effect_line(effect, metric, low, high) for effect in effects[key]]
    return Content("\n").join(lines)


def _best_sign() -> str:
    return "┃" if utf8_locale() else "|"


def _scores(effect: Effect) -> list[float]:
    return [] if effect.best is None or effect.all is None else [effect.best, effect.all.mean]


def _effect_line(effect: Effect, metric: str, low: float, high: float) -> Content:
    name = f"  {plain(effect.label)}"[: LABEL + 1].ljust(LABEL + 2)
    if effect.best is None or effect.all is None:
        return Content.assemble(name, ("-", MUTED))
    span = (high - low) or 1.0
    drawn = bar((effect.all.mean - low) / span, BAR)
    place = min(int((effect.best - low) / span * BAR), BAR - 1)
    mark = Content.styled(_best_sign(), "bold $foreground on $panel")
    drawn = drawn[:place] + mark + drawn[place + 1 :]
    best = f"{format_metric(metric, effect.best):>12}{effect.all.n:>5}"
    return Content.assemble(name, drawn, f"{format_metric(metric, effect.all.mean):>10}", (best, MUTED))


def map_settings(keys: Sequence[str], turns: int) -> tuple[str, str] | None:
    """Return the settings for rows and columns after a number of key presses; None if fewer than two settings vary."""
    pairs = list(permutations(keys, 2))
    return pairs[turns % len(pairs)] if pairs else None
