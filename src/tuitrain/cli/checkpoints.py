"""The checkpoint that a command uses if the user chooses none."""

from tuitrain.cli.output import print_message
from tuitrain.runs.folder import RunFolder


def checkpoint_or_last(folder: RunFolder, chosen: str) -> str:
    """Return `chosen`, or "last" if it is empty; then say so if the run has better weights. Raises RunError."""
    if chosen:
        return chosen
    state = folder.state()
    if state.best and state.best.step != state.step:
        epochs = f"epoch {state.epoch:,}; those of epoch {state.best.epoch:,} have the {state.best.criterion}"
        print_message(f"These are the last weights ({epochs}: --checkpoint best).")
    return "last"
