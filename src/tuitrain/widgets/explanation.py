"""Show what a prediction depends on: the image with its heat map, and the most similar training images."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from tuitrain.analysis import units
from tuitrain.hosts.explain.explained import Explained, Neighbour, SmallPicture
from tuitrain.hosts.explain.process import Answer
from tuitrain.text import plain
from tuitrain.widgets.shorten import shorten, shorten_start
from tuitrain.widgets.terminal.pictures import draws_shades, picture_area, picture_line

Line = list[Segment]
# Sides of the picture and of the training images in columns; the minimum width of the part beside the picture.
LARGE, SMALL, BESIDE = 64, 16, 30
GAP = 2
# Lines below a training image, with the empty one.
CAPTION = 3


class ExplanationPanel(Widget):
    """Draws the picture of an answer, and beside it the prediction and the training images: as pictures if there is
    room, then as lines."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "explanation--text", "explanation--muted", "explanation--title", "explanation--same", "explanation--other",
    }  # fmt: skip
    DEFAULT_CSS = """
    ExplanationPanel {
        width: 1fr; height: 1fr;
        & > .explanation--text { color: $foreground; }
        & > .explanation--muted { color: $foreground 65%; }
        & > .explanation--title { color: $foreground; text-style: bold; }
        & > .explanation--same { color: $text-success; }
        & > .explanation--other { color: $text-error; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._answer: Answer | None = None
        self._heated = True
        self._lines: list[Strip] = []

    def show(self, answer: Answer | None, *, heated: bool) -> None:
        """Show an answer, with the heat map over the picture or without it."""
        if (answer, heated) != (self._answer, self._heated):
            self._answer, self._heated = answer, heated
            self._draw()

    def on_resize(self) -> None:
        self._draw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._draw()

    def render_line(self, y: int) -> Strip:
        line = self._lines[y] if y < len(self._lines) else Strip([])
        return line.adjust_cell_length(self.content_size.width).apply_style(self.rich_style)

    def _draw(self) -> None:
        width, height = self.content_size
        self._lines = [Strip(line) for line in self._layout(width, height)] if width and height else []
        self.refresh()

    def _layout(self, width: int, height: int) -> list[Line]:
        answer = self._answer
        if answer is None:
            return []
        if answer.explained is None:
            return list(self._status(answer, width))
        picture = self._picture(answer.explained)
        # The largest picture that leaves room for the rest: a line is about as high as two columns are wide.
        side = max(SMALL, min(LARGE, width - BESIDE - GAP, 2 * height))
        size = picture_area(self.app, picture, side)
        left = self._picture_lines(picture, side)
        right = self._beside(answer, answer.explained, max(1, width - size.width - GAP), height)
        lines = []
        for y in range(min(height, max(len(left), len(right)))):
            line = left[y] if y < len(left) else []
            space = size.width + GAP - sum(segment.cell_length for segment in line)
            lines.append([*line, Segment(" " * space), *(right[y] if y < len(right) else [])])
        return lines

    def _picture(self, explained: Explained) -> SmallPicture:
        """Return the picture to draw. Shades of grey cannot show colors over it, so that the heat replaces it."""
        if not self._heated:
            return explained.picture
        return explained.heat if draws_shades(self.app) else explained.heated

    def _picture_lines(self, picture: SmallPicture, side: int) -> list[Line]:
        lines = picture_area(self.app, picture, side).height
        return [picture_line(self.app, picture, side, line) or [] for line in range(lines)]

    def _beside(self, answer: Answer, explained: Explained, width: int, height: int) -> list[Line]:
        names = [plain(name, 60) for name in answer.classes]
        lines = [
            *(self._line(text, width, style) for text, style in _facts(explained, names, heated=self._heated)),
            *self._status(answer, width),
        ]
        if answer.neighbours:
            lines += [[], self._line("Nearest training images", width, "title")]
            lines += self._neighbours(answer.neighbours, names, explained.predicted, width, height - len(lines))
        return lines

    def _status(self, answer: Answer, width: int) -> Iterator[Line]:
        """Yield what the process does, or why it cannot go on, in as many lines as the text needs."""
        share = "" if answer.fraction is None else f" {answer.fraction:.0%}".replace("%", " %")
        text = answer.problem or (f"{answer.doing} …{share}" if answer.doing else "")
        for line in wrapped(plain(text, 400), width):
            yield self._line(line, width, "other" if answer.problem else "muted")

    def _neighbours(
        self, neighbours: Sequence[Neighbour], names: Sequence[str], predicted: int, width: int, height: int
    ) -> list[Line]:
        """Draw as many rows of pictures as fit, and list the other images if there is room."""
        columns, tile = max(1, (width + GAP) // (SMALL + GAP)), SMALL // 2 + CAPTION
        rows = min(height // tile, -(-len(neighbours) // columns))
        lines: list[Line] = []
        for row in range(rows):
            tiles = [self._tile(each, names, predicted) for each in neighbours[row * columns : (row + 1) * columns]]
            lines += [
                [segment for tile_lines in tiles for segment in _padded(tile_lines[y], SMALL + GAP)]
                for y in range(tile)
            ]
        for each in neighbours[rows * columns :][: max(0, height - len(lines))]:
            label, style = self._label(each, names, predicted, 20)
            lines.append(
                [*_padded(self._line(label, 20, style), 20 + GAP), *self._line(each.file, width - 22, "muted")]
            )
        return lines

    def _tile(self, neighbour: Neighbour, names: Sequence[str], predicted: int) -> list[Line]:
        lines = self._picture_lines(neighbour.picture, SMALL)
        label, style = self._label(neighbour, names, predicted, SMALL)
        file = shorten_start(neighbour.file or f"#{neighbour.index}", SMALL)
        return [*lines, *[[]] * (SMALL // 2 - len(lines)), self._line(label, SMALL, style),
                self._line(file, SMALL, "muted"), []]  # fmt: skip

    def _label(self, neighbour: Neighbour, names: Sequence[str], predicted: int, width: int) -> tuple[str, str]:
        """Return the label with the similarity, and its style; a mark tells other labels apart without colors."""
        same = neighbour.label == predicted
        number = f" {neighbour.similarity:.2f}"
        name = ("" if same else "≠ ") + _name(names, neighbour.label)
        return shorten(name, width - len(number)) + number, "same" if same else "other"

    def _line(self, text: str, width: int, style: str) -> Line:
        return [Segment(shorten(text, width), self.get_component_rich_style(f"explanation--{style}"))]


def _facts(explained: Explained, names: Sequence[str], *, heated: bool) -> Iterator[tuple[str, str]]:
    predicted = _name(names, explained.explained)
    yield explained.name, "muted"
    if explained.true is not None:
        yield f"true {_name(names, explained.true)}", "text"
    yield f"predicted {predicted}  {units.percent(explained.probability)}", "title"
    if not heated:
        yield "the image as the network sees it", "muted"
    elif explained.is_cold:
        yield f"{explained.method}: no part raises the score of {predicted}", "muted"
    elif explained.method == "attention rollout":
        yield "attention rollout: where the network looks", "muted"
    else:
        yield f"{explained.method}: what speaks for {predicted}", "muted"


def _name(names: Sequence[str], label: int) -> str:
    return names[label] if 0 <= label < len(names) else str(label)


def _padded(line: Line, width: int) -> Line:
    return [*line, Segment(" " * max(0, width - sum(segment.cell_length for segment in line)))]


def wrapped(text: str, width: int) -> Iterator[str]:
    """Yield the lines of a text, broken between words."""
    line = ""
    for word in text.split():
        if line and cell_len(line) + 1 + cell_len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}".strip()
    if line:
        yield line
