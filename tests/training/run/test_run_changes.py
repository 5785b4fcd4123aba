"""A run records what changed since it was last trained."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec import structs
from PIL import Image

from training.run.scripted_run import STEPS, Quick, Read, command, create, train, train_until_killed
from tuitrain.analysis.metrics.compute import metrics
from tuitrain.config.toml import dumps
from tuitrain.errors import ConfigError, DataError, RunError
from tuitrain.hosts.evaluate import evaluate_checkpoint, images_changed
from tuitrain.hosts.launch import RunSpec, create_run, resume_run
from tuitrain.hosts.resumable import change_settings
from tuitrain.runs.catalog.listing import entry
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Score
from tuitrain.runs.writer import encode_pretty
from tuitrain.training import loop as loop_module
from tuitrain.training.setup import Setup


@pytest.fixture(autouse=True)
def poll_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the loop poll commands after every step and every epoch."""
    monkeypatch.setattr(loop_module, "POLL_INTERVAL", 0.0)


def test_more_epochs_after_an_early_stop_get_the_whole_patience(quick: Quick, read: Read, tmp_path: Path) -> None:
    config = quick("training.epochs=60", "training.patience=2", "optimizer.lr=0.5")
    folder = create(config, tmp_path)
    _, state = train(folder)
    assert state.reason.startswith("Stopped early")
    _, extended = train(folder, epochs=state.epoch + 10)
    best = read(folder).state.best
    assert best is not None
    assert extended.epoch - max(state.epoch, best.epoch) >= 2


def test_changed_threads_and_precision_are_recorded(quick: Quick, read: Read, tmp_path: Path) -> None:
    folder = create(quick("training.epochs=2"), tmp_path)
    train(folder, {5: [command("stop")]})
    folder.config_file.write_text(dumps(quick("training.epochs=2", "training.threads=2", "training.precision=bf16")))
    _, state = train(folder)
    assert (state.status, state.step) == ("finished", 2 * STEPS)
    details = [event.detail for event in read(folder).events if event.name == "differs"]
    assert details[0] == "threads: 1 before, 2 now"
    assert "'precision': 'fp32'" in details[1]
    assert "'precision': 'bf16'" in details[1]
    assert any("threads changed from 1 to 2: results may differ in the last bits" in line for line in read(folder).log)
    # Recorded once, not again.
    train(folder, epochs=3)
    assert len([event for event in read(folder).events if event.name == "differs"]) == 2


def image_folder(tmp_path: Path, count: int) -> tuple[Path, tuple[str, ...]]:
    """Write images of two classes; return their folder and the settings that train on it."""
    images = tmp_path / "images"
    for number in range(count):
        path = images / "ab"[number % 2] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 4 * number).save(path)
    return images, ("data.dataset=image-folder", f"data.dir={images}", "data.image_size=8", "data.batch_size=2")


def recorded(folder: RunFolder, read: Read) -> list[str]:
    return [event.detail for event in read(folder).events if event.name == "differs"]


def test_other_images_with_the_same_names_are_recorded(quick: Quick, read: Read, tmp_path: Path) -> None:
    images, settings = image_folder(tmp_path, 20)
    folder = create(quick(*settings, "training.epochs=1"), tmp_path)
    train(folder)
    train(folder, epochs=2)
    assert recorded(folder, read) == []
    mean = folder.info().mean
    for number, path in enumerate(images.rglob("*.png")):
        Image.new("L", (8, 8), 150 + number).save(path)
    _, state = train(folder, epochs=3)
    assert state.status == "finished"
    assert recorded(folder, read) == [
        "train images: 14 before, 14 others now", "validation images: 2 before, 2 others now",
        "test images: 4 before, 4 others now",
    ]  # fmt: skip
    assert "the test images changed" in folder.log_file.read_text()
    # The network is used to this normalization.
    assert folder.info().mean == mean


def test_an_evaluation_adds_predictions_and_metrics_to_a_run_of_an_older_version(quick: Quick, tmp_path: Path) -> None:
    images, settings = image_folder(tmp_path, 20)
    folder = create(quick(*settings, "training.epochs=1"), tmp_path)
    train(folder)
    state = folder.state()
    assert state.best is not None
    for file in folder.evaluations.iterdir():
        file.unlink()
    without = [structs.replace(score, metrics=None) for score in (state.validation, state.test) if score]
    older = structs.replace(state, validation=without[0], test=without[1], best=structs.replace(
        state.best, validation=without[0], test=without[1]))  # fmt: skip
    folder.state_file.write_bytes(encode_pretty(older))
    assert entry(folder).state.test == without[1]
    for split in ("test", "validation"):
        evaluate_checkpoint(folder, split, "last", "cpu", lambda *_: None)
    assert folder.state() == state
    predictions = folder.predictions("test")
    assert predictions is not None
    assert metrics(predictions) == (state.test and state.test.metrics)
    assert all((images / name).is_file() for name in predictions.names)
    # The metrics of other images are not those of the run.
    folder.state_file.write_bytes(encode_pretty(older))
    Image.new("L", (8, 8), 255).save(images / predictions.names[0])
    evaluate_checkpoint(folder, "test", "last", "cpu", lambda *_: None)
    assert folder.state() == older
    assert len(list(folder.evaluations.glob("test-*.predictions.npz"))) == 1


def test_images_are_scaled_as_before_when_the_data_has_changed(quick: Quick, tmp_path: Path) -> None:
    images, settings = image_folder(tmp_path, 20)

    def write(top: int) -> None:
        for path in sorted(images.rglob("*.png")):
            value = 0 if path.parent.name == "a" else top
            Image.fromarray(np.full((8, 8), value, dtype=np.uint16)).save(path)

    write(4095)
    folder = create_run(
        RunSpec(config=quick(*settings, "training.epochs=1", "data.normalize=false"), runs_dir=tmp_path / "runs")
    )
    resume_run(folder, lambda *_: None, Inbox(folder))
    assert folder.info().value_ranges == {"16-bit": (0, 4095)}
    before = evaluate_checkpoint(folder, "test", "last", "cpu", lambda *_: None)
    write(60000)
    # White in both, so that the model receives the same pixels.
    assert evaluate_checkpoint(folder, "test", "last", "cpu", lambda *_: None).loss == before.loss
    assert resume_run(folder, lambda *_: None, Inbox(folder), epochs=2).status == "finished"
    assert folder.info().value_ranges == {"16-bit": (0, 4095)}
    assert any("values 0-4095, scaled to 0-255; 10 of them" in note for note in folder.info().data_notes)


def test_a_smaller_data_set_is_recorded_and_trained_on(quick: Quick, read: Read, tmp_path: Path) -> None:
    images, settings = image_folder(tmp_path, 60)
    folder = create(quick(*settings, "training.epochs=2", "training.log_every=1000"), tmp_path)
    train(folder, {20: [command("stop")]})
    for number in range(6, 50):
        (images / "ab"[number % 2] / f"{number:02}.png").unlink()
    _, state = train(folder)
    assert (state.status, state.epoch) == ("finished", 2), state.reason
    assert "train images: 43 before, 10 others now" in recorded(folder, read)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda images: (images / "b").rename(images / "c"), r"The run knows the classes a, b; .* has a, c\."),
        (
            lambda images: shutil.copytree(images / "b", images / "c"),
            r"The run knows the classes a, b; .* has a, b, c\.",
        ),
        (lambda images: shutil.rmtree(images / "b"), "only one class, a"),
        (lambda images: images.rename(images.with_name("moved")), "There is no folder"),
    ],
)
def test_other_classes_are_refused(
    quick: Quick, tmp_path: Path, change: Callable[[Path], object], message: str
) -> None:
    images, settings = image_folder(tmp_path, 20)
    folder = create(quick(*settings, "training.epochs=1"), tmp_path)
    train(folder)
    before, evaluation = folder.state(), folder.evaluation("test")
    change(images)
    with pytest.raises(RunError, match=message):
        train(folder, epochs=2)
    with pytest.raises(DataError, match=message):
        evaluate_checkpoint(folder, "test", "last", "cpu", lambda *_: None)
    after = folder.state()
    assert (after.status, after.epoch, after.test) == (before.status, before.epoch, before.test)
    assert folder.evaluation("test") == evaluation


def test_a_class_without_images_is_evaluated_but_not_trained_on(quick: Quick, tmp_path: Path) -> None:
    images, settings = image_folder(tmp_path, 30)
    for number in range(10):
        path = images / "c" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("L", (8, 8), 130 + number).save(path)
    folder = create(quick(*settings, "training.epochs=1"), tmp_path)
    train(folder)
    own = folder.evaluation("test")
    shutil.rmtree(images / "b")
    with pytest.raises(RunError, match="The class b, which the run was trained on, has no training images"):
        train(folder, epochs=2)
    found = evaluate_checkpoint(folder, "test", "last", "cpu", lambda *_: None)
    assert found.classes == ["a", "b", "c"]
    assert [sum(row) for row in found.confusion] == [3, 0, 2]
    # The run's own evaluation stays.
    assert folder.evaluation("test") == own
    assert (folder.evaluations / f"test-{found.fingerprint}.json").exists()
    assert images_changed(folder, found)


def test_moved_images_are_evaluated_and_trained_on(quick: Quick, read: Read, tmp_path: Path) -> None:
    images, settings = image_folder(tmp_path, 20)
    folder = create(quick(*settings, "training.epochs=1"), tmp_path)
    train(folder)
    own, moved = folder.evaluation("test"), images.rename(tmp_path / "moved")
    found = evaluate_checkpoint(folder, "test", "last", "cpu", lambda *_: None, [f"data.dir={moved}"])
    assert found == own
    assert not images_changed(folder, found)
    change_settings(folder, [f"data.dir={moved}"])
    _, state = train(folder, epochs=2)
    assert state.status == "finished"
    assert recorded(folder, read) == []
    with pytest.raises(ConfigError, match=r"model\.name cannot be changed for an existing run"):
        change_settings(folder, ["model.name=cnn"])


def test_a_run_of_an_older_version_keeps_its_splits(quick: Quick, read: Read, tmp_path: Path) -> None:
    _, settings = image_folder(tmp_path, 60)
    folder = create(quick(*settings, "training.epochs=1", "data.split_by=position"), tmp_path)
    train(folder)
    folder.config_file.write_text(folder.config_file.read_text().replace('split_by = "position"\n', ""))
    assert folder.config().data.split_by == "position"
    train(folder, epochs=2)
    assert recorded(folder, read) == []


def test_the_log_has_the_notes_on_the_data(quick: Quick, read: Read, tmp_path: Path) -> None:
    def note(setup: Setup) -> None:
        setup.dataset = dataclasses.replace(setup.dataset, notes=("a \x1b[2J note",))

    folder = create(quick("training.epochs=1"), tmp_path)
    train(folder, change=note)
    assert any("data: a �[2J note" in line for line in read(folder).log)


def test_evaluating_a_killed_run_uses_the_counters_of_its_checkpoint(quick: Quick, read: Read, tmp_path: Path) -> None:
    """The state of a killed run may be ahead of its last checkpoint."""
    folder = create(quick("training.epochs=3", "training.log_every=1"), tmp_path)
    train_until_killed(folder, STEPS + 10)
    ahead = folder.state()
    ahead.step, ahead.status = read(folder).train.step[-1], "failed"
    folder.state_file.write_bytes(msgspec.json.encode(ahead))
    found = evaluate_checkpoint(folder, "test", "last", "cpu", lambda *_: None)
    assert (found.epoch, found.step) == (1, STEPS) != (ahead.epoch, ahead.step)
    assert folder.evaluation("test") == found
    # And after the run is resumed and finished.
    _, state = train(folder)
    again = evaluate_checkpoint(folder, "test", "last", "cpu", lambda *_: None)
    assert state.test == Score(again.loss, again.accuracy, again.metrics)
    assert (again.epoch, again.step) == (3, 3 * STEPS)


def test_an_fp16_run_can_be_evaluated_on_the_cpu(quick: Quick, tmp_path: Path) -> None:
    folder = create(quick("training.epochs=1"), tmp_path)
    _, state = train(folder)
    folder.config_file.write_text(dumps(quick("training.epochs=1", "training.precision=fp16")))
    found = evaluate_checkpoint(folder, "test", "last", "cpu", lambda *_: None)
    assert state.test == Score(found.loss, found.accuracy, found.metrics)
