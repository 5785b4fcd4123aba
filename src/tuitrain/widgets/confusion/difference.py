"""The difference of two confusion matrices."""

from collections.abc import Sequence

from rich.segment import Segment

from tuitrain.analysis.confusion import Counts, class_scores
from tuitrain.widgets.confusion.matrix import ConfusionMatrix


class DifferenceMatrix(ConfusionMatrix):
    """A matrix of signed changes; those for the better have the color of correct predictions."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._change: list[list[int]] = []
        self._largest_change = 1

    def show_change(self, first: Counts, second: Counts, classes: Sequence[str]) -> None:
        """Show `second` minus `first`; both have these classes."""
        self._change = [
            [after - before for before, after in zip(one, other, strict=True)]
            for one, other in zip(first, second, strict=True)
        ]
        self._largest_change = max((abs(change) for row in self._change for change in row), default=0) or 1
        self.show(second, classes)
        before, after = class_scores(first), class_scores(second)
        pairs = list(zip(before, after, strict=True))
        self._recalls = [_minus(one.recall, other.recall) for one, other in pairs]
        self._precisions = [_minus(one.precision, other.precision) for one, other in pairs]
        self.refresh()

    def describe(self) -> str:
        if self.pair is None:
            return "no classes"
        true, predicted = self.pair
        change, count = self._change[true][predicted], self._counts[true][predicted]
        names = f"{self._names[true]} → {self._names[predicted]}"
        return (
            f"{names}: {change:+,}, from {count - change:,} to {count:,}" if change else f"{names}: {count:,} in both"
        )

    def ranked_pairs(self) -> list[tuple[int, int]]:
        pairs = [(true, p) for true, row in enumerate(self._change) for p, change in enumerate(row) if change]
        return sorted(pairs, key=lambda pair: -abs(self._change[pair[0]][pair[1]]))[:100]

    def _cell(self, row: int, column: int) -> Segment:
        true, predicted, width = self._order[row], self._order[column], self.grid.cell - 1
        change, support = self._change[true][predicted], self._supports[true]
        text = f"{change:+d}" if change else "·"
        if change and self.percent and support:
            text = self._share_text(change / support, width)
        at_cursor = row == self._row and column == self._column
        good = (change > 0) == (true == predicted)
        style = self._style("cursor") if at_cursor else self._shade(abs(change) / self._largest_change, good)
        return Segment(text[:width].rjust(width) + " ", style)

    @staticmethod
    def _share_text(share: float, width: int) -> str:
        """Return a share in percent, rounded to fit."""
        text = f"{100 * share:+.1f}"
        return text if len(text) <= width else f"{100 * share:+.0f}"

    def _format_share(self, share: float | None) -> str:
        return "-" if share is None else self._share_text(share, 4)


def _minus(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before
