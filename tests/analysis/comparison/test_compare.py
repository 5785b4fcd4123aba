import csv
import io
import json
from collections.abc import Callable
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuitrain.analysis.comparison.compare import METRICS, Metric, best_of, class_gains, compare, first_reaching
from tuitrain.analysis.comparison.export import format_comparison
from tuitrain.analysis.comparison.table import compare_table
from tuitrain.cli import main
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Curve, Follower
from tuitrain.runs.records import Best, Evaluation, RunInfo, Score
from tuitrain.runs.rows import Evaluated
from tuitrain.runs.writer import RunWriter, create
from written_runs import add_row

MakeRun = Callable[..., RunFolder]
HOSTILE = "\x1b[2J[red]|x[/]"


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    def make(name: str, *settings: str, validation: tuple[float, ...] = (), test: float | None = None) -> RunFolder:
        folder = create(tmp_path / "runs", RunInfo(id="", name=name), override(Config(), settings))
        writer = RunWriter(folder)
        for epoch, accuracy in enumerate(validation, 1):
            writer.row(Evaluated("validation", 10 * epoch, epoch, 1 - accuracy, accuracy, 2.0 * epoch, 100.0 + epoch))
        scores: dict[str, Any] = {"test": Score(1 - test, test)} if test is not None else {}
        last: dict[str, Any] = {}
        if validation:
            top = max(validation)
            last["validation"] = Score(1 - validation[-1], validation[-1])
            last["best"] = Best(1 + validation.index(top), 10, Score(1 - top, top))
        writer.update(status="finished", epoch=len(validation), seconds=2.0 * len(validation), **scores, **last)
        writer.close()
        return folder

    return make


def read(*folders: RunFolder) -> list[Follower]:
    followers = [Follower(folder, brief=True) for folder in folders]
    for follower in followers:
        while follower.poll():
            pass
        assert not follower.problem
    return followers


def test_runs_that_were_tested_on_other_images_are_marked(make_run: MakeRun) -> None:
    runs = read(*(make_run(name, validation=(0.5,), test=0.5) for name in "abcd"))
    for run, images in zip(runs, ("1f", "1f", "2f", ""), strict=True):
        run.info.fingerprints = {"test": images}
    found = compare(runs)
    assert found.other_images == {runs[2].folder.id}
    (row,) = (row for row in compare_table(found, [[run.id] for run in found.runs], {}) if row.title == "McNemar p")
    assert [cell.text for cell in row.cells] == ["", "", "other images", ""]
    assert compare(runs, baseline=runs[3].folder.id).other_images == frozenset()


def test_settings_metrics_and_deltas(make_run: MakeRun) -> None:
    one = make_run("one", "optimizer.lr=0.1", validation=(0.5, 0.9, 0.8), test=0.75)
    other = make_run("other", "optimizer.lr=0.2", "model.activation=sigmoid", validation=(0.6, 0.7), test=0.5)
    found = compare(read(one, other))
    assert found.differing == ("model.activation", "optimizer.lr")
    assert found.baseline == one.id
    first, second = found.runs
    assert first.metrics["test_accuracy"] == 0.75
    assert first.metrics["validation_accuracy"] == 0.8
    assert first.metrics["best_validation_accuracy"] == 0.9
    assert first.metrics["best_validation_loss"] == pytest.approx(0.1)
    assert first.metrics["train_loss"] is None
    assert found.delta(second, "test_accuracy") == pytest.approx(-0.25)
    assert found.delta(first, "test_accuracy") is None
    assert found.delta(second, "train_loss") is None
    other_way = compare(read(one, other), baseline=other.id)
    assert other_way.delta(first, "seconds") == pytest.approx(2.0)


def test_the_best_epoch_has_the_lowest_loss_not_the_highest_accuracy(
    train: Callable[..., Follower], capsys: pytest.CaptureFixture[str]
) -> None:
    # At a high learning rate accuracy still rises here and there where the loss is worse already.
    runs = [train("training.epochs=12", "optimizer.lr=0.02", f"training.seed={seed}") for seed in range(2)]
    found = json.loads(command(capsys, runs[0].folder.path.parent, *(run.folder.id for run in runs), "--json"))
    curves = [run.evaluations["validation"] for run in runs]
    lowest = [list(curve["loss"]).index(min(curve["loss"])) for curve in curves]
    assert any(curve["accuracy"][at] < max(curve["accuracy"]) for curve, at in zip(curves, lowest, strict=True))
    for run, curve, at, said in zip(runs, curves, lowest, found["runs"], strict=True):
        metrics = said["metrics"]
        assert metrics["best_validation_loss"] == curve["loss"][at]
        assert metrics["best_validation_accuracy"] == curve["accuracy"][at]
        assert run.state.best is not None
        assert run.state.best.test is not None
        assert metrics["best_weights_test_accuracy"] == run.state.best.test.accuracy


def test_epochs_to_reach_95_percent_of_the_best(make_run: MakeRun) -> None:
    folders = [make_run("a", validation=(0.5, 0.9, 0.8)), make_run("b", validation=(0.6, 0.7)), make_run("c")]
    found = compare(read(*folders))
    assert found.threshold == 0.95 * 0.9
    assert [run.metrics["epochs_to_reach"] for run in found.runs] == [2, None, None]
    lower = compare(read(*folders), threshold=0.7)
    assert [run.metrics["epochs_to_reach"] for run in lower.runs] == [2, 2, None]
    assert [run.metrics["seconds_to_reach"] for run in lower.runs] == [4.0, 4.0, None]
    assert compare(read(folders[2])).threshold is None


def test_reach_takes_the_first_row_and_no_nan() -> None:
    curve = Curve()
    for step, accuracy in enumerate((nan, 0.2, 0.5, 0.4, 0.6)):
        add_row(curve, step, accuracy=accuracy)
    assert [first_reaching(curve, threshold) for threshold in (0.1, 0.5, 0.55, 0.7)] == [1, 2, 4, None]


def test_the_best_values_are_marked() -> None:
    accuracy, loss = (next(m for m in METRICS if m.key == key) for key in ("test_accuracy", "test_loss"))
    epochs = next(metric for metric in METRICS if metric.key == "epochs")
    speed = next(metric for metric in METRICS if metric.key == "images_per_second")
    values = {"a": 1.0, "b": 2.0, "c": 2.0, "d": None}
    assert best_of(accuracy, values) == {"b", "c"}
    assert best_of(loss, values) == {"a"}
    assert best_of(epochs, values) == set()
    assert best_of(accuracy, {"a": 1.0, "b": None, "c": 1.0}) == set()
    assert best_of(accuracy, {"a": None, "b": None}) == set()
    assert best_of(accuracy, {"a": 0.50001, "b": 0.5, "c": 0.4}) == {"a", "b"}
    assert best_of(accuracy, {"a": 0.50001, "b": 0.5}) == set()
    assert best_of(speed, {"a": 1000.0, "b": 1030.0}) == set()
    assert best_of(speed, {"a": 1000.0, "b": 1100.0}) == {"b"}


HIGHEST = (
    "accuracy", "images_per_second", "_f1", "precision", "recall", "kappa", "mcc", "roc_auc",
)  # fmt: skip
NO_BEST = ("seconds", "epochs", "parameters")


@pytest.mark.parametrize("metric", METRICS, ids=[metric.key for metric in METRICS])
def test_accuracies_and_speed_are_best_high_and_losses_and_times_low(metric: Metric) -> None:
    best = "high" if metric.key.endswith(HIGHEST) else "low"
    assert best_of(metric, {"low": 1.0, "high": 2.0}) == (set() if metric.key in NO_BEST else {best})


def test_unknown_results_are_none(make_run: MakeRun) -> None:
    one, other = read(make_run("one"), make_run("other"))
    one.info.parameters, one.state.samples_per_second, one.state.seconds = 1234, 99.5, nan
    first, second = (run.metrics for run in compare([one, other]).runs)
    assert (first["parameters"], first["images_per_second"], first["seconds"]) == (1234, 99.5, None)
    assert {key for key, value in second.items() if value is not None} == {"epochs", "seconds"}


def test_a_damaged_run_has_no_settings_and_spoils_nothing(make_run: MakeRun) -> None:
    folders = [make_run("a", "optimizer.lr=0.1", test=0.5), make_run("b", "optimizer.lr=0.2", test=0.5)]
    (folders[1].config_file).write_text("{")
    followers = [Follower(folder) for folder in folders]
    for follower in followers:
        follower.poll()
    found = compare(followers)
    assert found.differing == ()
    assert [run.status for run in found.runs] == ["finished", "damaged"]
    assert len(found.groups) == 2


def test_class_gains() -> None:
    def evaluated(confusion: list[list[int]], names: str = "abc") -> Evaluation:
        return Evaluation(
            split="test", checkpoint="last", epoch=1, step=1, loss=0.1, accuracy=0.5, classes=list(names),
            confusion=confusion,
        )  # fmt: skip

    first = evaluated([[5, 5, 0], [0, 10, 0], [0, 0, 0]])
    second = evaluated([[10, 0, 0], [1, 9, 0], [0, 0, 0]])
    assert [(gain.name, gain.gain, gain.support) for gain in class_gains(first, second)] == [
        ("a", 0.5, 10),
        ("b", pytest.approx(-0.1), 10),
    ]
    assert class_gains(first, evaluated(first.confusion, "abd")) == []


def command(capsys: pytest.CaptureFixture[str], runs_dir: Path, *arguments: str) -> str:
    assert main(["compare", *arguments, "--runs-dir", str(runs_dir)]) == 0
    return capsys.readouterr().out


def test_the_command_gives_the_same_numbers(make_run: MakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    tests = [0.75, 0.5, 0.625]
    folders = [
        make_run(f"x-s{seed}", f"training.seed={seed}", validation=(0.5,), test=test) for seed, test in enumerate(tests)
    ]
    runs_dir, ids = folders[0].path.parent, [folder.id for folder in folders]
    found = json.loads(command(capsys, runs_dir, *ids, "--json"))
    assert found["differing_settings"] == ["training.seed"]
    assert [run["settings"] for run in found["runs"]] == [{"training.seed": seed} for seed in range(3)]
    assert [run["delta"]["test_accuracy"] for run in found["runs"]] == [None, -0.25, -0.125]
    assert found["best"]["test_accuracy"] == [ids[0]]
    [group] = found["groups"]
    assert (group["name"], group["runs"]) == ("x", ids)
    spread = group["metrics"]["test_accuracy"]
    assert spread["mean"] == pytest.approx(np.mean(tests))
    assert spread["sd"] == pytest.approx(np.std(tests, ddof=1))
    assert [test["problem"] is None for test in found["mcnemar"]] == [False, False]
    compared = compare(read(*folders))
    assert [run["metrics"] for run in found["runs"]] == [dict(run.metrics) for run in compared.runs]
    whole = json.loads(command(capsys, runs_dir, *ids, "--json", "--all"))
    assert whole["runs"][0]["settings"]["optimizer.name"] == "adam"


def test_tables_are_safe_to_paste(make_run: MakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = make_run(HOSTILE, validation=(0.5,), test=0.5), make_run("=cmd()", "optimizer.lr=0.5", test=0.25)
    runs_dir = one.path.parent
    rows = list(csv.DictReader(io.StringIO(command(capsys, runs_dir, one.id, other.id, "--format", "csv"))))
    assert [(row["test_accuracy"], row["optimizer.lr"]) for row in rows] == [("0.5", "0.001"), ("0.25", "0.5")]
    assert rows[1]["name"] == "'=cmd()"
    markdown = command(capsys, runs_dir, one.id, other.id, "--format", "markdown")
    assert "| last test | 50.00 % ★ | 25.00 % -25.00 |" in markdown
    assert r"\[red\]\|x\[/\]" in markdown
    for text in (markdown, command(capsys, runs_dir, one.id, other.id)):
        assert "\x1b" not in text


def test_a_comparison_needs_two_runs(make_run: MakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    one = make_run("one")
    assert main(["compare", one.id, one.id, "--runs-dir", str(one.path.parent)]) == 2
    assert "Name at least two runs" in capsys.readouterr().err


def test_groups_average_one_run_per_seed(make_run: MakeRun) -> None:
    runs = [make_run(f"r{index}", f"training.seed={seed}", test=test)
            for index, (seed, test) in enumerate(((0, 0.5), (1, 0.7), (0, 0.1)))]  # fmt: skip
    [group] = compare(read(*runs)).groups
    assert group.repeats == (runs[2].id,)
    summary = compare(read(*runs)).mean_sd(group.ids, "test_accuracy")
    assert summary is not None
    assert summary.mean == pytest.approx(0.6)
    assert summary.n == 2


def test_runs_and_groups_are_labelled_by_what_differs(make_run: MakeRun) -> None:
    settings = [("sgd", 0), ("sgd", 1), ("adam", 0), ("adam", 1)]
    runs = [make_run("", f"optimizer.name={rule}", f"training.seed={seed}") for rule, seed in settings]
    found = compare(read(*runs, make_run("mine", "optimizer.lr=0.5")))
    assert [run.label for run in found.runs] == ["sgd s0", "sgd s1", "adam s0", "adam s1", "mine"]
    assert [group.name for group in found.groups] == ["sgd", "adam", "mine"]


def test_more_than_four_runs_are_rows(make_run: MakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [make_run("", f"optimizer.lr={rate}", test=rate) for rate in (0.1, 0.2, 0.3, 0.4, 0.5)]
    ids = [folder.id for folder in folders]
    lines = command(capsys, folders[0].path.parent, *ids, "--format", "markdown").splitlines()
    titles, _, *rows = [line.strip("| ").split(" | ") for line in lines]
    assert [row[:2] for row in rows] == [[f"lr=.{number}", f"0.{number}"] for number in range(1, 6)]
    tests = [row[titles.index("last test") + 1] for row in rows]
    assert tests == ["10.00 %", "20.00 % +10.00", "30.00 % +20.00", "40.00 % +30.00", "50.00 % ★ +40.00"]


def test_groups_are_exported_with_their_standard_deviation(make_run: MakeRun) -> None:
    tests = [("sgd", 0, 0.5), ("sgd", 1, 0.7), ("adam", 0, 0.9)]
    folders = [make_run("", f"optimizer.name={rule}", f"training.seed={seed}", test=test) for rule, seed, test in tests]
    found = compare(read(*folders))
    markdown = format_comparison(found, [], "markdown", grouped=True)
    assert "|  | sgd ×2 | adam |" in markdown
    assert "| last test | 60.00 % ± 14.14 | 90.00 % ★ +30.00 |" in markdown
    first, second = csv.DictReader(io.StringIO(format_comparison(found, [], "csv", grouped=True)))
    assert (first["group"], first["seeds"], first["optimizer.name"]) == ("sgd", "2", "sgd")
    assert float(first["test_accuracy"]) == pytest.approx(0.6)
    assert float(first["test_accuracy_sd"]) == pytest.approx(np.std([0.5, 0.7], ddof=1))
    assert (second["test_accuracy"], second["test_accuracy_sd"]) == ("0.9", "")
