import getpass
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuitrain.errors import ConfigError, RunError
from tuitrain.runs import control
from tuitrain.runs.control import COMMANDS, LONGEST, CommandName, Inbox, accepted, ask, send
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.rows import Event, encode


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[RunFolder]:
    yield RunFolder(tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.name not in ("control.jsonl", "metrics.jsonl")]


def names(inbox: Inbox) -> list[CommandName]:
    return [command.name for command in inbox.new()]


def test_every_command_arrives_once_and_in_order(folder: RunFolder) -> None:
    inbox = Inbox(folder)
    assert inbox.new() == []
    commands: list[CommandName] = ["pause", "resume", "checkpoint", "lr", "epochs", "detach", "set", "stop"]
    assert sorted(commands) == sorted(COMMANDS)
    for command in commands:
        send(folder, command, 0.5 if command == "lr" else None)
    arrived = inbox.new()
    assert [command.name for command in arrived] == commands
    assert [command.value for command in arrived if command.value] == [0.5]
    assert all("@" in command.by and command.time > 0 for command in arrived)
    assert inbox.new() == []


def test_commands_from_before_the_inbox_are_ignored(folder: RunFolder) -> None:
    send(folder, "stop")
    inbox = Inbox(folder)
    send(folder, "pause")
    assert names(inbox) == ["pause"]


def test_local_commands_need_no_file(folder: RunFolder) -> None:
    inbox = Inbox(folder)
    inbox.put("stop")
    assert names(inbox) == ["stop"]
    assert not folder.control_file.exists()


def test_lines_that_are_no_commands_are_passed_over(folder: RunFolder) -> None:
    inbox = Inbox(folder)
    garbage = [
        b"",
        b"stop",
        b"\xff\xfe\x00",
        b'{"name": "explode", "time": 1}',
        b'{"name": "stop"}',
        b'{"name": "stop", "time": "now"}',
        b'{"name": "lr", "time": 1, "value": 1e999}',
        b'{"name": "stop", "time": 1, "x": ' + b"[" * 100_000,
    ]
    folder.control_file.write_bytes(b"\n".join(garbage) + b"\n")
    send(folder, "pause")
    assert names(inbox) == ["pause"]


def test_a_line_without_end_takes_no_memory_and_stops_no_command(folder: RunFolder) -> None:
    inbox = Inbox(folder)
    folder.control_file.write_bytes(b"[" * (3 * LONGEST + 7) + b"\n")
    send(folder, "pause")
    assert [names(inbox) for _ in range(4)] == [[], [], [], ["pause"]]


def test_leaving_removes_no_command(folder: RunFolder) -> None:
    inbox = Inbox(folder)
    send(folder, "pause")
    assert not inbox.leaving()
    inbox.put("detach")
    assert inbox.leaving()
    send(folder, "lr", 0.1)
    assert names(inbox) == ["pause", "detach", "lr"]
    assert not inbox.leaving()


def test_a_torn_line_waits_for_its_end(folder: RunFolder) -> None:
    inbox = Inbox(folder)
    line = b'{"name": "checkpoint", "time": 1.5}\n'
    arrived = []
    for end in range(1, len(line) + 1):
        folder.control_file.write_bytes(line[:end])
        arrived += [(end, name) for name in names(inbox)]
    assert arrived == [(len(line), "checkpoint")]


def test_a_recreated_control_file_is_read_from_the_start(folder: RunFolder) -> None:
    inbox = Inbox(folder)
    for _ in range(3):
        send(folder, "checkpoint")
    assert len(inbox.new()) == 3
    folder.control_file.unlink()
    assert inbox.new() == []
    send(folder, "stop")
    assert names(inbox) == ["stop"]


def test_a_control_file_that_is_no_regular_file_is_ignored(folder: RunFolder) -> None:
    inbox = Inbox(folder)
    folder.control_file.mkdir()
    assert inbox.new() == []
    with pytest.raises(RunError, match="cannot be written"):
        send(folder, "stop")
    folder.control_file.rmdir()
    os.mkfifo(folder.control_file)
    assert inbox.new() == []
    with pytest.raises(RunError, match="cannot be written"):
        send(folder, "stop")


def test_a_run_that_is_gone_takes_no_command(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="'stop' cannot be written"):
        send(RunFolder(tmp_path / "gone"), "stop")


@pytest.mark.parametrize("name", ["lr", "refused"])
def test_an_answer_is_that_to_the_own_command(folder: RunFolder, name: str) -> None:
    """The loop has answered others before, and answers another user first."""
    others = [Event("epochs", 1, 1, 0.0, "", 0.5), Event("lr", 1, 1, 0.0, "", 0.25)]
    answers = [*others, Event(name, 1, 1, 0.0, "mine", 0.5)]
    folder.metrics_file.write_bytes(encode(Event("lr", 1, 1, 0.0, "before", 0.5)) + b"\n")

    def answer() -> None:
        inbox = Inbox(folder, since=0)
        while not inbox.new():
            pass
        with folder.metrics_file.open("ab") as file:
            file.write(b"".join(encode(row) + b"\n" for row in answers))

    loop = threading.Thread(target=answer)
    loop.start()
    assert ask(folder, "lr", 0.5, timeout=60) == answers[-1]
    loop.join()
    assert ask(folder, "lr", 0.5, timeout=0) is None


def test_a_command_for_epochs_names_its_schedule(folder: RunFolder) -> None:
    inbox = Inbox(folder)
    send(folder, "epochs", 5.0)
    send(folder, "epochs", 5.0, "restart")
    send(folder, "lr", 0.5, "restart")
    assert [command.schedule for command in inbox.new()] == ["stretch", "restart", ""]


def test_a_stop_has_its_reason_and_names_the_process(folder: RunFolder) -> None:
    inbox = Inbox(folder)
    inbox.put("stop", "too late")
    (command,) = inbox.new()
    assert (command.reason, command.value, command.by) == ("too late", None, f"process {os.getpid()}")


@pytest.mark.parametrize(
    ("name", "value", "begun", "setting"),
    [("lr", 0.5, 9, 0.5), ("epochs", 3.0, 3, 3), ("epochs", 4.0, 3, 4), ("epochs", 1.0, 0, 1)],
)
def test_a_value_that_a_run_accepts(name: CommandName, value: float, begun: int, setting: float) -> None:
    assert accepted(name, value, begun) == setting
    assert type(accepted(name, value, begun)) is type(setting)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("lr", -1.0, "optimizer.lr"),
        ("lr", None, "optimizer.lr"),
        ("epochs", 2.5, "training.epochs"),
        ("epochs", None, "training.epochs"),
        ("epochs", 0.0, "training.epochs"),
        ("epochs", 2.0, r"training\.epochs = 2 is not allowed: epoch 3 has started, so it must be at least 3"),
    ],
)
def test_a_value_that_a_run_refuses(name: CommandName, value: float | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        accepted(name, value, 3)
    assert raised.value.key == control.KEYS[name]


def test_a_run_without_rows_cannot_be_asked(folder: RunFolder) -> None:
    with pytest.raises(RunError, match=r"metrics\.jsonl is missing"):
        ask(folder, "lr", 0.5, timeout=60)
    assert not folder.control_file.exists()


@pytest.mark.parametrize("error", [KeyError, OSError])
def test_a_user_without_a_name_is_a_number(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fail() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", fail)
    inbox = Inbox(folder)
    send(folder, "stop")
    assert inbox.new()[0].by.startswith(f"{os.getuid()}@")


def test_a_control_file_that_cannot_be_read_ends_no_run(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox = Inbox(folder)
    send(folder, "stop")

    def fail(*_: object) -> None:
        raise RunError("control.jsonl cannot be read: Input/output error.")

    with monkeypatch.context() as patch:
        patch.setattr(control, "read_lines", fail)
        assert inbox.new() == []
    assert names(inbox) == ["stop"]
