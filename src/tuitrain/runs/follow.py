"""Following a run, whoever wrote it."""

from tuitrain.runs.events.folder import EventFolder
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower


def follow(folder: RunFolder, *, brief: bool = False) -> Follower:
    """`brief`: see `Follower`."""
    return folder.follow(brief=brief) if isinstance(folder, EventFolder) else Follower(folder, brief=brief)
