from pathlib import Path

import pytest

from tuitrain.config.data.datasets import DATASETS, TEST_FRACTION, data_folder, held_out_counts


@pytest.mark.parametrize(
    ("counts", "fraction", "held_out"),
    [
        ([10, 10], 0.2, [2, 2]),
        # Remainders: the largest gets the missing image, of equal ones the first class.
        ([10, 10], 0.25, [3, 2]),
        ([12, 11, 13], 0.1, [1, 1, 2]),
        ([15, 15, 15, 15], 0.1, [2, 2, 1, 1]),
        ([3, 1], 0.5, [2, 0]),
        # Every class keeps an image.
        ([1, 1, 1], 0.5, [0, 0, 0]),
        ([2, 1, 0], 0.9, [1, 0, 0]),
        ([2, 98], 0.99, [1, 97]),
        # 0.29 * 100 is a little less than 29, 0.1 * 30 a little more than 3.
        ([100], 0.29, [29]),
        ([30], 0.1, [3]),
        ([1, 46120, 11], 0.7, [0, 32285, 8]),
        ([], 0.2, []),
    ],
)
def test_held_out_counts(counts: list[int], fraction: float, held_out: list[int]) -> None:
    assert held_out_counts(counts, fraction) == held_out


def test_digits_is_described_as_scikit_learn_ships_it() -> None:
    from sklearn.datasets import load_digits

    images, info = load_digits().images, DATASETS["digits"]
    assert (info.train + info.test, info.shape) == (len(images), (1, *images.shape[1:]))
    assert info.test == held_out_counts([len(images)], TEST_FRACTION)[0] == 360


@pytest.mark.parametrize(
    ("name", "train", "test", "shape", "classes"),
    [
        ("mnist", 60_000, 10_000, (1, 28, 28), 10),
        ("fashion-mnist", 60_000, 10_000, (1, 28, 28), 10),
        ("kmnist", 60_000, 10_000, (1, 28, 28), 10),
        ("cifar10", 50_000, 10_000, (3, 32, 32), 10),
        ("cifar100", 50_000, 10_000, (3, 32, 32), 100),
    ],
)
def test_published_sizes(name: str, train: int, test: int, shape: tuple[int, int, int], classes: int) -> None:
    info = DATASETS[name]
    assert (info.train, info.test, info.shape, len(set(info.classes))) == (train, test, shape, classes)


def test_the_data_folder_is_the_named_one_or_in_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert data_folder(None) == data_folder("") == tmp_path / "cache/tuitrain/data"
    assert data_folder("~/images") == tmp_path / "images"
    assert data_folder("~nobody-of-this-name/images") == Path("~nobody-of-this-name/images")
