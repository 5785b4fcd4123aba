"""`tuitrain learning-curve`."""

import json
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from planted import Planted
from training.data.image_folders import classes_of
from tuitrain.analysis.known_curve import known_curve
from tuitrain.analysis.next_step import CurveResult
from tuitrain.cli import main
from tuitrain.config.values import override
from tuitrain.hosts.resources import WorkerResources
from tuitrain.hosts.sweeps.worker import Worker
from tuitrain.runs.folder import RunFolder, folders
from tuitrain.runs.follower import Follower
from tuitrain.runs.sweeps.catalog import list_sweeps
from tuitrain.runs.sweeps.folder import SweepFolder


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker of a sweep train in this process, which has loaded torch already."""

    def train_sweep(folder: SweepFolder, parallel: int | None, allowed: str) -> bool:  # noqa: ARG001
        with redirect_stdout(sys.stderr):
            Worker(folder, WorkerResources("cpu", 1), allowed_key=allowed).run()
        return True

    monkeypatch.setattr("tuitrain.cli.commands.learning_curve.train_sweep", train_sweep)


def held_out(runs_dir: Path, sweep: str) -> dict[int, set[tuple[str, str]]]:
    """Return the fingerprints of the validation and test images of the runs of a sweep, by seed."""
    found: dict[int, set[tuple[str, str]]] = {}
    for run in folders(runs_dir):
        info = run.info()
        if info.parent == sweep:
            prints = info.fingerprints["validation"], info.fingerprints["test"]
            found.setdefault(run.config().training.seed, set()).add(prints)
    return found


@pytest.mark.usefixtures("in_this_process")
def test_the_curve_of_a_run_is_printed_and_stays_with_its_sweep(
    train: Callable[..., Follower], read: Callable[[RunFolder], Follower], capfd: pytest.CaptureFixture[str]
) -> None:
    first = train("training.epochs=4", "model.hidden=16")
    runs_dir = str(first.folder.path.parent)
    curve = ["learning-curve", first.folder.id, "--fractions", "1,0.25", "--seeds", "2", "--runs-dir", runs_dir]
    assert main([*curve, "--json"]) == 0
    out, err = capfd.readouterr()
    assert "2 trials, 4 runs" in err
    found = json.loads(out)
    assert (found["status"], found["split"]) == ("finished", "validation")
    small, whole = found["points"]
    assert (small["fraction"], whole["fraction"], whole["images"]) == (0.25, 1, 1293)
    assert small["images"] == pytest.approx(1293 / 4, abs=5)
    assert small["accuracy"]["mean"] < whole["accuracy"]["mean"]
    gain = (whole["accuracy"]["mean"] - small["accuracy"]["mean"]) / 2
    assert found["gain"]["value"] == pytest.approx(gain, rel=0.02)
    # The first run on all images is the run again.
    (same,) = [
        run
        for run in folders(Path(runs_dir))
        if run.info().parent and (run.config().training.seed, run.config().data.fraction) == (0, 1)
    ]
    assert same.state().test == first.state.test
    assert main(["sweep", found["sweep"], "--show", "--runs-dir", runs_dir]) == 0
    table, text = capfd.readouterr().out.split("\n\n")
    assert table.startswith("trial  data.fraction")
    assert text.splitlines()[0].split()[:3] == ["fraction", "training", "images"]
    assert text.splitlines()[-1] == found["sentence"]
    assert main(["sweep", found["sweep"], "--show", "--json", "--runs-dir", runs_dir]) == 0
    assert json.loads(capfd.readouterr().out)["learning_curve"]["points"] == found["points"]
    # The verdict on the run knows the curve, and those on runs with other settings do not.
    assert known_curve(first) == CurveResult(found["gain"]["verdict"], found["sentence"])
    assert known_curve(read(same)) == known_curve(first)
    first.config = override(first.config, ["optimizer.lr=0.5"])
    assert known_curve(first) is None


USER = """
import torch


def noise():
    draw = torch.Generator().manual_seed(0)
    return {"train": (torch.rand(80, 1, 6, 6, generator=draw), torch.arange(80) % 2), "classes": ["even", "odd"]}
"""


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("data", ["digits", "image-folder", "user"])
def test_runs_on_parts_of_the_data_hold_out_the_same_images(
    train: Callable[..., Follower], tmp_path: Path, capfd: pytest.CaptureFixture[str], data: str
) -> None:
    settings = [f"data.dataset={data}", "training.epochs=1", "model.hidden=4"]
    if data == "image-folder":
        photos = classes_of(tmp_path / "photos", {"ant": 30, "bee": 30})
        settings += [f"data.dir={photos}", "data.image_size=6"]
    if data == "user":
        (tmp_path / "mine.py").write_text(USER)
        settings[0] = f"data.dataset={tmp_path / 'mine.py'}:noise"
    folder = train(*settings).folder
    runs_dir = folder.path.parent
    curve = [
        "learning-curve",
        str(folder.path),
        "--fractions",
        "0.2,0.5,1",
        "--seeds",
        "2",
        "--runs-dir",
        str(runs_dir),
    ]
    assert main([*curve, "--trust"]) == 0
    out = capfd.readouterr().out
    (sweep,) = list_sweeps(runs_dir)
    found = held_out(runs_dir, sweep.id)
    assert [len(seen) for seen in found.values()] == [1, 1]
    # All runs are tested on the same images, and each seed has validation images of its own.
    ((first, test), (second, same)) = (next(iter(seen)) for seen in found.values())
    assert test == same
    assert first != second
    assert len(out.splitlines()) == 5
    assert "The last doubling of the training images" in out


def test_a_detached_curve_prints_the_sweep(
    write_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = write_run("one", "training.seed=5")
    runs_dir, started = folder.path.parent, list[tuple[SweepFolder, str]]()

    def start(sweep: SweepFolder, parallel: int | None = None, allowed_key: str = "") -> None:  # noqa: ARG001
        started.append((sweep, allowed_key))

    monkeypatch.setattr("tuitrain.cli.commands.learning_curve.start_sweep_in_background", start)
    assert main(["learning-curve", "one", "--runs-dir", str(runs_dir), "--detach"]) == 0
    (sweep,) = list_sweeps(runs_dir)
    out, err = capfd.readouterr()
    assert out == f"{sweep.id}\n"
    assert f"tuitrain sweep {sweep.id} --show" in err
    assert [each.id for each, _ in started] == [sweep.id]
    assert sweep.sweep().values == {"data.fraction": (0.1, 0.25, 0.5, 1)}
    assert (sweep.sweep().seeds, sweep.sweep().base.training.seed) == (3, 5)
    assert main(["sweep", sweep.id, "--runs-dir", str(runs_dir), "--show"]) == 0
    assert capfd.readouterr().out.endswith("are needed to tell whether more data would help.\n")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--fractions", "0.5"], "is one fraction, and a curve needs two"),
        (["--fractions", "0,1"], "--fractions '0,1' is not allowed. Give fractions"),
        (["--fractions", ","], "--fractions ',' is not allowed."),
        (["--seeds", "0"], "not a whole number above 0"),
        (["--seeds", "2000"], "sweep.seeds"),
    ],
)
def test_refusals(
    write_run: Callable[..., RunFolder], capfd: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    runs_dir = write_run("one").path.parent
    try:
        code = main(["learning-curve", "one", "--runs-dir", str(runs_dir), *arguments])
    except SystemExit as error:
        code = int(str(error.code))
    assert code == 2
    assert reason in capfd.readouterr().err
    assert not list(list_sweeps(runs_dir))


def test_the_code_of_a_run_from_elsewhere_must_be_allowed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    planted = Planted(tmp_path)
    folder = planted.run(planted.transform)
    arguments = ["learning-curve", folder.id, "--runs-dir", str(folder.path.parent), "--fractions", "0.5,1"]
    assert main(arguments) == 2
    assert "add --trust to allow this code" in capfd.readouterr().err
    assert not list(list_sweeps(folder.path.parent))
    assert not planted.ran.exists()
