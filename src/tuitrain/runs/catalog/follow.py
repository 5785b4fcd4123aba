"""Follow a run of tuitrain or of another tool."""

from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.tensorboard.folder import EventFolder


def follow(folder: RunFolder, *, brief: bool = False) -> Follower:
    """Return a follower of the run; for `brief` see `Follower`."""
    return folder.follow(brief=brief) if isinstance(folder, EventFolder) else Follower(folder, brief=brief)
