"""Records of older versions lack fields; their values are those of a run that has not begun."""

import msgspec
import pytest

from tuitrain.config.schema import Goal
from tuitrain.runs.records import Best, RunInfo, Sample, Score, State


def test_a_state_without_fields_is_that_of_a_new_run() -> None:
    state = msgspec.to_builtins(msgspec.json.decode(b"{}", type=State))
    assert state.pop("status") == "queued"
    assert {name for name, value in state.items() if value == "" or value is None} == {
        "phase", "reason", "not_continued", "schedule_end", "lr", "memory", "started", "ended", "process", "waiting",
        "slurm", "train", "validation", "test", "best",
    }  # fmt: skip
    assert {value for value in state.values() if isinstance(value, (int, float))} == {0}


def test_a_record_without_fields_knows_nothing() -> None:
    info = msgspec.to_builtins(msgspec.json.decode(b'{"id": "a", "name": "b"}', type=RunInfo))
    assert [info.pop(name) for name in ("id", "name", "format", "shape", "devices")] == ["a", "b", 1, (0, 0, 0), 1]
    assert not any(info.values())


@pytest.mark.parametrize(
    ("epoch", "step", "per_epoch", "begun"),
    [(0, 0, 0, 0), (3, 9, 0, 3), (0, 0, 10, 0), (0, 1, 10, 1), (1, 10, 10, 1), (1, 11, 10, 2), (2, 11, 10, 2)],
)
def test_an_epoch_has_begun_with_its_first_step(epoch: int, step: int, per_epoch: int, begun: int) -> None:
    assert State(epoch=epoch, step=step, steps_per_epoch=per_epoch).begun == begun


@pytest.mark.parametrize(("loss", "expected"), [(None, None), (0.0, 1.0), (-1e-9, 1.0), (0.6931471805599453, 0.5)])
def test_the_probability_of_the_true_class_comes_from_the_loss(loss: float | None, expected: float | None) -> None:
    sample = Sample(0, 1, 2, 0.9, 8, 8, 1, b"", loss)
    assert sample.true_probability == (None if expected is None else pytest.approx(expected))


def test_scores_that_are_not_finite_are_not_measured() -> None:
    assert Score(1.0, 0.0).measured == 0.0
    assert Score(1.0, float("nan")).measured is None


def test_statuses_that_are_active() -> None:
    assert [State(status=status).active for status in ("queued", "running", "paused")] == [True] * 3
    assert not any(State(status=status).active for status in ("finished", "stopped", "failed"))


@pytest.mark.parametrize(
    ("metric", "by", "criterion"),
    [
        ("loss", "", "lowest validation loss"),
        ("accuracy", " by accuracy", "highest validation accuracy"),
        ("macro-f1", " by macro-F1", "highest validation macro-F1"),
        ("balanced-accuracy", " by balanced accuracy", "highest validation balanced accuracy"),
    ],
)
def test_the_best_epoch_says_why_it_is_the_best(metric: Goal, by: str, criterion: str) -> None:
    best = Best(1, 10, Score(0.5, 0.9), metric=metric)
    assert (best.by, best.criterion) == (by, criterion)
    assert Best(1, 10, Score(0.5, 0.9)).criterion == "lowest validation loss"
