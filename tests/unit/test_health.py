import itertools
import time
from array import array
from collections.abc import Sequence
from pathlib import Path

import pytest

from tuitrain.analysis.health import SILENT, findings
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.process import this_process
from tuitrain.runs.records import State

NAN, INF = float("nan"), float("inf")


def run(
    losses: Sequence[float | None] = (),
    validation: Sequence[float | None] = (),
    norms: Sequence[float | None] = (),
    state: State | None = None,
) -> Follower:
    follower = Follower(RunFolder(Path("nowhere")))
    follower.state = state or State(status="finished")
    for step, loss in enumerate(losses, 1):
        follower.train.add(step, loss=loss, accuracy=0.5)
        follower.layers = [array("d", [NAN if norm is None else norm] * step) for norm in norms]
    for step, loss in enumerate(validation, 1):
        follower.evaluations["validation"].add(step, loss=loss, accuracy=0.5)
    return follower


def problems(follower: Follower) -> list[str]:
    return [finding.text for finding in findings(follower) if not finding.good]


def notes(follower: Follower) -> list[str]:
    return [finding.text for finding in findings(follower) if finding.good]


def test_a_run_of_which_nothing_is_known_has_no_problem() -> None:
    assert problems(run()) == []
    assert notes(run()) == ["no problem seen"]


def test_a_good_run() -> None:
    good = run([1 / step for step in range(1, 30)], [0.5, 0.4, 0.3, 0.2], [0.02, 0.03])
    assert problems(good) == []
    assert notes(good) == ["no problem seen", "validation still falls", "smallest layer gradient 0.02"]


def test_a_failed_run_says_its_reason_first() -> None:
    failed = run([1.0] * 20 + [90.0], state=State(status="failed", reason="The loss became NaN at step 31."))
    assert problems(failed)[0] == "The loss became NaN at step 31."
    assert len(problems(failed)) == 2
    assert problems(run(state=State(status="stopped", reason="Stopped by the user."))) == []


def test_a_damaged_run_says_its_problem() -> None:
    damaged = run()
    damaged.problem = "run.json is missing."
    assert problems(damaged) == ["run.json is missing."]


def test_a_run_that_is_silent() -> None:
    now = time.time()
    silent = State(status="running", heartbeat=now - SILENT - 40, process=this_process())
    assert problems(run(state=silent)) == ["nothing heard for 1:40"]
    silent.heartbeat = now
    assert problems(run(state=silent)) == []
    silent.status, silent.heartbeat = "finished", 0.0
    assert problems(run(state=silent)) == []


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ([0.5] * 19 + [2.0], "the loss jumped from 0.5000 to 2.0000"),
        ([0.5] * 19 + [1.4], ""),
        ([0.5] * 5 + [2.0], ""),
        ([0.001] * 19 + [0.01], ""),
        ([2.0] + [0.5] * 19, ""),
        ([None] * 20, ""),
        ([0.5] * 19 + [2.0, None], "the loss jumped from 0.5000 to 2.0000"),
    ],
)
def test_a_loss_that_jumps(losses: list[float | None], said: str) -> None:
    assert problems(run(losses)) == ([said] if said else [])


@pytest.mark.parametrize(
    ("norms", "vanishing"),
    [
        ([1e-7, 1e-3, 0.1], True),
        ([0.0, 0.1], True),
        ([0.05, 0.1], False),
        ([0.1, 1e-7], False),
        ([0.0, 0.0], False),
        ([0.1], False),
        ([None, 0.1], False),
    ],
)
def test_a_gradient_that_vanishes_on_its_way_back(norms: list[float | None], vanishing: bool) -> None:
    said = problems(run([1.0], norms=norms))
    assert [text.partition(":")[0] for text in said] == ["vanishing gradient"] * vanishing


def test_overfitting_is_a_validation_loss_that_rises_while_training_goes_on() -> None:
    said = ["validation loss rises for 3 epochs while training goes on"]
    assert problems(run([0.1], [0.5, 0.6, 0.7, 0.8])) == said
    assert problems(run([0.9], [0.5, 0.6, 0.7, 0.8])) == []
    assert problems(run([0.1], [0.6, 0.7, 0.8])) == []
    assert problems(run([0.1], [0.5, 0.6, 0.6, 0.8])) == []
    assert problems(run([0.1], [0.5, 0.6, None, 0.8])) == []


def test_validation_that_was_better_is_no_problem_yet() -> None:
    assert "validation has been better" in notes(run([0.1], [0.5, 0.4, 0.45]))
    assert "validation still falls" in notes(run([0.1], [0.5, 0.4, 0.4]))


@pytest.mark.parametrize("value", [0.0, -1.0, 1e308, -1e308, 5e-324, NAN, INF, None])
def test_any_numbers_give_sentences(value: float | None) -> None:
    values = [value, 0.5, value, value, 1.0] * 5
    for losses, validation, norms in itertools.product(([], values), ([], values), ([], [value, value, 1.0])):
        found = findings(run(losses, validation, norms))
        assert found
        assert all(finding.text.isprintable() for finding in found)
