"""Looking again at a run's test or validation split with a checkpoint of it."""

from contextlib import suppress

from tuitrain.config.validation import check_value
from tuitrain.config.values import build_config, flatten
from tuitrain.errors import ConfigError
from tuitrain.hosts.launch import ProgressCallback
from tuitrain.hosts.log_capture import LogCapture
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.records import Evaluation


def evaluate_checkpoint(
    folder: RunFolder, split: str, which: str, device: str, progress: ProgressCallback
) -> Evaluation:
    """Kept in the run's folder unless the run still goes on. Raises TuitrainError where run, data or checkpoint are
    not what they must be."""
    folder.refuse_foreign()
    check_value("training.device", device)
    with LogCapture():
        progress("loading torch", None)
        from tuitrain.training import checkpoint
        from tuitrain.training.device import choose_device
        from tuitrain.training.evaluation.record import evaluate_split
        from tuitrain.training.progress import TrainingProgress
        from tuitrain.training.setup import prepare

        config = folder.config()
        # A user's function changes training images alone; there is no need to run it.
        changes: dict[str, object] = {"data.transform": None, "training.device": device}
        if config.training.precision == "fp16" and choose_device(device).type == "cpu":
            # Trained on a GPU, looked at without one.
            changes["training.precision"] = "fp32"
        setup = prepare(build_config(flatten(config) | changes), progress)
        if split == "validation" and setup.dataset.validation is None:
            raise ConfigError("The run has no validation split: data.validation = 0.", key="data.validation")
        path = folder.checkpoints / f"{which}.safetensors"
        saved, state = checkpoint.load(path), folder.state()
        checkpoint.load_weights(setup.model, saved, path)
        at = TrainingProgress(lr=0, epochs=state.epochs, epoch=state.epoch, step=state.step, best=state.best)
        if which == "last":
            # The state of a run that was interrupted is ahead of its checkpoint.
            at.epoch, at.batch, at.step = checkpoint.position(saved, path)
        progress(f"evaluating on {split}", None)
        seen = evaluate_split(setup, split, at, lambda: None, which)  # type: ignore[arg-type]
        if shown_status(state) not in ("queued", "running", "paused"):
            # A copy that can only be read is looked at all the same.
            with suppress(OSError):
                folder.write_evaluation(seen)
        return seen
