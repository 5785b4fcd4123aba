"""Keys in a single write to the terminal, as a slow connection delivers them, act in order."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from pseudo_terminal import Terminal
from tuitrain.runs.control import Command, Inbox
from tuitrain.runs.folder import RunFolder, folders

WriteRun = Callable[..., RunFolder]
CTRL_U, BACKSPACE, ESCAPE = "\x15", "\x7f", "\x1b"


@pytest.fixture
def shown(terminal: Callable[..., Terminal], runs_dir: Path, write_run: WriteRun) -> Terminal:
    for number, name in enumerate(("adam-1", "adam-2", "sgd-1")):
        write_run(name, f"optimizer.name={name[:-2]}", f"training.seed={number}")
    shown = terminal(runs_dir)
    shown.see("adam-1", "adam-2", "sgd-1")
    return shown


def test_a_paste_is_never_a_key_and_a_filter_is_typed_ahead(shown: Terminal, runs_dir: Path) -> None:
    for text in ("see \x1b[31mxx\x1b[0m q", "\x1b[32mepoch 1\x1b[0m\rx"):
        shown.press(f"\x1b[200~{text}\x1b[201~")
    shown.press("/xcept")
    shown.see("No run matches the filter", "xcept")
    assert len(list(folders(runs_dir))) == 3
    shown.press(f"{CTRL_U}adam\rac")
    shown.see("2 runs", "settings that differ", "results")


def test_a_field_is_edited_ahead(shown: Terminal) -> None:
    shown.press("n")
    shown.see("Data set to train on")
    shown.press("\x06epochs\r")
    shown.see("training.epochs")
    shown.press(f"{BACKSPACE}{BACKSPACE}32")
    shown.see("learning rate over 32 epochs")
    shown.press(f"{CTRL_U}77")
    shown.see("learning rate over 77 epochs")


def test_a_value_is_typed_ahead_on_the_live_screen(terminal: Callable[..., Terminal], write_run: WriteRun) -> None:
    folder = write_run("a", status="running")
    inbox, shown = Inbox(folder), terminal(folder.path.parent)
    sent: list[Command] = []

    def obeyed(count: int) -> bool:
        sent.extend(inbox.new())
        return len(sent) == count

    shown.see("running")
    shown.press("\r")
    shown.see("pause", "checkpoint")
    for count, keys in enumerate(("r1e-3\r", f"r{CTRL_U}0.01\r", "e12\r"), start=1):
        shown.press(keys)
        shown.until(partial(obeyed, count))
    assert [(command.name, command.value) for command in sent] == [("lr", 0.001), ("lr", 0.01), ("epochs", 12.0)]


def test_help_opened_and_closed_does_not_end_the_program(shown: Terminal) -> None:
    shown.press(f"?{ESCAPE}")
    shown.see("adam-1", "quit")
    shown.press(f"?{ESCAPE}{ESCAPE}")
    shown.see("adam-1", "quit")
    shown.press("q")
    assert shown.end() == 0
