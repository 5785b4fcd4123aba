"""Map tags and hyperparameters of other tools."""

import pytest

from tuitrain.runs.external.tags import place, setting


@pytest.mark.parametrize(
    ("tag", "part", "expected"),
    [
        ("loss", "", ("train", "loss")),
        ("Loss/train", "", ("train", "loss")),
        ("training_loss", "", ("train", "loss")),
        ("epoch_loss", "validation", ("validation", "loss")),
        ("val_loss_epoch", "", ("validation", "loss")),
        ("eval/accuracy", "", ("validation", "accuracy")),
        ("Accuracy/test", "", ("test", "accuracy")),
        ("learning_rate", "", ("train", "lr")),
        ("lr-Adam/pg1", "", ("train", "lr")),
        ("train/epoch", "", ("train", "epoch")),
        ("hp_metric", "", None),
        ("val_loss_train", "", None),
        ("evaluation_loss_vs_iterations", "validation", None),
        ("", "", None),
    ],
)
def test_the_table_of_tags(tag: str, part: str, expected: tuple[str, str] | None) -> None:
    found = place(tag, part)
    assert (None if found is None else found[:2]) == expected


def test_the_table_of_hyperparameters() -> None:
    assert setting("learning_rate") == "optimizer.lr"
    assert setting("model/dropout") == "model.dropout"
    assert setting("optimizer.lr") == "optimizer.lr"
    assert setting("whatever") is None
