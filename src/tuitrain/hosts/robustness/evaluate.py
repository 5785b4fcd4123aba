"""Evaluate the weights of a run on corrupted images."""

from tuitrain.errors import RunError
from tuitrain.hosts.evaluate import opened, tell_not_stored
from tuitrain.hosts.launch import ProgressCallback
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.records import ACTIVE, SplitName
from tuitrain.runs.robustness import Robustness, write_robustness


def evaluate_robustness(
    folder: RunFolder,
    split: SplitName,
    which: str,
    device: str,
    progress: ProgressCallback,
    *,
    trust: bool = False,
) -> Robustness:
    """Evaluate the checkpoint `which` of a run, last, best, or "" for the best one that it has, on corruptions of
    `split`, and store the result in the folder of an ended run. With `trust`, allow the run's code.

    Raise TuitrainError if the run, its data or the checkpoint is missing or invalid, if the images cannot be corrupted,
    or if its code is not allowed.
    """
    state = folder.state()
    has_best = state.best is not None and (folder.checkpoints / "best.safetensors").exists()
    which = which or ("best" if has_best else "last")
    with opened(folder, split, which, device, progress, trust=trust) as (setup, position):
        from tuitrain.training.evaluation.robustness import evaluate_corrupted
        from tuitrain.training.user_code import explained

        progress(f"evaluating on {split}", None)
        with explained("The evaluation", RunError):
            record = evaluate_corrupted(setup, split, position, which, progress)  # type: ignore[arg-type]
    if shown_status(state) in ACTIVE:
        progress("the result is not stored: the run is active, so its weights change", None)
    else:
        _store(folder, record, progress)
    return record


def _store(folder: RunFolder, record: Robustness, progress: ProgressCallback) -> None:
    """Store the result if it is that of the images of the run, and otherwise say why not."""
    if folder.info().fingerprints.get(record.split, record.fingerprint) != record.fingerprint:
        progress(f"the result is not stored: these are not the {record.split} images of the run", None)
        return
    try:
        write_robustness(folder, record)
    except OSError as error:
        tell_not_stored(error, progress)
