"""Train several runs in one process, which reads their images once.

The run that is furthest behind always trains next, so that all advance at the same pace. A run that ends or pauses does
not delay the others.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from tuitrain.errors import RunError
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import State
from tuitrain.runs.writer import RunWriter
from tuitrain.training.control import POLL_INTERVAL, preparation_progress
from tuitrain.training.data.shared import SharedLoader
from tuitrain.training.run import Ending, ending_of, record_ending, restore_run
from tuitrain.training.setup import prepare
from tuitrain.training.stacking.member import Member


class InterleavedTraining:
    """Train `runs` in turns, each from its last checkpoint or its start to its end; call `on_end` when a run ends.

    This process must own the runs. On the CPU, weights and optimizer state stay in the cache during a turn, which saves
    more time than fewer, larger kernels would.
    """

    def __init__(self, runs: Sequence[tuple[RunWriter, Inbox]], on_end: Callable[[RunFolder, State], None]) -> None:
        self._on_end = on_end
        self._members: list[Member] = []
        self._resume_error: RunError | None = None
        self._polled = time.monotonic()
        load = SharedLoader()
        for writer, inbox in runs:
            self._attempt(writer, partial(self._join, writer, inbox, load))
        for member in self._members:
            member.writer.log(f"trained beside {len(self._members) - 1} other runs of its sweep", detail=True)

    def _join(self, writer: RunWriter, inbox: Inbox, load: SharedLoader) -> None:
        writer.update(status="running", phase="preparing", reason="", ended=None)
        setup = prepare(writer.folder.config(), preparation_progress(writer, inbox, lambda *_: None), load)
        member = Member(setup, writer, inbox)
        restore_run(member)
        self._members.append(member)

    def run(self) -> None:
        """Train all runs to their ends. Raises RunError afterwards if a run could not be resumed."""
        self._each(self._members, Member.start)
        while self._members:
            ready = [member for member in self._members if not member.paused]
            if ready:
                self._advance(ready)
            else:
                time.sleep(POLL_INTERVAL)
            self._poll_if_due()
        if self._resume_error is not None:
            raise self._resume_error

    def _advance(self, ready: Sequence[Member]) -> None:
        """Let the member that is furthest behind train for one turn."""
        self._each([min(ready, key=lambda member: member.position)], Member.train_turn)

    def _poll_if_due(self) -> bool:
        due = time.monotonic() - self._polled >= POLL_INTERVAL
        if due:
            self._polled = time.monotonic()
            self._each(self._members, Member.poll)
        return due

    def _each(self, members: Sequence[Member], action: Callable[[Member], Ending | None]) -> None:
        """Run `action` on each member, with all clocks stopped: it does not count as training time of the others."""
        running = [member for member in self._members if member.stop_clock()]
        for member in list(members):
            if self._attempt(member.writer, partial(action, member), member):
                self._members.remove(member)
        for member in running:
            member.start_clock()

    def _attempt(self, writer: RunWriter, action: Callable[[], Ending | None], member: Member | None = None) -> bool:
        """Run `action`; return whether it ended the run."""
        ending = ending_of(writer, action, lambda: member.setup if member else None)
        if ending is None:
            return False
        try:
            # If the ending of this run cannot be written, the others continue.
            with suppress(OSError):
                record_ending(writer, ending, progressed=member is not None and member.has_progressed)
        except RunError as error:
            self._resume_error = error
        else:
            self._on_end(writer.folder, writer.state)
        finally:
            writer.close()
        return True
