"""Growing, rewritten and damaged CSV files and JSON lines."""

import time
from math import isnan
from pathlib import Path

import pytest

from runs.external.following import poll, read, values
from tuitrain.runs.catalog.listing import find
from tuitrain.runs.external.rows import MOST_TAGS


def test_a_growing_table_is_followed_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("epoch,loss\n0,2\n")
    run = read(path)
    assert run.status == "running"
    for line in ("1,1.5\n", "2,1\n"):
        for byte in line:
            before = len(run.train)
            with path.open("a") as file:
                file.write(byte)
            poll(run)
            assert len(run.train) == before + (byte == "\n")
    assert list(run.train["loss"]) == [2, 1.5, 1]
    assert run.state.epoch == 3


@pytest.mark.parametrize("content", ["epoch,loss\n0,4\n", "epoch,loss,val_loss\n0,4,\n1,3,\n1,,2\n"])
def test_a_rewritten_table_is_read_anew(tmp_path: Path, content: str) -> None:
    path = tmp_path / "log.csv"
    path.write_text("epoch,loss\n0,2\n1,1\n")
    run = read(path)
    path.write_text(content)
    poll(run)
    assert run.train["loss"][0] == 4
    assert len(run.train) == content.count("\n") - 1 - content.count(",,")
    assert len(run.evaluations["validation"]) == content.count(",,2")


def test_a_run_that_continues_from_an_earlier_epoch_replaces_the_later_ones(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("epoch,loss\n1,5\n2,4\n3,3\nepoch,loss\n2,2\n")
    run = read(path)
    assert list(run.train.step) == [1, 2]
    assert list(run.train["loss"]) == [5, 2]
    assert not run.state.reason


@pytest.mark.parametrize(
    ("name", "content", "problem", "steps"),
    [
        ("a.csv", "epoch,loss\n1,2\n2,1,7\n3,1\n", "a.csv is damaged: Line 3 has 3 instead of 2 cells.", [1, 3]),
        (
            "a.csv",
            "epoch,loss\n1,2\n2,\x1b[31m\n3,1\n",
            "a.csv is damaged: Line 3 has '\ufffd[31m' as loss, not",
            [1, 3],
        ),
        ("a.csv", "epoch,loss\n1,2\n2,\x00\n3,1\n", "a.csv is damaged: Line 3 has", [1, 3]),
        (
            "a.jsonl",
            '{"step":1,"loss":2}\n{"step":2,"lo\n{"step":3,"loss":1}\n',
            "Line 2 is not a JSON object.",
            [1, 3],
        ),
        ("a.jsonl", '{"step":1,"loss":2}\n[1]\n\n{"step":3,"loss":1}\n', "Line 2 is not a JSON object.", [1, 3]),
        ("a.jsonl", '{"step":1,"loss":2}\n' + "[" * 100_000 + "\n", "Line 2 is not a JSON object.", [1]),
    ],
)
def test_damaged_lines_are_named_and_the_others_are_read(
    tmp_path: Path, name: str, content: str, problem: str, steps: list[int]
) -> None:
    (tmp_path / name).write_text(content)
    run = read(tmp_path / name)
    assert list(run.train.only("loss").step) == steps
    assert problem in run.state.reason
    assert "\x1b" not in run.state.reason


def test_json_lines_with_nested_objects_and_splits(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(
        '{"step": 1, "train": {"loss": 2, "acc": 50.5}, "time": 1700000000, "note": "x", "ok": true, "l": [1]}\n'
        '{"step": 2, "train": {"loss": NaN, "acc": 0.5}, "time": 1700000010}\n'
        '{"mode": "val", "loss": 0.5, "time": 1700000020}\n'
        '{"mode": "test", "loss": 0.25, "big": ' + "9" * 400 + "}\n"
    )
    run = read(tmp_path)
    assert list(run.train["accuracy"]) == [0.505, 0.005]
    assert isnan(run.train["loss"][1])
    assert list(run.train["seconds"]) == [0, 10]
    assert (list(run.evaluations["validation"].step), list(run.evaluations["validation"]["loss"])) == ([2], [0.5])
    assert run.state.test is not None
    assert run.state.test.loss == 0.25
    assert run.state.seconds == 20
    assert run.status == "finished"


def test_a_silent_run_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log.csv").write_text("step,loss\n1,2\n")
    run = read(tmp_path / "log.csv")
    assert run.state.ended is None
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 1000)
    assert run.poll()
    assert run.status == "finished"


def test_columns_are_limited(tmp_path: Path) -> None:
    row = "{" + ",".join(f'"m{number}": 1' for number in range(MOST_TAGS + 10)) + ',"step": 1}\n'
    (tmp_path / "log.jsonl").write_text(row * 2)
    run = read(tmp_path / "log.jsonl")
    assert len(values(run)) == MOST_TAGS
    assert "tuitrain reads only the first 1,000 metrics of a run." in run.problem + run.state.reason


def test_long_names_with_control_characters_are_one_metric(tmp_path: Path) -> None:
    row = '{"step": %d, "\\u001b' + "x" * 500 + '": 1, "global_step": 99}\n'
    (tmp_path / "log.jsonl").write_text("".join(row % step for step in range(1500)))
    run = read(tmp_path / "log.jsonl")
    ((name, found),) = values(run).items()
    assert (len(name), len(found), found[-1]) == (400, 1500, (1499, 1))
    assert "\x1b" not in name
    assert not run.state.reason


def test_durations_of_single_epochs_are_no_time_axis(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("epoch,loss,time\n0,3,12\n1,2,11\n2,1,13\n")
    assert isnan(read(tmp_path / "log.csv").train["seconds"][1])


def test_a_file_that_the_user_names_may_have_any_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.csv").write_text("loss;when\n3;monday\n2;tuesday\n")
    (tmp_path / "other.csv").write_text("file,label\na.png,cat\n")
    monkeypatch.chdir(tmp_path)
    run = read(find(tmp_path, "mine.csv").path / "mine.csv")
    assert list(run.train.step) == [1, 2]
    assert list(run.train["loss"]) == [3, 2]
    assert not run.state.reason
