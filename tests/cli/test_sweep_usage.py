"""Pruned and failed runs of a sweep, and usage errors."""

import json
from pathlib import Path

import pytest

import forked
from cli.sweeps import SMALL, command, look
from tuitrain.config.sweeps.toml import loads
from tuitrain.runs.sweeps.catalog import find_sweep

PRUNED = f"""{SMALL.replace("epochs = 1", "epochs = 4")}
[optimizer]
name = "adam"
[sweep]
prune = true
[sweep.values]
"optimizer.lr" = [0.01, 0.011, 0.012, 0.013, 0.014, 1e-7]
"""


def test_hopeless_runs_are_pruned_and_a_failed_one_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "pruned.toml").write_text(PRUNED, encoding="utf-8")
    status, out, err = command(tmp_path, "-c", "pruned.toml", "--set", "optimizer.name=adam", "--json")
    assert status == 0, err
    runs = json.loads(out)["runs"]
    assert [run["status"] for run in runs] == ["finished"] * 5 + ["stopped"]
    assert runs[-1]["reason"].startswith("Pruned after epoch 2:")
    assert runs[-1]["test"] is None


def test_a_failed_run_does_not_end_the_sweep(tmp_path: Path) -> None:
    arguments = ["--set", "optimizer.name=sgd", "--set", "optimizer.lr=1e30,0.1", "--set", "training.epochs=1"]
    status, out, err = command(tmp_path, *arguments, "--json")
    assert status == 0, err
    result = json.loads(out)
    assert [run["status"] for run in result["runs"]] == ["failed", "finished"]
    assert result["best"]["trial"] == 1
    folder = find_sweep(tmp_path / "runs", "lr")
    status, out, err = command(tmp_path, folder.id, "--seeds", "2")
    assert status == 0, err
    assert [one.status for one in look(folder)] == ["failed", "finished", "failed", "finished"]
    names = [run.name() for job in folder.jobs() if (run := folder.run(job))]
    assert names == ["lr-1e+30-s0", "lr-0.1-s0", "lr-1e+30-s1", "lr-0.1-s1"]
    assert loads(folder.sweep_file.read_text(encoding="utf-8")).options.seeds == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "optimizer.name=sgd,adm"], "optimizer.name = adm is not allowed"),
        (["--set", "optimizer.nam=sgd,adam"], "Did you mean optimizer.name?"),
        (["--set", "optimizer.lr=0.1"], "Nothing varies in this sweep."),
        (["--set", "optimizer.lr=0.1,0.2", "--set", "sweep.seds=2"], "Did you mean sweep.seeds?"),
        (["--set", "sweep.values=1"], "Unknown setting 'sweep.values'. Did you mean sweep.seed_values?"),
        (["--set", "optimizer.lr=0.1,0.1"], "optimizer.lr = 0.1,0.1 is not allowed: it contains 0.1 twice."),
        (["--set", "optimizer.lr=0.1,0.2", "--parallel", "0"], "sweep.parallel = 0 is not allowed"),
        (["-c", "none.toml"], "There is no file none.toml."),
        (["--stop"], "--stop needs an existing SWEEP."),
        (["--first", "2"], "--first needs an existing SWEEP."),
        (["--add", "optimizer.lr"], "'optimizer.lr' is not KEY=VALUE. Write it like"),
        (["nothing"], "No sweep 'nothing'"),
    ],
)
def test_usage_errors_are_one_sentence(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = forked.tuitrain(tmp_path, "sweep", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()
