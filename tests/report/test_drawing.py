"""Drawings as SVG."""

from collections.abc import Callable
from math import inf, nan
from xml.etree import ElementTree

import pytest

from tuitrain.report import colors
from tuitrain.report.curves import comparison_charts, run_charts
from tuitrain.report.drawing import chart, figure, label
from tuitrain.report.matrix import matrix_chart
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from written_runs import add_row, evaluation

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("name", ["$x^2$", "$\\frac{", "猫", "العربية", "🐈", "<b>&amp;", "]]>", "a\x00b\ud800\uffffc"])
def test_names_are_drawn_as_they_are(name: str) -> None:
    drawn, axes = figure(2, 2)
    axes.set_xlabel(label(name, 40))
    found = chart(drawn, "title", "name", name)
    assert label(name, 40) in texts(found.svg)
    assert ElementTree.fromstring(found.svg).attrib["aria-label"] == label(name, 40)


def test_colors_follow_the_page_or_stand_alone() -> None:
    drawn, axes = figure(2, 2)
    axes.plot([0, 1], [0, 1], color=colors.LIGHT["series-1"])
    found = chart(drawn, "title", "name", "text")
    assert "var(--series-1)" in found.inline
    assert "var(--page)" in found.inline
    assert "var(" not in found.svg
    assert colors.LIGHT["series-1"] in found.svg
    assert set(colors.DARK) == set(colors.LIGHT)
    assert len(set(colors.LIGHT.values())) == len(colors.LIGHT)
    assert "xmlns" not in found.inline


@pytest.fixture
def run(write_run: Callable[..., RunFolder], read: Callable[[RunFolder], Follower]) -> Follower:
    return read(write_run("one"))


@pytest.mark.parametrize("value", [0.0, -1.0, 1e-30, 1e30, nan, inf])
def test_curves_of_any_value(run: Follower, value: float) -> None:
    for step in range(100, 300):
        add_row(run.train, step, loss=value if step % 7 else 0.5, accuracy=0.5, lr=0.1 + step)
    charts = run_charts(run, 3)
    assert [found.name for found in charts] == ["loss-3", "accuracy-3", "learning-rate-3"]
    assert {"training", "validation", "best epoch (3)"} <= set(texts(charts[0].svg))


def test_a_single_point(run: Follower) -> None:
    run.evaluations["validation"].cut(20)
    run.train.cut(0)
    [loss, _] = run_charts(run, 1)
    assert "validation" in texts(loss.svg)


def test_runs_of_one_chart_differ_and_are_named(run: Follower) -> None:
    runs = {f"run-{number}": run for number in range(10)}
    charts = comparison_charts(runs, {id: f"label {id}" for id in runs})
    assert [found.title for found in charts] == ["Validation accuracy", "Validation loss", "Training loss"]
    assert {f"label {id}" for id in runs} <= set(texts(charts[0].svg))


def test_without_any_value(run: Follower) -> None:
    run.train.cut(0)
    run.evaluations["validation"].cut(0)
    assert run_charts(run, 1) == []
    assert comparison_charts({"a": run}, {"a": "a"}) == []


@pytest.mark.parametrize("size", [1, 2, 24, 25])
def test_a_matrix_of_any_size(size: int) -> None:
    found = evaluation("test", "last", 0.9, [f"class {number}" for number in range(size)])
    drawn = matrix_chart(found, "m")
    assert {f"class {number}" for number in range(size)} <= set(texts(drawn.svg))
    assert ("90" in texts(drawn.svg)) == (size <= 24)
    right, total = 90 * size, 90 * size + size * (size - 1)
    assert drawn.text.endswith(f": {right:,} images correct, {total - right:,} wrong.")
