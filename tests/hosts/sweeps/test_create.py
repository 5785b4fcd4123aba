"""Images that cannot be divided into folds are refused before the first run."""

from pathlib import Path

import pytest

from training.data.image_folders import classes_of
from tuitrain.config.data.folds import fold_names
from tuitrain.config.schema import Config
from tuitrain.config.sweeps.overrides import override_sweep
from tuitrain.config.sweeps.sweep import Sweep
from tuitrain.config.sweeps.toml import dumps
from tuitrain.config.values import override
from tuitrain.errors import DataError
from tuitrain.hosts.launch import RunSpec, create_run, resume_run
from tuitrain.hosts.sweeps.create import start_new_sweep
from tuitrain.runs.control import Inbox

QUICK = ("training.epochs=1", "model.hidden=[4]", "data.image_size=8", "training.device=cpu", "training.threads=1")


def settings(folder: Path, *more: str) -> list[str]:
    return ["data.dataset=image-folder", f"data.dir={folder}", *QUICK, *more]


def refused(runs_dir: Path, *assignments: str) -> str:
    with pytest.raises(DataError) as error:
        start_new_sweep(runs_dir, dumps(override_sweep(Sweep(), assignments)))
    assert not runs_dir.exists()
    return str(error.value)


def test_fewer_images_or_groups_than_folds(tmp_path: Path) -> None:
    folder = classes_of(tmp_path / "photos", {"ant": 4, "bee": 4})
    folds = settings(folder, "training.folds=10")
    assert refused(tmp_path / "runs", *folds).startswith("There are too few training images, 6, for 10 folds. Use")
    # In any trial of a sweep.
    both = f"data.dir={classes_of(tmp_path / 'many', {'ant': 20, 'bee': 20})},{folder}"
    assert "6, for 10 folds" in refused(tmp_path / "runs", *folds, both)
    labels = tmp_path / "labels.csv"
    rows = [f"{path.relative_to(folder)},{number % 2}" for number, path in enumerate(sorted(folder.glob("*/*")))]
    labels.write_text("\n".join(["file,group", *rows]))
    grouped = settings(folder, "training.folds=3", f"data.labels={labels}")
    assert "groups, for 3 folds" in refused(tmp_path / "runs", *grouped)


def test_the_run_of_a_fold_with_all_images_of_a_class_trains_and_resumes(tmp_path: Path) -> None:
    folder = classes_of(tmp_path / "photos", {"ant": 9, "bee": 9, "cat": 1})
    (folder / "train").mkdir()
    for name in ("ant", "bee", "cat"):
        (folder / name).rename(folder / "train" / name)
    classes_of(folder / "test", {"ant": 3, "bee": 3}, first=50)
    without = []
    for fold in fold_names(2):
        config = override(Config(), settings(folder, f"data.fold={fold}", "training.class_weights=balanced"))
        run = create_run(RunSpec(config=config, runs_dir=tmp_path / "runs"))
        for epochs in (1, 2):
            assert resume_run(run, lambda *_: None, Inbox(run), epochs).status == "finished"
        without.append("classes without training images: cat" in run.log_file.read_text())
    assert sorted(without) == [False, True]
