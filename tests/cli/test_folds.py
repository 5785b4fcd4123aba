"""Cross-validation on the command line."""

import json
from pathlib import Path
from statistics import fmean, stdev

import forked
from cli.commands import overrides
from tuitrain.runs.folder import folders

QUICK = overrides("training.epochs=1", "model.hidden=[8]", "training.device=cpu", "training.threads=1")


def test_folds_print_means_and_deviations(tmp_path: Path) -> None:
    done = forked.tuitrain(tmp_path, "train", "--json", "--name", "mine", *QUICK, *overrides("training.folds=3"))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    folds = found["folds"]
    keys = {"run", "path", "status", "epochs", "steps", "seconds", "samples_per_second", "train", "validation", "test"}
    assert keys | {"best"} <= found.keys() & folds[0].keys()
    assert [fold["fold"] for fold in folds] == ["1/3", "2/3", "3/3"]
    assert {fold["status"] for fold in folds} == {found["status"]} == {"finished"}
    assert found["epochs"] == 3
    for split in ("train", "validation", "test"):
        for name in ("loss", "accuracy"):
            values = [fold[split][name] for fold in folds]
            assert abs(found[split][name] - fmean(values)) < 1e-12
            assert abs(found["standard_deviation"][split][name] - stdev(values)) < 1e-12
    accuracies = [100 * fold["test"]["accuracy"] for fold in folds]
    assert f"test {fmean(accuracies):.2f} % ± {stdev(accuracies):.2f}" in done.stderr
    assert "best epoch (lowest validation loss): validation" in done.stderr
    runs = list(folders(tmp_path / "runs"))
    assert sorted(run.info().name for run in runs) == ["mine-s0-f1", "mine-s0-f2", "mine-s0-f3"]
    assert {run.config().data.fold for run in runs} == {"1/3", "2/3", "3/3"}
    assert len({run.info().fingerprints["validation"] for run in runs}) == 3
    assert len({run.info().fingerprints["test"] for run in runs}) == 1


def test_a_fold_that_fails_fails_the_cross_validation(tmp_path: Path) -> None:
    done = forked.tuitrain(tmp_path, "train", "--json", *QUICK, *overrides("training.folds=2", "optimizer.lr=1e30"))
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert (found["status"], found["validation"], found["best"]) == ("failed", None, None)
    assert "fold 1/2: failed" in done.stderr
