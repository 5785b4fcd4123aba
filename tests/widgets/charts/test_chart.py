import math
from array import array

import pytest
from rich.text import Text
from textual.app import App, ComposeResult

from tuitrain.text import utf8_locale
from tuitrain.widgets.charts.chart import Chart
from tuitrain.widgets.charts.line import Line
from tuitrain.widgets.charts.render import View
from tuitrain.widgets.terminal.colors import GREY, theme_color
from widgets.charts.charts_app import BLUE, BRAILLE, NAN, RED, check, rows


def shown(chart: Chart) -> Text:
    lines = [chart.render_line(y) for y in range(chart.size.height)]
    texts = [Text.assemble(*((part.text, part.style or "") for part in line)) for line in lines]
    for text in texts:
        text.rstrip()
    return Text("\n").join(texts)


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
        chart.toggle("log_y")
        chart.change_smoothing(2)
        await pilot.pause()
        assert str(chart.border_subtitle) == "step · log · smooth 0.6"
        assert shown(chart).plain != before
        chart.change_smoothing(99)
        assert chart.view.smooth == 0.99
        chart.change_smoothing(-99)
        assert chart.view.smooth == 0
        chart.toggle("log_y")
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
        assert theme_color(pilot.app, "no-such-name") == GREY
        assert theme_color(pilot.app, "block-cursor-text-style") == GREY


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


@pytest.mark.parametrize(("size", "at_ends"), [((80, 24), True), ((80, 8), False), ((30, 24), False)])
async def test_lines_are_labelled_at_their_ends_if_there_is_room(size: tuple[int, int], at_ends: bool) -> None:
    chart = Chart("loss", braille=True, label_ends=True)
    lines = [Line(f"adam .{index:03}", [1, 2, 3], [1, 2, 3 + index // 3], BLUE, "◆▲▼"[index % 3]) for index in range(6)]
    async with Charts(chart).run_test(size=size) as pilot:
        chart.update(lines)
        await pilot.pause()
        drawn = rows(shown(chart))
        check(shown(chart), *chart.size)
        ends = [row.split("  ")[-1].rstrip() for row in drawn]
        assert all(any(f"adam .{index:03}" in end for end in ends) for index in range(6)) is at_ends
        assert (".000" in drawn[0]) is not at_ends
        chart.move_cursor(-1)
        await pilot.pause()
        assert drawn[0] != rows(shown(chart))[0]
        assert "step 3" in rows(shown(chart))[0]


async def test_labels_are_in_the_order_of_the_ends() -> None:
    chart = Chart("loss", braille=True, label_ends=True)
    async with Charts(chart).run_test(size=(80, 24)) as pilot:
        chart.update([Line(name, [1, 2], [0, y], BLUE, "◆") for name, y in (("low", 1), ("high", 9), ("nan", NAN))])
        await pilot.pause()
        named = [name for row in rows(shown(chart)) for name in ("low", "high", "nan") if f"◆ {name}" in row]
        assert named == ["high", "low", "nan"]
