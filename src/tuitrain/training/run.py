"""Train one run from its folder, and record how it ended."""

import re
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from tuitrain.config.code import is_spec
from tuitrain.config.networks import TIMM
from tuitrain.config.schedule import Extension
from tuitrain.config.schema import Config
from tuitrain.errors import RunError, TrainingError, TuitrainError
from tuitrain.image_folder.splits import counts_with_sources
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import RunInfo, State, Status, WeightsInfo
from tuitrain.runs.user_files import changed_files
from tuitrain.runs.writer import RunWriter
from tuitrain.text import counted, plain
from tuitrain.training.control import Detached, Stopped
from tuitrain.training.data.dataset import absent_classes
from tuitrain.training.loop import Loop
from tuitrain.training.optim.groups import describe_rates
from tuitrain.training.out_of_memory import explain, fitting_settings, is_out_of_memory
from tuitrain.training.provenance import run_info
from tuitrain.training.setup import Setup
from tuitrain.training.user_code import FAILURES, describe

# Fields of RunInfo that must be the same for a resumed run to be bit-identical to an uninterrupted one.
BIT_EXACT_FIELDS = ("device", "threads", "versions", "flags")
# A run's final status, and the reason to show.
Ending = tuple[Status, str]


def train_run(
    folder: RunFolder,
    prepare: Callable[[], Setup],
    inbox: Inbox,
    epochs: int | None = None,
    writer: RunWriter | None = None,
    schedule: Extension = "stretch",
) -> State:
    """Train a run from its last checkpoint, or from the beginning; return its state, which says how it ended.

    `epochs` overrides the run's number of epochs, and `schedule` says how the learning-rate schedule then continues.
    Pass `writer` if this process owns the run already. A detached run is left with the status queued, and the phase
    paused if the next process must pause it again.

    Raises RunError if another process owns the run and if a run that had ended cannot be resumed, and TrainingError if
    its ending cannot be written.
    """
    writer = writer or RunWriter(folder)

    def build() -> Loop:
        setup = prepare()
        _choose_batch_size(setup, writer)
        return Loop(setup, writer, inbox, epochs, schedule)

    try:
        ending, progressed = run_loop(writer, build)
        end_run(writer, ending, progressed=progressed)
    finally:
        writer.close()
    return writer.state


def run_loop(writer: RunWriter, build: Callable[[], Loop]) -> tuple[Ending, bool]:
    """Build a loop and train to the end. Return the ending, and whether the loop completed a step or an epoch."""
    loop: Loop | None = None

    def train() -> Ending:
        nonlocal loop
        writer.update(status="running", phase="preparing", reason="", ended=None, fitting={})
        loop = build()
        restore_run(loop)
        loop.run()
        return "finished", loop.progress.over

    # The estimate of what fits is that of a single device.
    ending = ending_of(writer, train, lambda: loop.setup if loop and loop.setup.group is None else None)
    assert ending is not None
    return ending, loop is not None and loop.has_progressed


def end_run(writer: RunWriter, ending: Ending, *, progressed: bool) -> None:
    """As `record_ending`, but raises TrainingError if the ending cannot be written."""
    try:
        record_ending(writer, ending, progressed=progressed)
    except OSError as error:
        raise _unwritable(writer.folder, error, ending) from None


def _choose_batch_size(setup: Setup, writer: RunWriter) -> None:
    """Replace `data.batch_size = auto` by a number, which stays the same for the whole run."""
    if setup.config.data.batch_size == "auto":
        from tuitrain.training.estimate.automatic import choose_batch_size

        writer.update(phase="finding the batch size")
        note = choose_batch_size(setup, writer.folder.info().batch_size)
        size = f"{counted(setup.config.data.images_per_batch, 'image')} per batch"
        writer.log(f"data.batch_size = auto: {size}{f', {note}' if note else ''}")


def _unwritable(folder: RunFolder, error: OSError, ending: Ending) -> TrainingError:
    if not folder.path.exists():
        return TrainingError(f"The run folder {plain(folder.path)} was deleted or moved during training.")
    return TrainingError(f"The run folder can no longer be written: {error.strerror}.", ending[1])


def restore_run(loop: Loop) -> None:
    """Restore the loop from the run's last checkpoint, and record what the run is trained with from now on. Raises
    RunError if the checkpoint does not fit."""
    writer, info = loop.writer, run_info(loop.setup)
    _record_differences(writer, writer.folder.info(), loop.setup, info)
    for note in changed_files(writer.folder.info()):
        writer.event("differs", note)
        writer.log(note)
    loop.restore()
    writer.info(info)
    if loop.setup.device.type == "cuda" and torch.cuda.device_count() > 1:
        writer.log(f"device: {info.device}, of {torch.cuda.device_count()} GPUs")
    sizes = ", ".join(counts_with_sources(info.sizes, loop.setup.dataset.sources))
    writer.log(f"data: {len(info.classes):,} classes · images: {sizes}")
    if kept := loop.setup.dataset.kept:
        writer.log(f"data: {plain(kept)}", detail=True)
    smoothing = loop.config.training.label_smoothing
    if smoothing:
        writer.log(f"label smoothing {smoothing:g} raises the training loss; evaluations are not smoothed")
    _log_part(loop)
    for line in _weights_lines(loop.config, info.weights):
        writer.log(line)
    if rates := describe_rates(loop.config, loop.setup.model):
        writer.log(f"learning rates: {rates}")
    _log_balance(loop)
    for note in info.data_notes:
        writer.log(f"data: {plain(note)}")


def _log_part(loop: Loop) -> None:
    """Log that a part of the training images is used or held out."""
    data = loop.config.data
    if data.fold is not None:
        loop.writer.log(f"data: fold {data.fold} of the training images is the validation split")
    if data.fraction < 1:
        loop.writer.log(f"data: training uses the fraction {data.fraction:g} of the training images of each class")


def _weights_lines(config: Config, weights: WeightsInfo | None) -> Iterator[str]:
    if weights:
        parts = [f"{weights.loaded:,} tensors loaded"]
        parts += [f"{weights.created:,} created for the classes"] if weights.created else []
        parts += [f"{weights.skipped:,} skipped"] if weights.skipped else []
        folder = Path(weights.source).parent
        run = f" of {plain(folder.parent.name, 100)}" if folder.name == "checkpoints" else ""
        yield f"weights: {plain(weights.file, 100)}{run} · {', '.join(parts)} · SHA-256 {weights.sha256[:16]}…"
        if config.finetune.freeze_norms:
            yield "weights: the statistics of batch normalization stay as pretrained (finetune.freeze_norms)"
    elif config.finetune.freeze == "backbone" and not is_spec(config.model.name):
        yield "weights: the frozen backbone keeps its random weights (model.weights = none)"
    if config.model.activation != "relu" and (
        config.model.name.startswith(TIMM) or config.model.weights == "pretrained"
    ):
        yield f"model.activation = {config.model.activation} does not apply: the network keeps its own activations"


def _log_balance(loop: Loop) -> None:
    """Log which training metrics class weights, a balanced sampler or mixed labels make incomparable to those of
    evaluations."""
    weights = loop.setup.class_weights
    if weights is not None:
        # A class without training images has the weight 0.
        weights = weights[weights > 0]
        span = f"{weights.min().item():.3g} to {weights.max().item():.3g}"
        loop.writer.log(f"class weights {span} change the training loss; evaluations are not weighted")
    if loop.config.data.sampler == "balanced":
        loop.writer.log(
            "the balanced sampler draws each class equally often: training loss and accuracy weigh all classes alike;"
            " evaluations do not"
        )
    if loop.config.data.mixes_labels:
        names = [name for name in ("mixup", "cutmix") if name in loop.config.data.augment]
        loop.writer.log(
            f"{' and '.join(names)} mix{'es' * (len(names) == 1)} labels, which raises the training loss: a training"
            " prediction counts as correct if it is the heavier label; evaluations are not mixed"
        )


def _record_differences(writer: RunWriter, before: RunInfo, setup: Setup, now: RunInfo) -> None:
    """Write an event and a log line for each difference to the previous training of the run. Raises RunError if a class
    has lost all its images."""
    if not before.layers:
        # The run has not been trained yet.
        return
    absent = absent_classes(now.classes, setup.dataset.train.labels.tolist())
    # A fold may hold out all images of a class from the beginning.
    if absent and before.fingerprints.get("train") != now.fingerprints["train"]:
        raise RunError(
            f"The class {plain(absent[0])}, which the run was trained on, has no training images.",
            "Restore them, or start a new run.",
        )
    for name in BIT_EXACT_FIELDS:
        old, new = getattr(before, name), getattr(now, name)
        # Older versions did not record all fields.
        if old and (old != new if name != "device" else _hardware(old) != _hardware(new)):
            writer.event("differs", f"{name}: {plain(old)} before, {plain(new)} now")
            writer.log(f"{name} changed from {plain(old)} to {plain(new)}: results may differ in the last bits")
    if before.devices != now.devices:
        writer.event("differs", f"devices: {before.devices} before, {now.devices} now")
        writer.log(
            f"the number of devices changed from {before.devices} to {now.devices}: the batches stay the same, but"
            " augmentation and dropout draw other random numbers"
        )
    for split, count in now.sizes.items():
        known = before.fingerprints.get(split) or before.sizes.get(split)
        if known and known not in (now.fingerprints[split], count):
            old_count = before.sizes.get(split, 0)
            writer.event("differs", f"{split} images: {old_count:,} before, {count:,} others now")
            writer.log(f"the {split} images changed from {old_count:,} to {count:,} others: the run continues on these")


def _hardware(device: str) -> str:
    """Return a recorded device without its number: GPUs of the same kind compute the same."""
    return re.sub(r"^cuda:\d+", "cuda", device)


def record_ending(writer: RunWriter, ending: Ending, *, progressed: bool) -> None:
    """Write the run's last event, log line and state. If a run that had ended fails before it completes a step, its
    former state is restored and RunError raised. Raises OSError if the state cannot be written."""
    status, reason = ending
    if status == "failed" and writer.resumed and not progressed:
        writer.restore_state(reason)
        raise RunError(reason)
    try:
        writer.event("detached" if status == "queued" else status, reason)
    except OSError as error:
        status, reason = "failed", f"{reason} Writing failed: {error.strerror}.".strip()
    writer.log("moves to another process" if status == "queued" else reason or status)
    ended = None if status == "queued" else writer.now()
    phase = "paused" if status == "queued" and writer.state.status == "paused" else ""
    writer.end(status=status, reason=reason, phase=phase, ended=ended)


def ending_of(
    writer: RunWriter, action: Callable[[], Ending | None], setup: Callable[[], Setup | None]
) -> Ending | None:
    """Call `action` and return its ending, or the one that its exception means. `setup` returns what trains, None if
    it is unknown: if the memory ran out, the state then has the settings that fit."""
    try:
        return action()
    except Stopped as stopped:
        return "stopped", plain(stopped) or "Stopped by the user."
    except Detached:
        return "queued", ""
    except TuitrainError as error:
        if error.__cause__ is not None:
            # The cause is usually an exception in the user's own code.
            _log_traceback(writer)
        return "failed", str(error)
    except OSError as error:
        kept = " The last checkpoint is kept." if (writer.folder.checkpoints / "last.safetensors").exists() else ""
        return "failed", f"Reading or writing failed: {plain(error)}.{kept}"
    except FAILURES as error:
        if is_out_of_memory(error):
            trained = setup()
            writer.state.fitting = fitting_settings(trained) if trained else {}
            return "failed", explain(error, trained, writer.state.fitting)
        _log_traceback(writer)
        return "failed", f"{describe(error)}. The traceback is in the run's log."


def _log_traceback(writer: RunWriter) -> None:
    for line in traceback.format_exc().splitlines():
        writer.log(line, detail=True)
