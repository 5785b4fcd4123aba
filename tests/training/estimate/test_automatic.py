"""`data.batch_size = auto` takes the largest batch that fits, and a run keeps it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from training.run.scripted_run import Quick, Read, command, create, train, weights
from tuitrain.analysis.memory import Need, StepEstimate
from tuitrain.config.schema import Config
from tuitrain.config.stackable import stacking_key
from tuitrain.config.values import override
from tuitrain.training import loop
from tuitrain.training.estimate import automatic
from tuitrain.training.estimate.automatic import choose_batch_size
from tuitrain.training.estimate.batch import with_batch_size
from tuitrain.training.setup import Setup, prepare

AUTO = override(Config(), ["data.batch_size=auto"])


def fitting(limit: int) -> Callable[[Config], Need]:
    """Return an estimate by which batches of up to `limit` images fit."""
    sizes = dict.fromkeys(StepEstimate.__struct_fields__, 0)

    def estimate(config: Config) -> Need:
        size = config.data.images_per_batch
        return Need(step=StepEstimate(**sizes), batch_size=size, images=size, device="cpu", free=limit)

    return estimate


def chosen(setup: Setup, recorded: int = 0) -> tuple[int, str]:
    """Return the batch size that is chosen, and the note."""
    note = choose_batch_size(setup, recorded)
    return setup.config.data.images_per_batch, note


@pytest.mark.parametrize(
    ("limit", "images", "expected"),
    [
        (10**9, 10**6, 1024),
        (10**9, 20 * 512, 512),
        (10**9, 20 * 512 - 1, 256),
        (10**9, 1293, 64),
        (10**9, 3, 2),
        (10**9, 1, 2),
        (100, 10**6, 64),
        (64, 10**6, 64),
        (63, 10**6, 32),
        (1, 10**6, 2),
    ],
)
def test_the_largest_power_of_two_that_fits(limit: int, images: int, expected: int) -> None:
    assert with_batch_size(AUTO, images, fitting(limit)).data.batch_size == expected


def test_a_number_stays() -> None:
    config = override(Config(), ["data.batch_size=7"])
    assert with_batch_size(config, 100, fitting(1)) is config


def test_the_run_records_its_batch_size_and_keeps_it(
    quick: Quick, read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    automatically = quick("data.batch_size=auto", "training.epochs=2")
    whole, _ = train(create(override(automatically, ["data.batch_size=128"]), tmp_path))
    monkeypatch.setattr(automatic, "_estimated", lambda _: 128)
    folder = create(automatically, tmp_path)
    monkeypatch.setattr(loop, "POLL_INTERVAL", 0.0)
    assert train(folder, {5: [command("stop")]})[1].status == "stopped"
    assert folder.config().data.batch_size == "auto"
    assert folder.info().batch_size == 128
    assert any("data.batch_size = auto: 128 images per batch" in line for line in read(folder).log)
    # The memory has changed in between.
    monkeypatch.setattr(automatic, "_estimated", lambda _: 2)
    resumed, state = train(folder)
    assert state.status == "finished"
    assert folder.info().batch_size == 128
    assert all(map(torch.equal, weights(resumed), weights(whole)))


def test_choosing_changes_neither_weights_nor_generators(quick: Quick) -> None:
    setup = prepare(quick("data.batch_size=auto", "model.name=cnn", "model.dropout=0.5"), lambda *_: None)
    before, state = [value.clone() for value in weights(setup)], torch.get_rng_state()
    assert chosen(setup) == (64, "")
    assert setup.config.data.batch_size == 64
    assert setup.batches_per_epoch == 21
    assert all(map(torch.equal, before, weights(setup)))
    assert torch.equal(state, torch.get_rng_state())


def test_a_gpu_takes_real_steps_and_halves_the_batch(quick: Quick, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = prepare(quick("data.batch_size=auto"), lambda *_: None)
    setup.device = torch.device("cuda", 0)
    tried = []

    def steps(setup: Setup) -> None:
        tried.append(setup.config.data.images_per_batch)
        if tried[-1] > 64:
            raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(automatic, "warm_up", steps)
    monkeypatch.setattr(automatic, "_estimated", lambda _: 256)
    assert chosen(setup) == (64, "")
    assert tried == [256, 128, 64]
    assert chosen(setup, recorded=512) == (512, "")
    assert len(tried) == 3


def test_a_network_that_cannot_be_estimated_takes_the_default(quick: Quick, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("tuitrain.training.estimate.batch.estimate_need", broken)
    size, note = chosen(prepare(quick("data.batch_size=auto"), lambda *_: None))
    assert (size, "cannot be estimated" in note) == (64, True)


def test_runs_with_an_automatic_batch_size_are_not_stacked(quick: Quick) -> None:
    assert stacking_key(quick()) is not None
    assert stacking_key(quick("data.batch_size=auto")) is None
