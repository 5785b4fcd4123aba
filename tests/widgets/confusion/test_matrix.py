from collections.abc import Sequence

import pytest
from textual.app import App, ComposeResult
from textual.color import Color
from textual.strip import Strip

from tuitrain.widgets.confusion.matrix import ConfusionMatrix
from tuitrain.widgets.terminal.themes import load_themes, shipped_themes_folder

DIGITS = [str(digit) for digit in range(10)]


def digits() -> list[list[int]]:
    """A nearly diagonal matrix, in which four tenths of the 4s are predicted as 9."""
    counts = [[90 if true == predicted else 1 for predicted in range(10)] for true in range(9)]
    counts[4][4], counts[4][9] = 51, 40
    counts[5][3] = 30
    return [*counts, [0] * 10]


class MatrixApp(App[None]):
    def __init__(self, counts: Sequence[Sequence[int]], classes: Sequence[str]) -> None:
        super().__init__()
        self.shown = counts, classes
        self.moves: list[tuple[int, int]] = []
        for loaded in load_themes([shipped_themes_folder()]).values():
            self.register_theme(loaded.theme)

    def compose(self) -> ComposeResult:
        yield ConfusionMatrix()

    def on_mount(self) -> None:
        self.matrix.show(*self.shown)
        self.matrix.focus()

    def on_confusion_matrix_moved(self, message: ConfusionMatrix.Moved) -> None:
        self.moves.append((message.true, message.predicted))

    @property
    def matrix(self) -> ConfusionMatrix:
        return self.query_one(ConfusionMatrix)

    def strips(self) -> list[Strip]:
        return [self.matrix.render_line(y) for y in range(self.matrix.size.height)]

    def lines(self) -> list[str]:
        return [strip.text for strip in self.strips()]


async def test_the_cursor_starts_at_the_most_confused_pair() -> None:
    app = MatrixApp(digits(), DIGITS)
    async with app.run_test(size=(80, 24)) as pilot:
        assert app.matrix.describe() == "4 → 9, 40 images (40.4 % of the 4s)"
        assert any("4 → 9, 40 images" in line for line in app.lines())
        await pilot.press("f")
        assert app.matrix.describe() == "5 → 3, 30 images (23.4 % of the 5s)"
        await pilot.press("home", "G")
        assert app.matrix.describe() == "9 → 0, 0 images (no image of 9)"
        await pilot.press("g")
        assert app.matrix.describe() == "0 → 0, 90 images correct (90.9 % of the 0s)"
        await pilot.press("l")
        assert app.matrix.describe() == "0 → 1, 1 image (1.0 % of the 0s)"
        assert app.moves == [(4, 9), (5, 3), (5, 0), (9, 0), (0, 0), (0, 1)]


async def test_rows_hold_label_counts_and_recall_and_columns_precision() -> None:
    app = MatrixApp([[8, 2, 0], [0, 4, 0], [0, 0, 0]], ["cat", "dog", "emu"])
    async with app.run_test(size=(80, 24)) as pilot:
        lines = [line.split() for line in app.lines()]
        assert lines[:6] == [
            ["predicted", "→"],
            ["true", "↓", "cat", "dog", "emu", "recall"],
            ["cat", "8", "2", "·", "80.0", "%"],
            ["dog", "·", "4", "·", "100", "%"],
            ["emu", "·", "·", "·", "-"],
            ["prec", "%", "100", "66.7", "-"],
        ]
        await pilot.press("v")
        assert app.lines()[2].split() == ["cat", "80.0", "20.0", "·", "80.0", "%"]
        await pilot.press("v")
        assert app.lines()[2].split() == ["cat", "8", "2", "·", "80.0", "%"]


async def test_the_order_puts_confused_classes_together_and_the_cursor_stays_on_its_pair() -> None:
    counts = [[50 if true == predicted else 0 for predicted in range(10)] for true in range(10)]
    counts[1][8] = 30
    app = MatrixApp(counts, DIGITS)
    async with app.run_test(size=(80, 24)) as pilot:
        assert app.matrix.pair == (1, 8)
        await pilot.press("o")
        assert app.lines()[1].split()[2:-1] == ["0", "1", "8", "2", "3", "4", "5", "6", "7", "9"]
        assert app.matrix.pair == (1, 8)
        await pilot.press("left")
        assert app.matrix.pair == (1, 1)
        await pilot.press("o")
        assert app.lines()[1].split()[2:-1] == DIGITS
        assert app.matrix.pair == (1, 1)


@pytest.mark.parametrize("keys", [("up", "left", "down", "right"), ("k", "h", "j", "l")])
async def test_arrows_and_vi_keys_stop_at_the_edges(keys: tuple[str, str, str, str]) -> None:
    app = MatrixApp([[1, 0], [0, 1]], ["a", "b"])
    async with app.run_test() as pilot:
        await pilot.press(keys[0], keys[1], keys[1])
        assert app.matrix.pair == (0, 0)
        await pilot.press(keys[2], keys[2], keys[3], keys[3])
        assert app.matrix.pair == (1, 1)


async def test_with_many_classes_the_headers_stay_and_the_cursor_is_on_the_screen() -> None:
    names = [f"class_number_{index:03}" for index in range(100)]
    counts = [[10 if true == predicted else 0 for predicted in range(100)] for true in range(100)]
    app = MatrixApp(counts, names)
    async with app.run_test(size=(80, 24)) as pilot:
        assert app.lines()[1].split()[2:5] == ["0", "1", "2"]
        await pilot.press("G", "end")
        head, last_row = app.lines()[1], next(line for line in app.lines() if "class_number_099" in line)
        assert head.split()[-2:] == ["99", "recall"]
        assert last_row.startswith("99 ")
        assert head.index("99") + 1 == last_row.rindex("10 ") + 1
        await pilot.press("pageup", "home")
        assert app.lines()[1].split()[2] == "0"
        assert not any("class_number_099" in line for line in app.lines()[2:5])
        assert app.matrix.pair is not None
        await pilot.press(*["down"] * 20)
        assert app.matrix.pair == (99, 0)
        assert any("99 class_number_099" in line for line in app.lines())


def shade(app: MatrixApp, row: int, column: int) -> Color:
    """Return the background color of a cell on the screen."""
    grid = app.matrix.grid
    start = grid.label + column * grid.cell
    (segment,) = app.strips()[grid.top + row].crop(start, start + 1)
    assert segment.style
    assert segment.style.bgcolor
    return Color.from_rich_color(segment.style.bgcolor)


async def test_shades_grow_with_the_part_and_errors_have_another_hue() -> None:
    app = MatrixApp([[600, 3, 60, 337], [0, 1000, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]], list("abcd"))
    async with app.run_test() as pilot:
        for theme in ("tuitrain-dark", "tuitrain-light"):
            app.theme = theme
            await pilot.press("G", "home")
            ground = app.matrix.background_colors[1]
            error = Color.parse(app.theme_variables["error"])
            nothing, little, some, much = shade(app, 1, 2), shade(app, 0, 1), shade(app, 0, 2), shade(app, 0, 3)
            assert nothing == ground
            assert distance(ground, little) >= 8
            assert distance(little, some) >= 8
            assert distance(some, much) >= 8
            assert distance(much, error) < distance(some, error) < distance(little, error)
            right = shade(app, 1, 1)
            assert right.b > right.r
            assert much.r > much.b


def distance(one: Color, other: Color) -> int:
    return sum(abs(a - b) for a, b in zip(one.rgb, other.rgb, strict=True))


def luminance(color: Color) -> float:
    parts = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in color.normalized]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


@pytest.mark.parametrize("theme", list(load_themes([shipped_themes_folder()])))
async def test_numbers_are_readable_on_every_shade(theme: str) -> None:
    size = 40
    counts = [[0] * size for _ in range(size)]
    for row in range(1, size):
        counts[row][row], counts[row][0] = 1000 - 25 * row, 25 * row
    app = MatrixApp(counts, [])
    async with app.run_test(size=(400, 60)) as pilot:
        app.theme = theme
        await pilot.pause()
        seen = 0
        for strip in app.strips()[2 : 2 + size]:
            for segment in strip:
                style = segment.style
                if style and style.color and style.bgcolor and segment.text.strip().isdigit():
                    lights = [luminance(Color.from_rich_color(color)) for color in (style.color, style.bgcolor)]
                    assert (max(lights) + 0.05) / (min(lights) + 0.05) >= 4.5, segment
                    seen += 1
        assert seen >= size


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
async def test_without_colour_marks_show_the_shade(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLORTERM")
    monkeypatch.setenv(name, value)
    app = MatrixApp([[80, 15, 5, 0], [0, 1000, 0, 5], [0, 0, 9, 0], [0, 0, 0, 9]], list("abcd"))
    async with app.run_test():
        assert app.lines()[2].split()[1:] == ["▓", "80", "▒", "15", "░", "5", "·", "80.0", "%"]
        assert app.lines()[3].split()[1:4] == ["·", "▓", "1000"]


HOSTILE = [
    "\x1b[31mred\x07",
    "[bold]x[/]",
    "日本語の名前がとても長い",
    "👨‍👩‍👧 family",
    "",
    "\u202eabc",
    "x" * 500,
    "[/",
    "\n",
    "é́́",
]


CASES: list[tuple[list[list[int]], list[str]]] = [
    ([], []),
    ([[]], []),
    ([[0]], ["one"]),
    ([[5]], ["one"]),
    ([[0] * 10] * 10, DIGITS),
    (digits(), HOSTILE),
    (digits(), []),
    (digits(), DIGITS * 2),
    ([[1], [1, 2, 3], []], ["ragged"]),
    ([[10**30, -4], [3, 10**9]], ["huge", "minus"]),
    ([[int(abs(t - p) < 3) for p in range(120)] for t in range(120)], [f"c{n}" for n in range(120)]),
]


@pytest.mark.parametrize("size", [(120, 40), (60, 20), (20, 6), (1, 1)])
async def test_nothing_shown_breaks_it(size: tuple[int, int]) -> None:
    app = MatrixApp([], [])
    async with app.run_test(size=size) as pilot:
        for counts, classes in CASES:
            app.matrix.show(counts, classes)
            for keys in ("o", "G"), ("end", "f"), ("v", "pageup"):
                await pilot.press(*keys)
                for strip in app.strips():
                    assert strip.cell_length == app.matrix.scrollable_content_region.width
                for text in (*app.lines(), app.matrix.describe()):
                    assert not any(ord(character) < 32 or character in "\x7f\u202e" for character in text)


async def test_names_too_long_for_a_column_are_cut_and_numbered_where_they_would_be_alike() -> None:
    identity = [[int(t == p) for p in range(10)] for t in range(10)]
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    app = MatrixApp(identity, names)
    async with app.run_test(size=(80, 24)):
        assert app.lines()[1].split()[2:5] == ["airpl", "autom", "bird"]
        app.matrix.show(identity, [f"number {name}" for name in DIGITS])
        assert app.lines()[1].split()[2:5] == ["0", "1", "2"]
        assert app.lines()[3].startswith("1 number 1")


async def test_markup_in_a_class_name_is_text() -> None:
    app = MatrixApp([[1, 0], [0, 1]], ["[bold]x[/]", "y"])
    async with app.run_test(size=(80, 24)):
        assert app.lines()[2].startswith("[bold]x[/]")


async def test_a_thousand_classes_can_be_shown_before_it_is_mounted_and_again() -> None:
    row = [0] * 1000
    app = MatrixApp([], [])
    matrix = ConfusionMatrix()
    matrix.show([[*row[:n], 7, *row[n + 1 :]] for n in range(1000)], [])
    async with app.run_test(size=(80, 24)) as pilot:
        await app.query_one(ConfusionMatrix).remove()
        await app.mount(matrix)
        matrix.focus()
        await pilot.press("G", "end")
        assert matrix.describe() == "999 → 999, 7 images correct (100.0 % of the 999s)"
        assert any(line.startswith("999") for line in app.lines())
        matrix.show([[1, 2], [3, 4]], ["a", "b"])
        assert matrix.describe() == "b → a, 3 images (42.9 % of b)"
        matrix.show([[1, 2], [9, 4]], ["a", "b"])
        assert matrix.describe() == "b → a, 9 images (69.2 % of b)"
