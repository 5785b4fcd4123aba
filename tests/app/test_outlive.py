"""A run started in the app survives its terminal and is bit-identical to an uninterrupted run."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import forked
from app.lost_terminal import PATIENCE, Terminal, until
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.hosts.launch import RunSpec, create_run, resume_run
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder, folders, shown_status
from tuitrain.runs.follower import Follower
from tuitrain.runs.writer import RunWriter
from tuitrain.training import checkpoint

START = "\x12"
SETTINGS = ("data.batch_size=4", "training.epochs=2", "training.log_every=10", "model.dropout=0.2",
            "training.device=cpu", "training.threads=1", "training.checkpoint_every=0.5")  # fmt: skip
PER_EPOCH = 324
STEPS = 2 * PER_EPOCH
# A run that slows down in the middle of an epoch until the test removes a file, and learns what it would without that.
SLOW = """
import itertools, pathlib, time
batches = itertools.count()
def slow(images):
    if next(batches) > 120 and pathlib.Path("{wait}").exists():
        time.sleep(0.2)
    return images
"""
WAIT = "wait"
# Keeps a preparation busy until the test allows it to continue.
PREPARING = """
import pathlib, time
(pathlib.Path(__file__).parent / "preparing").touch()
while not (pathlib.Path(__file__).parent / "go").exists():
    time.sleep(0.01)
"""
# The app with a help screen that cannot be composed.
CRASHING = """
from tuitrain.cli import main
from tuitrain.screens.windows.help import HelpScreen

def compose(self):
    raise ValueError("planted")

HelpScreen.compose = compose
raise SystemExit(main())
"""


def read(folder: RunFolder) -> Follower:
    follower = Follower(folder)
    while follower.poll():
        pass
    assert (follower.problem, follower.damaged_rows) == ("", 0)
    return follower


def weights(folder: RunFolder) -> dict[str, bytes]:
    state = checkpoint.load(folder.checkpoints / "last.safetensors")
    return {name: tensor.numpy().tobytes() for name, tensor in state["model"].items()}


@pytest.fixture(scope="module")
def uncut(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = create_run(RunSpec(config=override(Config(), SETTINGS), runs_dir=tmp_path_factory.mktemp("uncut")))
    assert resume_run(folder, lambda *_: None, Inbox(folder)).status == "finished"
    return folder


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*arguments: str, **options: Any) -> Terminal:
        opened.append(Terminal(*arguments, home=tmp_path, **options))
        return opened[-1]

    yield start
    for shown in opened:
        shown.hang_up()
        shown.process.kill()
        shown.process.wait()
    for folder in folders(tmp_path / "runs"):
        process = folder.state().process
        if process is not None and shown_status(folder.state()) in ("queued", "running", "paused"):
            os.kill(process.pid, signal.SIGKILL)


def start_copy(shown: Terminal, runs_dir: Path, transform: str) -> str:
    """Start a copy of an earlier run, with the function `slow` of `transform`, in the app; return the earlier run's
    id."""
    (runs_dir.parent / "slow.py").write_text(transform)
    config = override(Config(), [*SETTINGS, f"data.transform={runs_dir.parent}/slow.py:slow"])
    model = create_run(RunSpec(config=config, runs_dir=runs_dir, name="model"))
    writer = RunWriter(model)
    writer.end(status="stopped", ended=time.time())
    writer.close()
    shown.see("model", "stopped")
    shown.press("y")
    shown.see("data.dataset")
    shown.press(START)
    return model.id


def copy_of(original: str, runs_dir: Path, shown: Terminal) -> RunFolder:
    until(lambda: len(list(folders(runs_dir))) == 2, shown)
    return next(folder for folder in folders(runs_dir) if folder.id != original)


def training(
    terminal: Callable[..., Terminal], runs_dir: Path, program: tuple[str, ...] = ()
) -> tuple[Terminal, RunFolder]:
    """Start a copy of an earlier run in the app; return in the middle of its first epoch, where the run slows down."""
    (wait := runs_dir.parent / WAIT).touch()
    shown = terminal(program=program)
    folder = copy_of(start_copy(shown, runs_dir, SLOW.format(wait=wait)), runs_dir, shown)
    shown.see("images/s")
    until(lambda: folder.state().step > 100, shown)
    assert trainer(folder) == shown.process.pid
    return shown, folder


def trainer(folder: RunFolder) -> int:
    process = folder.state().process
    assert process is not None
    return process.pid


def assert_equal(folder: RunFolder, uncut: RunFolder) -> Follower:
    """Let the run end, and assert that it equals the other run."""
    (folder.path.parents[1] / WAIT).unlink(missing_ok=True)
    until(lambda: shown_status(folder.state()) not in ("queued", "running"))
    run, whole = read(folder), read(uncut)
    assert (run.status, run.state.step, run.state.reason) == ("finished", STEPS, "")
    assert weights(folder) == weights(uncut)
    assert curves(run) == curves(whole)
    assert run.layers == whole.layers
    assert (run.state.train, run.state.test, run.state.best) == (whole.state.train, whole.state.test, whole.state.best)
    return run


def curves(run: Follower) -> list[object]:
    return [(curve.step, curve["loss"], curve["accuracy"]) for curve in (run.train, *run.evaluations.values())]


def handed_over(run: Follower) -> bool:
    """Return whether another process continued the run in mid-epoch, at the step at which it was detached."""
    events = {event.name: event.step for event in run.events}
    assert events["detached"] == events["continued"]
    return events["detached"] % PER_EPOCH != 0


def test_the_terminal_is_closed_and_another_one_attached(
    terminal: Callable[..., Terminal], runs_dir: Path, uncut: RunFolder
) -> None:
    first, folder = training(terminal, runs_dir)
    first.hang_up()
    first.end()
    assert shown_status(folder.state()) in ("queued", "running")
    assert trainer(folder) != first.process.pid
    second = terminal("attach", folder.id)
    second.see("running", "images/s")
    second.press("p")
    second.see("paused")
    until(lambda: folder.state().status == "paused", second)
    assert folder.state().step < STEPS
    second.press("p")
    run_again = Follower(folder)
    until(lambda: run_again.poll() and any(event.name == "resumed" for event in run_again.events), second)
    second.hang_up()
    second.end()
    run = assert_equal(folder, uncut)
    assert handed_over(run)
    assert [event.name for event in run.events] == [
        "started", "detached", "continued", "paused", "resumed", "finished",
    ]  # fmt: skip


def test_a_line_that_stalls_while_the_run_is_paused_and_then_drops(
    terminal: Callable[..., Terminal], runs_dir: Path, uncut: RunFolder
) -> None:
    """The app cannot write and must not wait for that when the terminal hangs up; the run stays paused."""
    shown, folder = training(terminal, runs_dir)
    shown.press("p")
    until(lambda: folder.state().status == "paused", shown)
    # Each a whole new screen, which nobody takes.
    for page in range(60):
        shown.press("21"[page % 2])
        time.sleep(0.02)
    shown.hang_up()
    shown.process.wait(PATIENCE)
    until(lambda: folder.state().status == "paused" and trainer(folder) != shown.process.pid)
    done = forked.tuitrain(runs_dir.parent, "resume", folder.id)
    assert done.returncode == 0, done.stderr
    run = Follower(folder)
    until(lambda: run.poll() and any(event.name == "continued" for event in run.events))
    until(lambda: folder.state().status != "paused")
    names = [event.name for event in assert_equal(folder, uncut).events]
    assert names == ["started", "paused", "detached", "continued", "paused", "resumed", "finished"]


def test_a_key_moves_the_run_to_the_background_where_it_is_killed(
    terminal: Callable[..., Terminal], runs_dir: Path, uncut: RunFolder
) -> None:
    shown, folder = training(terminal, runs_dir)
    shown.press("d")
    until(lambda: trainer(folder) != shown.process.pid, shown)
    shown.press("q")
    # The app asks until the handover is complete.
    until(lambda: shown.process.poll() is not None or "keep training" in shown.text, shown)
    if shown.process.poll() is None:
        shown.press("\r")
    assert shown.end() == 0
    os.kill(trainer(folder), signal.SIGKILL)
    until(lambda: shown_status(folder.state()) == "interrupted")
    (runs_dir.parent / WAIT).unlink()
    done = forked.tuitrain(runs_dir.parent, "resume", folder.id)
    assert done.returncode == 0, done.stderr
    names = [event.name for event in assert_equal(folder, uncut).events]
    # An event after the last checkpoint is replaced like the rows there.
    assert list(dict.fromkeys(names)) == ["started", "detached", "continued", "finished"]


def test_quitting_keeps_the_run_training(terminal: Callable[..., Terminal], runs_dir: Path, uncut: RunFolder) -> None:
    shown, folder = training(terminal, runs_dir)
    shown.press("q")
    shown.see("This app is training a run.", "keep training in the background")
    shown.press("\r")
    assert shown.end() == 0
    shown.see("The run continues in the background.", f"tuitrain attach {folder.id}")
    assert handed_over(assert_equal(folder, uncut))


def test_sigint_keeps_the_run_training(terminal: Callable[..., Terminal], runs_dir: Path, uncut: RunFolder) -> None:
    shown, folder = training(terminal, runs_dir)
    shown.process.send_signal(signal.SIGINT)
    until(lambda: folder.state().status == "queued", shown)
    # A second one, while the run is handed over.
    shown.process.send_signal(signal.SIGINT)
    assert shown.end() == 0
    shown.see("The run continues in the background.", f"tuitrain attach {folder.id}")
    assert handed_over(assert_equal(folder, uncut))


def test_the_terminal_is_closed_while_a_run_is_prepared(
    terminal: Callable[..., Terminal], runs_dir: Path, uncut: RunFolder
) -> None:
    shown = terminal()
    original = start_copy(shown, runs_dir, PREPARING + SLOW.format(wait=runs_dir.parent / WAIT))
    until(lambda: (runs_dir.parent / "preparing").exists(), shown)
    shown.hang_up()
    until(lambda: ignores(shown.process.pid, signal.SIGTERM))
    (runs_dir.parent / "go").touch()
    shown.process.wait(PATIENCE)
    run = assert_equal(copy_of(original, runs_dir, shown), uncut)
    assert [event.name for event in run.events] == ["started", "finished"]
    assert not any("owned the run" in line for line in run.log)


def ignores(pid: int, number: int) -> bool:
    """Return whether the process ignores the signal, as the app does once it closes."""
    status = Path(f"/proc/{pid}/status").read_text()
    mask = next(line for line in status.splitlines() if line.startswith("SigIgn:")).split()[1]
    return bool(int(mask, 16) >> (number - 1) & 1)


def test_the_app_crashes(terminal: Callable[..., Terminal], runs_dir: Path, uncut: RunFolder) -> None:
    shown, folder = training(terminal, runs_dir, ("-c", CRASHING))
    shown.press("?")
    assert shown.end() == 1
    shown.see("unexpected error: ValueError: planted.", f"Watch it: tuitrain attach {folder.id}", "Details: /")
    assert "Traceback" not in shown.text
    run = assert_equal(folder, uncut)
    assert handed_over(run)
    assert [event.name for event in run.events] == ["started", "detached", "continued", "finished"]


def test_terminated_it_stops_the_run(terminal: Callable[..., Terminal], runs_dir: Path) -> None:
    shown, folder = training(terminal, runs_dir)
    shown.process.send_signal(signal.SIGTERM)
    assert shown.end() == 0
    state = folder.state()
    assert (state.status, state.reason) == ("stopped", "Stopped by the user.")
    assert checkpoint.load(folder.checkpoints / "last.safetensors")["progress"]["step"] == state.step > 100


def test_the_app_is_killed(terminal: Callable[..., Terminal], runs_dir: Path, uncut: RunFolder) -> None:
    shown, folder = training(terminal, runs_dir)
    shown.process.send_signal(signal.SIGKILL)
    shown.process.wait()
    (runs_dir.parent / WAIT).unlink()
    assert "interrupted" in forked.tuitrain(runs_dir.parent, "runs").stdout
    done = forked.tuitrain(runs_dir.parent, "resume", folder.id)
    assert done.returncode == 0, done.stderr
    run = assert_equal(folder, uncut)
    assert [event.name for event in run.events] == ["started", "continued", "finished"]
