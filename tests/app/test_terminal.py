"""The program in a real terminal, used by keyboard alone."""

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pyte
import pytest

from tuitrain.runs.folder import RunFolder, folders
from tuitrain.runs.records import State

# Seconds for anything that is waited for; loading torch on a busy machine is the longest of it.
PATIENCE = 60
ALTERNATE = "?1049"
BEFORE, NEXT_SECTION, START = "\x1b[Z", "\x1b[6~", "\x12"
TRANSFORM = """\
import sys, warnings
def shout(images):
    print("STRAY PRINT")
    print("STRAY ERROR", file=sys.stderr)
    warnings.warn("STRAY WARNING")
    return images
"""
# The last lines of the log stand at the foot of the screen; there and only there a print of the user's is welcome.
FOOT = 5


class Terminal:
    """The program in a pseudo-terminal; all its output is checked, also what later output overwrites."""

    def __init__(self, process: pexpect.spawn, width: int, height: int) -> None:
        self.process = process
        self.screen = pyte.Screen(width, height)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.quiet = False

    @property
    def lines(self) -> list[str]:
        return list(self.screen.display)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def read(self) -> bool:
        """Read available output; return whether the program still runs."""
        self.quiet = False
        try:
            chunk = self.process.read_nonblocking(65536, timeout=0.1)
        except pexpect.TIMEOUT:
            self.quiet = True
            return True
        except pexpect.EOF:
            return False
        self.raw += chunk
        # pyte does not know the mark of private sequences such as CSI > 1 u, and would print what follows it.
        self._stream.feed(re.sub(rb"\x1b\[[<=>][0-9;]*[a-zA-Z]", b"", chunk))
        assert "Traceback" not in self.text, self.text
        # What the program draws never ends a line so.
        assert not re.search(rb"STRAY [A-Z]+\r?\n", self.raw[-2 * len(chunk) - 100 :])
        return True

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            alive = self.read()
            assert alive or condition(), f"the program ended:\n{self.text}"
            assert time.monotonic() < deadline, f"waited in vain:\n{self.text}"

    def see(self, *words: str) -> None:
        """Wait for the texts, then until the screen is drawn."""
        self.until(lambda: all(word in self.text for word in words))
        self.until(lambda: self.quiet)
        assert not any("STRAY" in line for line in self.lines[:-FOOT]), self.text

    def press(self, *keys: str) -> None:
        for key in keys:
            self.process.send(key)
            self.read()

    def resize(self, width: int, height: int) -> None:
        self.process.setwinsize(height, width)
        self.screen.resize(height, width)
        self.screen.reset()

    def end(self) -> int | None:
        """Wait for the end; return the exit status."""
        deadline = time.monotonic() + PATIENCE
        while self.read():
            assert time.monotonic() < deadline, f"does not end:\n{self.text}"
        self.process.close()
        status: int | None = self.process.exitstatus
        return status

    @property
    def restored(self) -> bool:
        """Whether the program left the alternate screen and showed the cursor at the end."""
        switches = re.findall(rb"\x1b\[\?(1049|25)([hl])", self.raw)
        last = dict(switches)
        return last.get(b"1049") == b"l" and last.get(b"25") == b"h"


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    started: list[pexpect.spawn] = []

    def start(runs_dir: Path, width: int = 120, height: int = 40) -> Terminal:
        environment = {
            **os.environ,
            "TERM": "xterm-256color",
            "LC_ALL": "C.UTF-8",
            "HOME": str(tmp_path),
            "OMP_NUM_THREADS": "1",
        }
        process = pexpect.spawn(
            sys.executable,
            ["-m", "tuitrain", "--runs-dir", str(runs_dir)],
            env=environment,
            dimensions=(height, width),
            cwd=tmp_path,
        )
        process.delaybeforesend = None
        started.append(process)
        return Terminal(process, width, height)

    yield start
    for process in started:
        process.close(force=True)


def only(runs_dir: Path) -> RunFolder:
    (folder,) = folders(runs_dir)
    return folder


def state(runs_dir: Path) -> State:
    return only(runs_dir).state()


def fill_the_form(shown: Terminal, transform: Path) -> None:
    shown.see("No runs yet.", "Press n")
    shown.press("n")
    shown.see("Data set to train on")
    shown.press(BEFORE)
    shown.see("Where the run trains")
    shown.press(BEFORE)
    shown.see("Name of the run")
    shown.press("shouting", NEXT_SECTION, NEXT_SECTION)
    shown.see("Architecture")
    shown.press(BEFORE)
    shown.see("Function FILE.py:NAME")
    shown.press(f"{transform}:shout")
    for first in ("model.name", "optimizer.name", "schedule.name", "training.epochs"):
        shown.press(NEXT_SECTION)
        shown.see(f" {first}  ")
    shown.press("50000")


@pytest.mark.parametrize(("width", "height"), [(120, 40), (80, 24)])
def test_a_run_from_the_form_to_its_confusion_matrix(
    terminal: Callable[..., Terminal], runs_dir: Path, tmp_path: Path, width: int, height: int
) -> None:
    (tmp_path / "shout.py").write_text(TRANSFORM)
    shown = terminal(runs_dir, width, height)
    fill_the_form(shown, tmp_path / "shout.py")
    shown.press(START)
    shown.see("shouting", "epoch", "images/s", "╭─ loss")

    pictures = set()

    def moved() -> bool:
        """Return whether the curve changed several times during the run."""
        if state(runs_dir).status == "running" and "╭─ loss" in shown.text:
            pictures.add("\n".join(line for line in shown.lines if "│" in line))
        return len(pictures) >= 3

    shown.until(moved)
    shown.resize(60, 20)
    shown.see("running", "loss")
    shown.resize(width, height)
    shown.see("accuracy", "running")
    shown.press("s")
    shown.see("stopped", "results")
    assert state(runs_dir).status == "stopped"
    shown.press("\r")
    shown.see("1 summary", "epochs")
    log = only(runs_dir).log_file.read_text()
    assert all(word in log for word in ("STRAY PRINT", "STRAY ERROR", "STRAY WARNING"))
    shown.press("3")
    shown.see("predicted", "recall")
    shown.press("q")
    assert shown.end() == 0
    assert shown.restored
    assert ALTERNATE.encode() + b"h" in shown.raw


def test_leaving_at_once(terminal: Callable[..., Terminal], runs_dir: Path) -> None:
    shown = terminal(runs_dir, 80, 24)
    shown.see("No runs yet.")
    shown.press("q")
    assert shown.end() == 0
    assert shown.restored
    # The window's title, too: kept before it is set, and given back last.
    kept, given = shown.raw.index(b"\x1b[22;2t"), shown.raw.index(b"\x1b[23;2t")
    assert kept < shown.raw.index(b"\x1b]2;") <= shown.raw.rindex(b"\x1b]2;") < given
    assert not runs_dir.exists()


def test_a_key_pressed_before_the_screen_opens(terminal: Callable[..., Terminal], runs_dir: Path) -> None:
    shown = terminal(runs_dir, 80, 24)
    shown.process.send("q")
    shown.until(lambda: bool(shown.raw))
    while shown.process.isalive():
        shown.press("q")
    assert shown.end() == 0
    assert shown.restored


def test_an_unreadable_folder_is_reported(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    shown = terminal(tmp_path / "file", 100, 24)
    # Wherever the line is broken.
    shown.until(lambda: "cannot be read: Not a directory." in " ".join(shown.text.split()))
    shown.press("q")
    assert shown.end() == 0
    assert shown.restored


def test_a_failed_start_is_reported_only_in_the_form(terminal: Callable[..., Terminal], runs_dir: Path) -> None:
    shown = terminal(runs_dir)
    shown.see("No runs yet.", "Press n")
    runs_dir.write_text("a file")
    shown.press("n")
    shown.see("Data set to train on")
    shown.press(START)
    shown.see("Cannot create a run in")
    shown.press("\x1b")
    # Back on the first screen, which says what it finds.
    shown.see("cannot be read")
    before = len(shown.raw)
    shown.press("q")
    assert shown.end() == 0
    assert shown.restored
    assert b"No run can be made" not in shown.raw[before:]
