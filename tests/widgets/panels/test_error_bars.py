"""The lists of errors beside a confusion matrix."""

import pytest

from tuitrain.runs.records import Evaluation
from tuitrain.widgets.panels.error_bars import CLASSES, class_scores


@pytest.mark.parametrize(
    ("count", "title"), [(CLASSES, "F1 by class"), (CLASSES + 1, "F1 by class, the 200 worst of 201")]
)
def test_a_list_of_classes_says_that_it_is_cut(count: int, title: str) -> None:
    names = [f"class {number}" for number in range(count)]
    confusion = [[int(row == column) for column in range(count)] for row in range(count)]
    evaluation = Evaluation(
        split="test", checkpoint="last", epoch=1, step=1, loss=0.0, accuracy=1.0, classes=names, confusion=confusion,
        worst=[],
    )  # fmt: skip
    lines = class_scores(evaluation).plain.splitlines()
    assert lines[0] == title
    assert len(lines) == CLASSES + 1
