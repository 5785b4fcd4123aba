"""Follow a run of tuitrain, of a script or of another tool."""

from tuitrain.runs.external.folder import SourceFolder
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower


def follow(folder: RunFolder, *, brief: bool = False) -> Follower:
    """Return a follower of the run; for `brief` see `Follower`."""
    return folder.follow(brief=brief) if isinstance(folder, SourceFolder) else Follower(folder, brief=brief)
