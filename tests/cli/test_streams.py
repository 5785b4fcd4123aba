"""Output and exit status of commands whose streams are closed, full or abandoned by their reader."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import forked
from tuitrain.runs.folder import RunFolder

FULL = "tuitrain: stdout cannot be written: No space left on device.\n"
EPOCH = ("--set", "training.epochs=1", "--set", "training.device=cpu")
TRAIN = ("train", "--json", *EPOCH)
PRINTING = [["runs"], ["runs", "--json"], ["show", "first"], ["show", "first", "--json"], ["config"], ["--help"],
            ["compare", "first", "second"], ["train", "--help"]]  # fmt: skip
Done = subprocess.CompletedProcess[str]


def command(home: Path, streams: str, *arguments: str) -> Done:
    """Run a command with its streams redirected by a shell."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    return subprocess.run(
        ["bash", "-c", f'exec "$@" {streams}', "bash", sys.executable, "-m", "tuitrain", *arguments],
        cwd=home, capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with two runs."""
    home = tmp_path_factory.mktemp("home")
    for name in ("first", "second"):
        assert forked.tuitrain(home, "train", "--name", name, *EPOCH).returncode == 0
    return home


def runs(home: Path) -> list[RunFolder]:
    return [RunFolder(path) for path in (home / "runs").iterdir()]


def test_talk_without_stderr_is_not_in_the_document(tmp_path: Path) -> None:
    done = command(tmp_path, "2>&-", *TRAIN)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["status"] == "finished"


def test_a_run_needs_no_stream(tmp_path: Path) -> None:
    done = command(tmp_path, "<&- >&- 2>&-", *TRAIN)
    assert (done.returncode, done.stdout) == (0, "")
    (folder,) = runs(tmp_path)
    assert folder.state().status == "finished"
    assert "finished" in folder.log_file.read_text()
    assert "loading torch" not in folder.log_file.read_text()


def test_a_result_that_is_lost_is_an_error(tmp_path: Path) -> None:
    done = forked.tuitrain(tmp_path, *TRAIN, stdout="/dev/full")
    assert done.returncode == 1
    assert "finished: " in done.stderr
    assert done.stderr.endswith(FULL)
    (folder,) = runs(tmp_path)
    assert folder.state().status == "finished"
    done = forked.tuitrain(tmp_path, "evaluate", folder.id, "--json", stdout="/dev/full")
    assert (done.returncode, done.stderr.splitlines()[-1:]) == (1, FULL.splitlines())


def test_a_run_that_was_started_is_named_where_its_id_cannot_be_printed(tmp_path: Path) -> None:
    done = command(tmp_path, ">/dev/full", "train", "--detach", *EPOCH)
    assert done.returncode == 1
    (folder,) = runs(tmp_path)
    assert done.stderr == f"The run trains in the background. Watch it: tuitrain attach {folder.id}\n{FULL}"
    process = folder.state().process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_an_output_error_is_one_sentence(trained: Path, arguments: list[str]) -> None:
    done = command(trained, ">/dev/full", *arguments)
    assert (done.returncode, done.stderr) == (1, FULL)


@pytest.mark.parametrize("arguments", [["runs"], ["show", "first"], ["--help"]], ids=" ".join)
def test_a_closed_stdout_wants_nothing(trained: Path, arguments: list[str]) -> None:
    done = command(trained, ">&-", *arguments)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("streams", ["2>&-", "2>/dev/full"])
def test_errors_set_the_exit_status_without_stderr(trained: Path, streams: str) -> None:
    for arguments in (["show", "third"], ["nonsense"], ["runs", "--fast"]):
        done = command(trained, streams, *arguments)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", "")
    assert json.loads(command(trained, streams, "runs", "--json").stdout)[0]["status"] == "finished"


def test_a_sweep_whose_terminal_has_gone_prints_its_result(tmp_path: Path) -> None:
    master, slave = os.openpty()
    with (tmp_path / "result.json").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "tuitrain", "sweep", "--json", *EPOCH, "--set", "optimizer.lr=0.1,0.01"],
            cwd=tmp_path, stdin=slave, stdout=out, stderr=slave, start_new_session=True,
            preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),
        )  # fmt: skip
    os.close(slave)
    try:
        seen = b""
        while b" running" not in seen:
            seen += os.read(master, 1024)
        os.close(master)
        assert process.wait(120) == 0
    finally:
        process.kill()
        process.wait()
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["status"], [run["status"] for run in result["runs"]]) == ("finished", ["finished"] * 2)


NOISY = """
import atexit, ctypes, os, sys, warnings
from tuitrain.cli import main
from tuitrain.cli.commands import runs
from tuitrain.hosts.log_capture import LogCapture
listed = runs.run

def make_noise(place):
    warnings.warn(f"<warning {place}>")
    os.write(2, f"<descriptor {place}>".encode())
    ctypes.CDLL(None).puts(f"<C {place}>".encode())
    os.system(f"echo '<child {place}>' >&2")

def run(options):
    make_noise("before")
    with LogCapture() as capture:
        import logging
        kept = logging.StreamHandler()
        logging.getLogger("library").addHandler(kept)
        make_noise("in")
        capture.file.seek(0)
        log = capture.file.read()
        assert [word for word in ("warning", "descriptor", "child") if f"<{word} in>" not in log] == []
        assert "before" not in log
    logging.getLogger("library").warning("<kept handler>")
    logging.getLogger("other").warning("<no handler>")
    make_noise("after")
    return listed(options)

runs.run = run
atexit.register(make_noise, "exit")
raise SystemExit(main(sys.argv[1:]))
"""


def test_libraries_write_neither_to_the_terminal_nor_beside_a_document(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    command = [sys.executable, "-c", NOISY, "runs", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
