"""Create the sweeps that the user starts."""

from pathlib import Path

from tuitrain.config.sweeps.sweep import Sweep
from tuitrain.config.sweeps.toml import loads
from tuitrain.hosts.trust import remember, sweep_code, sweep_origin
from tuitrain.image_folder.splits import FolderSplits
from tuitrain.runs.sweeps.catalog import create_sweep
from tuitrain.runs.sweeps.folder import SweepFolder


def start_new_sweep(runs_dir: Path, text: str) -> SweepFolder:
    """Create a sweep from the text of its TOML file and allow its code, which the user has typed or allowed. Raise
    TuitrainError, also if the images cannot be divided into its folds."""
    _check_folds(loads(text))
    folder = create_sweep(runs_dir, text)
    remember(sweep_origin(folder), sweep_code(folder.sweep()))
    return folder


def _check_folds(sweep: Sweep) -> None:
    """Raise DataError if an image folder has too few images for the folds, which would fail each of the runs."""
    if not sweep.folds:
        return
    configs = [sweep.config(values, 0) for values in sweep.fixed_trials or ({},)]
    for config in {config.data: config for config in configs if config.data.dataset == "image-folder"}.values():
        FolderSplits.scan(config.data, config.training.seed)
