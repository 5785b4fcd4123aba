"""The processes that work on a sweep, its status, and damaged files of a sweep."""

import time
from pathlib import Path

import msgspec
import pytest

from tuitrain.errors import ConfigError, RunError
from tuitrain.runs.process import SILENCE, this_process
from tuitrain.runs.sweeps.catalog import create_sweep
from tuitrain.runs.sweeps.claims import claim_job, job_owner, release_job
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.records import Job, Sample, Session

RANDOM = """\
[sweep]
method = "random"
trials = 4
seeds = 2
[sweep.values]
"optimizer.lr" = {low = 1e-4, high = 0.1, log = true}
"""


@pytest.fixture
def sweep(tmp_path: Path) -> SweepFolder:
    return create_sweep(tmp_path, RANDOM)


def add_session(sweep: SweepFolder, name: str, heartbeat: float = 0.0, **changes: object) -> None:
    process = msgspec.structs.replace(this_process(), **changes)
    (sweep.path / "sessions" / f"{name}.json").write_bytes(msgspec.json.encode(Session(process, 1.0, heartbeat)))


def test_a_session_lasts_until_it_is_removed(sweep: SweepFolder) -> None:
    assert sweep.sessions() == []
    before = time.time()
    for began in (before, before - 60):
        sweep.update_session(began)
        (session,) = sweep.sessions()
        assert (session.process, session.began) == (this_process(), began)
        assert before <= session.heartbeat <= time.time()
    sweep.remove_session()
    assert sweep.sessions() == []
    sweep.remove_session()


def test_a_session_creates_its_folder_in_a_copied_sweep(sweep: SweepFolder) -> None:
    (sweep.path / "sessions").rmdir()
    assert sweep.sessions() == []
    sweep.update_session(1.0)
    assert len(sweep.sessions()) == 1


def test_sessions_of_processes_that_are_gone_do_not_count(sweep: SweepFolder) -> None:
    now = time.time()
    add_session(sweep, "ended", born=1.0, heartbeat=now)
    add_session(sweep, "silent", host="elsewhere", heartbeat=now - 2 * SILENCE)
    (sweep.path / "sessions" / "damaged.json").write_text("{")
    assert sweep.sessions() == []
    add_session(sweep, "far", host="elsewhere", heartbeat=now)
    assert [session.process.host for session in sweep.sessions()] == ["elsewhere"]


def test_the_status_of_a_sweep(sweep: SweepFolder) -> None:
    assert [sweep.status(done) for done in (False, True)] == ["stopped", "finished"]
    sweep.update_session(1.0)
    assert sweep.status(done=False) == "running"
    sweep.update_control(paused=True)
    assert [sweep.status(done) for done in (False, True)] == ["paused", "finished"]
    sweep.remove_session()
    assert sweep.status(done=False) == "stopped"


def test_jobs_moved_to_the_front_keep_the_others_behind_them(sweep: SweepFolder) -> None:
    sweep.update_control(paused=True)
    sweep.move_to_front([Job(3, 1), Job(1, 0)])
    sweep.move_to_front([Job(2, 0), Job(1, 0)])
    assert sweep.control().first == ("0002-0", "0001-0", "0003-1")
    assert sweep.jobs()[:4] == [Job(2, 0), Job(1, 0), Job(3, 1), Job(0, 0)]
    assert sweep.control().paused


def test_a_job_belongs_to_its_owner_until_that_releases_it(sweep: SweepFolder) -> None:
    assert job_owner(sweep, Job(0, 1)) is None
    claim_job(sweep, Job(0, 1))
    assert job_owner(sweep, Job(0, 1)) == this_process()
    assert job_owner(sweep, Job(0, 0)) is None
    release_job(sweep, Job(0, 1))
    assert job_owner(sweep, Job(0, 1)) is None


@pytest.mark.parametrize("content", [None, b"", b"[sweep", b"\xff", b"[sweep]\nname = 1"])
def test_a_damaged_sweep_says_so(sweep: SweepFolder, content: bytes | None) -> None:
    assert sweep.sweep().trial_count == 4
    sweep.sweep_file.unlink()
    if content is not None:
        sweep.sweep_file.write_bytes(content)
    with pytest.raises(RunError, match=r"sweep\.toml is (missing|damaged)"):
        sweep.sweep()


@pytest.mark.parametrize("values", [{"optimizer.lr": -1.0}, {"optimizer.lr": "high"}, {"optimizer.gone": 1}])
def test_a_sample_with_impossible_values_is_damaged(sweep: SweepFolder, values: dict[str, object]) -> None:
    assert sweep.values(1) is None
    sweep.write_sample(1, Sample({"optimizer.lr": 0.01}, 0))
    assert sweep.values(1) == {"optimizer.lr": 0.01}
    sweep.write_sample(1, Sample(values, 0))
    with pytest.raises(RunError, match=r"0001\.json is damaged"):
        sweep.values(1)


def test_a_changed_sweep_file_is_read_again(sweep: SweepFolder) -> None:
    first = sweep.sweep()
    assert sweep.sweep() is first
    sweep.extend({"trials": 5})
    assert sweep.sweep().trial_count == 5
    assert len(sweep.jobs()) == 10
    assert first.trial_count == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "other"}, "sweep.name cannot change after the sweep was created"),
        ({"trials": 3}, "sweep.trials = 3 is not allowed: the sweep already has 4"),
        ({"seeds": 1}, "sweep.seeds = 1 is not allowed: the sweep already has 2"),
    ],
)
def test_an_option_that_cannot_change_is_named(sweep: SweepFolder, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        sweep.extend(changes)
    sweep.extend({"trials": 4, "seeds": 2, "parallel": 3})
    assert (sweep.sweep().trial_count, sweep.sweep().options.parallel) == (4, 3)
