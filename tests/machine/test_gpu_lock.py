"""Processes that hold a GPU, and how they lose it."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tuitrain.machine import gpu_lock

HOLDS = "from tuitrain.machine import gpu_lock; print(gpu_lock.hold('a'), flush=True); input(); gpu_lock.release()"
# A data loader's worker may outlive a killed process for some seconds.
FORKS = """\
import os
from tuitrain.machine import gpu_lock
held = gpu_lock.hold("a")
read, write = os.pipe()
if not os.fork():
    os.close(1)
    os.write(write, b"x")
    input()
    os._exit(0)
os.read(read, 1)
print(held, flush=True)
input()
"""
Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture(autouse=True)
def cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    yield tmp_path
    gpu_lock.release()


@pytest.fixture
def start() -> Iterator[Start]:
    started = []

    def begin(code: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def answer(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_gpu_is_held_by_one_process(start: Start) -> None:
    first, second = start(HOLDS), start(HOLDS)
    assert sorted([answer(first), answer(second)]) == ["False", "True"]
    assert not gpu_lock.hold("a")
    assert gpu_lock.hold("b")
    assert gpu_lock.held() == ["b"]


@pytest.mark.parametrize("end", ["finish", "kill"])
def test_a_process_that_ends_holds_nothing(start: Start, end: str) -> None:
    process = start(HOLDS)
    assert answer(process) == "True"
    if end == "kill":
        process.kill()
        process.wait()
    else:
        process.communicate("\n")
    assert gpu_lock.hold("a")


def test_a_forked_process_does_not_keep_what_its_killed_parent_held(start: Start) -> None:
    process = start(FORKS)
    assert answer(process) == "True"
    assert not gpu_lock.hold("a")
    process.kill()
    process.wait()
    assert gpu_lock.hold("a")


def test_a_process_holds_a_gpu_until_it_releases_it(start: Start) -> None:
    assert gpu_lock.hold("a")
    assert gpu_lock.hold("a")
    assert answer(start(HOLDS)) == "False"
    gpu_lock.release()
    assert not gpu_lock.held()
    assert answer(start(HOLDS)) == "True"


def test_without_a_place_for_marks_every_gpu_may_be_used(cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cache_folder / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_folder / "file"))
    assert gpu_lock.hold("a")
    assert not gpu_lock.held()
