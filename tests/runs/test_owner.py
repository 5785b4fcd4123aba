"""A run has one owner, however many processes claim it at the same time."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from tuitrain.config.schema import Config
from tuitrain.errors import RunError
from tuitrain.files import replace
from tuitrain.runs import owner
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.owner import Owner, claim, release
from tuitrain.runs.process import SILENCE, Process, this_process
from tuitrain.runs.records import RunInfo, State
from tuitrain.runs.writer import RunWriter, create
from written_runs import owner_pid

RACERS, ROUNDS = 8, 25
# Waits for a round, then claims at the same instant as the others; the winner stays alive and keeps owning the run.
RACER = """
import os, sys, time
from pathlib import Path
from tuitrain.errors import RunError
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.owner import claim
if sys.argv[1] == "without links":
    def link(*paths):
        raise PermissionError("no links here")
    os.link = link
print("ready", flush=True)
for line in sys.stdin:
    start, path = line.split(maxsplit=1)
    folder = RunFolder(Path(path.strip()))
    while time.time() < float(start):
        pass
    try:
        claim(folder)
        print("won", flush=True)
    except RunError as error:
        print(error, flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return create(tmp_path, RunInfo(id="", name="one"), Config())


def write_owner(folder: RunFolder, since: float = 1.0, **changes: object) -> Process:
    """Write the owner file of another process, which differs from this one by `changes`."""
    process = msgspec.structs.replace(this_process(), **changes)
    (folder.path / "owner.json").write_bytes(msgspec.json.encode(Owner(process, since)))
    return process


def beat(folder: RunFolder, when: float) -> None:
    folder.state_file.write_bytes(msgspec.json.encode(State(heartbeat=when)))


def test_a_second_writer_gets_the_name_of_the_owner(folder: RunFolder) -> None:
    before = time.strftime("%Y-%m-%d %H:%M", time.localtime())
    writer = RunWriter(folder)
    after = time.strftime("%Y-%m-%d %H:%M", time.localtime())
    owner = f"Process {os.getpid()} on {os.uname().nodename} has owned the run since"
    with pytest.raises(RunError, match=owner) as error:
        RunWriter(folder)
    assert before in str(error.value) or after in str(error.value)
    assert owner_pid(folder) == os.getpid()
    writer.close()
    assert owner_pid(folder) is None
    RunWriter(folder).close()


def test_a_process_that_ended_owns_nothing(folder: RunFolder) -> None:
    script = (
        "import sys; from tuitrain.runs.owner import *; claim(RunFolder(Path(sys.argv[1]))); print(); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(folder.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner_process:
        assert owner_process.stdout is not None
        owner_process.stdout.readline()
        with pytest.raises(RunError, match=f"Process {owner_process.pid} on"):
            claim(folder)
        owner_process.kill()
    assert owner_pid(folder) == owner_process.pid
    claim(folder)
    assert owner_pid(folder) == os.getpid()


@pytest.mark.parametrize("changes", [{"boot": "before the reboot"}, {"born": 1.0}])
def test_a_later_process_with_the_same_pid_is_not_the_owner(folder: RunFolder, changes: dict[str, object]) -> None:
    write_owner(folder, since=time.time(), **changes)
    beat(folder, time.time())
    claim(folder)
    assert owner_pid(folder) == os.getpid()


def test_an_owner_on_another_machine_is_judged_by_its_heartbeat(folder: RunFolder) -> None:
    write_owner(folder, host="elsewhere", pid=17)
    beat(folder, time.time() - SILENCE / 2)
    with pytest.raises(RunError, match="Process 17 on elsewhere has owned the run since 1970-01-01"):
        claim(folder)
    beat(folder, time.time() - SILENCE - 1)
    os.utime(folder.state_file, (1, 1))
    claim(folder)
    assert owner_pid(folder) == os.getpid()


@pytest.mark.parametrize("when", [1e12, 1e300, -1e300])
def test_a_time_in_the_future_blocks_nobody(folder: RunFolder, when: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "WATCH_SECONDS", 0.1)
    write_owner(folder, since=when, host="elsewhere")
    beat(folder, when)
    claim(folder)
    assert owner_pid(folder) == os.getpid()


@pytest.mark.parametrize("offset", [-3600, 3600, 1e9])
def test_a_wrong_clock_costs_no_run_its_owner(folder: RunFolder, offset: float) -> None:
    write_owner(folder, since=time.time() + offset, host="elsewhere", pid=17)
    beat(folder, time.time() + offset)
    stop = threading.Event()

    def beat_on() -> None:
        while not stop.wait(0.05):
            replace(folder.state_file, msgspec.json.encode(State(heartbeat=time.time() + offset)))

    working = threading.Thread(target=beat_on)
    working.start()
    try:
        with pytest.raises(RunError, match="Process 17 on elsewhere has owned the run"):
            claim(folder)
    finally:
        stop.set()
        working.join()


@pytest.mark.parametrize("put", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_something_in_place_of_the_owner_file_is_named(
    folder: RunFolder, put: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "RETRY_SECONDS", 0.1)
    put(folder.path / "owner.json")
    with pytest.raises(RunError, match=r"owner\.json is a (pipe|folder|device)"):
        claim(folder)


def test_a_lost_answer_of_a_file_server_gives_the_run_its_owner(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def link_twice(source: Path, target: Path) -> None:
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", link_twice)
    claim(folder)
    assert owner_pid(folder) == os.getpid()


def test_a_new_owner_on_another_machine_needs_no_heartbeat_yet(folder: RunFolder) -> None:
    beat(folder, time.time() - 10 * SILENCE)
    write_owner(folder, since=time.time(), host="elsewhere")
    with pytest.raises(RunError, match="on elsewhere"):
        claim(folder)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\x00", b"[" * 100_000])
def test_an_invalid_owner_file_names_no_owner(folder: RunFolder, content: bytes) -> None:
    path = folder.path / "owner.json"
    path.write_bytes(content)
    os.utime(path, (1, 1))
    claim(folder)
    assert owner_pid(folder) == os.getpid()


def test_release_keeps_the_owner_file_of_another_process(folder: RunFolder) -> None:
    process = write_owner(folder, host="elsewhere")
    release(folder)
    assert owner_pid(folder) == process.pid


def test_a_process_killed_during_a_takeover_blocks_nobody(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    write_owner(folder, born=1.0)
    gone = msgspec.structs.replace(this_process(), born=2.0)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(owner, "this_process", lambda: gone)
        patch.setattr(owner, "replace", die)
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            claim(folder)
    claim(folder)
    assert owner_pid(folder) == os.getpid()


Racers = Callable[[Callable[[int], RunFolder]], list[list[str]]]


@pytest.fixture(scope="module", params=["with links", "without links"])
def race(request: pytest.FixtureRequest) -> Iterator[Racers]:
    """Yield the output of all racers per round; each round claims a new folder."""
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, request.param], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(RACERS)
    ]

    def hear() -> list[str]:
        return [racer.stdout.readline().strip() for racer in racers if racer.stdout]

    def run(prepare: Callable[[int], RunFolder]) -> list[list[str]]:
        said = []
        for number in range(ROUNDS):
            folder, start = prepare(number), time.time() + 0.02
            for racer in racers:
                assert racer.stdin is not None
                racer.stdin.write(f"{start} {folder.path}\n")
                racer.stdin.flush()
            said.append(hear())
        return said

    assert hear() == ["ready"] * RACERS
    yield run
    for racer in racers:
        racer.kill()
        racer.communicate()


@pytest.mark.parametrize("left", ["nothing", "a stale file", "half a file"])
def test_one_of_many_simultaneous_claims_wins(race: Racers, tmp_path: Path, left: str) -> None:
    def prepare(number: int) -> RunFolder:
        folder = create(tmp_path / str(number), RunInfo(id="", name="one"), Config())
        if left != "nothing":
            write_owner(folder, born=float(number))
        if left == "half a file":
            path = folder.path / "owner.json"
            path.write_bytes(path.read_bytes()[:20])
            os.utime(path, (1, 1))
        return folder

    for number, said in enumerate(race(prepare)):
        assert said.count("won") == 1, said
        assert all("has owned the run since" in line for line in said if line != "won"), said
        (folder,) = (tmp_path / str(number)).iterdir()
        assert f"Process {owner_pid(RunFolder(folder))} on" in next(line for line in said if line != "won")
        assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
