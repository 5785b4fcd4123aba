"""The table of images whose labels are doubtful."""

from collections.abc import Mapping, Sequence

from rich.text import Text
from textual.widgets import DataTable

from tuitrain.analysis import units
from tuitrain.hosts.suspects.report import Suspect
from tuitrain.runs.marks import WRONG, Mark
from tuitrain.text import plain
from tuitrain.widgets.shorten import shorten, shorten_start

# The widest class and image names.
CLASS, IMAGE = 12, 24
MARKS = {"": " ", "wrong": "✗", "right": "✓"}


class SuspectsTable(DataTable[Text]):
    """A row per suspect: its mark, label, the suggested or chosen class, the probability of the label, the image."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, cursor_type="row", cell_padding=1)
        self._names: Sequence[str] = ()

    def show(self, suspects: Sequence[Suspect], classes: Sequence[str], marks: Mapping[str, Mark]) -> None:
        self._names = classes
        for title in ("", "label", "instead", "p(label)", "image"):
            self.add_column(title, key=title or "mark")
        for suspect in suspects:
            self.add_row(*self._cells(suspect, marks.get(suspect.image.key)), key=_row_key(suspect))

    def update_mark(self, suspect: Suspect, mark: Mark | None) -> None:
        cells = self._cells(suspect, mark)
        self.update_cell(_row_key(suspect), "mark", cells[0])
        self.update_cell(_row_key(suspect), "instead", cells[2])

    def _cells(self, suspect: Suspect, mark: Mark | None) -> list[Text]:
        image = suspect.image
        instead = mark.suggested if mark and mark.mark == WRONG else self._names[suspect.suggested]
        name = shorten_start(plain(image.key, 200), IMAGE)
        texts = [
            MARKS[mark.mark if mark else ""],
            shorten(self._names[image.label], CLASS),
            shorten(plain(instead, 60), CLASS),
            units.percent(suspect.probability),
            name,
        ]
        return [Text(text, justify="right" if number == 3 else "left") for number, text in enumerate(texts)]


def _row_key(suspect: Suspect) -> str:
    return f"{suspect.image.split} {suspect.image.index}"
