from collections.abc import Mapping
from typing import Any

import pytest

from tuitrain.analysis.comparison.compare import METRICS, ComparedRun, Comparison, Metric
from tuitrain.analysis.comparison.table import Cell, compare_table, short_title
from tuitrain.analysis.table.groups import SeedGroup

BY_KEY = {metric.key: metric for metric in METRICS}


def run(id: str, status: str = "finished", settings: Mapping[str, Any] | None = None, **metrics: float) -> ComparedRun:
    return ComparedRun(id, id, id, status, settings or {}, dict.fromkeys(BY_KEY) | metrics)


def comparison(*runs: ComparedRun, differing: tuple[str, ...] = (), **options: Any) -> Comparison:
    groups = tuple(SeedGroup((one.id,), one.label) for one in runs)
    return Comparison(runs, runs[0].id, differing, 0.9, groups, **options)


def cells(found: Comparison, *columns: str, p: Mapping[str, float] | None = None, show_all: bool = False) -> Any:
    table = compare_table(found, [column.split() for column in columns], p, show_all=show_all)
    return {row.title: list(row.cells) for row in table}


@pytest.mark.parametrize(
    ("key", "change", "text"),
    [
        ("test_accuracy", 0.0123, "+1.23"), ("test_accuracy", -0.5, "-50.00"), ("test_loss", 0.5, "+0.5000"),
        ("test_loss", -0.5, "-0.5000"), ("seconds", -0.25, "-0.25 s"), ("epochs", 0, "+0"),
    ],
)  # fmt: skip
def test_a_difference_has_a_sign(key: str, change: float, text: str) -> None:
    assert BY_KEY[key].difference(change) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.994, "0.99 s"), (0.0, "0.0 s"), (1.0, "1.0 s"), (61.0, "1:01"), (None, "-")],
)
def test_times_below_a_second_have_two_decimals(value: float | None, text: str) -> None:
    assert BY_KEY["seconds"].text(value) == text


@pytest.mark.parametrize(
    ("key", "one", "other", "tie"),
    [
        ("test_accuracy", 0.50001, 0.5, True), ("test_accuracy", 0.5001, 0.5, False),
        # 5 % of the larger one.
        ("seconds", 1000, 950, True), ("seconds", 950, 1000, True), ("seconds", 1000, 949, False),
        ("images_per_second", 95, 100, True), ("images_per_second", 94.9, 100, False),
    ],
)  # fmt: skip
def test_equal_texts_and_times_within_noise_tie(key: str, one: float, other: float, tie: bool) -> None:
    metric: Metric = BY_KEY[key]
    assert metric.ties(one, other) == metric.ties(other, one) == tie


def test_results_say_how_they_differ_from_the_first_column() -> None:
    found = comparison(
        run("a", test_accuracy=0.9, test_loss=0.5, seconds=100, epochs=3),
        run("b", test_accuracy=0.8, test_loss=0.4, seconds=104, epochs=4),
        run("c", test_accuracy=0.95, test_loss=0.50001, seconds=200, epochs=3),
        run("d"),
    )
    assert cells(found, "a", "b", "c", "d") == {
        "last test": [
            Cell("90.00 %"), Cell("80.00 %", change="-10.00", direction=-1),
            Cell("95.00 %", top=True, change="+5.00", direction=1), Cell("-"),
        ],
        "last test loss": [
            Cell("0.5000"), Cell("0.4000", top=True, change="-0.1000", direction=1), Cell("0.5000"), Cell("-"),
        ],
        "time": [Cell("1:40"), Cell("1:44", change="+4.0 s"), Cell("3:20", change="+1:40"), Cell("-")],
        "epochs": [Cell("3"), Cell("4", change="+1"), Cell("3"), Cell("-")],
    }  # fmt: skip


def test_groups_show_deviation_and_the_number_of_known_values() -> None:
    found = comparison(run("a", test_accuracy=0.5), run("b", test_accuracy=0.7), run("c"), run("d", test_accuracy=0.9))
    assert cells(found, "a b c", "d")["last test"] == [
        Cell("60.00 %", "± 14.14", "(n=2)"), Cell("90.00 %", top=True, change="+30.00", direction=1),
    ]  # fmt: skip
    assert str(cells(found, "a b c", "d")["last test"][0]) == "60.00 % ± 14.14 (n=2)"
    assert str(cells(found, "a b c", "d")["last test"][1]) == "90.00 % ★ +30.00"


def test_settings_of_columns() -> None:
    lr, seed, epochs = "optimizer.lr", "training.seed", "training.epochs"
    found = comparison(
        run("a", settings={lr: 0.1, seed: 0, epochs: 10}), run("b", settings={lr: 0.1, seed: 2, epochs: 10}),
        run("c", settings={lr: 0.2, seed: 1, epochs: 10}), run("d", "failed"), differing=(lr, seed),
    )  # fmt: skip
    assert cells(found, "a", "b", "c", "d") == {
        lr: [Cell("0.1"), Cell("0.1", faint=True), Cell("0.2"), Cell("-")],
        seed: [Cell("0"), Cell("2"), Cell("1"), Cell("-")],
        "status": [Cell("finished"), Cell("finished"), Cell("finished"), Cell("failed")],
    }
    # A seed that groups share is no setting in which they differ.
    grouped = cells(found, "c b", "b c")
    assert grouped == {lr: [Cell("0.2"), Cell("0.1", faint=True)], "status": [Cell("finished")] * 2}
    whole = cells(found, "a b", "c d", show_all=True)
    assert whole[seed] == [Cell("0, 2"), Cell("1")]
    assert whole[epochs] == [Cell("10"), Cell("10")]
    assert whole["status"] == [Cell("finished"), Cell("failed, finished")]


def test_mcnemar_is_shown_beside_the_test_accuracy_of_the_best_weights() -> None:
    runs = [run(id, best_weights_test_accuracy=0.9) for id in "abcd"]
    found = comparison(*runs, other_images=frozenset("d"))
    table = cells(found, *"abcd", p={"b": 0.05, "c": 0.0499, "d": 0.5})
    assert list(table) == ["best test", "McNemar p"]
    assert table["McNemar p"] == [Cell(""), Cell("0.05", faint=True), Cell("0.05"), Cell("other images")]
    assert list(cells(found, *"abcd")) == ["best test"]


def test_titles() -> None:
    found = comparison(run("a", epochs_to_reach=3, seconds_to_reach=0.5))
    assert list(cells(found, "a")) == ["epochs to 90.00 %", "time to 90.00 %"]
    assert (short_title("optimizer.weight_decay"), short_title("unknown.key")) == ("decay", "unknown.key")


def test_the_baseline_is_the_first_column() -> None:
    runs = [run("a"), run("b"), run("c")]
    groups = (SeedGroup(("a", "c"), "x"), SeedGroup(("b",), "y"))
    found = Comparison(tuple(runs), "b", (), None, groups)
    assert [column.ids for column in found.columns(grouped=False)] == [("b",), ("a",), ("c",)]
    assert [column.ids for column in found.columns(grouped=True)] == [("b",), ("a", "c")]


@pytest.mark.parametrize(
    ("goals", "title"),
    [
        (("loss", "loss"), "best test"),
        (("macro-f1", "macro-f1"), "best test by macro-F1"),
        # The setting has a row of its own.
        (("macro-f1", "loss"), "best test by training.best"),
    ],
)
def test_the_best_epochs_say_by_what(goals: tuple[str, str], title: str) -> None:
    runs = [run(name, settings={"training.best": goal}, best_weights_test_accuracy=0.9, test_accuracy=0.8)
            for name, goal in zip("ab", goals, strict=True)]  # fmt: skip
    titles = list(cells(comparison(*runs), "a", "b"))
    assert title in titles
    assert "last test" in titles
