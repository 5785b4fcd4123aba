import random
from math import isnan, nan

import numpy as np
import pytest

from tuitrain.analysis.table.groups import group_by_seed, mean_band, mean_sd
from tuitrain.config.schema import Config
from tuitrain.config.values import flatten, override


def test_spread_is_that_of_numpy() -> None:
    numbers = random.Random(3)
    for size in range(2, 30):
        values = [numbers.gauss(0.9, 0.01) for _ in range(size)]
        found = mean_sd([*values, None, nan])
        assert found is not None
        assert found.n == size
        assert found.mean == pytest.approx(float(np.mean(values)))
        assert found.sd == pytest.approx(float(np.std(values, ddof=1)))


def test_one_value_has_no_deviation_and_none_no_spread() -> None:
    one = mean_sd([0.5])
    assert one is not None
    assert (one.mean, one.sd, one.n) == (0.5, None, 1)
    assert mean_sd([None, nan]) is None


def test_groups_differ_in_nothing_but_the_seed() -> None:
    settings = {
        f"{optimizer}-s{seed}": flatten(override(Config(), [f"optimizer.name={optimizer}", f"training.seed={seed}"]))
        for seed in range(3)
        for optimizer in ("adam", "sgd")
    }
    settings["other"] = flatten(override(Config(), ["optimizer.lr=0.5"]))
    found = group_by_seed({**settings, "damaged": {}, "lost": {}}, {run: run for run in [*settings, "damaged", "lost"]})
    assert [(one.name, one.ids) for one in found] == [
        ("adam", ("adam-s0", "adam-s1", "adam-s2")),
        ("sgd", ("sgd-s0", "sgd-s1", "sgd-s2")),
        ("other", ("other",)),
        ("damaged", ("damaged",)),
        ("lost", ("lost",)),
    ]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["relu-seed0", "relu-seed1"], "relu"),
        (["mine", "mine"], "mine"),
        (["a", "b"], "a"),
        (["x 10", "x 11"], "x"),
        (["", ""], ""),
    ],
)
def test_a_group_has_the_common_part_of_its_names(names: list[str], expected: str) -> None:
    config = flatten(Config())
    [found] = group_by_seed({"1": config, "2": config}, dict(zip("12", names, strict=True)))
    assert found.name == expected


def test_the_band_is_mean_and_deviation_as_far_as_all_go() -> None:
    x, mean, low, high = mean_band([([1, 2, 3], [1.0, 2.0, 3.0]), ([1, 2], [3.0, nan])])
    assert x == [1, 2]
    assert mean[0] == 2.0
    assert (low[0], high[0]) == pytest.approx((2 - 2**0.5, 2 + 2**0.5))
    assert isnan(mean[1])
    assert isnan(low[1])
    assert mean_band([]) == ([], [], [], [])


def test_a_repeated_seed_is_not_another_sample() -> None:
    settings = {
        run: flatten(override(Config(), [f"training.seed={seed}"])) for run, seed in (("a", 0), ("b", 1), ("c", 0))
    }
    names = dict.fromkeys(settings, "x")
    [group] = group_by_seed(settings, names)
    assert (group.ids, group.repeats) == (("a", "b"), ("c",))
    [group] = group_by_seed(settings, names, finished={"b", "c"})
    assert (group.ids, group.repeats) == (("b", "c"), ("a",))


def test_the_folds_of_a_cross_validation_are_one_group() -> None:
    folds = ["data.fold=1/2", "data.fold=2/2"]
    settings = {
        f"mine-s{seed}-f{number}": flatten(override(Config(), [fold, f"training.seed={seed}"]))
        for seed in range(2)
        for number, fold in enumerate(folds, 1)
    }
    settings["mine"] = flatten(Config())
    settings["thirds"] = flatten(override(Config(), ["data.fold=1/3"]))
    found = group_by_seed(settings, {run: run for run in settings})
    assert [(one.title, one.ids) for one in found] == [
        ("mine ×4", ("mine-s0-f1", "mine-s0-f2", "mine-s1-f1", "mine-s1-f2")),
        ("mine", ("mine",)),
        ("thirds", ("thirds",)),
    ]


def test_the_folds_of_one_seed_share_the_name_of_the_seed() -> None:
    settings = {f"m-s0-f{number}": flatten(override(Config(), [f"data.fold={number}/3"])) for number in (1, 2, 3)}
    [found] = group_by_seed(settings, {run: run for run in settings})
    assert found.title == "m ×3"
