import itertools
import time
from array import array
from collections.abc import Iterable, Sequence
from math import exp, log, sin
from pathlib import Path
from types import SimpleNamespace

import pytest

from tuitrain.analysis import health
from tuitrain.analysis.health import LOW_DISK, SILENT_SECONDS, findings, fit_to_width
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower, LayerColumns
from tuitrain.runs.process import this_process
from tuitrain.runs.records import Best, RunInfo, Score, State, Status
from written_runs import add_row

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
        add_row(follower.train, step, loss=loss, accuracy=0.5)
        follower.layers = LayerColumns(array("d", [NAN if norm is None else norm] * step) for norm in norms)
    return evaluated(follower, range(1, len(validation) + 1), validation)


def evaluated(follower: Follower, steps: Iterable[int], losses: Sequence[float | None]) -> Follower:
    """Return evaluations at the ends of epochs, and the best of them as a run records it."""
    for epoch, (step, loss) in enumerate(zip(steps, losses, strict=True), 1):
        add_row(follower.evaluations["validation"], step, epoch=epoch, loss=loss, accuracy=0.5)
        best = follower.state.best
        if loss is not None and (best is None or best.validation.loss is None or loss < best.validation.loss):
            follower.state.best = Best(epoch, step, Score(loss, 0.5))
    return follower


def problems(follower: Follower) -> list[str]:
    return [finding.text for finding in findings(follower) if not finding.good]


def notes(follower: Follower) -> list[str]:
    return [finding.text for finding in findings(follower) if finding.good]


def test_a_run_of_which_nothing_is_known_has_no_problem() -> None:
    assert problems(run()) == []
    assert notes(run()) == ["healthy"]


def test_a_good_run() -> None:
    good = run([1 / step for step in range(1, 30)], [0.5, 0.4, 0.3, 0.2], [0.02, 0.03])
    assert problems(good) == []
    assert notes(good) == ["healthy", "validation loss still falling", "smallest gradient norm 0.02"]


def test_a_failed_run_says_its_reason_first() -> None:
    failed = run([1.0] * 20 + [90.0] * 3, state=State(status="failed", reason="The loss became NaN at step 31."))
    assert problems(failed)[0] == "The loss became NaN at step 31."
    assert len(problems(failed)) == 2
    assert problems(run(state=State(status="stopped", reason="Stopped by the user."))) == []


def test_a_damaged_run_says_its_problem() -> None:
    damaged = run()
    damaged.problem = "run.json is missing."
    assert problems(damaged) == ["run.json is missing."]


@pytest.mark.parametrize(
    ("status", "silence", "said"),
    [
        ("running", SILENT_SECONDS + 40, ["no heartbeat for 1:40"]),
        ("running", SILENT_SECONDS, []),
        ("finished", SILENT_SECONDS + 40, []),
    ],
)
def test_a_run_that_is_silent(monkeypatch: pytest.MonkeyPatch, status: Status, silence: float, said: list[str]) -> None:
    monkeypatch.setattr("tuitrain.analysis.health.time.time", lambda: 1000.0)
    assert problems(run(state=State(status=status, heartbeat=1000.0 - silence, process=this_process()))) == said


@pytest.mark.parametrize(
    ("status", "free", "said"),
    [
        ("running", LOW_DISK - 1, ["only 500 MB of disk space left"]),
        ("running", LOW_DISK, []),
        ("finished", LOW_DISK - 1, []),
        ("running", None, []),
    ],
)
def test_a_disk_that_is_nearly_full(
    monkeypatch: pytest.MonkeyPatch, status: Status, free: float | None, said: list[str]
) -> None:
    def disk_usage(_: Path) -> SimpleNamespace:
        if free is None:
            raise OSError
        return SimpleNamespace(free=free)

    monkeypatch.setattr("tuitrain.analysis.health.shutil.disk_usage", disk_usage)
    assert problems(run(state=State(status=status, heartbeat=time.time(), process=this_process()))) == said


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ([0.5] * 19 + [2.0] * 3, "training loss rose from 0.5000 to 2.0000"),
        ([0.3] * 5 + [609402.0] * 2, "training loss rose from 0.3000 to 609,402"),
        ([0.3 * 1.005**row for row in range(3_000)], "training loss rose from 0.3015 to"),
        ([2.0] * 3 + [0.5] * 19 + [2.0] * 3, "training loss rose from 0.5000 to 2.0000"),
        ([0.5] * 20 + [2.0, 2.0, None], "training loss rose from 0.5000 to 2.0000"),
        ([0.5] * 19 + [1.51] * 3, "training loss rose from 0.5000 to 1.5100"),
        ([0.5] * 19 + [1.5] * 3, ""),
        ([0.01] * 19 + [0.101] * 3, "training loss rose from 0.0100 to 0.1010"),
        ([0.01] * 19 + [0.1] * 3, ""),
        # The last loss is the median of a twentieth of the rows, at least 3 and at most 20.
        ([0.5] * 57 + [2.0] * 2, "training loss rose from 0.5000 to 2.0000"),
        ([0.5] * 58 + [2.0] * 1, ""),
        ([0.5] * 97 + [2.0] * 3, "training loss rose from 0.5000 to 2.0000"),
        ([0.5] * 98 + [2.0] * 2, ""),
        ([0.5] * 990 + [2.0] * 10, "training loss rose from 0.5000 to 2.0000"),
        ([0.5] * 991 + [2.0] * 9, ""),
        # A batch that is worse than others is noise, and so is growth of what is next to nothing.
        ([0.5] * 19 + [2.0], ""),
        ([0.001] * 19 + [0.01] * 3, ""),
        ([2.0] + [0.5] * 19, ""),
        ([None] * 20, ""),
    ],
)
def test_a_loss_that_grows(losses: list[float | None], said: str) -> None:
    found = problems(run(losses, norms=[0.3, 0.2]))
    assert len(found) == bool(said)
    assert "".join(found).startswith(said)


def test_divergence_is_not_reported_as_a_vanishing_gradient() -> None:
    assert problems(run([0.3] * 5 + [609402.0] * 3, norms=[0.0, 0.2])) == ["training loss rose from 0.3000 to 609,402"]


def test_a_long_run_is_judged_by_a_part_of_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    level = health._level

    def counted(run: Follower, end: int) -> float | None:
        looks.append(end)
        return level(run, end)

    monkeypatch.setattr(health, "_level", counted)
    long = evaluated(run([1.0] * 100_000), range(50, 100_050, 50), [0.5] + [1.0] * 1999)
    findings(long)
    assert len(looks) < 100


CHANCE = log(10)


@pytest.mark.parametrize(
    ("loss", "accuracy", "steps", "warmup", "epoch", "classes", "is_chance"),
    [
        (CHANCE, 0.1, 200, 0, 40, 10, True),
        # A network that has collapsed is worse than chance; one that learns is on its way.
        (2.5, 0.1, 200, 0, 40, 10, True),
        (0.99 * CHANCE, 0.1, 200, 0, 40, 10, True),
        (0.98 * CHANCE, 0.1, 200, 0, 40, 10, False),
        (CHANCE, 0.199, 200, 0, 40, 10, True),
        (CHANCE, 0.2, 200, 0, 40, 10, False),
        # 100 steps or an epoch after the warm-up.
        (CHANCE, 0.1, 100, 0, 40, 10, True),
        (CHANCE, 0.1, 99, 0, 40, 10, False),
        (CHANCE, 0.1, 220, 3, 40, 10, True),
        (CHANCE, 0.1, 219, 3, 40, 10, False),
        (CHANCE, 0.1, 150, 0, 150, 10, True),
        (CHANCE, 0.1, 149, 0, 150, 10, False),
        (log(2), 0.5, 200, 0, 40, 2, True),
        (1.0, 1.0, 200, 0, 40, 1, False),
    ],
)
def test_a_loss_no_better_than_a_guess(
    loss: float, accuracy: float, steps: int, warmup: float, epoch: int, classes: int, is_chance: bool
) -> None:
    state = State(status="running", heartbeat=time.time(), process=this_process(), steps_per_epoch=epoch)
    follower = run([loss] * steps, state=state)
    follower.train.columns["accuracy"] = array("d", [accuracy] * steps)
    follower.info = RunInfo(id="", name="", classes=[str(number) for number in range(classes)])
    follower.config = override(Config(), [f"schedule.warmup={warmup}"])
    said = f"no better than chance: loss {loss:.4f} with {classes} classes"
    assert problems(follower) == [said] * is_chance


@pytest.mark.parametrize(
    ("norms", "vanishing"),
    [
        ([1e-7, 1e-3, 0.1], True),
        ([0.99e-4, 0.1], True),
        ([1e-4, 0.1], False),
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


def test_a_zero_gradient_is_reported() -> None:
    assert problems(run([1.0], norms=[0.0, 0.1])) == ["the gradient of the first layer is zero"]


def noisy(epoch: int) -> float:
    """Return a noisy loss that falls until epoch 7 and rises after it."""
    return (0.11 + 0.01 * abs(epoch - 7)) * (1 + 0.08 * sin(2.5 * epoch))


def test_overfitting_is_a_validation_loss_far_above_its_lowest() -> None:
    rows = 200
    falling = [exp(-row / 30) for row in range(rows)]
    losses = [noisy(epoch) for epoch in range(1, 21)]
    (said,) = problems(evaluated(run(falling), range(10, rows + 1, 10), losses))
    lowest = losses.index(min(losses)) + 1
    ratio = f"{max(losses) / min(losses):.3g}"
    assert said == f"overfitting: validation loss is {ratio} times its minimum at epoch {lowest}"


@pytest.mark.parametrize(
    ("losses", "validation", "overfits"),
    [
        ([0.4, 0.3, 0.2, 0.1], [0.5, 0.66, 0.66, 0.66], True),
        ([0.4, 0.3, 0.2, 0.1, 0.1], [0.5, 0.6, 0.8, 0.8, 0.8], True),
        # Near the minimum, also just once.
        ([0.4, 0.3, 0.2, 0.1], [0.5, 0.65, 0.65, 0.65], False),
        ([0.4, 0.3, 0.2, 0.1], [0.5, 0.8, 0.8, 0.6], False),
        ([0.4, 0.3, 0.2, 0.1], [0.5, 0.8, None, 0.8], False),
        # Not for long.
        ([0.3, 0.2, 0.1], [0.5, 0.8, 0.8], False),
        ([0.3, 0.2, 0.1, 0.1], [0.9, 0.5, 0.8, 0.8], False),
        # The training loss does not fall.
        ([0.10, 0.11, 0.12, 0.13], [0.5, 0.8, 0.8, 0.8], False),
        ([0.1, 0.1, 0.1, 0.1], [0.5, 0.8, 0.8, 0.8], False),
        ([0.4, 0.3, 0.2, 0.1], [0.0, 0.8, 0.8, 0.8], False),
    ],
)
def test_overfitting_lasts_while_the_training_loss_falls(
    losses: list[float | None], validation: list[float | None], overfits: bool
) -> None:
    found = findings(run(losses, validation))
    assert [finding.text.partition(":")[0] for finding in found if not finding.good] == ["overfitting"] * overfits
    assert not overfits or not any("validation" in finding.text for finding in found if finding.good)


def test_validation_that_was_better_is_no_problem_yet() -> None:
    assert "validation loss 0.4500, best 0.4000 at epoch 2" in notes(run([0.1], [0.5, 0.4, 0.45]))
    assert "validation loss still falling" in notes(run([0.1], [0.5, 0.4, 0.4]))
    assert notes(run([0.1], [0.5])) == ["healthy"]


@pytest.mark.parametrize("value", [0.0, -1.0, 1e308, -1e308, 5e-324, NAN, INF, None])
def test_any_numbers_give_sentences(value: float | None) -> None:
    values = [value, 0.5, value, value, 1.0] * 5
    for losses, validation, norms in itertools.product(([], values), ([], values), ([], [value, value, 1.0])):
        found = findings(run(losses, validation, norms))
        assert found
        assert all(finding.text.isprintable() for finding in found)


def test_findings_are_never_truncated() -> None:
    found = findings(run([1.0], [0.5, 0.4], [0.02, 0.03]))
    assert fit_to_width(found, 200) == "healthy · validation loss still falling · smallest gradient norm 0.02"
    assert fit_to_width(found, 60) == "healthy · validation loss still falling"
    assert fit_to_width(found, 5) == "healthy"


@pytest.mark.parametrize(("smoothing", "last", "rose"), [(0.0, 1.0, True), (0.2, 2.3, True), (0.2, 1.3, False)])
def test_label_smoothing_raises_the_loss_that_counts_as_none(smoothing: float, last: float, rose: bool) -> None:
    """With ten classes and smoothing 0.2, the lowest possible loss is 0.87."""
    lowest = 0.2 if not smoothing else 1.08
    smoothed = run([*(lowest + 1 / step for step in range(1, 30)), *[lowest] * 30, *[last] * 30])
    smoothed.config = override(Config(), [f"training.label_smoothing={smoothing}"])
    smoothed.info = RunInfo(id="", name="", classes=[str(number) for number in range(10)])
    assert any("training loss rose" in problem for problem in problems(smoothed)) is rose


def test_class_weights_with_label_smoothing_give_no_false_alarm() -> None:
    """The weighted loss may be lower than the entropy of the smoothed labels, 0.87."""
    weighted = run([*(0.6 + 1 / step for step in range(1, 30)), *[0.6] * 30, *[1.0] * 30])
    weighted.config = override(Config(), ["training.label_smoothing=0.2", "training.class_weights=balanced"])
    weighted.info = RunInfo(id="", name="", classes=[str(number) for number in range(10)])
    assert problems(weighted) == []


@pytest.mark.parametrize(
    ("wait", "memory", "device", "expected"),
    [
        ([0.5, 0.5, 0.41], [0.5] * 3, "cuda:0", ["the GPU waits 41.00 % of the time for images"]),
        ([0.9, 0.1, 0.9], [0.5] * 3, "cuda:0", []),
        ([0.9, 0.9], [0.5] * 2, "cuda:0", []),
        ([0.9] * 3, [0.5] * 3, "cpu", []),
        ([0.0] * 3, [0.5, 0.97, 0.98, 0.96], "cuda:0", ["96.00 % of the GPU's memory is in use"]),
        ([NAN] * 3, [NAN] * 3, "cuda:0", []),
    ],
)
def test_the_machine(wait: list[float], memory: list[float], device: str, expected: list[str]) -> None:
    active = run(state=State(status="running", process=this_process(), heartbeat=time.time()))
    active.info.device = device
    for step, values in enumerate(itertools.zip_longest(wait, memory, fillvalue=0.0), 1):
        add_row(active.resources, step, wait=values[0], gpu_memory=values[1])
    assert problems(active) == expected
    active.state = State(status="finished")
    assert problems(active) == []
