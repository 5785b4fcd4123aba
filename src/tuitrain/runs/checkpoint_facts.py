"""Read what a run records about the images that one of its checkpoints was trained on."""

from pathlib import Path

from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import RunInfo, WeightsInfo


def run_of(path: Path) -> RunInfo | None:
    """Return the record of the run that has the checkpoint at `path`; None for other files. Raises RunError."""
    folder = RunFolder(path.resolve().parent.parent)
    if path.parent.name != "checkpoints" or not folder.info_file.is_file():
        return None
    return folder.info()


def weights_of(info: RunInfo) -> WeightsInfo:
    """Return the size and the normalization of the images that the run was trained on."""
    given = info.weights or WeightsInfo()
    return WeightsInfo(
        size=info.shape[1],
        mean=tuple(info.mean),
        std=tuple(info.std),
        crop=given.crop,
        interpolation=given.interpolation,
    )
