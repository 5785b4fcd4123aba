"""Bars of the errors of an evaluation: the most confused pairs of classes, and F1 by class."""

from collections.abc import Sequence

from textual.content import Content

from tuitrain.analysis import confusion, units
from tuitrain.runs.records import Evaluation
from tuitrain.text import plain
from tuitrain.widgets.panels.progress_bars import bar
from tuitrain.widgets.terminal.colors import MUTED

# The number of confused pairs, and the width of names and bars.
PAIRS, NAME, BAR = 8, 24, 20
# More classes than a terminal has lines.
CLASSES = 200


def most_confused(evaluation: Evaluation) -> list[confusion.Confusion]:
    """Return the pairs that `confused_pairs` lists; of many classes they take long to find."""
    return confusion.most_confused(evaluation.confusion, PAIRS)


def confused_pairs(
    evaluation: Evaluation, pairs: Sequence[confusion.Confusion], selected: tuple[int, int] | None = None
) -> Content:
    """List the most confused pairs, with bars relative to the first; highlight the `selected` one."""
    if not pairs:
        return Content(f"No wrong prediction on the {evaluation.split} split")
    names = evaluation.classes
    titles = [f"{plain(names[pair.true], NAME)} → {plain(names[pair.predicted], NAME)}" for pair in pairs]
    width = max(map(len, titles))
    title = f"most confused on {evaluation.split}, {evaluation.checkpoint} weights (epoch {evaluation.epoch})"
    lines = [Content.styled(title, MUTED)]
    for title, pair in zip(titles, pairs, strict=True):
        style = "bold $accent" if (pair.true, pair.predicted) == selected else ""
        share = bar(pair.count / pairs[0].count, BAR)
        count = f"{pair.count:>6,}  {units.percent(pair.fraction):>8} of the class"
        lines.append(Content.assemble((f"  {title:<{width}}  ", style), share, (count, style)))
    return Content("\n").join(lines)


def class_scores(evaluation: Evaluation) -> Content:
    """List the classes with their F1 score, the worst first; at most `CLASSES`."""
    scores = zip(evaluation.classes, confusion.class_scores(evaluation.confusion), strict=True)
    worst = sorted(scores, key=lambda pair: pair[1].f1 or 0.0)[:CLASSES]
    ranked = [(plain(name, NAME), score.f1) for name, score in worst]
    width = max((len(name) for name, _ in ranked), default=0)
    count = len(evaluation.classes)
    title = "F1 by class" if count <= CLASSES else f"F1 by class, the {CLASSES} worst of {count:,}"
    lines = [Content.styled(title, MUTED)]
    for name, f1 in ranked:
        share = bar(f1 or 0.0, BAR)
        lines.append(Content.assemble(f"  {name:<{width}}  ", share, f"  {units.percent(f1):>8}"))
    return Content("\n").join(lines)
