from itertools import product
from typing import Any

import pytest

from tuitrain.analysis.table.run_labels import Labelled, run_labels
from tuitrain.config.schema import Config
from tuitrain.config.values import flatten, override

SWEPT = [
    (f"optimizer.name={rule}", f"optimizer.lr={rate}", f"training.seed={seed}")
    for rule, rate, seed in product(("sgd", "adam"), (0.1, 0.01, 0.001), (0, 1))
]


def labelled(id: str, *settings: str, name: str = "digits-mlp-adam", named: bool = False) -> Labelled:
    return Labelled(id, name, named, flatten(override(Config(), settings)))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (SWEPT, list(map(" ".join, product(("sgd", "adam"), (".1", ".01", ".001"), ("s0", "s1"))))),
        ([("optimizer.lr=1",), ("optimizer.lr=0.5",)], ["lr=1", "lr=.5"]),
        ([("data.batch_size=32",), ("data.batch_size=64",)], ["batch=32", "batch=64"]),
        ([("model.hidden=[64]",), ("model.hidden=[64,32]",)], ["hidden=64", "hidden=64-32"]),
        ([("schedule.name=cosine",), ("schedule.name=constant",)], ["cosine", "constant"]),
        ([(), ()], ["digits-mlp-adam #1", "digits-mlp-adam #2"]),
        ([("optimizer.lr=0.1",), (), ()], ["lr=.1", "lr=.001 #1", "lr=.001 #2"]),
    ],
)  # fmt: skip
def test_labels_are_the_settings_that_differ(settings: list[tuple[str, ...]], expected: list[str]) -> None:
    runs = [labelled(str(index), *values) for index, values in enumerate(settings, 10)]
    assert list(run_labels(runs).values()) == expected


def test_settings_that_tell_nothing_more_are_left_out() -> None:
    pairs = [("optimizer.lr=0.1", "training.epochs=10"), ("optimizer.lr=0.2", "training.epochs=20")]
    assert list(run_labels([labelled(str(index), *pair) for index, pair in enumerate(pairs)]).values()) == [
        "lr=.1",
        "lr=.2",
    ]


def test_a_unique_name_of_the_user_is_kept() -> None:
    runs = [
        labelled("1", "optimizer.lr=0.1", name="baseline", named=True),
        labelled("2", "optimizer.lr=0.2", name="twice", named=True),
        labelled("3", "optimizer.lr=0.3", name="twice", named=True),
    ]
    assert run_labels(runs) == {"1": "baseline", "2": "lr=.2", "3": "lr=.3"}


@pytest.mark.parametrize("settings", [{}, {"lr": "\x1b[2J"}, {"a": 1}])
def test_any_run_has_a_distinct_label_that_is_safe_to_show(settings: dict[str, Any]) -> None:
    runs = [Labelled(str(index), "\x1b[2J[red]", False, settings) for index in range(3)]
    labels = run_labels([*runs, labelled("9", name="", named=True)])
    assert len(set(labels.values())) == 4
    assert "\x1b" not in "".join(labels.values())
