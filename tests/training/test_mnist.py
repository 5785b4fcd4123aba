"""The classic results on MNIST: mlp 784-128-256-10, batch size 64, pixels in [0, 1]. SGD trains for the ten epochs of
the study, and Adam, which is close to its best after two, for two."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tuitrain.config.presets import PRESETS
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.hosts.launch import RunSpec, train_new_run
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower

Classic = Callable[..., Follower]


@pytest.fixture(scope="module")
def classic(mnist_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Classic:
    """`classic("sgd, sigmoid")` returns the run of that preset, trained once per module."""
    runs: dict[str, Follower] = {}

    def run(name: str) -> Follower:
        if name not in runs:
            config = override(
                Config(),
                (*PRESETS[f"classic: {name}"], f"data.dir={mnist_dir}", "training.device=cpu", "training.threads=1",
                 "evaluation.test_every=1", *(["training.epochs=2"] if name.startswith("adam") else [])),
            )  # fmt: skip
            folders: list[RunFolder] = []
            request = RunSpec(config=config, runs_dir=tmp_path_factory.mktemp("mnist"))
            train_new_run(request, lambda *_: None, lambda folder, _: folders.append(folder))
            runs[name] = Follower(folders[0])
            while runs[name].poll():
                pass
        return runs[name]

    return run


def accuracy(run: Follower) -> float:
    assert run.state.status == "finished"
    assert run.state.epoch == run.config.training.epochs
    assert run.state.test is not None
    return run.state.test.accuracy


def test_sgd_with_sigmoid(classic: Classic) -> None:
    """12 seeds give 69.2 to 72.1 %, 70.1 % on average."""
    assert 0.68 <= accuracy(classic("sgd, sigmoid")) <= 0.73


def test_adam_with_sigmoid(classic: Classic) -> None:
    assert accuracy(classic("adam, sigmoid")) >= 0.96


def test_adam_with_relu(classic: Classic) -> None:
    assert accuracy(classic("adam, relu")) >= 0.955


def test_gradients_vanish_in_sgd_with_sigmoid(classic: Classic) -> None:
    """Two sigmoids, whose slope is at most 1/4, leave the first layer almost no gradient."""
    run = classic("sgd, sigmoid")
    test = run.evaluations["test"]
    assert test["epoch"][0] == 1
    assert test["accuracy"][0] < 0.25
    assert run.info.layers == ["layers.0", "layers.2", "head"]
    first, _, last = run.layers
    rows = run.train["epoch"].tolist().count(1)
    assert rows > 20
    assert all(near < far / 10 for near, far in zip(first[:rows], last[:rows], strict=True))


def test_one_epoch_of_adam_beats_ten_of_sgd(classic: Classic) -> None:
    assert classic("adam, sigmoid").evaluations["test"]["accuracy"][0] > accuracy(classic("sgd, sigmoid"))


def test_saved_evaluation_of_the_test_split(classic: Classic) -> None:
    run = classic("adam, relu")
    evaluation = run.folder.evaluation("test")
    assert evaluation is not None
    assert [sum(row) for row in evaluation.confusion] == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert sum(evaluation.confusion[digit][digit] for digit in range(10)) == round(accuracy(run) * 10_000)
    assert run.info.sizes == {"train": 60_000, "test": 10_000}
    assert (run.info.model, run.info.parameters) == ("mlp 784-128-256-10", 136_074)
    assert run.state.step == 2 * 938
    for sample in evaluation.worst:
        assert sample.true != sample.predicted
        assert len(sample.pixels) == 28 * 28
