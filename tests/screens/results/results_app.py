"""Open the screen of a run."""

from collections.abc import Callable

from tuitrain.app.app import TuitrainApp
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.folder import RunFolder

WriteRun = Callable[..., RunFolder]

THREE = (("test", "last", 0.91), ("test", "best", 0.92), ("validation", "last", 0.93))


def opened(folder: RunFolder) -> TuitrainApp:
    """Return the app with the screen of the run open."""
    return TuitrainApp(folder.path.parent, ThreadHost(), folder)
