"""A sweep on disk: its queue, owners of jobs, and which values are sampled."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from runs.sweeps.sweep_files import GRID, RANDOM, look, opened
from tuitrain.config.schema import Config
from tuitrain.config.sweeps.sweep import Values
from tuitrain.config.values import flatten
from tuitrain.errors import ConfigError, RunError
from tuitrain.hosts.resources import WorkerResources
from tuitrain.hosts.sweeps.background import start_sweep_in_background
from tuitrain.hosts.sweeps.pool import WorkerPool
from tuitrain.hosts.sweeps.sampling import report_outcomes, sample_values
from tuitrain.hosts.sweeps.worker import Worker
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.sweeps.catalog import create_sweep, find_sweep, list_sweeps
from tuitrain.runs.sweeps.folder import SUBFOLDERS, SweepError, SweepFolder
from tuitrain.runs.sweeps.index import SweepIndex
from tuitrain.runs.sweeps.records import Job, Record


def test_a_grid_is_gone_through_once_a_seed_and_some_jobs_first(runs_dir: Path) -> None:
    folder = create_sweep(runs_dir, GRID)
    assert folder.jobs() == [Job(0, 0), Job(1, 0), Job(0, 1), Job(1, 1)]
    folder.update_control(first=("0001-1", "0001-0", "9999-9"))
    assert folder.jobs() == [Job(1, 1), Job(1, 0), Job(0, 0), Job(0, 1)]
    folder.update_control(paused=True)
    assert folder.jobs()[0] == Job(1, 1)


def test_more_seeds_keep_existing_outcomes(runs_dir: Path, finish: Callable[..., RunFolder]) -> None:
    folder = create_sweep(runs_dir, GRID)
    finish(folder, Job(1, 0), 0.5)
    folder.extend({"seeds": 3})
    assert look(folder) == ["queued", "finished", *["queued"] * 4]
    with pytest.raises(ConfigError, match=r"sweep.seeds = 2 is not allowed: the sweep already has 3"):
        folder.extend({"seeds": 2})
    with pytest.raises(ConfigError, match="A grid always has all its trials"):
        folder.extend({"trials": 9})


def test_a_new_sweep_records_all_settings(runs_dir: Path) -> None:
    text = create_sweep(runs_dir, f"# mine\n{GRID}").sweep_file.read_text()
    assert text.startswith("# mine\n")
    keys = {f"{section}.{name}" for section, values in tomllib.loads(text).items() for name in values}
    # An empty table is left out.
    assert {key for key, value in flatten(Config()).items() if value != "{}"} <= keys


def test_a_sweep_of_an_older_version_keeps_its_splits(runs_dir: Path) -> None:
    folder = create_sweep(runs_dir, f"{GRID}\n[data]\nbatch_size = 8")
    assert folder.sweep().config({}, 0).data.split_by == "path"
    folder.sweep_file.write_text(folder.sweep_file.read_text().replace('split_by = "path"\n', ""))
    for _ in range(2):
        data = SweepFolder(folder.path).sweep().config({}, 0).data
        assert (data.split_by, data.batch_size) == ("position", 8)
        folder.extend({"seeds": 3})
    folder.sweep_file.write_text(GRID)
    assert folder.sweep().config({}, 0).data.split_by == "position"


@pytest.mark.parametrize("toml", [GRID, RANDOM])
def test_added_trials_leave_all_others_their_numbers(runs_dir: Path, toml: str) -> None:
    folder = create_sweep(runs_dir, toml)
    before = [sample_values(folder, trial, []) for trial in range(folder.sweep().trial_count)]
    count = len(before)
    folder.extend(add=[{"optimizer.lr": 0.7}, {"optimizer.momentum": 0.9, "model.hidden": (8, 8)}])
    folder.extend({"seeds": 3, "max_minutes": 5.0}, [{"optimizer.lr": 0.8}])
    assert [folder.values(trial) for trial in range(count)] == before
    assert folder.values(count) == {"optimizer.lr": 0.7}
    assert folder.values(count + 1) == {"optimizer.momentum": 0.9, "model.hidden": (8, 8)}
    assert folder.values(count + 2) == {"optimizer.lr": 0.8}
    assert len(folder.jobs()) == 3 * (count + 3)
    assert {"optimizer.lr", "optimizer.momentum", "model.hidden"} <= set(folder.sweep().varying_keys)
    if toml == RANDOM:
        folder.extend({"trials": 5})
        assert sample_values(folder, count + 3, [])["optimizer.lr"] < 0.1
    for add in ({"optimizer.lr": 0.8}, {"optimizer.lr": -1.0}, {"optimizer.nesterov": True}):
        with pytest.raises(ConfigError):
            folder.extend(add=[add])
    with pytest.raises(ConfigError, match=r"sweep.method cannot change"):
        folder.extend({"method": "tpe"})


def test_a_folder_name_completes_the_sweep() -> None:
    placed = WorkerResources("cuda:1", 2).apply(Config())
    assert (placed.training.device, placed.training.threads) == ("cuda:1", 2)
    assert WorkerResources().apply(Config()) == Config()


def test_a_sweep_is_found_by_id_name_or_path(runs_dir: Path) -> None:
    assert list(list_sweeps(runs_dir)) == []
    one, two = create_sweep(runs_dir, GRID), create_sweep(runs_dir, RANDOM)
    assert {folder.id for folder in list_sweeps(runs_dir)} == {one.id, two.id}
    for wanted in (one.id, one.id[:-1], one.id.rpartition("-")[2], "grid", str(one.path)):
        assert find_sweep(runs_dir, wanted).id == one.id
    with pytest.raises(RunError, match="matches 2 sweeps"):
        find_sweep(runs_dir, "2")
    for nothing in ("", "nothing", str(runs_dir)):
        with pytest.raises(RunError, match="No sweep"):
            find_sweep(runs_dir, nothing)


def test_samples_are_kept_allowed_and_the_same_for_all(tmp_path: Path) -> None:
    def drawn(runs_dir: Path) -> list[Values]:
        folder = create_sweep(runs_dir, RANDOM)
        values = [sample_values(folder, trial, []) for trial in range(1, 5)]
        assert [folder.values(trial) for trial in range(1, 5)] == values
        assert [sample_values(folder, trial, []) for trial in range(1, 5)] == values
        assert folder.values(0) == {"optimizer.lr": 0.5}
        return values

    values = drawn(tmp_path / "one")
    assert drawn(tmp_path / "two") == values
    assert all(1e-4 <= one["optimizer.lr"] <= 0.1 and one["model.hidden"] in ((8,), (8, 8)) for one in values)
    assert not any(one["optimizer.nesterov"] and one["optimizer.momentum"] == 0 for one in values)
    assert len({one["optimizer.lr"] for one in values}) == 4


def test_outcomes_are_reported_to_tpe(runs_dir: Path, finish: Callable[..., RunFolder]) -> None:
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    folder = create_sweep(runs_dir, RANDOM.replace("random", "tpe").replace("trials = 4", "trials = 4\nseeds = 2"))
    for trial, seed, loss in ((1, 0, 0.25), (1, 1, 0.75), (2, 0, 0.5)):
        sample_values(folder, trial, SweepIndex(folder).refresh())
        finish(folder, Job(trial, seed), loss)
    sample_values(folder, 3, SweepIndex(folder).refresh())
    study = optuna.load_study(
        study_name=folder.id, storage=JournalStorage(JournalFileBackend(str(folder.journal_file)))
    )
    told = [trial.value for trial in study.get_trials() if trial.state.name == "COMPLETE"]
    assert told == [pytest.approx(0.5)]
    # The last trials are told as well, once there is nothing more to do.
    finish(folder, Job(2, 1), 1.0)
    report_outcomes(folder, SweepIndex(folder).refresh())
    told = [trial.value for trial in study.get_trials() if trial.state.name == "COMPLETE"]
    assert told == [pytest.approx(0.5), pytest.approx(0.25)]


def test_an_unusable_storage_is_reported(runs_dir: Path) -> None:
    folder = create_sweep(runs_dir, RANDOM.replace("trials = 4", "storage = 'nothing://'"))
    with pytest.raises(SweepError, match="Optuna's storage cannot be used"):
        sample_values(folder, 1, [])
    # It is no fault of the trial, which is done once the storage is back.
    folder.write_record(Job(0, 0), Record(problem="done"))
    with pytest.raises(SweepError):
        Worker(folder, WorkerResources()).run()
    assert set(look(folder)[1:]) == {"queued"}
    assert opened(folder)[0] == Job(1, 0)


@pytest.mark.parametrize("name", ["trials", "jobs", "sessions", "log.txt", "journal.log"])
def test_a_sweep_writes_only_to_its_own_files(runs_dir: Path, tmp_path: Path, name: str) -> None:
    folder = create_sweep(runs_dir, GRID)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "log").write_text("precious")
    path = folder.path / name
    if path.exists():
        path.rename(tmp_path / "aside")
    path.symlink_to(outside if name in SUBFOLDERS else outside / "log")
    attempts: list[Callable[[], object]] = [
        lambda: Worker(folder, WorkerResources()).run(),
        lambda: WorkerPool(folder).run(lambda _: None),
        lambda: sample_values(folder, 7, []),
        lambda: start_sweep_in_background(folder),
    ]
    for attempt in attempts:
        with pytest.raises(SweepError, match=rf"The sweep cannot be written: {name} is a symbolic link"):
            attempt()
    assert [path.name for path in outside.iterdir()] == ["log"]
    assert (outside / "log").read_text() == "precious"


def test_sweeps_are_not_created_behind_a_link(runs_dir: Path, tmp_path: Path) -> None:
    runs_dir.mkdir()
    (runs_dir / ".sweeps").symlink_to(tmp_path)
    with pytest.raises(RunError, match=r"Cannot create a sweep in .*: \.sweeps is a symbolic link"):
        create_sweep(runs_dir, GRID)
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
