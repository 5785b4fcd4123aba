"""The rules for the next step, on curves made for each of them."""

from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest

from tuitrain.analysis.next_step import CurveResult, next_step
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower, LayerColumns
from tuitrain.runs.label_check import LabelCheck
from tuitrain.runs.records import RunInfo, Score, State
from written_runs import add_row

HELPS: tuple[Literal["likely", "unlikely", "uncertain"], ...] = ("likely", "unlikely", "uncertain")
FALLING = [1.0, 0.8, 0.6, 0.5, 0.45]
FLAT = [1.0, 0.5, 0.5, 0.5, 0.5, 0.5]
RISING = [0.5, 0.4, 0.42, 0.44, 0.45]


def run(
    losses: Sequence[float], train: float, validation: float, *settings: str, images: int = 1000, loss: float = 0.3
) -> Follower:
    """Return a run with these validation losses and last accuracies, whose training loss falls to `loss`."""
    follower = Follower(RunFolder(Path("nowhere")))
    follower.info = RunInfo(id="a", name="a", sizes={"train": 5000, "validation": images}, classes=["x", "y"])
    follower.config = override(Config(), settings)
    follower.state = State(
        status="finished", epoch=len(losses), train=Score(loss, train), validation=Score(losses[-1], validation)
    )
    rows = 20 * len(losses)
    for row in range(1, rows + 1):
        add_row(follower.train, row, loss=1 + (loss - 1) * row / rows, accuracy=train)
    for epoch, value in enumerate(losses, 1):
        add_row(follower.evaluations["validation"], 20 * epoch, epoch=epoch, loss=value, accuracy=validation)
    return follower


@pytest.mark.parametrize(
    ("given", "kind", "figures"),
    [
        (run(FALLING, 0.90, 0.89), "longer_training", ["0.4500", "10 % below", "epoch 4"]),
        # The fall of the last fifth of ten epochs is that from epoch 8 to epoch 10.
        (run([1.0, *[0.5] * 7, 0.49, 0.485], 0.90, 0.89), "longer_training", ["0.4850", "3 % below", "epoch 8"]),
        # A fall of 1 % is none.
        (run([1.0, 0.5, 0.499, 0.4985, 0.496, 0.495], 0.70, 0.70), "larger_network", ["30.00 %"]),
        (run(RISING, 0.90, 0.80), "regularization", ["0.4000 in epoch 2", "0.4500"]),
        (run(FLAT, 0.99, 0.90), "more_data", ["99.00 %", "90.00 %"]),
        (run(FLAT, 0.80, 0.80), "larger_network", ["20.00 %"]),
        (run(FLAT, 0.80, 0.80, "model.dropout=0.5"), "less_regularization", ["20.00 %", "model.dropout"]),
        (run(FLAT, 0.80, 0.80, "data.augment=shift"), "less_regularization", ["data.augment"]),
        # Only the classifier was trained.
        (run(FLAT, 0.99, 0.90, "finetune.freeze=backbone"), "fine_tuning", ["90.00 %", "model.weights = run:"]),
        (run(FLAT, 1.0, 0.90, "finetune.freeze=backbone", images=10), "none", ["100.00 %"]),
        # Half of the gap is left by the training images: neither more images nor a larger network is clear.
        (run(FLAT, 0.85, 0.80), "none", ["85.00 %", "80.00 %", "1,000"]),
        # Ten validation images leave any gap to chance.
        (run(FLAT, 1.0, 0.90, images=10), "none", ["100.00 %", "90.00 %"]),
        (run(FLAT[:4], 0.80, 0.80), "none", ["The curves of 4 epochs are too short", "80.00 %"]),
        (run([0.5], 0.80, 0.80), "none", ["The curves of 1 epoch are"]),
        (run([0.5, float("nan")], 0.80, 0.80), "none", []),
        (run([0.0, 0.0], 1.0, 1.0), "none", ["100.00 %"]),
        # A damaged file.
        (run(FLAT, 2.0, 1.5), "none", []),
        (run(FLAT, -2.0, -1.5), "larger_network", []),
    ],
)
def test_the_first_rule_that_applies_decides(given: Follower, kind: str, figures: list[str]) -> None:
    step = next_step(given)
    assert (step.kind, [figure for figure in figures if figure not in step.reason]) == (kind, [])
    assert step.sentence.startswith("Next step: ") == (kind != "none")


def test_a_network_that_does_not_learn_is_explained_by_its_layers() -> None:
    stuck = run(FLAT, 0.5, 0.5, "model.activation=sigmoid", loss=1.0)
    assert next_step(stuck).reason == "First solve this: no better than chance: loss 1.0000 with 2 classes."
    stuck.info.layers = ["first", "head"]
    add_row(stuck.layer_steps, 50)
    stuck.layer_statistics["update_ratio"] = LayerColumns([array("d", [1e-8]), array("d", [1e-3])])
    reason = next_step(stuck).reason
    assert reason.startswith(
        "First solve this: no better than chance: loss 1.0000 with 2 classes; first does not learn"
    )
    assert reason.endswith("its gradient vanishes behind the sigmoids, use relu.")


def test_wrong_labels_come_first() -> None:
    falling = run(FALLING, 0.9, 0.9)
    assert next_step(falling, LabelCheck(400, 10_000)).kind == "cleaner_labels"
    assert "400 of 10,000 labels (4.00 %)" in next_step(falling, LabelCheck(400, 10_000)).reason
    # Fewer than 40 % of the errors, or than 1 % of the labels.
    assert next_step(falling, LabelCheck(399, 10_000)).kind == "longer_training"
    assert next_step(run(FALLING, 0.99, 0.98), LabelCheck(99, 10_000)).kind == "longer_training"
    assert next_step(run(FALLING, 0.99, 0.98), LabelCheck(100, 10_000)).kind == "cleaner_labels"
    assert next_step(falling, LabelCheck(0, 0)).kind == "longer_training"


def test_a_learning_curve_decides_about_more_images() -> None:
    overfitted, between = run(FLAT, 0.99, 0.90), run(FLAT, 0.85, 0.80)
    results = [CurveResult(helps, "A doubling added 3 points.") for helps in HELPS]
    steps = [(next_step(given, curve=curve).kind) for given in (overfitted, between) for curve in results]
    assert steps == ["more_data", "regularization", "more_data", "more_data", "none", "none"]
    assert next_step(between, curve=results[0]).reason == "A doubling added 3 points."
    assert "a learning curve says" in next_step(overfitted, curve=results[1]).reason


def test_a_run_that_learns_nothing_has_another_problem() -> None:
    step = next_step(run(FALLING, 0.5, 0.5, loss=9.0))
    assert (step.kind, "training loss rose" in step.reason) == ("none", True)


def test_only_validation_images_steer() -> None:
    alone = run(FALLING, 0.99, 0.5)
    alone.state.validation = None
    assert next_step(alone).kind == "none"
    assert "Without a validation split" in next_step(alone).sentence
