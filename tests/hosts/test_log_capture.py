"""Output during a run goes to its log and nowhere else."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tuitrain.hosts.log_capture import LogCapture

Capfd = pytest.CaptureFixture[str]

LOUD = """
import ctypes, logging, os, subprocess, sys, threading, warnings

print("<1> imported")
libc, done = ctypes.CDLL(None), False
handler = logging.StreamHandler()

def change(images):
    global done
    if done:
        return images
    done = True
    print("<2> print")
    print("<3> stderr", file=sys.stderr)
    print("<4> no end", end="")
    sys.stdout.write("\\n")
    warnings.warn("<5> warning")
    logging.getLogger("mine").warning("<6> logging")
    handler.emit(logging.makeLogRecord({"msg": "<7> a handler of its own"}))
    os.write(1, b"<8> descriptor\\n")
    os.write(2, b"<9> descriptor\\n")
    subprocess.run(["echo", "<10> child"])
    subprocess.run(["sh", "-c", "echo '<11> child' >&2"])
    subprocess.run(["echo", "<12> child that is given a stream"], stdout=sys.stdout, stderr=sys.stderr)
    sys.stdout.flush()
    sys.stdout.buffer.write(b"<13> bytes\\n")
    sys.stdout.buffer.flush()
    thread = threading.Thread(target=print, args=("<14> thread",))
    thread.start()
    thread.join()
    libc.puts(b"<15> a C library")
    print("<16> not ASCII \\u00e9 \\ud800")
    return images
"""
PROGRAM = """
import os, subprocess, sys
from pathlib import Path
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.hosts.launch import RunSpec, train_new_run

folder = Path(sys.argv[1])
config = override(Config(), ["training.epochs=1", "training.device=cpu", f"data.transform={folder}/loud.py:change"])
for _ in range(2):
    train_new_run(RunSpec(config=config, runs_dir=folder / "runs"), lambda *_: None, lambda *_: None)
print("out")
print("err", file=sys.stderr)
sys.stdout.flush()
os.write(1, b"one\\n")
os.write(2, b"two\\n")
subprocess.run(["echo", "child"])
"""


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a Python process with buffered output, the default."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment)


def test_all_output_of_a_run_goes_to_its_log_only(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(LOUD)
    done = python(PROGRAM, str(tmp_path))
    assert done.stdout.split() == ["out", "one", "child"]
    assert done.stderr.split() == ["err", "two"]
    runs = list((tmp_path / "runs").iterdir())
    assert len(runs) == 2
    for run in runs:
        log = (run / "log.txt").read_text(encoding="utf-8")
        assert "finished" in log
        assert [number for number in range(1, 17) if f"<{number}>" not in log] == []


def test_streams_are_restored_after_an_error() -> None:
    before = sys.stdout, sys.stderr

    def fail() -> None:
        with LogCapture():
            assert sys.stdout is not before[0]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (sys.stdout, sys.stderr) == before


def test_output_before_redirect_to_is_written_to_the_log(tmp_path: Path, capfd: Capfd) -> None:
    with LogCapture() as capture:
        print("early")  # noqa: T201
        os.write(2, b"descriptor\n")
        capture.redirect_to(tmp_path / "log.txt")
        print("late")  # noqa: T201
    assert (tmp_path / "log.txt").read_text().split() == ["early", "descriptor", "late"]
    assert capfd.readouterr() == ("", "")


def test_redirect_to_appends_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("first\n")
    for word in ("second", "third"):
        with LogCapture() as capture:
            capture.redirect_to(log)
            print(word)  # noqa: T201
    assert log.read_text() == "first\nsecond\nthird\n"


def test_output_is_dropped_without_a_log(capfd: Capfd) -> None:
    with LogCapture():
        print("nobody wants to know")  # noqa: T201
        os.write(1, b"nor this\n")
    assert capfd.readouterr() == ("", "")


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = count()
    for _ in range(3):
        with LogCapture() as capture:
            capture.redirect_to(tmp_path / "log.txt")
    assert count() == before


def test_output_of_the_main_thread_is_not_captured(tmp_path: Path, capfd: Capfd) -> None:
    captured, finished = threading.Event(), threading.Event()

    def capture_output() -> None:
        with LogCapture() as capture:
            capture.redirect_to(tmp_path / "log.txt")
            print("worker")  # noqa: T201
            captured.set()
            finished.wait(30)

    thread = threading.Thread(target=capture_output)
    thread.start()
    assert captured.wait(30)
    print("main")  # noqa: T201
    assert sys.stdout.fileno() > 2
    finished.set()
    thread.join()
    assert capfd.readouterr().out == "main\n"
    assert (tmp_path / "log.txt").read_text() == "worker\n"


def stdout_of(code: str) -> str:
    done = python(code)
    assert done.stderr == ""
    return done.stdout


def test_the_programs_own_streams_are_not_captured() -> None:
    code = """
import os, sys
from tuitrain.cli.streams import keep_streams
from tuitrain.hosts.log_capture import LogCapture
keep_streams()
print("before")
with LogCapture():
    print("captured")
    os.write(1, b"captured\\n")
    os.system("echo captured")
    sys.__stdout__.write("screen\\n")
    sys.__stdout__.flush()
print("after")
os.write(1, b"restored\\n")
"""
    assert stdout_of(code) == "before\nscreen\nafter\nrestored\n"


def test_buffered_output_reaches_its_original_target() -> None:
    code = """
import ctypes, sys
from tuitrain.hosts.log_capture import LogCapture
libc = ctypes.CDLL(None)
print("before")
libc.puts(b"C before")
with LogCapture():
    sys.__stdout__.flush()
    print("captured")
    libc.puts(b"C captured")
print("after")
"""
    assert sorted(stdout_of(code).split("\n")) == ["", "C before", "after", "before"]
