"""Code in sweeps from elsewhere does not run before the user has allowed it."""

import os
from pathlib import Path

import pytest

from planted import Planted, call
from tuitrain.errors import TrustError
from tuitrain.hosts import trust
from tuitrain.hosts.resources import WorkerResources
from tuitrain.hosts.sweeps.worker import Worker
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.records import Job, Record, Sample


def work(folder: SweepFolder, key: str = "") -> str:
    """Work on the sweep like a worker process; return the problem of its first run."""
    Worker(folder, WorkerResources(), allowed_key=key).run()
    return folder.record(folder.jobs()[0]).problem


def test_a_run_in_a_trusted_sweep_with_another_copy_does_not_run(planted: Planted) -> None:
    folder = planted.sweep(planted.transform)
    key, _ = trust.check_sweep(folder, trust=True)
    file = planted.file.read_bytes()
    evil = b"import pathlib\npathlib.Path(__file__).with_name('evil').touch()\n" + file
    folder.write_record(Job(0, 0), Record(planted.run(planted.transform, copy=evil).id))
    assert "You did not start run" in work(folder, key)
    assert not planted.file.with_name("evil").exists()


def test_a_received_sweep_is_refused_until_trusted(planted: Planted) -> None:
    folder = planted.sweep(planted.command)
    with pytest.raises(TrustError, match=rf"You did not start sweep {folder.id} here; add --trust"):
        call("sweep", folder.path, "--seeds", "2")
    assert folder.sweep().seeds == 1
    assert work(folder).startswith(f"You did not start sweep {folder.id} here")
    assert not planted.ran.exists()
    folder.write_record(Job(0, 0), Record())
    key, lines = trust.check_sweep(folder, trust=True)
    assert lines == [f"runs at the end: touch {planted.ran}"]
    assert work(folder, key) == ""
    assert planted.ran.exists()


def test_workers_of_a_sweep_never_ask(planted: Planted) -> None:
    folder = planted.sweep(planted.transform)
    key, _ = trust.check_sweep(folder, trust=True)
    planted.file.write_text(planted.file.read_text() + "# changed while the sweep runs\n")
    assert work(folder) == ""
    assert planted.ran.exists()
    # Also where the register cannot be written.
    for path in Path(os.environ["XDG_STATE_HOME"]).glob("tuitrain/trusted/*.json"):
        path.unlink()
    folder.extend({"seeds": 2})
    assert work(folder, key) == ""
    assert folder.record(Job(0, 1)).problem == ""
    assert folder.record(Job(0, 1)).run


def test_code_planted_in_a_trusted_sweep_does_not_run(planted: Planted) -> None:
    folder = planted.sweep(options="method = 'random'\ntrials = 2\n")
    key, _ = trust.check_sweep(folder, trust=True)
    values = {"notify.command": f"touch {planted.ran}", "data.transform": f"{planted.file}:same"}
    folder.write_sample(0, Sample(values, 0))
    run = planted.run(planted.transform, planted.command)
    folder.write_sample(1, Sample({"optimizer.lr": 0.1}, 1))
    folder.write_record(Job(1, 0), Record(run.id))
    work(folder, key)
    assert not planted.ran.exists()
    assert "You did not start sweep" in folder.record(Job(0, 0)).problem
    assert "You did not start run" in folder.record(Job(1, 0)).problem


def test_a_network_among_the_values_of_a_sweep_is_code(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    values = f"[sweep]\n[sweep.values]\n'model.name' = ['mlp', '{planted.file}:Net']\n"
    file = planted.toml(sweep=values)
    with pytest.raises(TrustError, match=r"planted\.py:Net to build the netw"):
        call("sweep", "-c", file, "--runs-dir", planted.folder / "runs")
    started: list[str] = []
    monkeypatch.setattr("tuitrain.cli.commands.sweep.start_sweep_in_background", lambda *_: started.append("sweep"))
    monkeypatch.setattr("tuitrain.cli.commands.sweep.print_result", lambda *_: 0)
    plain_file = planted.folder / "plain.toml"
    plain_file.write_text("[sweep]\n[sweep.values]\n'optimizer.lr' = [0.1, 0.2]\n")
    typed = f"model.name=mlp, {planted.file}:Net"
    call("sweep", "-c", plain_file, "--set", typed, "--runs-dir", planted.folder / "runs", "--detach")
    assert started == ["sweep"]
