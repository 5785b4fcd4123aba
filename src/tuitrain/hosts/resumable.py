"""Check whether an existing run can be resumed, and change the settings that may change."""

from collections.abc import Sequence

from msgspec import structs

from tuitrain.config.data.datasets import DATA_SETTINGS
from tuitrain.config.values import override
from tuitrain.errors import RunError
from tuitrain.hosts.paths import absolute_data
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import State
from tuitrain.text import counted, plain

# The settings that may change in an existing run, because results do not depend on them.
RESUME_SETTINGS = (
    *DATA_SETTINGS,
    "training.device",
    "training.devices",
    "training.nodes",
    "training.threads",
    "training.checkpoint_every",
)


def change_settings(folder: RunFolder, assignments: Sequence[str]) -> None:
    """Write `KEY=VALUE` assignments to `RESUME_SETTINGS` into the configuration of an ended run."""
    if not assignments:
        return
    config = override(folder.config(), assignments, only=RESUME_SETTINGS)
    folder.write_config(structs.replace(config, data=absolute_data(config.data)))


def check_resumable(folder: RunFolder, state: State, epochs: int | None) -> None:
    """Raise RunError if nothing is left to train, or if the checkpoint is missing. `epochs` as in `resume_run`."""
    if epochs is None and state.status == "finished":
        raise RunError(
            f"The run has finished, after {counted(state.epoch, 'epoch')}.",
            f"Extend it with --epochs +5, or --epochs {state.epoch + 5}.",
        )
    if epochs is not None and epochs <= state.epoch:
        raise RunError(f"epochs = {epochs} is not allowed: it must be more than the {state.epoch} already trained.")
    check_checkpoint(folder, state)


def has_checkpoint(folder: RunFolder) -> bool:
    return (folder.checkpoints / "last.safetensors").exists()


def check_checkpoint(folder: RunFolder, state: State) -> None:
    """Raise RunError if the run has begun training and its last checkpoint is missing."""
    if not (state.epoch or state.step):
        return
    # The first checkpoint is saved before the first step.
    try:
        (folder.checkpoints / "last.safetensors").stat()
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(
            f"The run has trained {counted(state.step, 'step')}, but its checkpoint checkpoints/last.safetensors is"
            " missing.",
            f"Start a new run with its settings: tuitrain train -c {plain(folder.config_file, 1000)}",
        ) from None
    except OSError:
        # Loading the checkpoint reports the reason.
        return
