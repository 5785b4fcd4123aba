"""The logger in the processes of real scripts: killed, forked, on several GPUs, on a full disk."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from logged_runs import wait_for
from tuitrain.logger.ending import UNKNOWN
from tuitrain.runs.catalog.follow import follow
from tuitrain.runs.catalog.listing import all_folders
from tuitrain.runs.scripts.follower import ScriptFollower

from .conftest import Script

Start = Callable[..., Script]
Read = Callable[[], ScriptFollower]
RUNS = "import tuitrain\nrun = tuitrain.init(name='one')\n"


def test_a_killed_script_loses_at_most_a_second(script: Start, read: Read, tmp_path: Path) -> None:
    process = script(
        RUNS
        + """
import json, time
with open("logged.txt", "w") as logged:
    for step in range(10**9):
        run.log({"a": float(step)})
        print(step, time.time(), file=logged, flush=True)
        time.sleep(0.0005)
"""
    )
    logged = tmp_path / "logged.txt"
    wait_for(lambda: _before_last_second(logged))
    process.kill()
    process.wait()
    run = read()
    assert run.status == "interrupted"
    old = _before_last_second(logged)
    assert list(run.logged("a").step)[: len(old)] == old


def _before_last_second(logged: Path) -> list[int]:
    """Return the steps that the script logged more than a second before its last one."""
    lines = logged.read_text().splitlines()[:-1] if logged.exists() else []
    pairs = [(int(step), float(time)) for step, time in map(str.split, lines)]
    return [step for step, time in pairs if time < pairs[-1][1] - 1]


@pytest.mark.parametrize(
    ("end", "status", "reason"),
    [
        ("", "finished", ""),
        ("raise ValueError('odd')", "failed", "ValueError: odd"),
        ("raise ValueError('\\ud800')", "failed", "ValueError: ?"),
        ("raise KeyboardInterrupt", "stopped", "interrupted by the user"),
        ("run.finish(exit_code=3)", "failed", "exit code 3"),
        ("import sys; sys.exit(3)", "failed", "exit code 3"),
        ("import sys; sys.exit('no data')", "failed", "no data"),
        ("import argparse; argparse.ArgumentParser().error('odd')", "failed", "exit code 2"),
        ("exit(True)", "failed", "exit code 1"),
        ("import sys; sys.exit(0)", "finished", ""),
        ("import sys\ntry: sys.exit(3)\nexcept SystemExit: pass", "finished", ""),
        ("import sys\ntry: sys.exit(3)\nfinally: run.log({})", "failed", "exit code 3"),
        ("import sys, threading; thread = threading.Thread(target=sys.exit, args=[3])\nthread.start()", "finished", ""),
        ("raise SystemExit(3)", "finished", UNKNOWN),
        ("with run: raise SystemExit('')", "failed", "exit code 1"),
        ("import os; os.execlp('true', 'true')", "stopped", "os.exec replaced the script by another program"),
    ],
    ids=[
        "end",
        "error",
        "half character",
        "interrupt",
        "exit code",
        "sys.exit",
        "text",
        "argparse",
        "exit",
        "exit 0",
        "caught",
        "cleaned up",
        "thread",
        "raised",
        "block",
        "exec",
    ],
)
def test_a_script_that_ends_ends_its_run(script: Start, read: Read, end: str, status: str, reason: str) -> None:
    script(f"{RUNS}run.log({{'a': 1.0}})\n{end}").wait()
    assert (read().status, read().state.reason) == (status, reason)
    assert list(read().logged("a").step) == [0]


def test_a_forked_process_logs_nothing_and_says_so_once(script: Start, read: Read) -> None:
    process = script(
        RUNS
        + """
import os
run.log({"a": 1.0})
child = os.fork()
if not child:
    run.log({"a": 5.0}); run.log({"a": 5.0}); tuitrain.finish()
    raise SystemExit
os.waitpid(child, 0)
run.log({"a": 2.0})
"""
    )
    status, _, stderr = process.wait()
    assert status == 0, stderr
    assert list(read().logged("a")["value"]) == [1, 2]
    assert read().status == "finished"
    assert stderr.count("its values are ignored") == 1


def test_a_forked_worker_reads_the_settings(script: Start) -> None:
    status, _, stderr = script(
        RUNS
        + """
import multiprocessing
run.config.lr = 0.1
worker = multiprocessing.get_context("fork").Process(target=lambda: tuitrain.config.lr)
worker.start(); worker.join()
raise SystemExit(worker.exitcode)
"""
    ).wait()
    assert status == 0, stderr


@pytest.mark.parametrize(
    ("end", "status"), [("", "finished"), ("raise ValueError('odd')", "failed"), ("raise SystemExit(3)", "failed")]
)
def test_a_run_ends_with_the_forked_process_that_started_it(
    script: Start, tmp_path: Path, end: str, status: str
) -> None:
    script(
        RUNS
        + f"""
import multiprocessing
def work():
    tuitrain.init(name="two").log({{"a": 1.0}})
    {end}
worker = multiprocessing.get_context("fork").Process(target=work)
worker.start(); worker.join()
"""
    ).wait()
    found = {folder.name(): (folder.state().status, follow(folder)) for folder in all_folders(tmp_path / "runs")}
    assert {name: ended for name, (ended, _) in found.items()} == {"one": "finished", "two": status}
    found["two"][1].read_all()
    assert found["two"][1].logged_names == ["a"]


def test_a_signal_handler_may_log_at_any_moment(script: Start, read: Read) -> None:
    """More rows wait than those at which each call wakes the writer up."""
    process = script(
        RUNS
        + """
import os, signal, threading
stuck, write = threading.Event(), os.write
os.write = lambda *args: (stuck.wait(), write(*args))[1]
for step in range(26_000):
    run.log({"a": 1.0})
signal.signal(signal.SIGALRM, lambda *_: run.log({"b": 1.0}))
signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
for step in range(30_000):
    run.log({"a": 1.0})
signal.setitimer(signal.ITIMER_REAL, 0)
stuck.set()
"""
    )
    status, _, stderr = process.wait()
    assert status == 0, stderr
    assert len(read().logged("a").step) == 56_000


def test_other_ranks_and_started_workers_create_no_run(script: Start, tmp_path: Path) -> None:
    logs = "run.log({'a': 1.0}); run.config.x = 1; run.summary['b'] = 2; print(run.should_stop, run.setting('x'))"
    status, stdout, stderr = script(RUNS + logs, RANK="3", LOCAL_RANK="0", WORLD_SIZE="4").wait()
    assert (status, stdout, stderr) == (0, "False 1\n", "")
    assert not (tmp_path / "runs").exists()
    # Without a guard, multiprocessing runs the whole script once more in each process that it starts.
    spawns = RUNS + "\nimport multiprocessing\nif __name__ == '__main__':\n"
    spawns += "    p = multiprocessing.get_context('spawn').Process(target=print)\n    p.start(); p.join()\n"
    status, _, stderr = script(spawns, RANK="0").wait()
    assert status == 0, stderr
    assert len(all_folders(tmp_path / "runs")) == 1


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))", "File too large"),
        ("shutil.rmtree('runs')", "the folder was removed"),
        ("shutil.rmtree('runs'); open('runs', 'w')", "the folder was removed"),
    ],
    ids=["full", "removed", "replaced"],
)
def test_a_disk_that_cannot_be_written_does_not_end_the_script(script: Start, damage: str, words: str) -> None:
    process = script(
        f"import resource, shutil, time\n{RUNS}{damage}\n"
        + """
for step in range(500):
    run.log({"a" * 50: float(step)})
    time.sleep(0.001)
run.log_predictions([0, 1], [[1.0, 0.0], [0.5, 0.5]], ["a", "b"])
run.finish()
print("trained")
"""
    )
    status, stdout, stderr = process.wait()
    assert (status, stdout) == (0, "trained\n"), stderr
    assert stderr.count(words) <= 2
    assert words in stderr
    assert "Traceback" not in stderr


def test_a_folder_that_cannot_be_created_does_not_end_the_script(script: Start, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    status, stdout, stderr = script(f"{RUNS}run.log({{'a': 1.0}}); run.finish(); print('trained')").wait()
    assert (status, stdout) == (0, "trained\n")
    assert stderr.count("The script continues without logging") == 1
    assert "Traceback" not in stderr


def test_values_that_a_full_disk_delayed_are_written_later(script: Start, read: Read) -> None:
    process = script(
        f"import resource, time\n{RUNS}"
        + """
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
for step in range(200):
    run.log({"a": float(step)})
time.sleep(0.5)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""
    )
    status, _, stderr = process.wait()
    assert status == 0, stderr
    assert "File too large" in stderr
    assert list(read().logged("a").step) == list(range(200))
    assert not read().damaged_rows


def test_the_files_of_a_run_are_plain_json(script: Start, read: Read) -> None:
    script(f"{RUNS}run.log({{'a': float('nan')}}, step=7)\nrun.summary['best'] = 1").wait()
    folder = read().folder
    (row,) = map(json.loads, folder.metrics_file.read_text().splitlines())
    assert (row["kind"], row["step"], row["values"]) == ("values", 7, {"a": "NaN"})
    assert json.loads((folder.path / "script.json").read_text())["summary"] == {"best": 1}
    assert not os.path.lexists(folder.path / "config.toml")
