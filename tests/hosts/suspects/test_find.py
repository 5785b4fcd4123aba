import runpy
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image as Picture
from sklearn.datasets import load_digits

from planted import Planted
from training.data.image_folders import classes_of
from tuitrain.errors import TrustError
from tuitrain.hosts.suspects.find import find_suspects
from tuitrain.hosts.suspects.report import Image, Report
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.label_check import known_labels

Train = Callable[..., Follower]
FLIPPED = """
import numpy as np
from sklearn.datasets import load_digits


def flipped(labels):
    random = np.random.default_rng(0)
    rows = random.choice(len(labels), len(labels) // 20, replace=False)
    labels = labels.copy()
    labels[rows] = (labels[rows] + random.integers(1, 10, len(rows))) % 10
    return rows, labels


def digits():
    found = load_digits()
    images, labels = found.images.astype("uint8"), flipped(found.target)[1]
    names = [str(name) for name in range(10)]
    return {"train": (images[:1400], labels[:1400]), "test": (images[1400:], labels[1400:]), "classes": names}
"""


def report_of(folder: RunFolder) -> Report:
    return find_suspects(folder, "last", "cpu", lambda *_: None)


def test_flipped_labels_are_among_the_first(train: Train, tmp_path: Path) -> None:
    file = tmp_path / "flipped.py"
    file.write_text(FLIPPED)
    target = load_digits().target
    rows, labels = runpy.run_path(str(file))["flipped"](target)
    folder = train(f"data.dataset={file}:digits", "data.validation=0", "training.epochs=10", "model.hidden=[64]").folder
    report = report_of(folder)
    assert len(report.suspects) == len(target)

    def row(image: Image) -> int:
        return image.index + (1400 if image.split == "test" else 0)

    for each in report.suspects:
        assert each.image.label == labels[row(each.image)]
    first = {row(each.image) for each in report.suspects[: len(target) // 10]}
    assert sum(each in first for each in rows) >= 0.8 * len(rows)
    wrong = [each for each in report.suspects if each.wrong]
    right = [each for each in wrong if each.suggested == target[row(each.image)]]
    assert len(right) >= 0.8 * len(wrong) >= 0.3 * len(rows)
    known = known_labels(folder, folder.info())
    assert known is not None
    assert (known.wrong, known.images) == (len(wrong), len(target))


def test_copies_are_found_across_splits(train: Train, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    classes_of(photos / "train", {"ant": 8, "bee": 8})
    classes_of(photos / "test", {"ant": 3, "bee": 3}, first=500)
    shutil.copy(photos / "train" / "ant" / "003.png", photos / "test" / "bee" / "copy.png")
    with Picture.open(photos / "train" / "bee" / "004.png") as picture:
        picture.putpixel((12, 8), (90, 90, 90))
        picture.save(photos / "test" / "bee" / "changed.png")
    data = ("data.dataset=image-folder", f"data.dir={photos}", "data.image_size=24", "data.validation=0")
    report = report_of(train("model.hidden=8", "training.epochs=1", *data).folder)
    assert len(report.suspects) == 24
    exact, near = report.pairs
    assert [(pair.first.name, pair.second.name) for pair in (exact, near)] == [
        ("train/ant/003.png", "test/bee/copy.png"), ("train/bee/004.png", "test/bee/changed.png"),
    ]  # fmt: skip
    assert (exact.exact, near.exact) == (True, False)
    assert (exact.first.split, exact.second.split) == ("training", "test")


def test_code_from_elsewhere_must_be_allowed(tmp_path: Path) -> None:
    planted = Planted(tmp_path)
    folder = planted.run(planted.model)
    folder.checkpoints.mkdir(exist_ok=True)
    (folder.checkpoints / "last.safetensors").write_bytes(b"")
    with pytest.raises(TrustError):
        report_of(folder)
    assert not planted.ran.exists()
