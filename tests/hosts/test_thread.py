"""Training in a thread, controlled by commands in the control file."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hosts.thread_runs import ENDLESS, event_names, follow, start_training, until
from tuitrain.cli import main
from tuitrain.config.schema import Config
from tuitrain.errors import ConfigError, DataError, RunError
from tuitrain.hosts.launch import RunSpec
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.control import ask, send
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.records import State
from tuitrain.training import checkpoint

Quick = Callable[..., Config]
Read = Callable[[RunFolder], Follower]


def test_start_trains_a_run_to_the_end(host: ThreadHost, quick: Quick, read: Read, tmp_path: Path) -> None:
    assert not host.busy
    assert host.join(0)
    host.start(RunSpec(config=quick("training.epochs=2"), runs_dir=tmp_path, name="mine", command="a command"))
    assert host.join(60)
    assert not host.busy
    assert host.error is None
    assert host.folder is not None
    run = read(host.folder)
    assert run.state.status == "finished"
    assert (run.info.name, run.info.command, run.info.threads) == ("mine", "a command", 1)
    assert run.info.model == "mlp 64-128-256-10"
    assert run.info.sizes == {"train": 1293, "validation": 144, "test": 360}
    assert [folder.name for folder in tmp_path.iterdir() if not folder.name.startswith(".")] == [host.folder.id]


def test_training_in_a_thread_equals_training_in_the_main_thread(
    host: ThreadHost, quick: Quick, train: Callable[..., Follower], tmp_path: Path
) -> None:
    settings = ("training.epochs=3", "model.dropout=0.3", "data.augment=[shift]")
    host.start(RunSpec(config=quick(*settings), runs_dir=tmp_path))
    assert host.join(60)
    assert host.folder is not None
    left, right = (
        checkpoint.load(folder.checkpoints / "last.safetensors")["model"]
        for folder in (host.folder, train(*settings).folder)
    )
    assert all(torch.equal(left[name], right[name]) for name in right)


def test_stop_saves_a_checkpoint_and_ends_the_thread(host: ThreadHost, quick: Quick, tmp_path: Path) -> None:
    folder = start_training(host, quick(*ENDLESS), tmp_path)
    send(folder, "stop")
    assert host.join(60)
    state = folder.state()
    assert (state.status, state.reason) == ("stopped", "Stopped by the user.")
    saved = checkpoint.load(folder.checkpoints / "last.safetensors")["progress"]
    assert saved["step"] == state.step > 0
    assert not (folder.path / "owner.json").exists()


def test_pause_and_resume(host: ThreadHost, quick: Quick, tmp_path: Path) -> None:
    folder = start_training(host, quick(*ENDLESS), tmp_path)
    send(folder, "pause")
    until(lambda: folder.state().status == "paused")
    step, rows = folder.state().step, len(follow(folder).train)
    # No step is taken until the next heartbeat.
    beat = folder.state().heartbeat
    until(lambda: folder.state().heartbeat > beat)
    assert (folder.state().step, len(follow(folder).train)) == (step, rows)
    assert checkpoint.load(folder.checkpoints / "last.safetensors")["progress"]["step"] == step
    send(folder, "resume")
    until(lambda: folder.state().status == "running" and folder.state().step > step)
    assert host.busy
    send(folder, "stop")
    assert host.join(60)
    assert event_names(folder) == ["started", "paused", "resumed", "stopped"]


def test_commands_of_several_senders_are_obeyed_once_each(host: ThreadHost, quick: Quick, tmp_path: Path) -> None:
    folder = start_training(host, quick(*ENDLESS), tmp_path)

    def steer(sender: int) -> None:
        for number in range(1, 21):
            send(folder, "lr", sender + number / 100)
            if number == 10 + sender:
                send(folder, "pause")
                send(folder, "resume")

    threads = [threading.Thread(target=steer, args=(sender,)) for sender in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    send(folder, "stop")
    assert host.join(60)
    state, rates = folder.state(), [event.value or 0.0 for event in follow(folder).events if event.name == "lr"]
    assert state.status == "stopped"
    assert sorted(rates) == [sender + number / 100 for sender in range(4) for number in range(1, 21)]
    # Each sender's commands take effect in its order, and the last of all stays.
    for sender in range(4):
        own = [rate for rate in rates if int(rate) == sender]
        assert own == sorted(own)
    assert state.lr == rates[-1]


def test_pauses_do_not_count_as_training_time(host: ThreadHost, quick: Quick, tmp_path: Path) -> None:
    folder = start_training(host, quick(*ENDLESS), tmp_path)
    send(folder, "pause")
    until(lambda: folder.state().status == "paused")
    beat, seconds = folder.state().heartbeat, folder.state().seconds
    until(lambda: folder.state().heartbeat > beat)
    assert folder.state().seconds == seconds


def test_the_checkpoint_command_saves_a_checkpoint(host: ThreadHost, quick: Quick, tmp_path: Path) -> None:
    folder = start_training(host, quick(*ENDLESS), tmp_path)
    send(folder, "checkpoint")
    until(lambda: "checkpoint" in event_names(folder))
    event = next(event for event in follow(folder).events if event.name == "checkpoint")
    assert checkpoint.load(folder.checkpoints / "last.safetensors")["progress"]["step"] >= event.step > 0
    assert host.busy


def test_a_host_trains_one_run_at_a_time(host: ThreadHost, quick: Quick, tmp_path: Path) -> None:
    folder = start_training(host, quick(*ENDLESS), tmp_path)
    with pytest.raises(RunError, match="This app is training a run"):
        host.start(RunSpec(config=quick(), runs_dir=tmp_path))
    assert host.folder is folder
    host.cancel()
    assert host.join(60)
    assert folder.state().status == "stopped"
    host.start(RunSpec(config=quick("training.epochs=1"), runs_dir=tmp_path / "second"))
    assert host.join(60)
    assert host.folder is not None
    assert host.folder.state().status == "finished"


@pytest.mark.parametrize(
    ("settings", "error", "sentence"),
    [
        (("data.transform=/no/such.py:change",), DataError, "cannot be read"),
        (("data.dataset=image-folder", "data.dir=/no/such/folder"), DataError, "/no/such/folder"),
        (("training.precision=fp16",), ConfigError, "fp16 needs a GPU"),
    ],
)
def test_a_failed_preparation_creates_no_run(
    host: ThreadHost, quick: Quick, tmp_path: Path, settings: tuple[str, ...], error: type[Exception], sentence: str
) -> None:
    host.start(RunSpec(config=quick(*settings), runs_dir=tmp_path / "runs"))
    assert host.join(60)
    assert isinstance(host.error, error)
    assert sentence in str(host.error)
    assert host.folder is None
    assert not (tmp_path / "runs").exists()
    # The next run can be started.
    host.start(RunSpec(config=quick("training.epochs=1"), runs_dir=tmp_path / "runs"))
    assert host.join(60)
    assert host.error is None


def test_start_fails_if_the_runs_folder_is_a_file(host: ThreadHost, quick: Quick, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    host.start(RunSpec(config=quick(), runs_dir=tmp_path / "file"))
    assert host.join(60)
    assert isinstance(host.error, RunError)
    assert "Cannot create a run in" in str(host.error)


WAITS = """
import pathlib, time
(pathlib.Path(__file__).parent / "preparing").touch()
while not (pathlib.Path(__file__).parent / "go").exists():
    time.sleep(0.005)
def change(images):
    return images
"""


def test_cancel_during_preparation_creates_no_run(host: ThreadHost, quick: Quick, tmp_path: Path) -> None:
    (tmp_path / "waits.py").write_text(WAITS)
    config = quick(f"data.transform={tmp_path}/waits.py:change")
    host.start(RunSpec(config=config, runs_dir=tmp_path / "runs"))
    until(lambda: (tmp_path / "preparing").exists())
    assert host.busy
    assert host.folder is None
    assert host.activity
    host.cancel()
    (tmp_path / "go").touch()
    assert host.join(60)
    assert host.folder is None
    assert host.error is None
    assert not (tmp_path / "runs").exists()


def test_an_exception_in_user_code_fails_the_run_and_is_logged(
    host: ThreadHost, quick: Quick, read: Read, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text("def change(images):\n    return images / 0 + no_such_name\n")
    host.start(RunSpec(config=quick(f"data.transform={tmp_path}/mine.py:change"), runs_dir=tmp_path / "runs"))
    assert host.join(60)
    assert host.error is None
    assert host.folder is not None
    run = read(host.folder)
    assert run.state.status == "failed"
    assert "NameError: name 'no_such_name' is not defined" in run.state.reason
    assert "Traceback" not in run.state.reason
    assert any("Traceback" in line for line in run.log)
    assert any("mine.py" in line and "line 2" in line for line in run.log)
    assert capfd.readouterr() == ("", "")


def test_set_reports_whether_the_loop_applied_or_refused_a_change(
    host: ThreadHost, quick: Quick, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = start_training(host, quick(*ENDLESS), tmp_path)
    until(lambda: folder.state().epoch > 2)

    def set_values(*changes: str) -> tuple[int, str]:
        status = main(["set", "mine", *changes, "--runs-dir", str(folder.path.parent)])
        return status, capsys.readouterr().err

    assert set_values("optimizer.lr=0.5", "training.epochs=900000") == (
        0, f"lr 0.5: applied by {folder.id}\nepochs 900000: applied by {folder.id}\n",
    )  # fmt: skip
    assert (folder.state().lr, folder.state().epochs) == (0.5, 900000)
    status, message = set_values("optimizer.lr=0.25", "training.epochs=1")
    assert (status, folder.state().lr) == (2, 0.5)
    assert "training.epochs = 1 is not allowed: epoch" in message
    # The command cannot check the value itself if the state does not show the current epoch.
    monkeypatch.setattr(State, "begun", 0)
    status, message = set_values("training.epochs=1")
    assert status == 2
    assert "training.epochs = 1 is not allowed: epoch" in message
    assert f"Sent by {follow(folder).events[1].detail}." in message
    answer = ask(folder, "lr", -1.0, 60)
    assert answer is not None
    assert answer.detail.startswith("optimizer.lr = -1 is not allowed: it must be")
    first, second = (line[9:] for line in follow(folder).log if "refused" in line)
    assert message == f"tuitrain: {first.removeprefix('refused: ')}\n"
    assert second == f"refused: {answer.detail}"
    assert event_names(folder) == ["started", "lr", "epochs", "refused", "refused"]


def test_ask_times_out_but_the_command_stays_in_the_control_file(queued: RunFolder) -> None:
    rows = queued.metrics_file.read_bytes()
    assert ask(queued, "lr", 0.5, 0.1) is None
    assert b'"lr"' in queued.control_file.read_bytes()
    assert queued.metrics_file.read_bytes() == rows
