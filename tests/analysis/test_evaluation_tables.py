import pytest

from tuitrain.analysis.evaluation_tables import classes, confusion_matrix, difference, wrong_predictions
from tuitrain.runs.records import Evaluation, Sample


def evaluated(confusion: list[list[int]], worst: list[Sample] | None = None) -> Evaluation:
    return Evaluation(
        split="test", checkpoint="best", epoch=1, step=1, loss=0.5, accuracy=0.5,
        classes=["ant", "bee", "cat"][: len(confusion)], confusion=confusion, worst=worst or [],
    )  # fmt: skip


COUNTS = [[1200, 0, 2000], [0, 10, 0], [0, 0, 0]]


def test_the_confusion_matrix_and_the_difference_of_two() -> None:
    head = ["true / predicted", "ant", "bee", "cat"]
    first = evaluated(COUNTS)
    assert confusion_matrix(first) == [head, ["ant", "1200", "0", "2000"], ["bee", "0", "10", "0"], ["cat", *"000"]]
    second = evaluated([[1500, 1, 1699], [3, 7, 0], [0, 0, 0]])
    assert difference(first, second) == [head, ["ant", "300", "1", "-301"], ["bee", "3", "-3", "0"], ["cat", *"000"]]


def test_scores_of_classes() -> None:
    assert classes(evaluated(COUNTS)) == [
        ["class", "images", "precision", "recall", "F1", "most predicted as"],
        ["ant", "3,200", "100.00 %", "37.50 %", "54.55 %", "cat (2,000)"],
        ["bee", "10", "100.00 %", "100.00 %", "100.00 %", "-"],
        ["cat", "0", "0.00 %", "-", "0.00 %", "-"],
    ]
    assert classes(evaluated([[0, 4], [1, 0]]))[1:] == [
        ["ant", "4", "0.00 %", "0.00 %", "0.00 %", "bee (4)"], ["bee", "1", "0.00 %", "0.00 %", "0.00 %", "ant (1)"],
    ]  # fmt: skip
    assert classes(evaluated([[3]]))[1] == ["ant", "3", "100.00 %", "100.00 %", "100.00 %", "-"]


@pytest.mark.parametrize(("cell", "shown"), [(None, ["7", "9"]), ((0, 2), ["7"]), ((2, 0), [])])
def test_wrong_predictions_of_all_cells_or_one(cell: tuple[int, int] | None, shown: list[str]) -> None:
    worst = [Sample(7, 0, 2, 0.97, 4, 4, 1, b"", 3.5066, "a/7.png"), Sample(9, 1, 5, 0.5, 4, 4, 1, b"")]
    head, *rows = wrong_predictions(evaluated(COUNTS, worst), cell)
    assert head == ["index", "file", "true", "predicted", "probability", "loss"]
    every = {"7": ["7", "a/7.png", "ant", "cat", "0.9700", "3.5066"], "9": ["9", "", "bee", "5", "0.5000", "-"]}
    assert rows == [every[index] for index in shown]
