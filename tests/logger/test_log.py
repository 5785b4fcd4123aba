"""What a script logs is what the run contains."""

import argparse
import json
import math
import pickle
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

import tuitrain
from logged_runs import points
from tuitrain.cli import main
from tuitrain.runs.records import Score
from tuitrain.runs.scripts.follower import ScriptFollower
from tuitrain.widgets.panels import run_report

Read = Callable[[], ScriptFollower]


def test_steps_count_like_those_of_wandb(tmp_path: Path, read: Read) -> None:
    with tuitrain.init(runs_dir=tmp_path / "runs") as run:
        run.log({"a": 1.0})
        run.log({"a": 2.0}, commit=False)
        run.log({"b": 3.0})
        run.log({"a": 4.0}, step=10)
        run.log({"b": 5.0}, step=10, commit=True)
        run.log({"a": 6.0})
    found = read()
    assert points(found, "a") == [(0, 1), (1, 2), (10, 4), (11, 6)]
    assert points(found, "b") == [(1, 3), (10, 5)]


def test_a_step_that_goes_backwards_is_said_once_and_kept(
    tmp_path: Path, read: Read, capsys: pytest.CaptureFixture[str]
) -> None:
    with tuitrain.init(runs_dir=tmp_path / "runs") as run:
        for step in (5, 3, 4):
            run.log({"a": float(step)}, step=step)
    assert points(read(), "a") == [(3, 3), (4, 4), (5, 5)]
    assert capsys.readouterr().err.count("comes after step") == 1


def test_every_kind_of_number_is_logged(tmp_path: Path, read: Read) -> None:
    values = {
        "float": 0.5, "int": 3, "large": 10**400, "bool": True, "nan": math.nan, "inf": -math.inf,
        "numpy": np.float32(0.25), "array": np.array([7]), "tensor": torch.tensor(1.5, requires_grad=True),
        "half": torch.tensor([2], dtype=torch.bfloat16),
    }  # fmt: skip
    with tuitrain.init(runs_dir=tmp_path / "runs") as run:
        run.log(values)
    found = {name: points(read(), name)[0][1] for name in values}
    assert math.isnan(found.pop("nan"))
    assert found == {
        "float": 0.5, "int": 3, "large": math.inf, "bool": 1, "inf": -math.inf, "numpy": 0.25, "array": 7,
        "tensor": 1.5, "half": 2,
    }  # fmt: skip


def test_logging_plain_numbers_calls_few_functions(tmp_path: Path, read: Read) -> None:
    """Each function that a training calls between its steps costs microseconds, since the caches have forgotten it."""
    called: list[str] = []
    with tuitrain.init(runs_dir=tmp_path / "runs") as run:
        sys.setprofile(lambda frame, event, _: called.append(frame.f_code.co_name) if event == "call" else None)
        run.log({"a": 1.0, "b": 2}, step=3)
        sys.setprofile(None)
    assert len(called) <= 2
    assert points(read(), "b") == [(3, 2)]


def test_a_later_change_in_place_does_not_change_a_logged_value(tmp_path: Path, read: Read) -> None:
    loss, data = torch.tensor(1.0), {"nested": {"b": 2.0}}
    with tuitrain.init(runs_dir=tmp_path / "runs") as run:
        run.log({"loss": loss} | data)
        loss += 5
        data["nested"]["b"] = 9.0
    assert points(read(), "loss") == [(0, 1)]
    assert points(read(), "nested/b") == [(0, 2)]


def test_other_values_are_reported_once_by_kind(tmp_path: Path, read: Read, capsys: pytest.CaptureFixture[str]) -> None:
    class Odd:
        def __float__(self) -> float:
            raise RuntimeError("odd")

    with tuitrain.init(runs_dir=tmp_path / "runs") as run:
        for _ in range(3):
            run.log({"text": "x", "odd": Odd(), "image": tuitrain.Image(1), "many": torch.ones(3), "a": 1.0})
        run.log("not a dictionary")  # type: ignore[arg-type]
        run.watch(None)
    assert len(points(read(), "a")) == 3
    assert read().logged_names == ["a"]
    messages = capsys.readouterr().err
    for kind in ("str", "Odd", "Image", "Tensor"):
        assert messages.count(f"not {kind}.") == 1
    assert "watch has no effect" in messages


def test_hostile_names_are_kept_as_text(tmp_path: Path, read: Read) -> None:
    names = ["[red]x[/]", "a\x1b[2Jb", "\ud800", "", "é/ü" * 200, "time", "step", "../../x"]
    with tuitrain.init(name="\x1b[31m\ud800" * 100, config={name: name for name in names}, runs_dir=tmp_path / "runs"):
        tuitrain.log(dict.fromkeys(names, 1.0))
        tuitrain.log({3: 1.0, None: 2.0})
    run = read()
    assert len(run.logged_names) == len(names) + 2
    assert max(map(len, run.logged_names)) == 200
    assert [name for name in run.logged_names if any("\ud800" <= letter <= "\udfff" for letter in name)] == []
    assert list(tmp_path.iterdir()) == [tmp_path / "runs"]


def test_a_clock_that_jumps_back_does_not_reorder_the_run(
    tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time
    with tuitrain.init(runs_dir=tmp_path / "runs") as run:
        run.log({"a": 1.0})
        monkeypatch.setattr(time, "time", lambda: now() - 86_400)
        run.log({"a": 2.0})
    times = [json.loads(line)["time"] for line in read().folder.metrics_file.read_text().splitlines()]
    assert times == sorted(times)
    assert read().folder.state().seconds >= 0


@dataclass
class Settings:
    lr: float = 0.1
    layers: tuple[int, ...] = (1, 2)


@pytest.mark.parametrize("kind", [Settings, argparse.Namespace, dict])
def test_settings_come_from_any_kind_of_object(tmp_path: Path, read: Read, kind: Callable[..., object]) -> None:
    with tuitrain.init(config=kind(lr=0.1, layers=(1, 2)), runs_dir=tmp_path / "runs") as run:
        run.config.seed = 3
        run.config.update({"model": {"name": "resnet18", "odd": object}, "weights": np.arange(3)})
        assert run.config["seed"] == run.config.seed == 3
    assert read().settings == {
        "optimizer.lr": 0.1, "layers": "(1, 2)", "training.seed": 3, "model.name": "resnet18",
        "model.odd": "<class 'object'>", "weights": "[0 1 2]",
    }  # fmt: skip


def test_loss_and_accuracy_are_recognized_and_the_best_epoch_kept(tmp_path: Path, read: Read) -> None:
    with tuitrain.init(runs_dir=tmp_path / "runs") as run:
        for epoch, loss in enumerate([0.9, 0.4, 0.6]):
            run.log({"train/loss": 1.0, "val/loss": loss, "val/acc": 90.0 + epoch, "epoch": epoch}, step=10 * epoch)
    state = read().folder.state()
    assert state.validation is not None
    assert (state.validation.loss, state.validation.accuracy) == (0.6, 0.92)
    assert state.best is not None
    assert (state.best.step, state.best.epoch, state.best.value, state.best.validation.accuracy) == (10, 2, 0.4, 0.91)
    assert state.epoch == 3
    assert list(read().evaluations["validation"]["loss"]) == [0.9, 0.4, 0.6]


def test_declared_metrics_are_loss_and_accuracy(tmp_path: Path, read: Read) -> None:
    with tuitrain.init(runs_dir=tmp_path / "runs", loss=["my_loss", "val/mine"], accuracy="val/hits") as run:
        run.log({"my_loss": 0.5, "val/mine": 0.25, "val/hits": 0.75})
    found = read()
    assert list(found.train["loss"]) == [0.5]
    assert list(found.evaluations["validation"]["accuracy"]) == [0.75]
    state = found.folder.state()
    assert state.validation is not None
    assert (state.validation.loss, state.validation.accuracy) == (0.25, 0.75)


def test_the_summary_contains_what_the_script_stored_and_the_last_values(
    tmp_path: Path, read: Read, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tuitrain.init(runs_dir=tmp_path / "runs")
    run.log({"a": 1.0, "b": 2.0})
    run.summary["b"] = 7
    run.finish()
    assert dict(run.summary) == {"a": 1.0, "b": 7}
    assert pickle.loads(pickle.dumps(run.summary)) == {"a": 1.0, "b": 7}
    assert repr(run.summary) == "{'a': 1.0, 'b': 7}"
    assert "b=7" in run_report.summary(read(), []).plain
    assert main(["show", run.dir, "--runs-dir", str(tmp_path / "runs")]) == 0
    assert "results: b=7" in capsys.readouterr().out


def test_the_summary_has_a_value_as_soon_as_it_is_logged(tmp_path: Path) -> None:
    with tuitrain.init(runs_dir=tmp_path / "runs") as run:
        for step in range(300):
            run.log({"a": step})
            if step % 3 == 0:
                assert run.summary["a"] == step


def test_the_summary_of_a_run_that_writes_nothing_has_the_last_values(tmp_path: Path) -> None:
    run = tuitrain.init(mode="disabled", runs_dir=tmp_path / "runs")
    loss = np.array(2.0)
    for _ in range(2):
        tuitrain.log({"train": {"loss": loss, "picture": object()}}, sync=False)
        loss -= 1
    tuitrain.log(None)  # type: ignore[arg-type]
    assert run.summary["train/loss"] == 1.0
    assert dict(run.summary) == {"train/loss": 1.0}
    run.finish()
    assert not (tmp_path / "runs").exists()


def test_the_module_has_the_settings_of_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tuitrain.summary["best"] = 1
    tuitrain.log({"a": 1.0})
    assert "call tuitrain.init() first" in capsys.readouterr().err
    tuitrain.init(config={"lr": 0.1}, runs_dir=tmp_path / "runs")
    assert tuitrain.config.lr == 0.1
    exec("import tuitrain.config.schema as schema; schema.Config")
    assert tuitrain.run is not None
    tuitrain.finish()
    assert tuitrain.config.__name__ == "tuitrain.config"
    assert tuitrain.run is None


def test_an_error_in_the_block_fails_the_run(tmp_path: Path, read: Read) -> None:
    with pytest.raises(ValueError, match="no data"), tuitrain.init(runs_dir=tmp_path / "runs"):
        raise ValueError("no data")
    assert (read().status, read().state.reason) == ("failed", "ValueError: no data")


def test_an_error_that_cannot_be_shown_as_text_fails_the_run(tmp_path: Path, read: Read) -> None:
    class OddError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    with pytest.raises(OddError), tuitrain.init(runs_dir=tmp_path / "runs"):
        raise OddError
    assert (read().status, read().state.reason) == ("failed", "OddError")


def test_values_after_the_end_are_ignored(tmp_path: Path, read: Read, capsys: pytest.CaptureFixture[str]) -> None:
    run = tuitrain.init(runs_dir=tmp_path / "runs")
    run.finish()
    run.log({"a": 1.0})
    run.log({"a": 1.0})
    assert capsys.readouterr().err.count("the run has finished") == 1
    assert read().logged_names == []


def test_predictions_become_an_evaluation(tmp_path: Path, read: Read, capsys: pytest.CaptureFixture[str]) -> None:
    labels = torch.tensor([0, 1, 1, 2])
    probabilities = torch.eye(3)[[0, 1, 2, 2]] * 0.9 + 1 / 30
    with tuitrain.init(runs_dir=tmp_path / "runs") as run:
        run.log_predictions(labels, probabilities, ["cat", "dog", "fox"])
        run.log_predictions(labels, probabilities * 5, ["cat", "dog", "fox"], split="validation")
    folder = read().folder
    evaluation, predictions = folder.evaluation("test"), folder.predictions("test")
    assert evaluation is not None
    assert predictions is not None
    assert read().folder.state().test == Score(evaluation.loss, 0.75)
    assert evaluation.confusion == [[1, 0, 0], [0, 1, 1], [0, 0, 1]]
    assert (evaluation.accuracy, list(predictions.predicted)) == (0.75, [0, 1, 2, 2])
    assert folder.evaluation("validation") is None
    assert "apply softmax" in capsys.readouterr().err


class DeviceTensor:
    """Stands in for a tensor on a device whose values take long to arrive."""

    device = torch.device("mps")
    is_cuda = False

    def __init__(self, value: float) -> None:
        self.value, self.read_by = value, ""

    def numel(self) -> int:
        return 1

    def is_complex(self) -> bool:
        return False

    def detach(self) -> "DeviceTensor":
        return self

    def clone(self) -> "DeviceTensor":
        self.copy = DeviceTensor(self.value)
        return self.copy

    def item(self) -> float:
        self.read_by = threading.current_thread().name
        return self.value


def test_a_tensor_on_a_device_is_copied_at_once_and_read_by_the_writer(tmp_path: Path, read: Read) -> None:
    loss = DeviceTensor(1.0)
    with tuitrain.init(runs_dir=tmp_path / "runs") as run:
        run.log({"loss": loss})
        loss.value = 5.0
    assert points(read(), "loss") == [(0, 1)]
    assert (loss.read_by, loss.copy.read_by) == ("", "tuitrain")
