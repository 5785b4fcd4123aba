"""Evaluate a checkpoint of a run on its validation or test split."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from tuitrain.config.data.datasets import DATA_SETTINGS
from tuitrain.config.schema import Config
from tuitrain.config.validation import check_value
from tuitrain.config.values import build_config, flatten, override
from tuitrain.errors import ConfigError, RunError
from tuitrain.files import replace
from tuitrain.hosts.launch import ProgressCallback
from tuitrain.hosts.log_capture import LogCapture
from tuitrain.hosts.trust import evaluation_code
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.owner import claim, release
from tuitrain.runs.records import ACTIVE, Evaluation, State
from tuitrain.runs.user_files import changed_files
from tuitrain.runs.writer import encode_pretty

if TYPE_CHECKING:
    from tuitrain.runs.predictions import Predictions
    from tuitrain.training.progress import TrainingProgress
    from tuitrain.training.setup import Setup


def evaluate_checkpoint(
    folder: RunFolder,
    split: str,
    which: str,
    device: str,
    progress: ProgressCallback,
    settings: Iterable[str] = (),
    *,
    trust: bool = False,
) -> Evaluation:
    """Evaluate the checkpoint `which`, last or best, on `split`, and store the result in the folder of an ended run.
    `settings` are assignments to `DATA_SETTINGS`. Store an evaluation of other images than those of the run beside its
    own. With `trust`, allow the run's code.

    Raise TuitrainError if the run, its data or the checkpoint is missing or invalid, or if its code is not allowed.
    """
    # The weights of an active run change meanwhile.
    active = shown_status(folder.state()) in ACTIVE
    with opened(folder, split, which, device, progress, settings, trust=trust) as (setup, position):
        from tuitrain.training.evaluation.record import evaluate_split
        from tuitrain.training.user_code import explained

        progress(f"evaluating on {split}", None)
        with explained("The evaluation", RunError):
            evaluation, predictions = evaluate_split(setup, split, position, lambda: None, which)  # type: ignore[arg-type]
    if not active:
        _store(folder, evaluation, predictions, progress)
    return evaluation


@contextmanager
def opened(
    folder: RunFolder,
    split: str,
    which: str,
    device: str,
    progress: ProgressCallback,
    settings: Iterable[str] = (),
    *,
    trust: bool = False,
) -> Iterator[tuple["Setup", "TrainingProgress"]]:
    """Load a split and the checkpoint `which` of a run, and yield the model with where the run stood when it saved its
    weights. The run's code may run while the context lasts. The arguments and exceptions are those of
    `evaluate_checkpoint`."""
    folder.check_writable()
    check_value("training.device", device)
    for note in changed_files(folder.info()):
        progress(note, None)
    with evaluation_code(folder, trust=trust), LogCapture():
        progress("loading torch", None)
        setup = _prepare(folder, override(folder.config(), settings, only=DATA_SETTINGS), split, device, progress)
        yield setup, _load_checkpoint(folder, folder.state(), setup, which)


def _prepare(folder: RunFolder, config: Config, split: str, device: str, progress: ProgressCallback) -> "Setup":
    """Load the split and build the model of a run. Raise TuitrainError if that fails."""
    from tuitrain.training.device import choose_device
    from tuitrain.training.setup import prepare
    from tuitrain.training.user_code import explained

    config = evaluation_config(config, device, on_cpu=choose_device(device).type == "cpu")
    with explained("The run's code", RunError):
        setup = prepare(config, progress, before=folder.info(), has_checkpoint=True, only=split)
    if split == "validation" and setup.dataset.validation is None:
        raise ConfigError(
            "The run has no validation split: data.validation = 0.", "Use --split test.", key="data.validation"
        )
    return setup


def _load_checkpoint(folder: RunFolder, state: State, setup: "Setup", which: str) -> "TrainingProgress":
    """Load the weights of a checkpoint into the model; return where the run stood when it saved them."""
    from tuitrain.training import checkpoint
    from tuitrain.training.progress import TrainingProgress

    path = folder.checkpoints / f"{which}.safetensors"
    saved = checkpoint.load(path)
    checkpoint.load_weights(setup.model, saved, path)
    position = TrainingProgress(lr=0, epochs=state.epochs, epoch=state.epoch, step=state.step, best=state.best)
    if which == "last":
        # The state of an interrupted run is ahead of its checkpoint.
        position.epoch, position.batch, position.step = checkpoint.position(saved, path)
    return position


def evaluation_config(config: Config, device: str, *, on_cpu: bool) -> Config:
    """Return the settings that an evaluation on `device` uses."""
    # The user's transform applies to training batches only.
    changes: dict[str, object] = {"data.transform": None, "training.device": device}
    if config.training.precision == "fp16" and on_cpu:
        # The CPU cannot evaluate a run trained in fp16 on a GPU.
        changes["training.precision"] = "fp32"
    return build_config(flatten(config) | changes)


def _store(folder: RunFolder, evaluation: Evaluation, predictions: "Predictions", progress: ProgressCallback) -> None:
    beside = images_changed(folder, evaluation)
    try:
        if not folder.write_evaluation(evaluation, predictions, beside=beside):
            progress("the probabilities are too large to store", None)
        if not beside:
            _add_metrics(folder, evaluation)
    except OSError as error:
        tell_not_stored(error, progress)


def tell_not_stored(error: OSError, progress: ProgressCallback) -> None:
    """Tell the user that a result is not stored: a read-only run folder must not prevent an evaluation."""
    progress(f"the result cannot be stored in the run: {error.strerror}", None)


def _add_metrics(folder: RunFolder, evaluation: Evaluation) -> None:
    """Add the metrics to the scores of the same weights in the state of the run, which a run of an older version lacks.
    Do nothing if another process has resumed the run. Raises OSError."""
    try:
        claim(folder)
    except RunError:
        return
    try:
        state = folder.state()
        before = msgspec.structs.replace(state)
        best, split = state.best, evaluation.split
        if (score := getattr(state, split)) and evaluation.step == state.step:
            setattr(state, split, msgspec.structs.replace(score, metrics=evaluation.metrics))
        if best and (score := getattr(best, split)) and evaluation.step == best.step:
            score = msgspec.structs.replace(score, metrics=evaluation.metrics)
            state.best = msgspec.structs.replace(best, **{split: score})
        if state != before:
            replace(folder.state_file, encode_pretty(state))
    finally:
        release(folder)


def images_changed(folder: RunFolder, evaluation: Evaluation) -> bool:
    """Return whether `evaluation` is of other images than those of the run."""
    if recorded := folder.info().fingerprints.get(evaluation.split):
        return recorded != evaluation.fingerprint
    stored = folder.evaluation(evaluation.split)
    return stored is not None and (stored.classes, stored.true) != (evaluation.classes, evaluation.true)
