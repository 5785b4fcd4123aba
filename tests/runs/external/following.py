"""Read runs of other tools, and the samples that they wrote."""

from pathlib import Path

from tuitrain.runs.external.find import external_folder, external_folders
from tuitrain.runs.external.follower import ExternalFollower

SAMPLES = Path(__file__).parent / "samples"


def run_at(path: Path) -> ExternalFollower:
    """Return a follower of the run in this folder or file that has read nothing yet."""
    folder = external_folder(path)
    assert folder is not None, path
    return folder.follow()


def read(path: Path) -> ExternalFollower:
    """Return all content of the run in this folder or file."""
    run = run_at(path)
    poll(run)
    return run


def poll(run: ExternalFollower) -> None:
    """Read all new content."""
    while run.poll():
        pass


def ids(root: Path) -> list[str]:
    return sorted(folder.id for folder in external_folders(root, []))


def values(run: ExternalFollower) -> dict[str, list[tuple[int, float]]]:
    """Return the step and value of each tag."""
    return {
        f"{part}: {tag}" if part else tag: list(zip(series.step, series.value, strict=True))
        for part, tags in run.source.series.items()
        for tag, series in tags.items()
    }
