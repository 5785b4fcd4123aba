"""Train a run in a background process, and wait for its end."""

import time
from collections.abc import Callable

from tuitrain.config.devices import is_distributed
from tuitrain.config.schedule import Extension
from tuitrain.config.schema import Config
from tuitrain.errors import RunError, TuitrainError
from tuitrain.hosts.background import resume_in_background, start_in_background
from tuitrain.hosts.launch import RunSpec
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.control import send
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.records import ACTIVE, State
from tuitrain.text import plain

# Seconds between two reads of the run's state.
_INTERVAL = 0.1


class FollowingHost(ThreadHost):
    """A `ThreadHost` for runs on several devices: its thread waits for the run, which trains in background processes.
    A run that the user leaves continues in these processes."""

    def _run(self, target: Callable[[], State | None]) -> None:
        try:
            target()
            self._wait()
        except TuitrainError as error:
            self.error = error
        finally:
            self.ended.set()

    def _train_new_run(self, spec: RunSpec) -> State | None:
        self._report("starting a background process", None)
        self.folder = start_in_background(spec)
        return None

    def _resume(self, folder: RunFolder, epochs: int | None, allowed_key: str, schedule: Extension) -> State:
        resume_in_background(folder, epochs, allowed_key=allowed_key, schedule=schedule)
        return folder.state()

    def _wait(self) -> None:
        """Wait for the end of the run, or until it need not be followed. Raise RunError if its process is gone."""
        assert self.folder is not None
        stopped = False
        while not self._detached and (status := shown_status(self.folder.state())) in ACTIVE:
            if self._cancelled and not stopped:
                send(self.folder, "stop")
                stopped = True
            time.sleep(_INTERVAL)
        if not self._detached and status == "interrupted":
            raise RunError("The process of the run is gone.", f"Resume it: tuitrain resume {plain(self.folder.id)}")


def host_for(config: Config) -> ThreadHost:
    """Return the host of a run with this configuration."""
    return FollowingHost() if is_distributed(config) else ThreadHost()
