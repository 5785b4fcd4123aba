"""Stop, resume and fail: a run that was interrupted ends exactly like one that was not."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import torch
from PIL import Image
from torch import Tensor

from tuitrain.config.schema import Config
from tuitrain.config.toml import dumps
from tuitrain.errors import RunError
from tuitrain.hosts.evaluate import evaluate_checkpoint
from tuitrain.hosts.launch import RunSpec, create_run
from tuitrain.runs.control import Command, CommandName, Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.records import Score, State
from tuitrain.runs.writer import encode_pretty
from tuitrain.training import checkpoint
from tuitrain.training import loop as loop_module
from tuitrain.training.run import train_run
from tuitrain.training.setup import Setup, prepare

Quick = Callable[..., Config]
Read = Callable[[RunFolder], Follower]
Commands = dict[int, list[Command]]
STEPS = 21


@pytest.fixture(autouse=True)
def poll_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the loop poll commands after every step and every epoch."""
    monkeypatch.setattr(loop_module, "POLL_INTERVAL", 0.0)


class Scripted(Inbox):
    """An inbox with a command list for each poll, counted from 1: one poll per step, and one at the end of an epoch."""

    def __init__(self, folder: RunFolder, commands: Commands) -> None:
        super().__init__(folder)
        self.polls = 0
        self.commands = commands

    def new(self) -> list[Command]:
        self.polls += 1
        return super().new() + self.commands.pop(self.polls, [])


def command(name: CommandName, value: float | None = None) -> Command:
    return Command(name, 0.0, value, "test")


def create(config: Config, tmp_path: Path) -> RunFolder:
    return create_run(RunSpec(config=config, runs_dir=tmp_path / "runs"))


def train(
    folder: RunFolder, commands: Commands | None = None, change: Callable[[Setup], None] | None = None,
    epochs: int | None = None,
) -> tuple[Setup, State]:  # fmt: skip
    """Train with a new setup, as another process would; `commands` maps polls to commands."""
    setups = []

    def build() -> Setup:
        setup = prepare(folder.config(), lambda *_: None)
        if change:
            change(setup)
        setups.append(setup)
        return setup

    state = train_run(folder, build, Scripted(folder, commands or {}), epochs)
    return setups[0], state


def weights(setup: Setup) -> list[Tensor]:
    return list(setup.model.state_dict().values())


def rows(run: Follower) -> dict[str, list[float]]:
    """Return all columns that do not depend on the clock."""
    table = {f"layer {index}": column.tolist() for index, column in enumerate(run.layers)}
    for name, curve in (("train", run.train), *run.evaluations.items()):
        table[f"{name} step"] = list(map(float, curve.step))
        table |= {f"{name} {key}": column.tolist() for key, column in curve.columns.items() if "ime" not in key}
        del table[f"{name} seconds"]
    return table


RECIPES = {
    "sgd": ("optimizer.name=sgd", "optimizer.lr=0.1", "optimizer.momentum=0.9"),
    "adam, dropout": ("model.dropout=0.3",),
    "muon, augmented": ("optimizer.name=muon", "optimizer.momentum=0.95", "data.augment=[shift, flip]"),
    "one-cycle": ("schedule.name=one-cycle", "optimizer.lr=0.01", "evaluation.test_every=1"),
    "plateau": ("schedule.name=plateau", "schedule.patience=0", "optimizer.name=sgd", "optimizer.lr=1.5",
                "optimizer.momentum=0.9"),
    "cnn": ("model.name=cnn", "model.batch_norm=true", "model.dropout=0.2", "data.batch_size=128"),
    "cnn, muon": ("model.name=cnn", "optimizer.name=muon", "data.batch_size=128"),
    "accumulated": ("data.batch_size=32", "optimizer.accumulate=3", "optimizer.clip_norm=1"),
    "radam, bf16": ("optimizer.name=radam", "training.precision=bf16"),
    "early stopping": ("training.patience=1", "optimizer.lr=0.05", "data.validation=0.3"),
}  # fmt: skip


@pytest.mark.parametrize("log_every", [4, 1000])
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_resumed_run_is_bit_identical_to_an_uninterrupted_one(
    quick: Quick, read: Read, tmp_path: Path, recipe: str, log_every: int
) -> None:
    config = quick("training.epochs=4", f"training.log_every={log_every}", *RECIPES[recipe])
    folder = create(config, tmp_path)
    whole, ended = train(folder)
    uncut = read(folder)
    assert ended.status == "finished"

    folder = create(config, tmp_path)
    # In mid-epoch, after an epoch's last step but before validation, at the end of the epoch, in mid-epoch again.
    for poll in (5, whole.steps_per_epoch - 5, 1, 7):
        _, state = train(folder, {poll: [command("stop")]})
        assert (state.status, state.reason) == ("stopped", "Stopped by the user.")
    assert state.step == whole.steps_per_epoch + 7
    setup, state = train(folder)
    cut = read(folder)

    assert (state.status, state.reason) == (ended.status, ended.reason)
    assert rows(cut) == rows(uncut)
    assert all(torch.equal(left, right) for left, right in zip(weights(setup), weights(whole), strict=True))
    assert (state.best, state.test, state.train) == (ended.best, ended.test, ended.train)
    assert [event.name for event in cut.events].count("continued") == 4


def test_state_and_rows_of_a_run_stopped_in_mid_epoch(quick: Quick, read: Read, tmp_path: Path) -> None:
    folder = create(quick("training.epochs=4", "training.log_every=4"), tmp_path)
    _, state = train(folder, {30: [command("stop")]})
    assert (state.status, state.epoch, state.step) == ("stopped", 1, 29)
    run = read(folder)
    assert run.state == state
    assert run.train.step.tolist() == [4, 8, 12, 16, 20, 21, 24, 28]
    assert run.events[-1].name == "stopped"
    # Resuming clears the reason of the stop.
    _, state = train(folder)
    assert (state.status, state.reason, state.epoch, state.step) == ("finished", "", 4, 84)
    assert state.ended is not None


def test_a_killed_run_repeats_the_steps_after_its_checkpoint(quick: Quick, read: Read, tmp_path: Path) -> None:
    config = quick("training.epochs=3", "training.log_every=2", "model.dropout=0.3")
    whole, _ = train(uncut := create(config, tmp_path))
    batches = 0

    def kill(images: Tensor) -> Tensor:
        nonlocal batches
        batches += 1
        if batches == STEPS + 10:
            raise KeyboardInterrupt
        return images

    folder = create(config, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(folder, change=lambda setup: setattr(setup, "transforms", (kill,)))
    assert read(folder).train.step[-1] == STEPS + 9
    setup, state = train(folder)
    assert state.status == "finished"
    again = next(event for event in read(folder).events if event.name == "continued")
    assert again.step == STEPS
    assert rows(read(folder)) == rows(read(uncut))
    assert all(torch.equal(left, right) for left, right in zip(weights(setup), weights(whole), strict=True))


def test_an_extended_run_is_bit_identical_to_a_longer_run(quick: Quick, read: Read, tmp_path: Path) -> None:
    settings = ("training.log_every=5", "model.dropout=0.2")
    longer, _ = train(uncut := create(quick("training.epochs=4", *settings), tmp_path))
    folder = create(quick("training.epochs=2", *settings), tmp_path)
    train(folder)
    setup, state = train(folder, epochs=4)
    assert (state.status, state.epoch, state.epochs) == ("finished", 4, 4)
    assert rows(read(folder))["train loss"] == rows(read(uncut))["train loss"]
    assert all(torch.equal(left, right) for left, right in zip(weights(setup), weights(longer), strict=True))


def test_checkpoint_every(quick: Quick, tmp_path: Path) -> None:
    """A tiny interval saves a checkpoint after every step, the default one after every epoch of this short run."""
    steps: list[int] = []

    def watch(setup: Setup) -> None:
        def observe(images: Tensor) -> Tensor:
            state = checkpoint.load(folder.checkpoints / "last.safetensors")
            steps.append(state["progress"]["step"])
            return images

        setup.transforms = (observe,)

    folder = create(quick("training.epochs=1", "training.checkpoint_every=1e-9"), tmp_path)
    train(folder, change=watch)
    assert steps == list(range(STEPS))
    steps.clear()
    folder = create(quick("training.epochs=2"), tmp_path)
    train(folder, change=watch)
    assert steps == [0] * STEPS + [STEPS] * STEPS


def test_the_checkpoint_command(quick: Quick, read: Read, tmp_path: Path) -> None:
    folder = create(quick("training.epochs=1"), tmp_path)
    saved: list[int] = []

    def observe(images: Tensor) -> Tensor:
        saved.append(checkpoint.load(folder.checkpoints / "last.safetensors")["progress"]["step"])
        return images

    train(folder, {6: [command("checkpoint")]}, change=lambda setup: setattr(setup, "transforms", (observe,)))
    assert saved == [0] * 6 + [6] * (STEPS - 6)
    assert [(event.name, event.step) for event in read(folder).events][1] == ("checkpoint", 6)


def names(run: Follower) -> list[str]:
    return [event.name for event in run.events]


def test_pause_and_resume_change_nothing(quick: Quick, read: Read, tmp_path: Path) -> None:
    config = quick("training.epochs=2", "model.dropout=0.3")
    whole, _ = train(uncut := create(config, tmp_path))
    folder = create(config, tmp_path)
    # Three polls while it is paused.
    setup, state = train(folder, {5: [command("pause")], 8: [command("resume")]})
    assert state.status == "finished"
    assert names(read(folder)) == ["started", "paused", "resumed", "finished"]
    assert rows(read(folder)) == rows(read(uncut))
    assert all(torch.equal(left, right) for left, right in zip(weights(setup), weights(whole), strict=True))


def test_pause_and_resume_in_the_same_poll(quick: Quick, read: Read, tmp_path: Path) -> None:
    folder = create(quick("training.epochs=1"), tmp_path)
    _, state = train(folder, {5: [command("pause"), command("resume")]})
    assert state.status == "finished"
    assert names(read(folder)) == ["started", "paused", "resumed", "finished"]


def test_commands_around_a_resume_are_applied_in_order(quick: Quick, read: Read, tmp_path: Path) -> None:
    folder = create(quick("training.epochs=1"), tmp_path)
    commands = {5: [command("pause")], 6: [command("checkpoint"), command("resume"), command("stop")]}
    _, state = train(folder, commands)
    assert (state.status, state.step) == ("stopped", 5)
    assert names(read(folder)) == ["started", "paused", "checkpoint", "resumed", "stopped"]


def test_stop_while_paused(quick: Quick, tmp_path: Path) -> None:
    folder = create(quick("training.epochs=1"), tmp_path)
    _, state = train(folder, {5: [command("pause")], 7: [command("stop")]})
    assert (state.status, state.step) == ("stopped", 5)
    _, state = train(folder)
    assert (state.status, state.step) == ("finished", STEPS)


def test_a_detached_run_is_queued_for_another_process(quick: Quick, read: Read, tmp_path: Path) -> None:
    config = quick("training.epochs=2", "model.dropout=0.3")
    whole, _ = train(uncut := create(config, tmp_path))
    folder = create(config, tmp_path)
    _, state = train(folder, {9: [command("detach")]})
    assert (state.status, state.step, state.ended) == ("queued", 9, None)
    setup, state = train(folder)
    assert state.status == "finished"
    assert rows(read(folder)) == rows(read(uncut))
    assert all(torch.equal(left, right) for left, right in zip(weights(setup), weights(whole), strict=True))


def test_a_changed_learning_rate_survives_a_stop(quick: Quick, read: Read, tmp_path: Path) -> None:
    folder = create(quick("training.epochs=2", "training.log_every=1"), tmp_path)
    train(folder, {5: [command("lr", 0.0005)], 9: [command("stop")]})
    assert folder.state().lr == 0.0005
    # Older versions did not record the learning rate.
    folder.state_file.write_bytes(encode_pretty(msgspec.structs.replace(folder.state(), lr=None)))
    train(folder)
    run = read(folder)
    assert run.train["lr"].tolist() == [0.001] * 5 + [0.0005] * (2 * STEPS - 5)
    assert (run.state.lr, run.config.optimizer.lr) == (0.0005, 0.001)
    assert [line[9:] for line in run.log if "->" in line] == ["learning rate 0.001 -> 0.0005 at step 5, by test"]


def test_the_state_has_a_learning_rate_once_it_was_changed(quick: Quick, tmp_path: Path) -> None:
    folder = create(quick("training.epochs=1"), tmp_path)
    train(folder, {2: [command("lr", 0.001)], 3: [command("stop")]})
    assert folder.state().lr is None
    train(folder, {2: [command("lr", 0.5)], 3: [command("lr", 0.001)], 4: [command("stop")]})
    assert folder.state().lr == 0.001


@pytest.mark.parametrize(
    ("name", "value"), [("epochs", 1), ("epochs", 2.5), ("epochs", 1e300), ("epochs", None), ("lr", 0)]
)
def test_invalid_values_are_refused_in_the_log_and_as_an_event(
    quick: Quick, read: Read, tmp_path: Path, name: CommandName, value: float | None
) -> None:
    folder = create(quick("training.epochs=2"), tmp_path)
    _, state = train(folder, {STEPS + 3: [command(name, value)]})
    assert (state.status, state.epochs, state.lr) == ("finished", 2, None)
    run = read(folder)
    (refused,) = (event for event in run.events if event.name == "refused")
    assert (refused.value, refused.detail[-13:]) == (value, "Sent by test.")
    assert [line[9:] for line in run.log if "refused" in line] == [f"refused: {refused.detail}"]


def test_epochs_can_be_lowered_to_the_current_epoch(quick: Quick, tmp_path: Path) -> None:
    folder = create(quick("training.epochs=9"), tmp_path)
    _, state = train(folder, {STEPS + 3: [command("epochs", 2)]})
    assert (state.status, state.epoch, state.epochs, state.begun) == ("finished", 2, 2, 2)


def test_the_log_has_the_new_number_of_epochs(quick: Quick, read: Read, tmp_path: Path) -> None:
    folder = create(quick("training.epochs=9"), tmp_path)
    train(folder, {2: [Command("epochs", 0.0, 2, "[b]\x1b[2J")]})
    run = read(folder)
    assert (run.state.epochs, run.state.epoch, run.config.training.epochs) == (2, 2, 9)
    assert [line[9:] for line in run.log if "->" in line] == ["epochs 9 -> 2 at step 2, by [b]\ufffd[2J"]


def test_epochs_above_the_maximum_are_refused(quick: Quick, read: Read, tmp_path: Path) -> None:
    folder = create(quick("training.epochs=1"), tmp_path)
    train(folder, {2: [command("epochs", 1e9 + 1), command("epochs", 1e300)]})
    run = read(folder)
    assert (names(run).count("refused"), run.state.epochs, run.status) == (2, 1, "finished")


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


def failing(error: Exception) -> Callable[[Setup], None]:
    def fail(_: Tensor) -> Tensor:
        raise error

    return lambda setup: setattr(setup, "transforms", (fail,))


@pytest.mark.parametrize(
    ("error", "sentence", "traced"),
    [
        (RuntimeError("bad\nthing \x1b[31m"), "RuntimeError: bad�thing �[31m", True),
        (MemoryError(), "Out of memory on cpu. Try a smaller data.batch_size", False),
        (torch.OutOfMemoryError("CUDA out of memory"), "Out of memory on cpu.", False),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), "Out of memory on cpu.", False),
        (OSError(28, "No space left on device"), "Reading or writing failed", False),
    ],
)
def test_failures(
    quick: Quick, read: Read, tmp_path: Path, error: Exception, sentence: str, traced: bool
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
    assert "Out of memory on cpu. Try a smaller data.batch_size" in state.reason


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


def test_removing_the_folder_of_a_running_run(quick: Quick, tmp_path: Path) -> None:
    folder = create(quick("training.log_every=1"), tmp_path)

    def remove(_: Tensor) -> Tensor:
        shutil.rmtree(folder.path)
        raise MemoryError

    with pytest.raises(RunError, match="can no longer be written: No such file or directory"):
        train(folder, change=lambda setup: setattr(setup, "transforms", (remove,)))
    assert not folder.path.exists()


def test_changed_images_with_the_same_names_are_recorded(quick: Quick, read: Read, tmp_path: Path) -> None:
    images = tmp_path / "images"
    for number in range(20):
        path = images / "ab"[number % 2] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 4 * number).save(path)
    settings = ("data.dataset=image-folder", f"data.dir={images}", "data.image_size=8", "data.batch_size=2")
    folder = create(quick(*settings, "training.epochs=1"), tmp_path)
    train(folder)
    train(folder, epochs=2)
    assert "the run continues on other images" not in folder.log_file.read_text()
    for path in images.rglob("*.png"):
        Image.new("L", (8, 8), 200).save(path)
    _, state = train(folder, epochs=3)
    assert state.status == "finished"
    assert "the run continues on other images" in folder.log_file.read_text()
    assert any(event.detail.startswith("mean: ") for event in read(folder).events if event.name == "differs")


def test_a_smaller_data_set_is_recorded_and_trained_on(quick: Quick, read: Read, tmp_path: Path) -> None:
    images = tmp_path / "images"
    for number in range(60):
        path = images / "ab"[number % 2] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 4 * number).save(path)
    settings = ("data.dataset=image-folder", f"data.dir={images}", "data.image_size=8", "data.batch_size=2")
    folder = create(quick(*settings, "training.epochs=2", "training.log_every=1000"), tmp_path)
    train(folder, {20: [command("stop")]})
    for number in range(6, 50):
        (images / "ab"[number % 2] / f"{number:02}.png").unlink()
    _, state = train(folder)
    assert (state.status, state.epoch) == ("finished", 2), state.reason
    assert any(event.detail.startswith("sizes: ") for event in read(folder).events if event.name == "differs")
    (images / "c").mkdir()
    Image.new("L", (8, 8)).save(images / "c" / "1.png")
    Image.new("L", (8, 8)).save(images / "c" / "2.png")
    with pytest.raises(RunError, match="another model's weights"):
        train(folder, epochs=3)
    assert any(event.detail == "classes: ['a', 'b'] before, ['a', 'b', 'c'] now" for event in read(folder).events)


def test_a_checkpoint_that_cannot_be_written_fails_the_run(quick: Quick, tmp_path: Path) -> None:
    folder = create(quick(), tmp_path)
    folder.checkpoints.rmdir()
    _, state = train(folder)
    assert state.status == "failed"
    assert "Reading or writing failed" in state.reason


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


def test_commands_from_the_control_file(quick: Quick, tmp_path: Path) -> None:
    """Commands from before the run are ignored, and so are invalid lines."""
    folder = create(quick("training.epochs=1", "training.log_every=1"), tmp_path)
    folder.control_file.write_bytes(msgspec.json.encode(command("stop")) + b"\n")

    def write(setup: Setup) -> None:
        def once(images: Tensor) -> Tensor:
            lines = [b"{}", b"\xff", b'{"name": "explode", "time": 0}', msgspec.json.encode(command("stop"))]
            with folder.control_file.open("ab") as file:
                file.write(b"\n".join(lines) + b"\n")
            return images

        setup.transforms = (once,)

    _, state = train(folder, change=write)
    assert (state.status, state.step) == ("stopped", 1)


def test_the_log_has_the_notes_on_the_data(quick: Quick, read: Read, tmp_path: Path) -> None:
    def note(setup: Setup) -> None:
        setup.dataset = dataclasses.replace(setup.dataset, notes=("a \x1b[2J note",))

    folder = create(quick("training.epochs=1"), tmp_path)
    train(folder, change=note)
    assert any("data: a �[2J note" in line for line in read(folder).log)


def test_evaluating_a_killed_run_uses_the_counters_of_its_checkpoint(quick: Quick, read: Read, tmp_path: Path) -> None:
    """The state of a killed run may be ahead of its last checkpoint."""
    batches = 0

    def kill(images: Tensor) -> Tensor:
        nonlocal batches
        batches += 1
        if batches == STEPS + 10:
            raise KeyboardInterrupt
        return images

    folder = create(quick("training.epochs=3", "training.log_every=1"), tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(folder, change=lambda setup: setattr(setup, "transforms", (kill,)))
    ahead = folder.state()
    ahead.step, ahead.status = read(folder).train.step[-1], "failed"
    folder.state_file.write_bytes(msgspec.json.encode(ahead))
    found = evaluate_checkpoint(folder, "test", "last", "cpu", lambda *_: None)
    assert (found.epoch, found.step) == (1, STEPS) != (ahead.epoch, ahead.step)
    assert folder.evaluation("test") == found
    # And after the run is resumed and finished.
    _, state = train(folder)
    again = evaluate_checkpoint(folder, "test", "last", "cpu", lambda *_: None)
    assert state.test == Score(again.loss, again.accuracy)
    assert (again.epoch, again.step) == (3, 3 * STEPS)


def test_an_fp16_run_can_be_evaluated_on_the_cpu(quick: Quick, tmp_path: Path) -> None:
    folder = create(quick("training.epochs=1"), tmp_path)
    _, state = train(folder)
    folder.config_file.write_text(dumps(quick("training.epochs=1", "training.precision=fp16")))
    found = evaluate_checkpoint(folder, "test", "last", "cpu", lambda *_: None)
    assert state.test == Score(found.loss, found.accuracy)
