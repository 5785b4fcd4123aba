"""The stored baselines of a run."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tuitrain.runs.baselines import FILE, Baselines, baselines_of, stored_baselines, write_baselines
from tuitrain.runs.folder import RunFolder

BASELINES = Baselines(
    split="test",
    training_images=5,
    images=10,
    commonest_class=0.1,
    nearest_neighbor=0.9,
    linear=0.5,
    fingerprints={"train": "aa", "test": "bb"},
)


@pytest.fixture
def folder(write_run: Callable[..., RunFolder]) -> RunFolder:
    return write_run()


def test_the_best_baseline_has_the_highest_accuracy() -> None:
    assert BASELINES.best == ("nearest neighbor", 0.9)
    assert [baseline.title for baseline in BASELINES.all] == ["commonest class", "linear model", "nearest neighbor"]


@pytest.mark.parametrize(
    ("split", "fingerprints", "matches"),
    [
        ("test", {"train": "aa", "test": "bb", "validation": "cc"}, True),
        ("test", {"train": "aa"}, True),
        ("test", {"train": "aa", "test": ""}, True),
        ("test", {}, True),
        ("test", {"train": "aa", "test": "cc"}, False),
        ("test", {"train": "cc", "test": "bb"}, False),
        ("validation", {"train": "aa"}, False),
    ],
)
def test_baselines_belong_to_images(split: str, fingerprints: dict[str, str], matches: bool) -> None:
    assert BASELINES.matches(split, fingerprints) is matches


def test_baselines_of_other_images_are_not_those_of_the_run(folder: RunFolder) -> None:
    evaluation, info = folder.evaluation("test"), folder.info()
    assert evaluation is not None
    assert baselines_of(folder, evaluation, info) is None
    write_baselines(folder, BASELINES)
    assert baselines_of(folder, evaluation, info) == stored_baselines(folder) == BASELINES
    other = msgspec.structs.replace(evaluation, fingerprint="cc")
    assert baselines_of(folder, other, info) is None
    info.fingerprints["train"] = "cc"
    assert baselines_of(folder, evaluation, info) is None


@pytest.mark.parametrize("changes", [{"linear": 1.5}, {"images": -1}, {"linear": None}, {"split": "training"}])
def test_damaged_baselines_count_as_none(folder: RunFolder, changes: dict[str, Any]) -> None:
    document = msgspec.to_builtins(BASELINES) | changes
    (folder.evaluations / FILE).write_bytes(msgspec.json.encode(document))
    assert stored_baselines(folder) is None
    (folder.evaluations / FILE).write_bytes(b"{")
    assert stored_baselines(folder) is None
