import random

import pytest
from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from tuitrain.widgets.charts.legend import Entry, legend, readings
from tuitrain.widgets.run_names import shorten_names

SIX = tuple(f"digits-{rule}-{rate}-s0" for rule in ("sgd", "adamw") for rate in ("0.1", "0.01", "0.001"))


@pytest.mark.parametrize(("names", "room", "expected"), [
    (("adam-relu", "adam-sigmoid"), 12, ("adam-relu", "adam-sigmoid")),
    (("adam-0.001-relu", "adam-0.01-relu"), 14, ("0.001", "0.01")),
    (SIX, 11, ("sgd-0.1", "sgd-0.01", "sgd-0.001", "adamw-0.1", "adamw-0.01", "adamw-0.001")),
    (("run-1", "run-10", "run-1-b"), 4, ("1", "10", "1-b")),
    (("one-two-three-", "one-two-three-four"), 14, ("three", "three-four")),
    (("a-long-run-alone",), 9, ("a-lo…lone",)),
    (("the-same-name", "the-same-name"), 7, ("the…ame", "the…ame")),
    (("resnet18-cifar10", "mlp"), 9, ("re18-ci10", "ml")),
    (tuple(f"adam-lr-{rate}-seed-{seed}" for rate in ("0.1", "0.01") for seed in (0, 1)), 10,
     ("0.1-0", "0.1-1", "0.01-0", "0.01-1")),
    (("adam-0.001-relu", "adamw-0.01-sigmoid"), 9, ("a-0.001-r", "a-0.01-s")),
    (("lr0.001relu", "lr0.001tanh", "lr0.001gelu"), 5, ("…relu", "…tanh", "…gelu")),
    ((), 5, ()),
])  # fmt: skip
def test_names_are_shortened_to_their_differences(names: tuple[str, ...], room: int, expected: tuple[str, ...]) -> None:
    assert shorten_names(names, room) == expected


def test_any_names_fit_into_their_room() -> None:
    rng = random.Random(0)
    for _ in range(500):
        names = tuple("".join(rng.choices("ab-_ 験.0", k=rng.randint(0, 12))) for _ in range(rng.randint(0, 6)))
        room = rng.randint(0, 9)
        found = shorten_names(names, room)
        assert len(found) == len(names)
        assert all(cell_len(name) <= room for name in found)


def entries(count: int, top: int = 0) -> list[Entry]:
    names = [*SIX, *(f"digits-{number}-s0" for number in range(count))][:count]
    return [Entry("◆▲▼►◄○□◇"[place % 8], name, Style(), place == top) for place, name in enumerate(names)]


@pytest.mark.parametrize(("count", "width", "rows"), [(2, 120, 1), (6, 74, 1), (6, 34, 2), (8, 44, 2)])
def test_the_legend_names_every_line(count: int, width: int, rows: int) -> None:
    lines = legend(entries(count), width, 2)
    assert len(lines) == rows
    assert max(line.cell_len for line in lines) <= width
    words = " ".join(line.plain for line in lines).split()
    assert len(words) == 2 * count
    assert len(set(words[1::2])) == count


def test_a_narrow_legend_shows_the_top_lines_and_counts_the_rest() -> None:
    lines = legend(entries(30, top=29), 34, 2)
    words = " ".join(line.plain for line in lines).split()
    assert len(lines) == 2
    assert words[0] == "○"
    assert words[-1] == f"+{30 - (len(words) - 1) // 2}"


def test_values_at_the_cursor_have_no_more_rows_than_the_legend() -> None:
    given = [entry._replace(value=" 97.50 %") for entry in entries(6)]
    for width, rows in ((120, 1), (60, 2), (36, 2), (3, 1), (0, 1)):
        lines = readings(given, Text("epoch 3"), width, rows)
        assert 1 <= len(lines) <= rows
        assert max(line.cell_len for line in lines) <= width
    assert [line.plain for line in readings([], Text("epoch 3"), 20, 1)] == ["epoch 3"]
    assert [line.plain for line in legend([], 20, 2)] == [""]
