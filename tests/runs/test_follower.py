import math
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import msgspec
import pytest

from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.runs.files import CHUNK
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import LOG_LINES, LONGEST, Curve, Follower
from tuitrain.runs.records import RunInfo
from tuitrain.runs.rows import Evaluated, Event, LayerStatistics, Row, Train, encode
from tuitrain.runs.writer import RunWriter, create


@pytest.fixture(autouse=True)
def no_hang() -> Iterator[None]:
    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    config = override(Config(), ["training.epochs=7"])
    return create(tmp_path, RunInfo(id="", name="one", layers=["a", "b"]), config)


def train(step: int, loss: float | None = 0.5, layers: tuple[float | None, ...] = (0.1, 0.2)) -> Train:
    return Train(step, 1 + step // 10, loss, 0.5, 0.1, step / 10, 1000.0 + step, 0.3, layers)


def columns(curve: Curve) -> dict[str, list[str]]:
    return {"step": [str(step) for step in curve.step]} | {n: [repr(v) for v in c] for n, c in curve.columns.items()}


def known(run: Follower) -> dict[str, object]:
    """Return all rows and log lines, with NaN as text, so that equal values compare equal."""
    return {
        "train": columns(run.train),
        "layers": [[repr(norm) for norm in layer] for layer in run.layers],
        "layer_steps": columns(run.layer_steps),
        "layer_statistics": {name: list(map(repr, found)) for name, found in run.layer_statistics.items()},
        "evaluations": {split: columns(curve) for split, curve in run.evaluations.items()},
        "events": run.events,
        "damaged": run.damaged_rows,
        "log": list(run.log),
        "log_lines": run.log_lines,
    }


def read_out(folder: RunFolder) -> Follower:
    run = Follower(folder)
    while run.poll():
        pass
    return run


def test_info_is_read_again_after_the_preparation(folder: RunFolder) -> None:
    run = read_out(folder)
    assert run.info.device == ""
    writer = RunWriter(folder)
    writer.info(RunInfo(id="", name="", device="cpu x86_64", layers=["first"]))
    writer.update(phase="training", now=True)
    writer.close()
    run.poll()
    assert (run.info.device, run.info.layers) == ("cpu x86_64", ["first"])


def random_lines(rng: random.Random, count: int) -> Iterator[bytes]:
    step = 0
    for _ in range(count):
        kind = rng.random()
        if kind < 0.6:
            step += rng.randint(0, 3)
            norms = tuple(rng.choice([None, rng.random()]) for _ in range(rng.choice([2, 2, 2, 0, 3])))
            row: Row = train(step, rng.choice([None, rng.random()]), norms)
            if rng.random() < 0.2:
                row = LayerStatistics(step, 1, 1.0, 2.0, norms, dead=norms[:1])
        elif kind < 0.75:
            split = rng.choice(["train", "validation", "test"])
            row = Evaluated(split, step, 1, rng.random(), 0.5, 1.0, 2.0, rng.random() < 0.5)  # type: ignore[arg-type]
        elif kind < 0.85:
            step = rng.randint(0, step) if rng.random() < 0.5 else step
            row = Event(rng.choice(["continued", "paused", "\x1b[2J"]), step, 1, 0.0)
        else:
            yield rng.choice([b"", b"\xff\x00", b"{}", encode(train(step))[: rng.randint(0, 60)], b"[" * 5000])
            continue
        yield encode(row)


@pytest.mark.parametrize("seed", range(30))
def test_read_as_it_grows_a_run_is_the_same_as_read_at_once(folder: RunFolder, seed: int) -> None:
    rng = random.Random(seed)
    content = b"\n".join(random_lines(rng, 120)) + rng.choice([b"", b"\n"])
    log = b"".join(rng.choice([b"line\n", b"\n", b"\xff\n", b"torn"]) for _ in range(50)) + b"\n"
    growing = Follower(folder)
    place = 0
    while place < len(content):
        piece = rng.choice([1, 7, 50, 400, 3000])
        with folder.metrics_file.open("ab") as file:
            file.write(content[place : place + piece])
        with folder.log_file.open("ab") as file:
            file.write(log[place : place + piece])
        place += piece
        growing.poll(budget=0)
    with folder.log_file.open("ab") as file:
        file.write(log[place:])
    while growing.poll(budget=0):
        pass
    assert growing.problem == ""
    assert known(growing) == known(read_out(folder))
    steps = list(growing.train.step)
    assert steps == sorted(set(steps))
    assert all(len(column) == len(steps) for column in (*growing.layers, *growing.train.columns.values()))
    measured = [column for columns in growing.layer_statistics.values() for column in columns]
    assert {len(column) for column in measured} <= {len(growing.layer_steps)}


def test_followed_rows_equal_the_written_rows(folder: RunFolder) -> None:
    writer = RunWriter(folder)
    for step in (10, 20):
        writer.row(train(step, 1 / step))
    writer.row(Evaluated("validation", 20, 2, 0.25, 0.75, 3.0, 4.0, best=True))
    writer.row(Evaluated("test", 20, 2, None, 0.5, 3.0, 4.0))
    writer.event("paused")
    writer.log("hello")
    writer.update(status="running", step=20)
    run = read_out(folder)
    assert (run.info.name, run.config.training.epochs, run.status, run.state.step) == ("one", 7, "running", 20)
    assert list(run.train.step) == [10, 20]
    assert list(run.train["loss"]) == [0.1, 0.05]
    assert [list(layer) for layer in run.layers] == [[0.1, 0.1], [0.2, 0.2]]
    assert list(run.evaluations["validation"]["best"]) == [1.0]
    assert math.isnan(run.evaluations["test"]["loss"][0])
    assert [event.name for event in run.events] == ["paused"]
    assert run.log_lines == 1
    assert run.log[0].endswith(" hello")
    assert not run.poll()
    writer.close()


def test_continued_removes_the_rows_after_its_step(folder: RunFolder) -> None:
    writer = RunWriter(folder)
    for step in (10, 20, 30):
        writer.row(train(step, 1.0))
        writer.row(LayerStatistics(step, 1, 1.0, 2.0, (0.5, None), dead=(step / 100,)))
        writer.row(Evaluated("validation", step, 1, 1.0, 0.5, 1.0, 1.0))
    run = read_out(folder)
    assert list(run.train.step) == [10, 20, 30]
    writer.state.step = 15
    writer.event("continued")
    for step in (20, 30, 40):
        writer.row(train(step, 2.0))
    writer.close()
    while run.poll():
        pass
    assert list(run.train.step) == [10, 20, 30, 40]
    assert list(run.train["loss"]) == [1.0, 2.0, 2.0, 2.0]
    assert list(run.evaluations["validation"].step) == list(run.layer_steps.step) == [10]
    assert list(map(list, run.layer_statistics["dead"])) == [[0.1]]
    assert {len(layer) for layer in run.layers} == {4}
    assert known(run) == known(read_out(folder))


def test_continued_removes_the_drops_after_its_step_and_no_command(folder: RunFolder) -> None:
    writer = RunWriter(folder)
    for step, name in ((5, "drop"), (15, "drop"), (15, "lr"), (10, "continued"), (15, "drop"), (15, "drop")):
        writer.state.step = step
        writer.event(name)
    writer.close()
    assert [(event.step, event.name) for event in read_out(folder).events] == [
        (5, "drop"), (15, "lr"), (10, "continued"), (15, "drop"),
    ]  # fmt: skip


@pytest.mark.parametrize("changed", ["state", "log", "metrics"])
@pytest.mark.parametrize("part", ["all", "brief", "no metrics"])
def test_poll_says_whether_there_is_news(folder: RunFolder, changed: str, part: str) -> None:
    run = Follower(folder, brief=part == "brief", metrics=part != "no metrics")
    assert run.poll()
    assert not run.poll()
    writer = RunWriter(folder)
    if changed == "state":
        writer.update(now=True, epoch=1)
    elif changed == "log":
        writer.log("line")
    else:
        writer.row(train(1))
    writer.close()
    assert run.poll() == ((changed, part) not in (("log", "brief"), ("metrics", "no metrics")))
    assert not run.poll()


def test_rows_that_come_twice_count_once(folder: RunFolder) -> None:
    lines = b"".join(encode(train(step)) + b"\n" for step in (10, 20, 30))
    folder.metrics_file.write_bytes(lines * 3)
    assert list(read_out(folder).train.step) == [10, 20, 30]


@pytest.mark.parametrize("end", range(1, len(encode(train(20))), 7))
def test_a_torn_last_row_waits_for_its_end(folder: RunFolder, end: int) -> None:
    whole = encode(train(20))
    folder.metrics_file.write_bytes(encode(train(10)) + b"\n" + whole[:end])
    run = read_out(folder)
    assert (list(run.train.step), run.damaged_rows) == ([10], 0)
    with folder.metrics_file.open("ab") as file:
        file.write(whole[end:] + b"\n")
    assert run.poll()
    assert (list(run.train.step), run.damaged_rows) == ([10, 20], 0)


def test_a_line_too_long_to_be_a_row_is_passed_over(folder: RunFolder) -> None:
    with folder.metrics_file.open("wb") as file:
        file.truncate(LONGEST + 1000)
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + encode(train(10)) + b"\n")
    run = read_out(folder)
    assert list(run.train.step) == [10]
    assert run.damaged_rows > 0


def test_a_large_file_is_read_in_small_parts(folder: RunFolder) -> None:
    folder.metrics_file.write_bytes(b"".join(encode(train(step)) + b"\n" for step in range(1, 10_001)))
    run, seen = Follower(folder), [0]
    assert run.poll(budget=0)
    while run.behind:
        seen.append(len(run.train))
        run.poll(budget=0)
    assert len(run.train) == 10_000
    assert len(seen) > 3
    assert not run.poll(budget=0)
    with folder.metrics_file.open("ab") as file:
        file.write(encode(train(10_001)) + b"\n")
    assert run.poll(budget=0)
    assert not run.behind, "what a run has just written is no reason to hurry"


@pytest.mark.parametrize("budget", [0, 1])
def test_times_ascend_where_a_clock_was_set_back(folder: RunFolder, budget: float) -> None:
    rows = [msgspec.structs.replace(train(step), time=1000.0 + step - 50 * (step > 3)) for step in range(1, 7)]
    scores = [Evaluated("validation", 2, 1, 1.0, 0.5, 2.0, 1002.0), Evaluated("validation", 6, 1, 1.0, 0.5, 1.0, 956.0)]
    folder.metrics_file.write_bytes(b"".join(encode(row) + b"\n" for row in (*rows, *scores)))
    run = Follower(folder)
    while run.poll(budget=budget):
        pass
    assert list(run.train["time"]) == [1001, 1002, 1003, 1003, 1003, 1003]
    assert list(run.evaluations["validation"]["time"]) == [1002, 1002]
    assert list(run.evaluations["validation"]["seconds"]) == [2, 2]


def test_the_log_keeps_its_last_lines_and_counts_all(folder: RunFolder) -> None:
    folder.log_file.write_bytes(b"".join(b"line %d\n" % number for number in range(100_000)))
    run = Follower(folder)
    run.poll()
    while run.poll():
        pass
    assert (run.log_lines, len(run.log)) == (100_000, LOG_LINES)
    assert run.log[-1] == "line 99999"


def test_a_damaged_run_says_why_and_is_well_again_once_its_file_is(folder: RunFolder) -> None:
    kept = folder.info_file.read_bytes()
    folder.metrics_file.write_bytes(encode(train(10)) + b"\n")
    folder.info_file.write_bytes(kept[:20])
    run = Follower(folder)
    assert run.poll()
    assert run.status == "damaged"
    assert "run.json is damaged" in run.problem
    assert run.info.name == folder.id
    assert not run.poll(), "the same problem is no news"
    folder.info_file.write_bytes(kept)
    assert run.poll()
    assert (run.problem, run.info.name, len(run.train)) == ("", "one", 1)


def test_a_damaged_state_keeps_the_rows_read_before(folder: RunFolder) -> None:
    folder.metrics_file.write_bytes(encode(train(10)) + b"\n")
    run = read_out(folder)
    folder.state_file.unlink()
    assert run.poll()
    assert run.problem == "state.json is missing."
    assert list(run.train.step) == [10]


@pytest.mark.parametrize("name", ["metrics.jsonl", "log.txt", "state.json", "run.json", "config.toml", "evaluation"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "nothing", "zeros", "circle", "dangling"])
def test_a_pipe_or_folder_neither_hangs_nor_raises(folder: RunFolder, name: str, kind: str) -> None:
    path = folder.path / name
    path.rename(folder.path / "aside")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind != "nothing":
        path.symlink_to({"zeros": Path("/dev/zero"), "circle": path, "dangling": folder.path / "gone"}[kind])
    run = Follower(folder)
    for _ in range(3):
        run.poll()
    assert bool(run.problem) == (name in ("state.json", "run.json", "config.toml"))
    assert "Errno" not in run.problem


def test_many_layers_in_a_row_are_garbage(folder: RunFolder) -> None:
    folder.metrics_file.write_bytes(encode(msgspec.structs.replace(train(1), layers=(0.5,) * 100_000)) + b"\n")
    run = read_out(folder)
    assert (len(run.train), run.layers, run.damaged_rows) == (0, [], 1)


def test_a_long_log_is_read_in_one_poll_with_time_enough(folder: RunFolder) -> None:
    folder.log_file.write_text("".join(f"{number:060}\n" for number in range(CHUNK // 20)))
    run = Follower(folder)
    assert run.poll(budget=60.0)
    assert (run.log_lines, len(run.log)) == (CHUNK // 20, 2000)


def test_only_a_readable_run_has_changed_settings(folder: RunFolder) -> None:
    writer = RunWriter(folder)
    writer.end(status="finished", lr=0.25, epochs=9)
    writer.close()
    run = read_out(folder)
    assert {key: change.now for key, change in run.changes.items()} == {"optimizer.lr": 0.25, "training.epochs": 9}
    folder.state_file.write_text("{")
    run.poll()
    assert (run.status, run.changes, run.settings) == ("damaged", {}, {})
