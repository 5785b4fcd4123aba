"""Fit a confusion matrix into the terminal: widths of labels and cells, and how many classes are visible."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from tuitrain.widgets.shorten import cut, shorten

# Cells of the column of recalls.
RECALL = 8


@dataclass(frozen=True, slots=True)
class Grid:
    """The layout in terminal cells; `rows` and `columns` are the numbers of visible classes."""

    label: int
    cell: int
    recall: int
    top: int
    bottom: int
    rows: int
    columns: int
    heads: list[str]
    labels: list[str]


def fit_grid(
    names: Sequence[str], order: Sequence[int], largest: int, width: int, height: int, *, recalls: bool
) -> Grid:
    """Lay out the classes `order`, where `largest` is the largest count, in `width` by `height` cells."""
    labels = [names[index] for index in order]
    longest = max(map(cell_len, labels), default=1)
    recall = RECALL if recalls and width >= 32 else 0
    label = min(max(longest + 2, 7), max(7, width // 4))
    cell = _cell_width(width - label - recall, longest, len(order), largest)
    heads = [shorten(name, cell - 1) if cell > 6 else cut(name, cell - 1) for name in labels]
    if len(set(heads)) < len(labels):
        # Shortened names are ambiguous: number the classes.
        cell = _cell_width(width - label - recall, 1, len(order), largest)
        heads = [str(index) for index in order]
        labels = [f"{index} {name}" for index, name in zip(order, labels, strict=True)]
        label = min(label + len(str(len(labels))) + 1, max(7, width // 3))
    roomy = height >= min(12, len(labels) + 5)
    top = 2 if roomy else min(1, height - 1)
    bottom = 3 if roomy else 1 if height >= 4 else 0
    return Grid(
        label=label,
        cell=cell,
        recall=recall,
        top=top,
        bottom=bottom,
        rows=max(1, min(len(labels), height - top - bottom)),
        columns=max(1, min(len(labels), (width - label - recall) // cell)),
        heads=heads,
        labels=[shorten(name, label - 1) for name in labels],
    )


def _cell_width(space: int, longest: int, classes: int, largest: int) -> int:
    """Return the largest useful width at which all classes fit, otherwise the smallest readable one."""
    digits = max(4, min(9, len(str(largest))))
    widest = max(digits + 4, min(longest + 2, 12))
    equal_share = space // max(1, classes)
    return min(equal_share, widest) if equal_share > digits else max(digits + 1, min(longest + 1, 7))


def first_visible(first: int, position: int, visible: int) -> int:
    """Return the first of `visible` lines so that `position` is visible: scroll by one for a step, center after a
    jump."""
    if first - 1 <= position <= first + visible:
        return min(max(first, position - visible + 1), position)
    return max(0, position - visible // 2)


def format_percent(share: float | None) -> str:
    """Format a fraction in percent in at most four characters."""
    if share is None:
        return "-"
    return "100" if share >= 0.9995 else "<0.1" if 0 < share < 0.0005 else f"{100 * share:.1f}"


def format_count(count: int) -> str:
    return str(count) if count < 10**9 else f"{count:.1e}"


def align_right(text: str, width: int) -> str:
    return " " * max(0, width - cell_len(text)) + text
