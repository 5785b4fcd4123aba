from array import array
from types import SimpleNamespace
from typing import Any

import pytest

from tuitrain.analysis.comparison.mcnemar import exact_p
from tuitrain.analysis.comparison.pairwise_tests import PairwiseTests
from tuitrain.errors import RunError
from tuitrain.runs.records import Evaluation, State


def evaluated(wrong: int, images: int = 20) -> Evaluation:
    predicted = [1] * wrong + [0] * (images - wrong)
    return Evaluation(
        split="test", checkpoint="best", epoch=1, step=1, loss=0.5, accuracy=1 - wrong / images, classes=["a", "b"],
        confusion=[[images - wrong, wrong], [0, 0]], true=array("H", [0] * images).tobytes(),
        predicted=array("H", predicted).tobytes(),
    )  # fmt: skip


class FakeRun:
    """A run whose folder returns or raises `found`, and counts how often it is read."""

    def __init__(self, found: Evaluation | Exception | None) -> None:
        self.found, self.reads = found, 0
        self.state = State(heartbeat=1.0)
        self.folder = SimpleNamespace(best_test=self._read)

    def _read(self, state: State) -> Evaluation | None:
        assert state is self.state
        self.reads += 1
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


@pytest.fixture
def runs() -> dict[str, Any]:
    return {
        "base": FakeRun(evaluated(0)), "worse": FakeRun(evaluated(9)), "same": FakeRun(evaluated(0)),
        "without": FakeRun(None), "damaged": FakeRun(RunError("It is\x1b damaged.")), "gone": FakeRun(OSError("gone")),
        "other": FakeRun(evaluated(3, images=10)),
    }  # fmt: skip


def test_runs_with_the_same_images_have_a_p_value(runs: dict[str, Any]) -> None:
    tests = PairwiseTests(runs)
    assert tests.p_values("base") == {"worse": exact_p(9, 0), "same": 1.0}
    assert tests.p_values("damaged") == {}
    assert tests.evaluation("worse") == (runs["worse"].found, "")
    assert tests.evaluation("without") == (None, "")
    assert tests.evaluation("damaged") == (None, "It is� damaged.")
    assert tests.evaluation("gone") == (None, "gone")


def test_evaluations_are_read_again_when_a_run_has_progressed(runs: dict[str, Any]) -> None:
    tests = PairwiseTests(runs)
    for _ in range(2):
        tests.p_values("base")
    assert {run.reads for run in runs.values()} == {1}
    runs["worse"].found = evaluated(12)
    assert tests.p_values("base")["worse"] == exact_p(9, 0)
    runs["worse"].state.heartbeat = 2.0
    assert tests.p_values("base")["worse"] == exact_p(12, 0)
    assert (runs["worse"].reads, runs["base"].reads) == (2, 1)
