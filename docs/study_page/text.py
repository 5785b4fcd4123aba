"""Format numbers, tables and paragraphs of the page."""

from collections.abc import Iterable, Sequence
from textwrap import fill

from study_page.runs import Setting
from tuitrain.analysis import units
from tuitrain.analysis.table.groups import MeanSD
from tuitrain.config.formatting import format_value

WIDTH = 120
TITLES = {"optimizer": "optimizer", "activation": "activation", "lr": "learning rate", "epochs": "epochs"}


def points(difference: float) -> str:
    """Format a difference of accuracies in percentage points: `+1.20`."""
    return f"{100 * difference:+.2f}".replace("-", "−")


def span(differences: Sequence[float]) -> str:
    """Format a range: `+1.20 to +3.40`, or a single value."""
    low, high = points(min(differences)), points(max(differences))
    return low if low == high else f"{low} to {high}"


def format_mean_sd(spread: MeanSD | None) -> str:
    """Format mean and standard deviation: `97.81 ± 0.12 %`; a single run has no deviation."""
    if spread is None or spread.sd is None:
        return units.percent(spread.mean if spread else None)
    return f"{100 * spread.mean:.2f} ± {100 * spread.sd:.2f} %"


def cells(setting: Setting) -> tuple[str, str, str, str]:
    return setting.optimizer, setting.activation, format_value(setting.lr), str(setting.epochs)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: int) -> str:
    """Return a Markdown table with the last `right` columns aligned right."""
    rule = ["---"] * (len(head) - right) + ["---:"] * right
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def paragraph(text: str, begin: str = "") -> str:
    """Wrap a paragraph so that no line starts with a unit."""
    kept = text.replace(" %", "\xa0%").replace(" ±", "\xa0±")
    lines = fill(begin + kept, WIDTH, subsequent_indent=" " * len(begin), break_long_words=False,
                 break_on_hyphens=False)  # fmt: skip
    return lines.replace("\xa0", " ")


def bullet(text: str) -> str:
    return paragraph(text, "- ")
