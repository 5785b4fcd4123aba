"""Learning curves over `data.fraction`, and what they say about more data."""

from collections.abc import Callable
from math import log2, sqrt
from pathlib import Path
from statistics import stdev

import numpy as np
import pytest
from msgspec.structs import replace
from scipy.stats import t

from tuitrain.analysis.learning_curve import (
    LearningCurve,
    Point,
    is_learning_curve,
    learning_curve,
    read_infos,
    sentence,
    table,
)
from tuitrain.config.schema import Config
from tuitrain.config.sweeps.fractions import fractions_sweep
from tuitrain.config.sweeps.overrides import override_sweep
from tuitrain.config.sweeps.sweep import Sweep
from tuitrain.config.values import override
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Best, RunInfo, Score, State
from tuitrain.runs.sweeps.index import Outcome
from tuitrain.runs.sweeps.records import Job


def curve(*points: tuple[int, list[float]], held_out: int = 1000) -> LearningCurve:
    ascending = [
        Point(images / max(1, points[-1][0]), images, dict(enumerate(accuracies)), None)
        for images, accuracies in points
    ]
    return LearningCurve("validation", held_out, tuple(ascending))


def test_the_gain_of_several_runs_is_paired_by_seed() -> None:
    gain = curve((100, [0.1] * 3), (500, [0.70, 0.80, 0.75]), (1000, [0.74, 0.86, 0.80])).gain
    assert gain is not None
    assert gain.value == pytest.approx(0.05)
    error = 4.30 * stdev([0.04, 0.06, 0.05]) / sqrt(3)
    assert (gain.low, gain.high) == pytest.approx((0.05 - error, 0.05 + error))
    assert (gain.runs, gain.verdict) == (3, "likely")
    # The second run is missing at half of the images.
    half = Point(0.5, 500, {0: 0.70, 2: 0.75}, None)
    whole = Point(1, 1000, {0: 0.74, 1: 0.86, 2: 0.80}, None)
    partial = LearningCurve("validation", 1000, (half, whole)).gain
    assert partial is not None
    assert partial.value == pytest.approx(0.045)
    assert partial.runs == 2


@pytest.mark.parametrize(
    ("points", "value"),
    [
        # Half of the images is a point.
        (((250, [0.1]), (500, [0.8]), (1000, [0.9])), 0.1),
        # Interpolated between 200 and 800, whose middle is 400 in the logarithm.
        (((200, [0.5]), (800, [0.9]), (1000, [0.9])), 0.4 - 0.4 * log2(500 / 200) / 2),
        # The line through both points, which are less than a doubling apart, continues.
        (((800, [0.80]), (1000, [0.85])), 0.05 / log2(1000 / 800)),
        (((125, [0.6]), (1000, [0.9])), 0.1),
        (((600, [0.70]), (800, [0.99]), (1000, [0.80])), 0.1 / log2(1000 / 600)),
        # Two fractions of a tiny split with the same number of images are one point.
        (((10, [0.2]), (10, [0.3]), (20, [0.5])), 0.3),
    ],
)
def test_the_accuracy_at_half_of_the_images_is_interpolated(
    points: tuple[tuple[int, list[float]], ...], value: float
) -> None:
    gain = curve(*points).gain
    assert gain is not None
    assert gain.value == pytest.approx(value)


@pytest.mark.parametrize(
    ("before", "after", "verdict", "worth"),
    [
        ([0.80, 0.80, 0.80], [0.82, 0.83, 0.82], "likely", 0.005),
        # A gain of half a point, and one below it.
        ([0.80, 0.80, 0.80], [0.8051, 0.8051, 0.8051], "likely", 0.005),
        ([0.80, 0.80, 0.80], [0.804, 0.804, 0.804], "unlikely", 0.005),
        # Of few errors, a tenth is enough.
        ([0.98, 0.98, 0.98], [0.9825, 0.9825, 0.9825], "likely", 0.002),
        ([0.98, 0.98, 0.98], [0.981, 0.981, 0.981], "unlikely", 0.002),
        ([1.0, 1.0], [1.0, 1.0], "unlikely", 0.0),
        ([0.80, 0.80, 0.80], [0.79, 0.78, 0.79], "unlikely", 0.005),
        # Seeds disagree.
        ([0.80, 0.80, 0.80], [0.79, 0.86, 0.82], "uncertain", 0.005),
        ([0.80, 0.80], [0.82, 0.83], "uncertain", 0.005),
        # One run, measured by 1,000 images.
        ([0.80], [0.85], "likely", 0.005),
        ([0.80], [0.82], "uncertain", 0.005),
        ([0.80], [0.74], "unlikely", 0.005),
    ],
)
def test_the_rule(before: list[float], after: list[float], verdict: str, worth: float) -> None:
    gain = curve((500, before), (1000, after)).gain
    assert gain is not None
    assert gain.verdict == verdict
    assert gain.worth == pytest.approx(worth)


def test_a_single_run_has_the_error_of_its_images() -> None:
    gain = curve((500, [0.8]), (1000, [0.9]), held_out=400).gain
    assert gain is not None
    assert gain.high - gain.value == pytest.approx(1.96 * sqrt((0.8 * 0.2 + 0.9 * 0.1) / 400))
    # A damaged record may have no images, and an extrapolated accuracy may be below 0.
    assert curve((800, [0.0]), (1000, [1.0]), held_out=0).gain is not None
    assert curve((0, [0.5]), (0, [0.5])).gain is None


@pytest.mark.parametrize("runs", range(2, 13))
def test_the_interval_is_students(runs: int) -> None:
    random = np.random.default_rng(runs)
    before, after = random.normal(0.8, 0.01, runs), random.normal(0.85, 0.01, runs)
    gain = curve((500, before.tolist()), (1000, after.tolist())).gain
    assert gain is not None
    # From ten degrees of freedom on, the interval is a little too wide.
    freedom = min(runs - 1, 10)
    error = t.ppf(0.975, freedom) * stdev((after - before).tolist()) / sqrt(runs)
    assert gain.high - gain.value == pytest.approx(error, rel=0.002)


def test_a_record_without_sizes_is_no_point_of_the_gain() -> None:
    sweep = fractions_sweep(Config(), "mine", "0.5,1", 1)
    found = [outcome(0.5, 0, 0.7), outcome(1, 0, 0.8)]
    found[0][1].sizes = {}
    shown = learning_curve(sweep, [each for each, _ in found], {info.id: info for _, info in found})
    assert shown.points[0].images == 0
    assert shown.gain is None


def outcome(fraction: float, seed: int, accuracy: float, epoch: int = 3) -> tuple[Outcome, RunInfo]:
    id = f"{fraction}-{seed}"
    best = Best(epoch, 10, Score(0.1, accuracy), Score(0.1, accuracy - 0.1))
    state = State(status="finished", epoch=5, best=best)
    values = {"data.fraction": fraction}
    info = RunInfo(
        id=id,
        name=id,
        sizes={"train": round(1000 * fraction), "validation": 100, "test": 200},
        fingerprints={"validation": f"v{seed}", "test": "t"},
    )
    return Outcome(Job(0, seed), values, "finished", RunFolder(Path(id)), state), info


def test_runs_become_points_a_table_and_a_sentence() -> None:
    sweep = fractions_sweep(Config(), "mine", "1,0.5", 2)
    assert is_learning_curve(sweep)
    found = [outcome(0.5, 0, 0.7), outcome(1, 0, 0.8), outcome(0.5, 1, 0.8), outcome(1, 1, 0.9)]
    outcomes, infos = [each for each, _ in found], {info.id: info for _, info in found}
    running = replace(outcomes[0], status="running", job=Job(0, 2))
    curve = learning_curve(sweep, [*outcomes, running, Outcome(Job(1, 2), None, "queued")], infos)
    assert table(curve) == [
        ["fraction", "training images", "runs", "validation accuracy", "test accuracy"],
        ["0.5", "500", "2", "75.00 % ± 7.07", "65.00 % ± 7.07"],
        ["1", "1,000", "2", "85.00 % ± 7.07", "75.00 % ± 7.07"],
    ]
    assert sentence(curve) == (
        "The last doubling of the training images, to 1,000, changed the validation accuracy by +10.00 points"
        " (95 % interval +10.00 to +10.00, 2 runs each): more data is likely to help."
    )
    assert sentence(learning_curve(sweep, outcomes[:1], infos)).startswith(
        "Two fractions with finished runs are needed"
    )
    assert "1 run each)" in sentence(learning_curve(sweep, outcomes[:2], infos))
    half = [replace(each, state=outcome(1, 0, 0.8, epoch=5)[0].state) for each in outcomes[:2]]
    assert "epochs first" not in sentence(learning_curve(sweep, [*half, *outcomes[2:]], infos))
    late = [replace(each, state=outcome(1, 0, 0.8, epoch=5)[0].state) for each in outcomes[1:]]
    text = sentence(learning_curve(sweep, [outcomes[0], *late], infos))
    assert text.endswith(
        "But the best epoch of 3 of 4 runs is their last one: try more epochs first, because runs on fewer images take"
        " fewer steps."
    )


def test_other_images_are_not_compared() -> None:
    sweep = fractions_sweep(Config(), "mine", "0.5,1", 1)
    found = [outcome(0.5, 0, 0.7), outcome(1, 0, 0.8)]
    found[1][1].fingerprints["test"] = "other"
    curve = learning_curve(sweep, [each for each, _ in found], {info.id: info for _, info in found})
    assert sentence(curve) == "The test images of the runs differ, so that their accuracies are not comparable."


def test_without_a_validation_split_the_test_split_counts() -> None:
    sweep = fractions_sweep(override(Config(), ["data.validation=0"]), "mine", "0.5,1", 1)
    assert sweep.objective == "train.accuracy"
    ended, info = outcome(1, 0, 0.8)
    assert ended.state is not None
    ended.state.test = Score(0.1, 0.6)
    curve = learning_curve(sweep, [ended], {info.id: info})
    assert (curve.split, curve.held_out) == ("test", 200)
    assert table(curve)[1] == ["1", "1,000", "1", "60.00 %"]


def test_only_sweeps_over_the_fraction_alone_are_learning_curves() -> None:
    both = override_sweep(Sweep(), ["data.fraction=0.5,1", "optimizer.lr=0.1,0.2"])
    assert not is_learning_curve(both)
    assert is_learning_curve(override_sweep(Sweep(), ["data.fraction=0.5,1", "training.seed=3,4"]))
    assert not is_learning_curve(override_sweep(Sweep(), ["data.fraction=0.5,1"], [{"optimizer.lr": 0.1}]))


def test_damaged_records_are_left_out(tmp_path: Path, write_run: Callable[..., RunFolder]) -> None:
    ended, info = outcome(1, 0, 0.8)
    damaged = replace(ended, run=RunFolder(tmp_path))
    assert read_infos([damaged], {}) == {}
    run = write_run("one")
    assert read_infos([damaged, replace(ended, run=run), replace(ended, status="running")], {}) == {run.id: run.info()}
    assert read_infos([ended], {info.id: info}) == {info.id: info}
