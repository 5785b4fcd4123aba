"""Numbers and tables as the page writes them."""

from collections.abc import Iterable, Sequence
from textwrap import fill

from study_page.runs import Setting
from tuitrain.analysis import units
from tuitrain.analysis.table.groups import MeanSD
from tuitrain.config.formatting import format_value

WIDTH = 120
TITLES = {"optimizer": "optimizer", "activation": "activation", "lr": "learning rate", "epochs": "epochs"}


def points(difference: float) -> str:
    """Of accuracies, in percentage points: `+1.20`."""
    return f"{100 * difference:+.2f}".replace("-", "−")


def span(differences: Sequence[float]) -> str:
    """`+1.20 to +3.40`, or the one there is."""
    low, high = points(min(differences)), points(max(differences))
    return low if low == high else f"{low} to {high}"


def format_mean_sd(spread: MeanSD | None) -> str:
    """`97.81 ± 0.12 %`; of a single run without the deviation."""
    if spread is None or spread.sd is None:
        return units.percent(spread.mean if spread else None)
    return f"{100 * spread.mean:.2f} ± {100 * spread.sd:.2f} %"


def cells(setting: Setting) -> tuple[str, str, str, str]:
    return setting.optimizer, setting.activation, format_value(setting.lr), str(setting.epochs)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: int) -> str:
    """The last `right` columns are aligned to the right."""
    rule = ["---"] * (len(head) - right) + ["---:"] * right
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def paragraph(text: str, begin: str = "") -> str:
    """Lines that are not too long, and do not begin with a unit."""
    kept = text.replace(" %", "\xa0%").replace(" ±", "\xa0±")
    lines = fill(begin + kept, WIDTH, subsequent_indent=" " * len(begin), break_long_words=False,
                 break_on_hyphens=False)  # fmt: skip
    return lines.replace("\xa0", " ")


def bullet(text: str) -> str:
    return paragraph(text, "- ")
