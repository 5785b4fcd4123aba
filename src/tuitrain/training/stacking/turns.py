"""Several runs trained by one process, on images that are read once; each of them stays an ordinary run in all else.

They go through their mini-batches side by side, while rows, commands, evaluation, checkpoints and the end of each are
`Loop`'s, as alone. One that ends leaves; one that is paused holds nobody up; those that are behind, after a pause or a
kill, catch up first.
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
from tuitrain.training.data.shared import Shared
from tuitrain.training.run import Ending, ending_of, record_ending, restore_run
from tuitrain.training.setup import prepare
from tuitrain.training.stacking.member import Member


class Together:
    """Trains `runs`, which this process holds, each from its last checkpoint or its beginning, to their ends; `ended`
    is told of each. In turns: on the CPU a network's weights and Adam's moments stay in the cache while it has its
    turn, which is worth more than fewer and larger kernels."""

    def __init__(self, runs: Sequence[tuple[RunWriter, Inbox]], ended: Callable[[RunFolder, State], None]) -> None:
        self._ended = ended
        self._members: list[Member] = []
        self._not_continued: RunError | None = None
        self._looked = time.monotonic()
        load = Shared()
        for writer, inbox in runs:
            self._attempt(writer, partial(self._join, writer, inbox, load))
        for member in self._members:
            member.writer.log(f"trained beside {len(self._members) - 1} other runs of its sweep", detail=True)

    def _join(self, writer: RunWriter, inbox: Inbox, load: Shared) -> None:
        writer.update(status="running", phase="preparing", reason="", ended=None)
        setup = prepare(writer.folder.config(), preparation_progress(writer, inbox, lambda *_: None), load)
        member = Member(setup, writer, inbox)
        restore_run(member)
        self._members.append(member)

    def run(self) -> None:
        """Raises RunError at the end where a run that was taken up could not be trained on."""
        self._each(self._members, Member.begin)
        while self._members:
            ready = [member for member in self._members if not member.paused]
            if ready:
                self._advance(ready)
            else:
                time.sleep(POLL_INTERVAL)
            self._look_if_due()
        if self._not_continued is not None:
            raise self._not_continued

    def _advance(self, ready: Sequence[Member]) -> None:
        """Train those that are furthest behind for a while."""
        self._each([min(ready, key=lambda member: member.position)], Member.turn)

    def _look_if_due(self) -> bool:
        due = time.monotonic() - self._looked >= POLL_INTERVAL
        if due:
            self._looked = time.monotonic()
            self._each(self._members, Member.look)
        return due

    def _each(self, members: Sequence[Member], action: Callable[[Member], Ending | None]) -> None:
        """No clock of a member runs meanwhile: what one has to do is not training of the others."""
        running = [member for member in self._members if member.stop()]
        for member in list(members):
            if self._attempt(member.writer, partial(action, member), member):
                self._members.remove(member)
        for member in running:
            member.start()

    def _attempt(self, writer: RunWriter, action: Callable[[], Ending | None], member: Member | None = None) -> bool:
        """Whether the run ended of it."""
        ending = ending_of(writer, action, lambda: "the device")
        if ending is None:
            return False
        try:
            # Where the end of one cannot be written, the others go on.
            with suppress(OSError):
                record_ending(writer, ending, member)
        except RunError as error:
            self._not_continued = error
        else:
            self._ended(writer.folder, writer.state)
        finally:
            writer.close()
        return True
