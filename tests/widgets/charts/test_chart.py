import math
import random
from array import array
from collections.abc import Sequence

import pytest
from rich.color import Color
from rich.style import Style
from rich.text import Text
from textual.app import App, ComposeResult

from tuitrain.text import utf8_locale
from tuitrain.widgets.charts.chart import Chart
from tuitrain.widgets.charts.line import Line, Mark
from tuitrain.widgets.charts.render import View, draw, picture
from tuitrain.widgets.terminal.colors import theme_color

NAN, INF = float("nan"), float("inf")
BLUE, RED = (90, 170, 250), (250, 90, 80)
HOSTILE = [0.0, -0.0, 1.0, -1.0, 1e308, -1e308, 1.7976931348623157e308, 5e-324, -5e-324, NAN, INF, -INF, 1e-300, 1e16]
BRAILLE = {chr(code) for code in range(0x2801, 0x2900)}


def rows(text: Text) -> list[str]:
    return text.plain.split("\n")


def shown(chart: Chart) -> Text:
    lines = [chart.render_line(y) for y in range(chart.size.height)]
    texts = [Text.assemble(*((part.text, part.style or "") for part in line)) for line in lines]
    for text in texts:
        text.rstrip()
    return Text("\n").join(texts)


def check(text: Text, width: int, height: int) -> None:
    assert len(rows(text)) == (height if width and height else 1)
    assert all(line.cell_len <= width for line in text.split("\n"))


def dots(text: Text) -> int:
    return sum(character in BRAILLE for character in text.plain)


@pytest.mark.parametrize("seed", range(150))
def test_any_floats_give_a_picture_of_the_size_asked_for(seed: int) -> None:
    rng = random.Random(seed)

    def numbers(count: int) -> Sequence[float]:
        kind = rng.randrange(4)
        if kind == 0:
            return rng.choices(HOSTILE, k=count)
        if kind == 1:
            return [rng.gauss(0, 1) * 10 ** rng.randint(-320, 300) for _ in range(count)]
        if kind == 2:
            return array("d", [rng.choice([0.5, 0.5, NAN]) for _ in range(count)])
        return range(count)

    def end() -> float | None:
        return rng.choice([None, None, *HOSTILE])

    lines = []
    for index in range(rng.randint(0, 4)):
        x = sorted(numbers(rng.randint(0, 40)))
        marker = rng.choice(["braille", "◆", "x", "", "long", "験", "\x1b"])
        lines.append(Line("n", x, numbers(rng.randint(0, 40)), (index, 2, 3), marker, rng.random() < 0.8))
    view = View(
        rng.random() < 0.5, rng.choice([0, 0, 0.6, 2.0, -1.0]), end(), end(), end(), end(), rng.random() < 0.3
    )  # fmt: skip
    width, height = rng.randint(0, 80), rng.randint(0, 25)
    braille = rng.random() < 0.7
    text = draw(
        lines, width, height, view,
        marks=[Mark(rng.choice(HOSTILE), rng.choice(["", "lr\n0.1", "験" * 9]), RED)],
        x_label=rng.choice(["", "step", "[/b]"]), percent=rng.random() < 0.5, braille=braille,
    )  # fmt: skip
    check(text, width, height)


@pytest.mark.parametrize("log", [False, True])
def test_a_line_goes_from_corner_to_corner(log: bool) -> None:
    y = [10**k for k in range(5)] if log else [0, 25, 50, 75, 100]
    picture = rows(draw([Line("a", range(5), y, BLUE)], 50, 20, View(log_y=log)))
    assert any(character in BRAILLE for character in picture[0][-3:])
    assert any(character in BRAILLE for character in picture[17][:10])
    assert not any(character in BRAILLE for character in picture[0][:30])


def test_the_line_has_its_colour_and_the_background_shows_through() -> None:
    text = draw([Line("a", [0, 1], [0.0, 1.0], BLUE)], 40, 10)
    drawn = {span.style for span in text.spans if any(c in BRAILLE for c in text.plain[span.start : span.end])}
    assert drawn == {Style(color=Color.from_rgb(*BLUE))}


def test_a_single_point_is_seen() -> None:
    assert "•" in draw([Line("a", [3], [0.5], BLUE)], 40, 10).plain
    assert "◆" in draw([Line("a", [3], [0.5], BLUE, "◆")], 40, 10).plain
    assert "." in draw([Line("a", [3], [0.0], BLUE)], 40, 10, braille=False).plain.replace("0.", "")


def test_lines_break_at_non_finite_values() -> None:
    y = [0.5] * 40 + [NAN] * 20 + [0.5] * 40
    [line] = [row for row in rows(draw([Line("a", range(100), y, BLUE)], 60, 10)) if set(row) & BRAILLE]
    first, last = (
        next(i for i, c in order if c in BRAILLE) for order in (enumerate(line), reversed([*enumerate(line)]))
    )
    gap = line[first : last + 1].count(" ")
    assert 9 <= gap <= 13


def test_values_that_have_no_logarithm_are_left_out() -> None:
    text = draw([Line("a", range(6), [0.0, -1.0, 1.0, 10.0, 100.0, 0.0], BLUE)], 60, 14, View(log_y=True))
    assert dots(text) > 5
    assert "100" in text.plain
    assert "no data yet" in draw([Line("a", [1, 2], [0.0, -3.0], BLUE)], 60, 14, View(log_y=True)).plain


def test_a_logarithmic_axis_between_close_values_has_room_for_them_and_says_where_they_are() -> None:
    accuracy = Line("a", range(40), [0.93 + 0.06 * step / 39 for step in range(40)], BLUE)
    picture = rows(draw([accuracy], 60, 20, View(log_y=True), percent=True))
    drawn = [row for row, line in enumerate(picture) if BRAILLE & set(line)]
    assert len(drawn) > 12
    assert sum("%" in line for line in picture) >= 3


def test_without_braille_only_ascii_is_drawn() -> None:
    lines = [
        Line(str(i), range(9), [i + k for k in range(9)], BLUE, marker)
        for i, marker in enumerate(["braille", "◆", "x"])
    ]
    text = draw(lines, 60, 15, marks=[Mark(4, "lr", RED)], braille=False)
    assert text.plain.isascii()
    assert {".", "*", "x"} <= set(text.plain)


def test_an_empty_chart_says_so_in_the_middle() -> None:
    for lines in ([], [Line("a", [], [], BLUE)], [Line("a", [1, 2], [NAN, NAN], BLUE)]):
        picture = rows(draw(lines, 41, 9))
        assert picture[4].strip() == "no data yet"
        assert picture[4].index("no") == 15


def test_fractions_are_labeled_as_percent_and_stay_below_one_hundred() -> None:
    text = draw([Line("a", range(5), [0.91, 0.95, 0.99, 0.999, 1.0], BLUE)], 60, 20, percent=True)
    assert "100 %" in rows(text)[0]
    assert "102 %" not in text.plain


def test_limits_stand_still_while_a_curve_grows_within_them() -> None:
    curve = [2.0 * math.exp(-k / 20) + 0.1 for k in range(100)]
    labels = {
        tuple(
            row.split("┤")[0].strip()
            for row in rows(draw([Line("a", range(n), curve[:n], BLUE)], 60, 20))
            if "┤" in row
        )
        for n in range(80, 100)
    }
    assert len(labels) == 1


def test_robust_limits_leave_out_an_outlier() -> None:
    line = Line("a", range(100), [1.0 + k / 100 for k in range(99)] + [1e6], BLUE)
    assert "1.0M" in draw([line], 60, 20).plain
    assert "M" not in draw([line], 60, 20, View(robust=True)).plain


def test_one_slow_start_does_not_set_the_limits() -> None:
    slow = [0.2, 0.5, *(0.9 + k / 1000 for k in range(38))]
    lines = [Line("slow", range(40), slow, BLUE), Line("b", range(40), [0.95 + k / 1000 for k in range(40)], BLUE)]
    robust = picture(lines, 60, 20, View(robust=True), percent=True)
    assert robust.cut
    assert min(float(label.rstrip(" %")) for _, label in robust.y_ticks) >= 80
    assert not picture(lines, 60, 20, percent=True).cut


@pytest.mark.parametrize("values", [
    [k / 100 for k in range(100)], [1.0] * 98 + [0.9, math.nan], [math.nan] * 30, [0.0, 1.0],
])  # fmt: skip
def test_without_outliers_nothing_is_left_out(values: list[float]) -> None:
    assert not picture([Line("a", range(len(values)), values, BLUE)], 60, 20, View(robust=True)).cut


def test_a_view_shows_its_part_and_lines_reach_its_borders() -> None:
    text = draw([Line("a", [0, 100], [0.0, 1.0], BLUE)], 60, 14, View(x_from=40, x_to=50, y_from=0, y_to=1))
    assert "42" in rows(text)[-1]
    assert dots(text) >= 50


@pytest.mark.parametrize("low", [0.51, 0.013, -0.99])
def test_every_y_range_has_labels(low: float) -> None:
    for height in (5, 8, 20):
        for k in range(1, 60):
            view = View(y_from=low, y_to=low + k / 61)
            assert "┤" in draw([Line("a", [0, 1], [0.0, 1.0], BLUE)], 60, height, view).plain


def test_whole_x_have_whole_ticks() -> None:
    assert "." not in rows(draw([Line("a", [1, 2, 3], [0.1, 0.2, 0.3], BLUE)], 60, 14))[-1]


def test_marks_are_behind_the_curves() -> None:
    text = draw([Line("a", range(11), [0.5] * 11, BLUE)], 60, 14, marks=[Mark(5, "lr 0.01", RED)])
    column = rows(text)[0].index("│lr 0.01")
    assert [row[column] for row in rows(text)[1:12]].count("│") == 10
    assert sum(row[column] in BRAILLE for row in rows(text)) == 1


def test_noise_is_drawn_with_a_bounded_number_of_strokes() -> None:
    rng = random.Random(0)
    y = [NAN if k % 3 == 0 else rng.random() for k in range(100_000)]
    check(draw([Line(str(i), range(100_000), y, BLUE) for i in range(3)], 120, 30), 120, 30)


class Charts(App[None]):
    def __init__(self, *charts: Chart) -> None:
        super().__init__()
        self.charts = charts

    def compose(self) -> ComposeResult:
        yield from self.charts


def curves() -> list[Line]:
    steps = array("q", range(10, 1010, 10))
    loss = array("d", [2.3 * math.exp(-step / 200) + 0.1 for step in steps])
    return [Line("train", steps, loss, BLUE), Line("val", [250, 500, 750, 1000], [0.9, 0.4, 0.3, 0.2], RED, "◆")]


@pytest.mark.parametrize("size", [(80, 24), (40, 10), (20, 5), (5, 3), (2, 2)])
async def test_it_fits_every_size(size: tuple[int, int]) -> None:
    chart = Chart("loss")
    async with Charts(chart).run_test(size=size) as pilot:
        for lines in ([], curves(), [Line("\x1b[31m[bold]x[/nope]験" * 20, [1, 2], [NAN, 3.0], BLUE)] * 30):
            chart.update(lines)
            await pilot.pause()
            check(shown(chart), *chart.size)
            chart.move_cursor(-1)
            await pilot.pause()
            check(shown(chart), *chart.size)


async def test_the_legend_shows_names_as_text_with_their_signs() -> None:
    chart = Chart("a [red]title[/red]", braille=True)
    async with Charts(chart).run_test(size=(80, 24)) as pilot:
        train, val = curves()
        chart.update([train, Line("[red]val\x1b[2J", val.x, val.y, RED, "◆")])
        await pilot.pause()
        head = rows(shown(chart))[0]
        assert head.endswith("── train  ◆ [red]val\N{REPLACEMENT CHARACTER}[2J")
        assert "a&#160;[red]title[/red]" in pilot.app.export_screenshot()


async def test_the_legend_shows_the_top_lines() -> None:
    chart = Chart("loss")
    async with Charts(chart).run_test(size=(60, 20)) as pilot:
        many = [Line(f"r{number}", [1, 2], [1.0, 2.0], BLUE) for number in range(30)]
        chart.update(many)
        await pilot.pause()
        assert "r0 " in rows(shown(chart))[0]
        assert "r25" not in rows(shown(chart))[0]
        chart.update(many, top=[25])
        await pilot.pause()
        assert "r25" in rows(shown(chart))[0]


async def test_the_chart_redraws_only_after_changes() -> None:
    chart = Chart("loss")
    async with Charts(chart).run_test(size=(80, 24)) as pilot:
        lines = curves()
        chart.update(lines)
        await pilot.pause()
        before, row = shown(chart), chart.render_line(1)
        chart.update(curves())
        await pilot.pause()
        assert chart.render_line(1) is row
        assert isinstance(lines[0].x, array)
        assert isinstance(lines[0].y, array)
        lines[0].x.append(1010)
        lines[0].y.append(2.0)
        chart.update(lines)
        await pilot.pause()
        assert shown(chart).plain != before.plain


async def test_top_lines_hide_the_others() -> None:
    chart = Chart("loss")
    async with Charts(chart).run_test(size=(80, 24)) as pilot:
        flat = [Line("a", range(9), [1.0] * 9, BLUE), Line("b", range(9), [1.0] * 9, RED)]
        for top, color in ([], RED), ([0], BLUE), ([1], RED), ([0], BLUE):
            chart.update(flat, top=top)
            await pilot.pause()
            styles = [piece.style for y in range(1, 20) for piece in chart.render_line(y) if set(piece.text) & BRAILLE]
            assert {style.color.triplet for style in styles if style and style.color} == {color}
            assert "b" in shown(chart).plain.split("\n")[0].split("a")[1]


async def test_log_scale_and_smoothing_are_labeled_and_drawn() -> None:
    chart = Chart("loss")
    async with Charts(chart).run_test(size=(80, 24)) as pilot:
        chart.update(curves())
        await pilot.pause()
        assert str(chart.border_subtitle) == "step · linear"
        before = shown(chart).plain
        chart.toggle_log()
        chart.change_smoothing(2)
        await pilot.pause()
        assert str(chart.border_subtitle) == "step · log · smooth 0.6"
        assert shown(chart).plain != before
        chart.change_smoothing(99)
        assert chart.view.smooth == 0.99
        chart.change_smoothing(-99)
        assert chart.view.smooth == 0
        chart.toggle_log()
        await pilot.pause()
        assert shown(chart).plain == before


async def test_zoom_and_pan_stay_within_the_data() -> None:
    chart = Chart("loss")
    async with Charts(chart).run_test(size=(80, 24)) as pilot:
        chart.zoom(2)
        chart.pan(0.5)
        chart.update(curves())
        chart.pan(0.5)
        assert (chart.view.x_from, chart.view.x_to) == (None, None)
        chart.zoom(4)
        assert (chart.view.x_from, chart.view.x_to) == (505 - 990 / 8, 505 + 990 / 8)
        await pilot.pause()
        assert str(chart.border_subtitle) == "step · linear · zoom"
        for _ in range(9):
            chart.pan(0.5)
        assert (chart.view.x_from, chart.view.x_to) == (1000 - 990 / 4, 1000)
        for _ in range(99):
            chart.zoom(3)
        await pilot.pause()
        check(shown(chart), *chart.size)
        chart.zoom(1e9)
        chart.zoom(1e-9)
        assert (chart.view.x_from, chart.view.x_to) == (None, None)
        chart.zoom(4)
        chart.move_cursor(1)
        chart.reset()
        assert (chart.view, chart.cursor) == (View(), None)


async def test_the_cursor_reads_every_line() -> None:
    chart = Chart("loss", braille=True)
    async with Charts(chart).run_test(size=(80, 24)) as pilot:
        chart.move_cursor(1)
        assert chart.cursor is None
        chart.update(curves())
        chart.move_cursor(-1)
        assert chart.cursor == 1000
        await pilot.pause()
        assert rows(shown(chart))[0] == "step 1,000  ── train 0.115  ◆ val 0.2"
        chart.move_cursor(1)
        assert chart.cursor == 1000
        for _ in range(200):
            chart.move_cursor(-1)
        assert chart.cursor == 10
        await pilot.pause()
        assert rows(shown(chart))[0] == "step 10  ── train 2.29  ◆ val -"
        chart.move_cursor(1)
        assert chart.cursor is not None
        assert 20 <= chart.cursor <= 40


async def test_the_cursor_goes_from_point_to_point_of_few() -> None:
    chart = Chart("accuracy", percent=True, x_label="epoch")
    async with Charts(chart).run_test(size=(80, 24)) as pilot:
        chart.update([Line("a", [1, 2, 3], [0.5, 0.75, 0.976], BLUE), Line("b", [1, 2], [0.25, NAN], RED, "◆")])
        seen = []
        for _ in range(3):
            chart.move_cursor(-1)
            await pilot.pause()
            seen.append(rows(shown(chart))[0])
        assert [line.split("  ")[0] for line in seen] == ["epoch 3", "epoch 2", "epoch 1"]
        assert "97.60 %" in seen[0]
        assert seen[1].endswith("NaN")
        assert seen[2].endswith("25.00 %")


async def test_a_cursor_after_the_end_of_a_line_reads_nothing() -> None:
    chart = Chart("loss")
    async with Charts(chart).run_test(size=(80, 24)) as pilot:
        chart.update([Line("long", range(100), [1.0] * 100, BLUE), Line("short", range(10), [2.0] * 10, RED)])
        chart.move_cursor(-1)
        await pilot.pause()
        assert rows(shown(chart))[0].endswith("short -")


async def test_a_new_theme_redraws_in_its_colours() -> None:
    chart = Chart("loss")
    async with Charts(chart).run_test(size=(80, 24)) as pilot:
        chart.update(curves())
        await pilot.pause()
        before = shown(chart)
        dark = theme_color(pilot.app, "foreground-muted")
        pilot.app.theme = "textual-light"
        await pilot.pause()
        assert shown(chart) is not before
        assert theme_color(chart, "foreground-muted") != dark


async def test_a_colour_that_is_no_colour_falls_back() -> None:
    async with Charts().run_test() as pilot:
        assert theme_color(pilot.app, "no-such-name", (1, 2, 3)) == (1, 2, 3)
        assert theme_color(pilot.app, "block-cursor-text-style", (1, 2, 3)) == (1, 2, 3)


@pytest.mark.parametrize(
    ("environment", "utf8"),
    [
        ({}, False),
        ({"LANG": "C"}, False),
        ({"LANG": "de_DE.UTF-8"}, True),
        ({"LANG": "C.UTF-8"}, True),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "C"}, False),
        ({"LC_CTYPE": "UTF-8"}, True),
        ({"LC_CTYPE": "C.UTF-8", "LANG": "C"}, False),
        ({"LANG": "de_DE.ISO-8859-1"}, False),
    ],
)
def test_the_locale_says_whether_braille_can_be_shown(environment: dict[str, str], utf8: bool) -> None:
    assert utf8_locale(environment) is utf8
