"""Folds and fractions of the training split, of standard data sets and image folders."""

from collections import Counter
from pathlib import Path

import pytest
import torch

from training.data.image_folders import classes_of, read
from tuitrain.config.data.schema import Data
from tuitrain.errors import DataError
from tuitrain.training.data.dataset import Dataset
from tuitrain.training.data.load import load
from tuitrain.training.data.shared import SharedLoader
from tuitrain.training.data.stratify import split_rows

CPU = torch.device("cpu")
TRAIN, TEST = 1437, 360


def digits(seed: int = 0, **settings: object) -> Dataset:
    return load(Data(**settings), seed, CPU)  # type: ignore[arg-type]


def images(data: Dataset, split: str) -> set[bytes]:
    """Return the images of a split as pixels, whatever their normalization."""
    part = getattr(data, split)
    (batch, _), *rest = part.batches(torch.arange(len(part)), 5000)
    assert not rest
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (data.mean, data.std))
    return {image.numpy().tobytes() for image in (batch * std + mean).mul(1000).round()}


def test_the_folds_cover_the_training_split() -> None:
    folds = [digits(fold=f"{number}/3", normalize=False) for number in (1, 2, 3)]
    held = [images(fold, "validation") for fold in folds]
    whole = images(digits(validation=0, normalize=False), "train")
    assert set.union(*held) == whole
    assert sum(map(len, held)) == len(whole)
    for fold, own in zip(folds, held, strict=True):
        assert fold.validation is not None
        assert (len(fold.train) + len(fold.validation), len(fold.test)) == (TRAIN, TEST)
        assert images(fold, "train") == whole - own
        assert fold.test.fingerprint == folds[0].test.fingerprint
    assert len({fold.train.fingerprint for fold in folds}) == 3
    assert len({fold.validation.fingerprint for fold in folds if fold.validation}) == 3


def test_a_fraction_leaves_validation_and_test_alone_and_is_nested() -> None:
    whole, half, tenth = (digits(fraction=fraction, normalize=False) for fraction in (1.0, 0.5, 0.1))
    assert images(tenth, "train") < images(half, "train") < images(whole, "train")
    assert abs(len(half.train) - len(whole.train) / 2) <= 5
    counts = whole.train.labels.bincount()
    assert ((half.train.labels.bincount() - counts / 2).abs() <= 0.5).all()
    for part in (half, tenth):
        assert part.train.fingerprint != whole.train.fingerprint
        for name in ("validation", "test"):
            assert getattr(part, name).fingerprint == getattr(whole, name).fingerprint
    assert images(digits(fraction=0.1, seed=1, normalize=False), "train") != images(tenth, "train")
    # The images that are not used do not count for the normalization either.
    assert digits(fraction=0.1).mean != digits().mean


@pytest.mark.parametrize("settings", [{"fold": "2/4"}, {"fraction": 0.3}, {"fold": "1/3", "fraction": 0.3}])
def test_runs_that_share_their_images_have_the_same_splits(settings: dict[str, object]) -> None:
    shared = SharedLoader()(Data(**settings), 5, CPU, lambda *_: None)  # type: ignore[arg-type]
    own = digits(5, **settings)
    for name in ("train", "validation", "test"):
        assert getattr(shared, name).fingerprint == getattr(own, name).fingerprint
        assert getattr(shared, name).labels.tolist() == getattr(own, name).labels.tolist()
    assert (shared.mean, shared.std) == (own.mean, own.std)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return classes_of(tmp_path / "photos", {"ant": 20, "bee": 30, "cat": 7})


def test_the_folds_of_a_folder(photos: Path) -> None:
    folds = [read(photos, fold=f"{number}/3") for number in (1, 2, 3)]
    held = [set(fold.validation.files) for fold in folds if fold.validation is not None]
    used = set(folds[0].train.files) | held[0]
    assert set.union(*held) == used
    assert sum(map(len, held)) == len(used)
    for fold, own in zip(folds, held, strict=True):
        assert set(fold.train.files) == used - own
        assert fold.test.files == folds[0].test.files
        assert fold.sources["validation"].startswith("fold ")
        assert fold.validation is not None
        assert max(Counter(fold.validation.labels.tolist()).values()) <= 9


def test_identical_files_and_groups_stay_on_one_side(photos: Path) -> None:
    original = sorted((photos / "ant").iterdir())[0]
    for number in range(4):
        (photos / f"ant/copy{number}.png").write_bytes(original.read_bytes())
    rows = [f"{folder.name}/{path.name},{folder.name},p{number // 3}{folder.name}"
            for folder in sorted(photos.iterdir()) for number, path in enumerate(sorted(folder.iterdir()))]  # fmt: skip
    labels = photos.parent / "labels.csv"
    labels.write_text("\n".join(["file,label,patient", *rows]))
    patients = {row.split(",")[0]: row.split(",")[2] for row in rows}
    for number in (1, 2, 3):
        copies = read(photos, fold=f"{number}/3")
        assert not [note for note in copies.notes if "are also" in note]
        grouped = read(photos, fold=f"{number}/3", labels=str(labels))
        assert grouped.validation is not None
        sides = [{patients[str(Path(path).relative_to(photos))] for path in part.files}
                 for part in (grouped.train, grouped.validation)]  # fmt: skip
        assert not sides[0] & sides[1]
        assert sides[1]


def test_a_fraction_of_a_folder(photos: Path) -> None:
    whole, half = read(photos), read(photos, fraction=0.5)
    assert set(half.train.files) < set(whole.train.files)
    assert set(read(photos, fraction=0.2).train.files) < set(half.train.files)
    assert half.test.fingerprint == whole.test.fingerprint
    assert half.train.fingerprint != whole.train.fingerprint
    assert half.validation is not None
    assert whole.validation is not None
    assert half.validation.fingerprint == whole.validation.fingerprint
    assert set(half.train.labels.tolist()) == {0, 1, 2}


def test_folds_replace_validation_images(tmp_path: Path) -> None:
    classes_of(tmp_path / "train", {"a": 9, "b": 9})
    classes_of(tmp_path / "val", {"a": 3, "b": 3}, first=50)
    data = read(tmp_path, fold="1/3")
    assert data.validation is not None
    assert all("/train/" in path for path in data.validation.files)
    assert any("validation images of data.dir are not used: fold 1/3" in note for note in data.notes)


def test_a_class_may_be_in_one_fold_alone(photos: Path) -> None:
    """As in scikit-learn, the run of that fold does not learn the class; it says so."""
    for path in sorted((photos / "cat").iterdir())[2:]:
        path.unlink()
    folds = [read(photos, fold=f"{number}/3") for number in (1, 2, 3)]
    notes = ["classes without training images: cat" in fold.notes for fold in folds]
    assert sorted(notes) == [False, False, True]
    without = folds[notes.index(True)]
    assert without.validation is not None
    assert (2 in without.train.labels, 2 in without.validation.labels) == (False, True)
    assert {"classes without validation images: cat" in fold.notes for fold in folds} == {True, False}


@pytest.mark.parametrize("labels", [[0, 0, 1], [0, 1, 1, 1]])
def test_fewer_images_than_folds_are_refused(labels: list[int]) -> None:
    with pytest.raises(DataError, match=f"too few training images, {len(labels)}, for 5 folds"):
        split_rows(torch.tensor(labels), Data(fold="1/5"), 0)
