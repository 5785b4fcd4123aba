"""A run that fails says why and keeps its checkpoint."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from training.run.scripted_run import STEPS, Quick, Read, command, create, train, weights
from tuitrain.errors import RunError, TrainingError
from tuitrain.runs.fitting import fitting_texts
from tuitrain.training import checkpoint
from tuitrain.training import loop as loop_module
from tuitrain.training.setup import Setup


@pytest.fixture(autouse=True)
def poll_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the loop poll commands after every step and every epoch."""
    monkeypatch.setattr(loop_module, "POLL_INTERVAL", 0.0)


def test_divergence_in_the_second_epoch_keeps_the_checkpoint_of_the_first(quick: Quick, tmp_path: Path) -> None:
    config = quick("training.epochs=2", "optimizer.name=sgd", "optimizer.lr=0.1")
    whole, _ = train(create(quick("training.epochs=1", "optimizer.name=sgd", "optimizer.lr=0.1"), tmp_path))
    folder = create(config, tmp_path)
    _, state = train(folder, {STEPS + 1: [command("lr", 1e30)]})
    assert state.status == "failed"
    assert f"at step {STEPS + 2} (epoch 2)" in state.reason
    kept = checkpoint.load(folder.checkpoints / "last.safetensors")
    assert kept["progress"]["epoch"] == 1
    assert all(torch.equal(left, right) for left, right in zip(kept["model"].values(), weights(whole), strict=True))


def test_a_stop_after_divergence_is_a_failure(quick: Quick, tmp_path: Path) -> None:
    folder = create(quick("training.epochs=2", "optimizer.name=sgd", "optimizer.lr=1e30"), tmp_path)
    _, state = train(folder, {8: [command("stop")]})
    assert state.status == "failed"
    assert "at step 2 (epoch 1)" in state.reason
    last = checkpoint.load(folder.checkpoints / "last.safetensors")
    assert all(bool(weight.isfinite().all()) for weight in last["model"].values())


TRANSFORM = """
def broken(images):
    return images / no_such_name
def shape(images):
    return images[:, :, 1:]
def system(images):
    open("/no/such/file")
"""


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("broken", "NameError: name 'no_such_name'"), ("shape", "(64, 1, 8, 8)"), ("system", "/no/such/file")],
)
def test_an_error_in_a_user_function_is_a_sentence_with_its_traceback_in_the_log(
    quick: Quick, read: Read, tmp_path: Path, name: str, sentence: str
) -> None:
    (tmp_path / "mine.py").write_text(TRANSFORM)
    folder = create(quick(f"data.transform={tmp_path}/mine.py:{name}"), tmp_path)
    _, state = train(folder)
    assert state.status == "failed"
    assert sentence in state.reason
    assert name in state.reason
    assert "Traceback" not in state.reason
    assert "\n" not in state.reason
    if name != "shape":
        log = "\n".join(read(folder).log)
        assert "Traceback" in log
        assert f"in {name}" in log


def failing(error: BaseException) -> Callable[[Setup], None]:
    def fail(_: Tensor) -> Tensor:
        raise error

    return lambda setup: setattr(setup, "transforms", (fail,))


@pytest.mark.parametrize(
    ("error", "sentence", "traced"),
    [
        (RuntimeError("bad\nthing \x1b[31m"), "RuntimeError: bad�thing �[31m", True),
        (SystemExit(3), "SystemExit: 3", True),
        (MemoryError(), "Out of memory on cpu. It should fit with data.batch_size=32", False),
        (torch.OutOfMemoryError("CUDA out of memory"), "Out of memory on cpu.", False),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), "Out of memory on cpu.", False),
        (OSError(28, "No space left on device"), "Reading or writing failed", False),
    ],
)
def test_failures(
    quick: Quick, read: Read, tmp_path: Path, error: BaseException, sentence: str, traced: bool
) -> None:  # fmt: skip
    folder = create(quick(), tmp_path)
    _, state = train(folder, change=failing(error))
    assert state.status == "failed"
    assert state.ended is not None
    assert sentence in state.reason
    assert ("Traceback" in "\n".join(read(folder).log)) == traced
    assert read(folder).events[-1].name == "failed"


def test_out_of_main_memory(quick: Quick, tmp_path: Path) -> None:
    folder = create(quick(), tmp_path)
    _, state = train(folder, change=lambda setup: setattr(setup, "transforms", (lambda _: torch.empty(2**42, 8, 8),)))
    assert state.status == "failed"
    assert "Out of memory on cpu: 1.1 PB more were needed, and " in state.reason


GPU = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB of which 512.00 MiB is"
    " free. Process 7 has 78.60 GiB memory in use."
)


def test_a_lack_of_memory_says_by_how_much_and_what_would_fit(quick: Quick, tmp_path: Path) -> None:
    folder = create(quick("optimizer.accumulate=3"), tmp_path)
    _, state = train(folder, change=failing(torch.OutOfMemoryError(GPU)))
    assert state.reason == (
        "Out of memory on cpu: 2.1 GB more were needed, and 537 MB were free. It should fit with data.batch_size=32"
        " optimizer.accumulate=6."
    )
    assert state.fitting == {"data.batch_size": 32, "optimizer.accumulate": 6}
    assert fitting_texts(state) == {"data.batch_size": "32", "optimizer.accumulate": "6"}
    # A run that is resumed has no such settings.
    assert train(folder)[1].fitting == {}


def test_settings_that_fit_are_unknown_without_memory_to_find_them(
    quick: Quick, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("tuitrain.training.estimate.batch.estimate_need", broken)
    _, state = train(create(quick(), tmp_path), change=failing(MemoryError()))
    assert state.fitting == {}
    assert state.reason.startswith("Out of memory on cpu. Try a smaller data.batch_size with optimizer.accumulate")


def test_removing_the_folder_of_a_running_run(quick: Quick, tmp_path: Path) -> None:
    folder = create(quick("training.log_every=1"), tmp_path)

    def remove(_: Tensor) -> Tensor:
        shutil.rmtree(folder.path)
        raise MemoryError

    with pytest.raises(TrainingError, match=r"was deleted or moved during training\.$"):
        train(folder, change=lambda setup: setattr(setup, "transforms", (remove, setup.normalize)))
    assert not folder.path.exists()


def test_a_checkpoint_that_cannot_be_written_fails_the_run(quick: Quick, tmp_path: Path) -> None:
    folder = create(quick(), tmp_path)
    folder.checkpoints.rmdir()
    _, state = train(folder)
    assert state.status == "failed"
    assert "Reading or writing failed" in state.reason
    assert "is kept" not in state.reason


def test_a_checkpoint_of_another_model_is_refused(quick: Quick, tmp_path: Path) -> None:
    narrow, wide = create(quick("model.hidden=[8]", "training.epochs=1"), tmp_path), create(quick(), tmp_path)
    train(narrow)
    last = wide.checkpoints / "last.safetensors"
    last.write_bytes((narrow.checkpoints / "last.safetensors").read_bytes())
    _, state = train(wide)
    assert state.status == "failed"
    assert "another model's weights" in state.reason


@pytest.mark.parametrize("part", ["optimizer", "window", "progress", "rng"])
def test_an_incomplete_checkpoint_is_refused(quick: Quick, tmp_path: Path, part: str) -> None:
    folder = create(quick("training.epochs=1"), tmp_path)
    train(folder, {5: [command("stop")]})
    last = folder.checkpoints / "last.safetensors"
    state = checkpoint.load(last)
    for damage in (None, 7, [1]):
        checkpoint.save(last, state | {part: damage})
        with pytest.raises(RunError, match="does not fit this run"):
            train(folder)
