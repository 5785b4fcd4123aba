from statistics import stdev
from typing import Any

import pytest

from tuitrain.analysis.sweep import (
    Effect,
    Result,
    best,
    best_title,
    column_title,
    describe_values,
    effects_of,
    format_metric,
    fraction_done,
    heat_map,
    results,
    seconds_left,
    ties,
)
from tuitrain.analysis.table.groups import MeanSD, mean_sd
from tuitrain.config.schema import Goal
from tuitrain.config.sweeps.overrides import override_sweep
from tuitrain.config.sweeps.sweep import Sweep, short_names
from tuitrain.config.sweeps.toml import loads
from tuitrain.errors import ConfigError
from tuitrain.runs.records import Best, Score, State, Status
from tuitrain.runs.sweeps.index import Outcome
from tuitrain.runs.sweeps.records import Job


def result(trial: int, score: float | None, **values: Any) -> Result:
    return Result(trial, values, score, score)


RESULTS = [
    result(0, 0.5, lr=0.1, opt="sgd"),
    result(0, 0.7, lr=0.1, opt="sgd"),
    result(1, 0.9, lr=0.01, opt="sgd"),
    result(2, 0.8, lr=0.1, opt="adam"),
    result(3, None, lr=0.01, opt="adam"),
]


def about(n: int, mean: float, sd: float) -> Any:
    """Equal to a summary of about these numbers."""
    return MeanSD(pytest.approx(mean), pytest.approx(sd), n)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("goal", "metric", "column", "title", "value"),
    [
        ("macro-f1", "validation.best", "best val macro-F1", "best val macro-F1", 0.7),
        ("macro-f1", "validation.accuracy", "best val by macro-F1", "best val by macro-F1", 0.8),
        ("loss", "validation.best", "best val loss", "best val loss", 0.5),
        ("loss", "validation.accuracy", "best val", "best val by loss", 0.8),
        ("accuracy", "validation.best", "best val", "best val", 0.8),
        ("balanced-accuracy", "train.loss", "train loss", "train loss", 0.3),
    ],
)
def test_the_objective_can_follow_training_best(goal: Goal, metric: str, column: str, title: str, value: float) -> None:
    sweep = override_sweep(Sweep(), ["optimizer.lr=0.1,0.2", f"training.best={goal}", f"sweep.metric={metric}"])
    scores = {"macro-f1": 0.7, "loss": 0.5, "accuracy": 0.8, "balanced-accuracy": 0.6}
    state = State(status="finished", train=Score(0.3, 0.9))
    state.best = Best(1, 1, Score(0.5, 0.8), metric=goal, value=scores[goal])
    (found,) = results(sweep, [Outcome(Job(0, 0), {"optimizer.lr": 0.1}, "finished", None, state)])
    assert (found.metric, found.score) == (value, value)
    assert sweep.higher_is_better == ("loss" not in title.removesuffix(" by loss"))
    assert (column_title(sweep, sweep.objective), best_title(sweep)) == (column, title)
    shown = f"{100 * value:.2f} %" if sweep.higher_is_better else f"{value:.4f}"
    assert format_metric(sweep.objective, value) == shown


def test_trials_with_different_goals_have_no_common_objective() -> None:
    varying = ["training.best=loss,macro-f1"]
    with pytest.raises(ConfigError, match=r"cannot rank trials that differ in training.best"):
        override_sweep(Sweep(), [*varying, "sweep.metric=validation.best"])
    assert best_title(override_sweep(Sweep(), varying)) == "best val by training.best"


def test_settings_that_a_trial_ignores_are_left_out() -> None:
    sweep = override_sweep(Sweep(), ["model.name=mlp,timm/resnet18", "model.activation=relu,tanh"])
    state = State(status="finished", best=Best(1, 1, Score(0.5, 0.8)))
    trials = enumerate(sweep.fixed_trials)
    assert sweep.repeated_trials == 1
    found = results(sweep, [Outcome(Job(trial, 0), values, "finished", None, state) for trial, values in trials])
    assert [set(one.values) for one in found] == [{"model.name", "model.activation"}] * 2 + [{"model.name"}] * 2
    assert [effect.all.n for effect in effects_of(found, "model.activation", True) if effect.all] == [1, 1]
    assert heat_map(found, "model.name", "model.activation").rows == ["mlp"]


def test_a_summary_counts_only_known_values() -> None:
    assert mean_sd([]) is None
    assert mean_sd([None]) is None
    assert mean_sd([0.5, None]) == MeanSD(0.5, None, 1)
    assert mean_sd([0.5, 0.7]) == about(2, 0.6, stdev([0.5, 0.7]))


def test_the_effect_of_a_setting_is_its_best_trial_and_the_mean_over_all_else() -> None:
    assert effects_of(RESULTS, "lr", True) == [
        Effect("0.01", 0.9, MeanSD(0.9, None, 1)),
        Effect("0.1", 0.8, about(3, 2 / 3, stdev([0.5, 0.7, 0.8]))),
    ]
    # The worse seed of a trial does not make it the best by a loss: its mean counts.
    assert [(one.label, one.best) for one in effects_of(RESULTS, "opt", False)] == [
        ("sgd", pytest.approx(0.6)),
        ("adam", 0.8),
    ]


def test_no_trial_is_the_best_for_its_test() -> None:
    tested = [Result(0, {"lr": 0.1}, 0.7, 0.9), Result(1, {"lr": 0.1}, 0.8, 0.6)]
    assert [(one.best, one.all and one.all.mean) for one in effects_of(tested, "lr", True)] == [(0.7, 0.75)]


def test_a_value_without_a_score_keeps_its_place() -> None:
    assert effects_of([result(0, None, lr=1.0)], "lr", True) == [Effect("1", None, None)]


def test_many_numbers_are_binned() -> None:
    many = [result(index, index / 10, lr=index / 8) for index in range(10)]
    groups = effects_of(many, "lr", True)
    assert [one.label for one in groups] == ["0–0.25", "0.375–0.625", "0.75–1", "1.12–1.12"]
    assert [one.all.n for one in groups if one.all] == [3, 3, 3, 1]
    assert groups[0].all == about(3, 0.1, 0.1)


def test_truth_is_no_number() -> None:
    found = effects_of([result(0, 1.0, on=True), result(1, 2.0, on=False)], "on", True)
    assert [one.label for one in found] == ["true", "false"]


def test_the_map_has_a_cell_for_each_pair() -> None:
    found = heat_map(RESULTS, "opt", "lr")
    assert (found.rows, found.columns) == (["sgd", "adam"], ["0.01", "0.1"])
    means = [[cell.mean if cell else None for cell in row] for row in found.cells]
    assert means == [[0.9, pytest.approx(0.6)], [None, 0.8]]
    assert found.span == pytest.approx((0.6, 0.9))
    assert heat_map([], "opt", "lr").span == (0.0, 0.0)


def test_best_is_the_best_mean_over_seeds() -> None:
    assert best(RESULTS, True) == (1, MeanSD(0.9, None, 1))
    found = best(RESULTS, False)
    assert found is not None
    assert found[0] == 0
    assert found[1].mean == pytest.approx(0.6)
    assert best([result(1, 0.5), result(0, 0.5)], True) == (0, MeanSD(0.5, None, 1))
    assert best([result(0, None)], True) is None


def test_ties_are_trials_with_the_same_mean() -> None:
    found = [result(0, 0.5), result(0, 0.7), result(1, 0.6), result(2, 0.7), result(3, None)]
    assert ties(found, 0) == [1]
    assert ties(found, 2) == []


def test_names_are_short_where_they_can_be() -> None:
    assert list(short_names(["optimizer.name", "model.activation", "optimizer.lr"]).values()) == [
        "optimizer",
        "activation",
        "lr",
    ]
    same = ["schedule.patience", "training.patience"]
    assert list(short_names(same).values()) == same
    assert describe_values({"optimizer.name": "sgd", "training.patience": None}) == "optimizer=sgd patience=none"


def ended(status: Status, took: float = 10.0, **state: Any) -> Outcome:
    whole = State(status=status, seconds=took, **state)
    return Outcome(Job(0, 0), {"optimizer.lr": 0.1}, status, None, whole)


def test_results_are_of_runs_that_have_ended_well() -> None:
    sweep = loads("[sweep.values]\n'optimizer.lr' = [0.1, 0.2]")
    best_ = Best(1, 1, Score(0.5, 0.8), Score(0.4, 0.75))
    outcomes = [
        ended("finished", best=best_, test=Score(0.4, 0.7)),
        ended("stopped", best=best_),
        ended("failed", best=best_),
        ended("running", best=best_),
        Outcome(Job(0, 0), None, "queued"),
    ]
    assert [one.score for one in results(sweep, outcomes)] == [0.8, 0.8, None]
    assert [one.score for one in results(sweep, outcomes, "test.accuracy")] == [0.7, None, None]
    assert [one.score for one in results(sweep, outcomes, "best-test.accuracy")] == [0.75, 0.75, None]


def test_the_time_left_counts_queued_and_running_trials() -> None:
    sweep = loads("[training]\nepochs = 10\n[sweep.values]\n'optimizer.lr' = [0.1, 0.2]")
    queued, long = (Outcome(Job(0, 0), values, "queued") for values in (None, {"training.epochs": 40}))
    running = ended("running", 3.75, step=25, steps=100)
    done = [ended("finished"), ended("finished", 20)]
    assert seconds_left(sweep, [*done, running, running, queued]) == pytest.approx(18.75)
    assert seconds_left(sweep, [*done, running, running, queued, long]) == pytest.approx(18.75 + 30)
    # As fast as it is so far, where none has finished.
    assert seconds_left(sweep, [running, queued]) == pytest.approx(15 * 1.75)
    assert seconds_left(sweep, [ended("finished"), queued]) is None
    assert seconds_left(sweep, [ended("running", 1.0, step=1, steps=100), queued]) is None
    assert fraction_done(sweep, [*done, running, running, queued, long]) == pytest.approx(25 / 90)
    assert fraction_done(sweep, []) == 0
