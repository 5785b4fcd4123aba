"""An exception anywhere in the app restores the terminal, and is reported in a sentence and a file."""

import re
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from pseudo_terminal import Terminal, kill

# What `?` does instead of opening the help. `fail` raises.
PLANTS = {
    "compose": "self.push_screen(type('Failing', (Screen,), {'compose': fail})())",
    "handler": "fail()",
    "render": "self.mount(type('Failing', (Widget,), {'render': fail})())",
    "timer": "self.set_timer(0.01, fail)",
    "worker": "self.run_worker(fail, thread=True)",
    "message": "self.post_message(Unknown())",
    "close": "TuitrainApp.on_unmount = fail; self.exit()",
    "callback": "asyncio.get_running_loop().call_soon(fail)",
    "output": "self._driver.write(type('planted', (), {})())",
    "input": "paste._REPORT = type('Failing', (), {'sub': fail})(); self.notify('ready')",
}
PROGRAM = """
import asyncio, queue, threading, time
from textual.drivers import _writer_thread
from textual.message import Message
from textual.screen import Screen
from textual.widget import Widget
from tuitrain.app.app import TuitrainApp
from tuitrain.cli import main
from tuitrain.widgets.terminal import paste

class SlowQueue(queue.Queue):
    def get(self):
        time.sleep(0.005)  # As on a slow line.
        return super().get()

_writer_thread.Queue = SlowQueue

class Unknown(Message):
    pass

def fail(*_):
    raise ValueError("planted \\x1b[31m")

def action_help(self):
    {plant}

TuitrainApp.action_help, TuitrainApp.on_unknown = action_help, fail
raise SystemExit(main())
"""
# Mouse reports of any kind, focus reports, bracketed paste and the alternate screen.
MODES = (b"1000", b"1002", b"1003", b"1004", b"1006", b"1015", b"2004", b"1049")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("TERM", "xterm-256color")
    return tmp_path


@pytest.fixture
def opened() -> Iterator[list[pexpect.spawn]]:
    processes: list[pexpect.spawn] = []
    yield processes
    for process in processes:
        kill(process)


@pytest.mark.parametrize("where", PLANTS)
def test_an_exception_is_reported_and_the_terminal_restored(
    home: Path, opened: list[pexpect.spawn], where: str
) -> None:
    program = PROGRAM.format(plant=PLANTS[where])
    process = pexpect.spawn(sys.executable, ["-c", program], cwd=home, dimensions=(24, 200))
    opened.append(process)
    process.delaybeforesend = None
    before = termios.tcgetattr(process.child_fd)
    shown = Terminal(process, 200, 24)
    shown.see("No runs yet")
    assert termios.tcgetattr(process.child_fd) != before
    process.send("?")
    if where == "input":
        shown.see("ready")
        process.send("x")
    shown.drain()
    assert termios.tcgetattr(process.child_fd) == before
    assert shown.end() == 1
    for mode in MODES:
        assert re.findall(rb"\x1b\[\?%s([hl])" % mode, shown.raw)[-1:] in ([], [b"l"]), mode
    message = shown.raw[shown.raw.rindex(b"\x1b[") :].decode()
    (file,) = (home / "tmp").glob("tuitrain-*.log")
    assert re.fullmatch(
        rf"\x1b\[[^a-zA-Z]*[a-zA-Z]tuitrain: unexpected error: .*planted.*\.\r\nRuns keep their last checkpoint\.\r\n"
        rf"Details: {file}\r\n",
        message,
    ), message
    assert "planted" in file.read_text()
