import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import psutil
import pytest

from tuitrain.runs import process
from tuitrain.runs.process import SILENCE, Process, alive, available_cores, is_local, this_process


def other(**changes: object) -> Process:
    return msgspec.structs.replace(this_process(), **changes)


def test_this_process_lives_whatever_its_heartbeat() -> None:
    assert alive(this_process(), 0.0)
    assert alive(msgspec.json.decode(msgspec.json.encode(this_process()), type=Process), 0.0)


def test_nobody_does_not_live() -> None:
    assert not alive(None, time.time())


def test_the_same_pid_of_another_birth_or_boot_is_another_process() -> None:
    assert not alive(other(born=this_process().born - 1), time.time())
    assert not alive(other(boot="before"), time.time())


@pytest.mark.parametrize("pid", [-1, 0, 2**22 + 7, 2**70, 10**300])
def test_a_pid_that_cannot_be_is_dead(pid: int) -> None:
    assert not alive(other(pid=pid), time.time())


def test_a_process_lives_until_it_ends_and_no_longer() -> None:
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import msgspec, sys; from tuitrain.runs.process import this_process;"
            "print(msgspec.json.encode(this_process()).decode(), flush=True); sys.stdin.read()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child:
        process = msgspec.json.decode(child.stdout.readline(), type=Process)
        assert process.pid == child.pid
        assert alive(process, 0.0)
        child.stdin.close()
        # Ended, not yet waited for: a zombie, which trains nothing any more.
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not alive(process, time.time())
    assert not alive(process, time.time())


@pytest.mark.parametrize("place", [{"host": "another-host"}, {"space": "pid:[1]", "born": 1.0}])
def test_on_another_host_or_in_another_container_the_heartbeat_tells(place: dict[str, object]) -> None:
    there = other(**place)
    assert alive(there, time.time() - SILENCE / 2)
    assert not alive(there, time.time() - SILENCE - 1)
    # Clocks differ, but not that much.
    assert alive(there, time.time() + SILENCE / 2)
    assert not alive(there, time.time() + SILENCE + 1)
    assert alive(there, 0.0, time.time(), 1e300)
    assert not alive(there)


@pytest.fixture
def without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system have no /proc, as macOS."""

    def missing(*_: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    monkeypatch.setattr(Path, "exists", lambda _: False)
    monkeypatch.setattr(os, "readlink", missing)
    monkeypatch.delattr(os, "sched_getaffinity")


@pytest.mark.usefixtures("without_proc")
def test_without_proc_psutil_knows_the_processes() -> None:
    assert process._boot.__wrapped__() == f"{psutil.boot_time():.0f}"
    assert process._space.__wrapped__() == ""
    assert process._born(os.getpid()) == psutil.Process().create_time()
    assert process._born(2**22 + 7) is None
    assert available_cores() == os.cpu_count()
    with subprocess.Popen(["true"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert process._born(child.pid) is None, "a zombie"


def test_a_process_is_local_on_this_machine_and_in_this_container() -> None:
    assert is_local(this_process())
    assert not is_local(other(host="elsewhere"))
    assert not is_local(other(space="pid:[1]"))
    assert 1 <= available_cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(("since", "expected"), [(-10.0, True), (10.0, True), (SILENCE + 60, False)])
def test_one_recent_heartbeat_is_enough(since: float, expected: bool) -> None:
    for now in (time.time() - since, time.time() + since):
        assert alive(other(host="elsewhere"), 0.0, now) is expected
        assert alive(other(host="elsewhere"), now, 0.0) is expected
