"""`tuitrain queue`, and runs that wait in it."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.lost_terminal import Terminal, until
from cli.commands import command
from hosts.queue.queue_runs import queued, start_queue
from tuitrain.cli.parser import parse
from tuitrain.errors import ConfigError, RunError
from tuitrain.hosts.sweeps.create import start_new_sweep
from tuitrain.runs.catalog.follow import follow
from tuitrain.runs.folder import RunFolder, folders, shown_status
from tuitrain.runs.process import alive
from tuitrain.runs.queue import QueueFolder
from tuitrain.runs.sweeps.catalog import list_sweeps
from tuitrain.runs.sweeps.index import SweepIndex, sweep_status
from tuitrain.runs.waiting import cancel, in_queue
from tuitrain.widgets.panels import run_report

HOSTILE = "\x1b[2J[red]x[/]"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A working folder; the queue and the runs that are left in it after the test are killed."""
    yield tmp_path
    runs_dir = tmp_path / "runs"
    left = [session.process for session in QueueFolder(runs_dir).sessions()]
    left += [process for folder in folders(runs_dir) if (process := folder.state().process)]
    for process in left:
        if alive(process):
            os.kill(process.pid, signal.SIGKILL)


@pytest.fixture
def tuitrain(runs_dir: Path) -> Callable[..., int]:
    """`tuitrain("queue", "list")` runs a command in this process."""

    def run(*words: str) -> int:
        options = parse([*words, "--runs-dir", str(runs_dir)])
        status: int = options.run(options)
        return status

    return run


def test_train_queue_creates_a_run_that_waits(
    tuitrain: Callable[..., int], runs_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tuitrain("train", "--queue", "--priority", "-2", "--name", "later", "--json") == 0
    (folder,) = folders(runs_dir)
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"run": folder.id, "path": str(folder.path), "status": "queued"}
    assert "No queue is running; start it with: tuitrain queue --detach" in printed.err
    waiting = in_queue(folder.state())
    assert waiting is not None
    assert (waiting.priority, shown_status(folder.state())) == (-2, "queued")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "--priority", "1"], "--priority needs --queue"),
        (["train", "--queue", "--detach"], "--queue and --detach cannot be combined"),
        (["queue", "list", "--keep"], "takes none of --devices"),
        (["queue", "hold"], "queue hold needs a RUN"),
        (["queue", "priority", "one"], "'one' is not a priority"),
        (["queue", "priority", "one", "10000"], "'10000' is not a priority"),
        (["queue", "priority", "3"], "queue priority needs a RUN"),
        (["queue", "stop", "one"], "queue stop takes no RUN"),
        (["queue", "--devices", "cuda:9"], "no device cuda:9"),
    ],
)
def test_usage_that_is_refused(tuitrain: Callable[..., int], runs_dir: Path, words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tuitrain(*words)
    assert not list(folders(runs_dir))


def test_resume_queue(
    tuitrain: Callable[..., int],
    write_run: Callable[..., RunFolder],
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = write_run("done")
    with pytest.raises(RunError, match="The run has finished"):
        tuitrain("resume", folder.id, "--queue")
    assert tuitrain("resume", folder.id, "--queue", "--epochs", "+2", "--schedule", "hold", "--json") == 0
    assert json.loads(capsys.readouterr().out)["status"] == "queued"
    waiting = in_queue(folder.state())
    assert waiting is not None
    assert (waiting.epochs, waiting.schedule, waiting.before) == (5, "hold", "finished")
    with pytest.raises(RunError, match="is already queued"):
        tuitrain("resume", folder.id, "--queue")
    assert tuitrain("stop", folder.id) == 0
    assert folder.state().status == "finished"
    paused = write_run("paused", status="paused")
    with pytest.raises(RunError, match="A paused run keeps its device"):
        tuitrain("resume", paused.id, "--queue")


def test_hold_release_priority_and_cancel(
    tuitrain: Callable[..., int], runs_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, third = (queued(runs_dir, name) for name in ("first", "second", "third"))
    assert tuitrain("queue", "hold", "first", "second") == 0
    assert tuitrain("queue", "release", "second") == 0
    assert tuitrain("queue", "priority", "third", "7") == 0
    capsys.readouterr()
    assert tuitrain("queue", "list", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["queues"] == []
    assert [(run["name"], run["priority"], run["held"]) for run in listed["waiting"]] == [
        ("third", 7, False), ("second", 0, False), ("first", 0, True),
    ]  # fmt: skip
    assert tuitrain("queue", "cancel", "third") == 0
    assert tuitrain("stop", second.id) == 0
    for word in ("pause", "checkpoint"):
        with pytest.raises(RunError, match="waits in the queue"):
            tuitrain(word, first.id)
    assert [run.state().status for run in (first, second, third)] == ["queued", "stopped", "stopped"]
    with pytest.raises(RunError, match="does not wait in the queue"):
        tuitrain("queue", "release", "third")
    with pytest.raises(RunError, match="No queue is running"):
        tuitrain("queue", "stop")


def test_a_run_that_never_trained_shows_no_facts_about_its_training(
    tuitrain: Callable[..., int], runs_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = queued(runs_dir, "first")
    tuitrain("queue", "cancel", "first")
    capsys.readouterr()
    assert tuitrain("show", run.id) == 0
    shown = capsys.readouterr().out
    follower = follow(run)
    follower.read_all()
    page = run_report.summary(follower, []).plain
    assert "stopped" in shown
    assert "0 of 1" in page
    for missing in (" 0 parameters", " 0 threads", "images/s", "versions"):
        assert missing not in shown
        assert missing not in page


def test_the_list_shows_what_trains(
    tuitrain: Callable[..., int],
    runs_dir: Path,
    write_run: Callable[..., RunFolder],
    capsys: pytest.CaptureFixture[str],
) -> None:
    running = write_run("training", status="running")
    write_run("ended")
    queued(runs_dir, "waiting")
    assert tuitrain("queue", "list", "--json") == 0
    assert tuitrain("queue", "list") == 0
    document, printed = json.JSONDecoder().raw_decode(output := capsys.readouterr().out)
    assert [(run["run"], run["status"]) for run in document["training"]] == [(running.id, "running")]
    assert [run["name"] for run in document["waiting"]] == ["waiting"]
    names = [line.split()[0] for line in output[printed:].strip().splitlines()[1:]]
    assert names == ["training", "1"]


def test_a_sweep_in_the_queue(tuitrain: Callable[..., int], runs_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grid = ("--set", "optimizer.lr=0.1,0.01", "--set", "optimizer.name=sgd,adam")
    assert tuitrain("sweep", *grid, "--queue", "--priority", "3") == 0
    printed = capsys.readouterr()
    assert "4 runs of the sweep wait in the queue. No queue is running" in printed.err
    (sweep,) = list_sweeps(runs_dir)
    assert printed.out.split() == [sweep.id]
    runs = list(folders(runs_dir))
    assert [run.info().parent for run in runs] == [sweep.id] * 4
    assert [waiting.priority for run in runs if (waiting := in_queue(run.state()))] == [3] * 4
    assert len({(run.config().optimizer.name, run.config().optimizer.lr) for run in runs}) == 4
    assert sweep_status(sweep, SweepIndex(sweep).refresh()) == "queued"
    with pytest.raises(RunError, match="wait in the queue"):
        tuitrain("sweep", sweep.id)
    assert tuitrain("queue", "hold", sweep.id) == 0
    assert all(waiting and waiting.held for run in runs if (waiting := in_queue(run.state())))
    assert tuitrain("sweep", sweep.id, "--stop") == 0
    assert {run.state().status for run in runs} == {"stopped"}
    assert sweep_status(sweep, SweepIndex(sweep).refresh()) == "finished"


def test_runs_of_a_stopped_sweep_that_have_not_begun_can_be_queued(
    tuitrain: Callable[..., int], runs_dir: Path
) -> None:
    sweep = start_new_sweep(runs_dir, '[sweep.values]\n"optimizer.lr" = [0.1, 0.2]\n')
    assert tuitrain("sweep", sweep.id, "--queue") == 0
    assert len(list(folders(runs_dir))) == 2
    sweep.update_session(0.0)
    with pytest.raises(RunError, match=r"Process \d+ trains"):
        tuitrain("sweep", sweep.id, "--queue")


def test_folds_and_sampled_trials_in_the_queue(tuitrain: Callable[..., int], runs_dir: Path) -> None:
    assert tuitrain("train", "--set", "training.folds=2", "--queue") == 0
    assert [run.config().data.fold for run in reversed(list(folders(runs_dir)))] == ["1/2", "2/2"]
    (runs_dir.parent / "random.toml").write_text(
        '[sweep]\nmethod = "random"\ntrials = 3\n[sweep.values]\n"optimizer.lr" = {low = 0.1, high = 0.2}\n'
    )
    assert tuitrain("sweep", "-c", str(runs_dir.parent / "random.toml"), "--queue") == 0
    rates = [run.config().optimizer.lr for run in folders(runs_dir) if run.config().data.fold is None]
    assert len(set(rates)) == 3
    assert all(0.1 <= rate <= 0.2 for rate in rates)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("sweep.method=tpe", "sweep.method = tpe chooses each trial by the results of others"),
        ("sweep.prune=true", "sweep.prune = true is for the workers of a sweep"),
        ("sweep.devices=[cuda:0]", r"sweep.devices = \[cuda:0\] is for the workers"),
        ("sweep.parallel=2", "sweep.parallel = 2 is for"),
        ("sweep.stack=2", "sweep.stack = 2 is for"),
        ("sweep.max_minutes=2", "sweep.max_minutes = 2 is for"),
    ],
)
def test_sweeps_that_cannot_wait(tuitrain: Callable[..., int], runs_dir: Path, option: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tuitrain("sweep", "--set", "optimizer.lr=0.1,0.2", "--set", option, "--queue")
    assert not runs_dir.exists()


def test_hostile_names_are_escaped(
    tuitrain: Callable[..., int], runs_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = queued(runs_dir, HOSTILE, "training.device=cuda:7")
    assert tuitrain("queue", "list") == 0
    assert tuitrain("queue", "--devices", "cpu") == 0
    cancel(folder)
    assert tuitrain("queue", "list") == 0
    printed = capsys.readouterr()
    assert "[red]x" in printed.out
    assert "[red]x" in printed.err
    assert "\x1b" not in printed.out + printed.err


def test_a_missing_runs_folder(tuitrain: Callable[..., int], runs_dir: Path) -> None:
    with pytest.raises(RunError, match="There is no runs folder"):
        tuitrain("queue", "--devices", "cpu")
    assert not runs_dir.exists()


def test_a_failing_run_a_second_queue_and_the_result(home: Path) -> None:
    runs_dir = home / "runs"
    bad = queued(runs_dir, "bad", "data.dataset=image-folder", f"data.dir={home}/nowhere")
    held = queued(runs_dir, "held")
    assert command(home, "queue", "hold", held.id).returncode == 0
    good = queued(runs_dir, "good")
    first = start_queue(runs_dir, "--json", "--keep", stdout=-1, stderr=-1, text=True)
    until(lambda: bool(QueueFolder(runs_dir).sessions()))
    second = command(home, "queue", "--devices", "cpu")
    assert (second.returncode, second.stdout) == (2, "")
    assert f"Process {first.pid} already runs the queue of" in second.stderr
    until(lambda: not any(folder.state().active for folder in (bad, good)))
    assert first.poll() is None
    assert command(home, "queue", "stop").returncode == 0
    out, err = first.communicate(timeout=60)
    assert first.returncode == 130, err
    document = json.loads(out)
    assert {run["run"]: run["status"] for run in document["runs"]} == {bad.id: "failed", good.id: "finished"}
    assert document["waiting"] == 1
    assert "nowhere" in bad.state().reason
    assert "bad failed: " in str(err)


def test_the_queue_outlives_its_terminal_and_its_runs_outlive_the_queue(home: Path) -> None:
    """The terminal is closed, then the queue is stopped by a signal; its run trains to the end."""
    folder = queued(home / "runs", "one", "training.epochs=1")
    shown = Terminal("queue", "--devices", "cpu", "--detach", "--keep", home=home)
    shown.see("The queue runs in the background, on cpu.")
    assert shown.end() == 0
    shown.hang_up()
    (session,) = QueueFolder(home / "runs").sessions()
    again = command(home, "queue", "--devices", "cpu", "--detach")
    assert again.stderr.startswith(f"tuitrain: Process {session.process.pid} already runs the queue of")
    until(lambda: folder.state().waiting is None)
    started = folder.state().process
    assert started is not None
    signal_queue(home / "runs", signal.SIGHUP)
    signal_queue(home / "runs", signal.SIGTERM)
    until(lambda: not alive(session.process))
    assert not QueueFolder(home / "runs").sessions()
    until(lambda: folder.state().status == "finished")
    assert folder.state().process == started


def signal_queue(runs_dir: Path, number: signal.Signals) -> None:
    (session,) = QueueFolder(runs_dir).sessions()
    os.kill(session.process.pid, number)


def test_a_run_waits_for_one_scheduler_only(tuitrain: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        tuitrain("submit", "--queue")
    assert "unrecognized arguments: --queue" in capsys.readouterr().err
