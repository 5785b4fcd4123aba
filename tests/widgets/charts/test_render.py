"""Draw charts as text."""

import math
import random
from array import array
from collections.abc import Sequence
from dataclasses import replace

import pytest
from rich.color import Color
from rich.style import Style
from rich.text import Text

from tuitrain.widgets.charts.line import Line, Mark
from tuitrain.widgets.charts.render import View, draw, picture
from widgets.charts.charts_app import BLUE, BRAILLE, INF, NAN, RED, check, rows

HOSTILE = [0.0, -0.0, 1.0, -1.0, 1e308, -1e308, 1.7976931348623157e308, 5e-324, -5e-324, NAN, INF, -INF, 1e-300, 1e16]


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
        percent=rng.random() < 0.5, braille=braille,
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


def test_an_axis_from_zero_ends_at_a_round_number() -> None:
    labels = [row.split("┤")[0].strip() for row in rows(draw([Line("a", [0, 1], [901.0, 902.0], BLUE)], 60, 20,
                                                             View(y_from=0.0))) if "┤" in row]  # fmt: skip
    assert labels == ["1.0k", "0.8k", "0.6k", "0.4k", "0.2k", "0"]


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


def test_a_stepped_line_holds_its_value_until_the_next_point() -> None:
    line = Line("lr", [0, 10, 20], [1.0, 3.0, 2.0], BLUE, stepped=True)
    plain = draw([replace(line, stepped=False)], 40, 12).plain
    stepped = draw([line], 40, 12).plain
    assert stepped != plain
    drawn = [row[row.index("┤" if "┤" in row else "│") + 1 :] for row in stepped.split("\n")[:-2]]
    # The first half of the bottom row is the first value, a horizontal line.
    assert set(drawn[-1][1:16]) <= set("⣀⠤⠒⠉")
    assert not set(drawn[len(drawn) // 2][1:16]) - {" ", "⠀"}


def test_epochs_are_labelled_by_whole_numbers() -> None:
    lines = [Line("loss", [0.5, 1.0, 1.5, 2.0, 2.5], [5, 4, 3, 2, 1], BLUE)]
    labels = [label for _, label in picture(lines, 80, 12, whole=True).x_ticks]
    assert labels == ["1", "2"]
    assert "1.5" in [label for _, label in picture(lines, 80, 12).x_ticks]
