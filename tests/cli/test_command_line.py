"""The commands as scripts use them: real processes, exit codes, stdout and stderr."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import forked
from app.lost_terminal import until
from cli.commands import Done, command, only_run, overrides
from tuitrain.cli.commands.train import _print_result
from tuitrain.config.settings import settings
from tuitrain.config.toml import read
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import State

RESULT = ["run", "path", "status", "reason", "epochs", "steps", "seconds", "samples_per_second", "train", "validation",
          "test", "best", "metrics", "verdict"]  # fmt: skip

NOISY = """\
import os, subprocess, sys, warnings
def noisy(images):
    print("by print")
    print("by stderr \\x1b[31m", file=sys.stderr)
    os.write(1, b"by descriptor 1\\n")
    os.write(2, b"by descriptor 2\\n")
    subprocess.run(["echo", "by a child"])
    warnings.warn("by warning")
    return images
def broken(images):
    raise KeyError("no such thing")
"""


def answer(home: Path, *arguments: str) -> Any:
    """Return the JSON document that the command prints."""
    done = command(home, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_train_prints_one_document_and_talks_on_stderr(trained: tuple[Path, Done]) -> None:
    home, done = trained
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert list(result) == RESULT
    assert (result["status"], result["reason"], result["epochs"], result["steps"]) == ("finished", "", 15, 15 * 21)
    assert result["test"]["accuracy"] >= 0.95
    for score in (result["train"], result["validation"], result["test"], result["best"]["validation"]):
        assert list(score) == ["loss", "accuracy"]
        assert 0 < score["accuracy"] <= 1
    assert 0 < result["seconds"] < 60
    assert result["samples_per_second"] == pytest.approx(15 * 1293 / result["seconds"])
    assert RunFolder(home / result["path"]).id == result["run"]
    assert "epoch 15" in done.stderr
    assert f"finished: {result['path']}" in done.stderr


def test_the_template_is_kept_with_the_run(trained: tuple[Path, Done]) -> None:
    home, _ = trained
    config, text = read(only_run(home).config_file)
    assert config.training.epochs == 15
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        line for line in (home / "run.toml").read_text(encoding="utf-8").splitlines() if line.startswith("#")
    ]


@pytest.mark.parametrize("words", ["-c <(cat run.toml)", "-c /dev/stdin < run.toml", "-c /dev/stdin < <(cat run.toml)"])
def test_settings_may_come_by_the_shells_own_pipes(tmp_path: Path, words: str) -> None:
    (tmp_path / "run.toml").write_text("[training]\nepochs = 1\n[optimizer]\nlr = 0.25\n")
    line = f'"$0" -m tuitrain train {words} --queue'
    done = subprocess.run(["bash", "-c", line, sys.executable], cwd=tmp_path, check=False, timeout=60)
    assert done.returncode == 0
    assert only_run(tmp_path).config().optimizer.lr == 0.25


def test_runs_lists_the_run_whole_into_a_pipe(trained: tuple[Path, Done]) -> None:
    home, done = trained
    result = json.loads(done.stdout)
    (listed,) = answer(home, "runs")
    assert (listed["id"], listed["name"], listed["status"]) == (result["run"], "first", "finished")
    assert {
        key: listed[key] for key in ("path", "epochs", "steps", "seconds", "train", "validation", "test", "best")
    } == {key: result[key] for key in ("path", "epochs", "steps", "seconds", "train", "validation", "test", "best")}
    assert list(listed["config"]) == list(settings())
    table = command(home, "runs")
    assert table.returncode == 0
    assert result["run"] in table.stdout
    assert "first" in table.stdout
    assert "\x1b" not in table.stdout


def test_show_has_counts_that_fit_the_accuracy(trained: tuple[Path, Done]) -> None:
    home, done = trained
    result, shown = json.loads(done.stdout), answer(home, "show", "first")
    assert {key: shown[key] for key in RESULT} == result
    seen = shown["evaluation"]["test"]
    assert seen["metrics"] == shown["metrics"]["test"]
    assert shown["metrics"]["best"].keys() == {"validation", "test"}
    more = answer(home, "show", "first", "--threshold", "0.9")["evaluation"]["test"]
    bins, effect = more["calibration"], more["threshold"]
    assert sum(one["count"] for one in bins) == 360
    gaps = sum(one["count"] * abs(one["confidence"] - one["accuracy"]) for one in bins)
    assert gaps / 360 == pytest.approx(seen["metrics"]["ece"])
    assert more["intervals"]["macro_f1"]["low"] < seen["metrics"]["macro_f1"] < more["intervals"]["macro_f1"]["high"]
    assert [one["class"] for one in effect["classes"]] == list("0123456789")
    assert "intervals" not in seen
    metrics = command(home, "show", "first", "--metrics", "--threshold", "0.9").stdout
    assert f"{100 * seen['metrics']['macro_f1']:.2f} %" in metrics
    assert f"threshold 90.00 %: rejects {100 * effect['rejected']:.2f} % of the images" in metrics
    listed = command(home, "runs", "--columns", "lr,macro-f1", "--filter", "macro-f1>50%").stdout
    assert listed.splitlines()[0].split() == ["id", "lr", "test", "macro-F1"]
    counts = seen["confusion"]
    assert sum(map(sum, counts)) == 360
    assert sum(counts[i][i] for i in range(10)) / 360 == pytest.approx(seen["accuracy"], abs=1e-12)
    assert (seen["accuracy"], seen["loss"]) == (result["test"]["accuracy"], result["test"]["loss"])
    assert [row["support"] for row in seen["per_class"]] == list(map(sum, counts))
    assert seen["classes"] == list("0123456789")
    assert sum(map(sum, shown["evaluation"]["validation"]["confusion"])) == 144
    text = command(home, "show", "first")
    assert text.returncode == 0
    assert f"test {100 * seen['accuracy']:.2f} %" in text.stdout
    assert "rows true class" in text.stdout
    assert shown["verdict"]["baselines"]["best"]["title"] == "nearest neighbor"
    assert all(sentence in text.stdout for sentence in shown["verdict"]["sentences"])


def test_evaluate_reproduces_the_stored_evaluation(trained: tuple[Path, Done]) -> None:
    home, done = trained
    before = answer(home, "show", "first")["evaluation"]["test"]
    seen = json.loads(forked.tuitrain(home, "evaluate", "first", "--device", "cpu", "--json").stdout)
    assert seen.pop("run") == json.loads(done.stdout)["run"]
    assert seen["confusion"] == before["confusion"]
    assert seen["accuracy"] == before["accuracy"]
    assert seen["loss"] == pytest.approx(before["loss"], rel=1e-6)
    assert [sample["index"] for sample in seen["worst"]] == [sample["index"] for sample in before["worst"]]


def test_config_as_json_is_the_table(tmp_path: Path) -> None:
    assert [row["key"] for row in answer(tmp_path, "config")] == list(settings())


def test_resume_reports_changed_conditions(tmp_path: Path) -> None:
    done = forked.tuitrain(tmp_path, "train", "--name", "first", *overrides("training.epochs=2"))
    assert "epoch 1 " in done.stderr
    done = forked.tuitrain(tmp_path, "resume", "first", "--epochs", "+1")
    assert done.returncode == 0, done.stderr
    assert [line[9:16] for line in done.stderr.splitlines() if " epoch " in line and " train " in line] == ["epoch 3"]
    assert only_run(tmp_path).log_file.read_text(encoding="utf-8").count(" epoch ") >= 3


def test_prints_of_a_users_code_go_to_the_log(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(NOISY)
    settings = overrides("data.transform=mine.py:noisy", "training.epochs=1")
    done = forked.tuitrain(tmp_path, "train", "--json", *settings)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "finished"
    assert "\x1b" not in done.stderr
    log = only_run(tmp_path).log_file.read_text(encoding="utf-8")
    for words in ("print", "stderr", "descriptor 1", "descriptor 2", "a child"):
        assert log.count(f"by {words}") == 21
    assert "UserWarning: by warning" in log


def test_a_users_code_that_raises_fails_the_run_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(NOISY)
    done = forked.tuitrain(tmp_path, "train", "--json", *overrides("data.transform=mine.py:broken"))
    assert done.returncode == 1, done.stderr
    result = json.loads(done.stdout)
    assert list(result) == RESULT
    assert (result["status"], result["steps"], result["test"]) == ("failed", 0, None)
    assert "The transform broken of mine.py raised KeyError: 'no such thing'" in result["reason"]
    assert result["reason"] in done.stderr
    assert "Traceback" not in done.stderr
    assert "line 11: raise KeyError" in done.stderr
    folder = only_run(tmp_path)
    assert folder.state().status == "failed"
    assert 'mine.py", line 11, in broken' in folder.log_file.read_text(encoding="utf-8")


def test_a_loss_that_is_not_finite_fails_the_run(tmp_path: Path) -> None:
    done = forked.tuitrain(tmp_path, "train", "--json", *overrides("optimizer.lr=1e30", "optimizer.name=sgd"))
    assert done.returncode == 1, done.stderr
    result = json.loads(done.stdout)
    assert result["status"] == "failed"
    assert result["reason"].startswith("The loss became ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_run_with_a_checkpoint(tmp_path: Path, number: signal.Signals) -> None:
    written, messages = tmp_path / "stdout", tmp_path / "stderr"
    endless = ("train", "--json", *overrides("training.epochs=1000000"))
    process = forked.Process(tmp_path, *endless, streams=(os.devnull, written, messages))
    try:
        until(lambda: messages.exists() and "epoch 2 " in messages.read_text())
        process.send_signal(number)
        assert process.wait(60) == 130, messages.read_text()
    finally:
        process.kill()
    result = json.loads(written.read_text())
    assert (result["status"], result["reason"]) == ("stopped", "Stopped by the user.")
    assert result["epochs"] >= 2
    assert "Traceback" not in messages.read_text()
    folder = only_run(tmp_path)
    assert folder.state().status == "stopped"
    assert (folder.checkpoints / "last.safetensors").stat().st_size > 100_000


def test_the_time_of_a_long_run_counts_days(capsys: pytest.CaptureFixture[str]) -> None:
    _print_result(Path("runs/long"), State(status="finished", step=2_000_000, seconds=2 * 86_400 + 3_725.0))
    assert "2,000,000 steps in 2 d 1:02:05" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["config"], ["runs"], ["runs", "--json"], ["show", "first"], ["--help"]])
def test_a_reader_that_has_gone_is_no_error(trained: tuple[Path, Done], arguments: list[str]) -> None:
    home, _ = trained
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "tuitrain", *arguments],
            cwd=home, stdout=pipe, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_a_run_continues_without_a_reader(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "tuitrain", "train", "--json", "--set", "training.epochs=1"],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=pipe, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0
    assert json.loads(done.stdout)["status"] == "finished"


def test_the_app_without_a_terminal_says_so_and_ends(tmp_path: Path) -> None:
    done = command(tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "tuitrain: The app needs a terminal. "
        "Over SSH: ssh -t HOST tuitrain. In a script: tuitrain train, runs, show, compare.\n"
    )
