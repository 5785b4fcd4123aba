import pytest

from runs.test_robustness import RECORD
from tuitrain.analysis.robustness import document, summary, table


def test_a_record_in_words_and_as_a_table() -> None:
    assert summary(RECORD) == (
        "clean 90.00 % · corrupted 50.00 % · test, best weights, epoch 3 · 100 images · CIFAR-10-C"
    )
    falling = ["80.00 %", "70.00 %", "60.00 %", "50.00 %", "40.00 %", "60.00 %"]
    assert table(RECORD) == [
        ["corruption", "1", "2", "3", "4", "5", "mean"],
        ["noise", *falling],
        ["blur", *["20.00 %"] * 6],
        ["brightness", *falling],
        ["JPEG", *falling],
        ["mean", "65.00 %", "57.50 %", "50.00 %", "42.50 %", "35.00 %", "50.00 %"],
    ]
    assert document(RECORD)["mean"] == pytest.approx(0.5)
