"""The program in a real terminal, used by keyboard alone."""

from collections.abc import Callable
from pathlib import Path

from pseudo_terminal import Terminal
from tuitrain.runs.folder import RunFolder, folders
from tuitrain.runs.records import State

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


def only(runs_dir: Path) -> RunFolder:
    (folder,) = folders(runs_dir)
    return folder


def state(runs_dir: Path) -> State:
    return only(runs_dir).state()


def fill_the_form(shown: Terminal, transform: Path) -> None:
    shown.see("No runs yet", "set up a run")
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
    for first in ("model.name", "finetune.layer_decay", "optimizer.name", "schedule.name", "training.epochs"):
        shown.press(NEXT_SECTION)
        shown.see(f" {first}  ")
    shown.press("50000")


def test_a_run_from_the_form_to_its_confusion_matrix(
    terminal: Callable[..., Terminal], runs_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "shout.py").write_text(TRANSFORM)
    shown = terminal(runs_dir, 80, 24)
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
    shown.resize(120, 40)
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
    shown.see("No runs yet")
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
    shown.see("No runs yet", "set up a run")
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
