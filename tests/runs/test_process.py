import os
import subprocess
import sys
import time

import msgspec
import pytest

from tuitrain.runs.process import SILENCE, Process, alive, this_process


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
