"""Evaluate a checkpoint of a run on its validation or test split."""

from contextlib import suppress

from tuitrain.config.validation import check_value
from tuitrain.config.values import build_config, flatten
from tuitrain.errors import ConfigError
from tuitrain.hosts.launch import ProgressCallback
from tuitrain.hosts.log_capture import LogCapture
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.records import ACTIVE, Evaluation


def evaluate_checkpoint(
    folder: RunFolder, split: str, which: str, device: str, progress: ProgressCallback
) -> Evaluation:
    """Evaluate the checkpoint `which`, last or best, on `split`, and store the result in the folder of an ended run.
    Raise TuitrainError if the run, its data or the checkpoint is missing or invalid."""
    folder.check_writable()
    check_value("training.device", device)
    with LogCapture():
        progress("loading torch", None)
        from tuitrain.training import checkpoint
        from tuitrain.training.data.load import loader_of
        from tuitrain.training.device import choose_device
        from tuitrain.training.evaluation.record import evaluate_split
        from tuitrain.training.progress import TrainingProgress
        from tuitrain.training.setup import prepare

        config = folder.config()
        # The user's transform applies to training batches only.
        changes: dict[str, object] = {"data.transform": None, "training.device": device}
        if config.training.precision == "fp16" and choose_device(device).type == "cpu":
            # The CPU cannot evaluate a run trained in fp16 on a GPU.
            changes["training.precision"] = "fp32"
        setup = prepare(build_config(flatten(config) | changes), progress, loader_of(folder.info()))
        if split == "validation" and setup.dataset.validation is None:
            raise ConfigError(
                "The run has no validation split: data.validation = 0.", "Use --split test.", key="data.validation"
            )
        path = folder.checkpoints / f"{which}.safetensors"
        saved, state = checkpoint.load(path), folder.state()
        checkpoint.load_weights(setup.model, saved, path)
        position = TrainingProgress(lr=0, epochs=state.epochs, epoch=state.epoch, step=state.step, best=state.best)
        if which == "last":
            # The state of an interrupted run is ahead of its checkpoint.
            position.epoch, position.batch, position.step = checkpoint.position(saved, path)
        progress(f"evaluating on {split}", None)
        evaluation = evaluate_split(setup, split, position, lambda: None, which)  # type: ignore[arg-type]
        if shown_status(state) not in ACTIVE:
            # A read-only copy can be evaluated, but not store the result.
            with suppress(OSError):
                folder.write_evaluation(evaluation)
        return evaluation
