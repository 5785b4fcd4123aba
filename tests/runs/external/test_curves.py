from array import array
from math import isnan, nan

import pytest

from tuitrain.runs.external.curves import Epochs, TagCurve, choose
from tuitrain.runs.external.source import Series


def series(*points: tuple[int, float, float]) -> Series:
    """`points` are (step, time, value)."""
    found = Series()
    for step, time, value in points:
        found.step.append(step)
        found.time.append(time)
        found.value.append(value)
    return found


def values(*numbers: float) -> Series:
    return series(*((step, 100.0 + step, number) for step, number in enumerate(numbers)))


@pytest.mark.parametrize(
    ("tags", "part", "chosen"),
    [
        (["train_loss", "loss"], "", "loss"),
        # Per step for training, per epoch for evaluations.
        (["train_loss_epoch", "train_loss_step"], "", "train_loss_step"),
        (["val_loss_step", "val_loss_epoch"], "", "val_loss_epoch"),
        (["epoch_loss", "loss_step"], "validation", "epoch_loss"),
        (["val_loss", "val_loss_epoch"], "", "val_loss"),
        # Of equal ones, the first in the alphabet.
        (["loss/train", "Loss/train", "train/loss"], "", "Loss/train"),
    ],
)
def test_of_several_tags_of_a_column_one_is_chosen(tags: list[str], part: str, chosen: str) -> None:
    for order in (tags, tags[::-1]):
        found = choose({part: {**{tag: values(1.0) for tag in order}, "nothing": values(1.0), "lr": values()}})
        [[(tag, _)]] = [list(columns.values()) for columns in found.values()]
        assert tag == chosen


def test_a_subfolder_names_the_split_unless_the_tag_does() -> None:
    found = choose({"validation": {"loss": values(1.0), "lr": values(0.1)}, "": {"val_loss": values(2.0)}})
    assert {split: {column: tag for column, (tag, _) in some.items()} for split, some in found.items()} == {
        "validation": {"loss": "val_loss"}, "train": {"lr": "lr"},
    }  # fmt: skip


def rows(curve: TagCurve, *names: str) -> list[tuple[float | None, ...]]:
    return [
        tuple(None if isnan(value) else value for value in row)
        for row in zip(curve.step, *(curve[name] for name in names), strict=True)
    ]


def test_tags_with_other_steps_are_merged_and_each_keeps_its_own() -> None:
    curve = TagCurve()
    loss = series((3, 13.0, 0.3), (1, 11.0, 0.5), (1, 12.0, 0.4), (5, 9.0, 0.2))
    curve.fill({"loss": loss, "accuracy": series((1, 11.5, 0.7), (5, 15.0, 0.9))}, 10.0)
    # Of several values the last counts, and times never decrease.
    assert rows(curve, "time", "seconds", "loss", "accuracy", "epoch") == [
        (1, 11.5, 1.5, 0.4, 0.7, None), (3, 13.0, 3.0, 0.3, None, None), (5, 15.0, 5.0, 0.2, 0.9, None),
    ]  # fmt: skip
    only = curve.only("accuracy")
    assert (list(only.step), list(only["accuracy"]), list(only["time"])) == ([1, 5], [0.7, 0.9], [11.5, 15.0])
    assert curve.only("accuracy") is only
    assert (curve.only("loss"), len(curve.only("grad_norm"))) == (curve, 0)


def test_tags_with_the_same_steps_are_extended() -> None:
    curve, loss, accuracy = TagCurve(), values(0.5, 0.4), values(0.6, 0.7)
    curve.fill({"loss": loss, "accuracy": accuracy}, 100.0)
    before = curve.changes
    curve.fill({"loss": loss, "accuracy": accuracy}, 100.0)
    assert curve.changes == before
    for one, value in ((loss, 0.3), (accuracy, 0.8)):
        one.step.append(2)
        one.time.append(99.0)
        one.value.append(value)
    curve.fill({"loss": loss, "accuracy": accuracy}, 100.0)
    expected = [(0, 100.0, 0.0, 0.5, 0.6), (1, 101.0, 1.0, 0.4, 0.7), (2, 101.0, 1.0, 0.3, 0.8)]
    assert rows(curve, "time", "seconds", "loss", "accuracy") == expected
    assert curve.changes == before + 1
    # A value that is written again, at an earlier step.
    loss.step.append(1)
    loss.time.append(103.0)
    loss.value.append(0.1)
    curve.fill({"loss": loss, "accuracy": accuracy}, 100.0)
    assert rows(curve, "loss", "accuracy") == [(0, 0.5, 0.6), (1, 0.1, 0.7), (2, 0.3, 0.8)]


@pytest.mark.parametrize(
    ("points", "at", "done", "per_epoch"),
    [
        # Counted from 0 and from 1, in fractions, and values that make no sense.
        ([(9, 0), (19, 1)], {8: nan, 9: 1, 18: 1, 19: 2, 99: 2}, 2, 10),
        ([(9, 1), (19, 2)], {9: 1, 19: 2}, 2, 10),
        ([(9, 0.5), (19, 1.0), (24, 1.25)], {9: 1, 19: 1, 24: 2}, 1.25, 20),
        ([(19, 1), (9, 0), (9, -1), (5, 2.0**31)], {9: nan, 19: 1}, 1, 20),
        ([], {5: nan}, 0, 0),
    ],
)
def test_the_epoch_of_a_step(
    points: list[tuple[int, float]], at: dict[int, float], done: float, per_epoch: int
) -> None:
    epochs = Epochs(series(*((step, 0.0, value) for step, value in points)) if points else None)
    assert array("d", [epochs.at(step) for step in at]).tobytes() == array("d", at.values()).tobytes()
    assert (epochs.done, epochs.steps_per_epoch, bool(epochs)) == (done, per_epoch, bool(points))
