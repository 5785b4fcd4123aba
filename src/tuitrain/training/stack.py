"""Training several runs in step, as one stacked network; each of them stays an ordinary run in all else.

A step of a small network is mostly overhead, and a step of many costs it once. The runs go from mini-batch to
mini-batch together, while rows, commands, evaluation, checkpoints and the end of each are `Loop`'s, as alone. One that
ends leaves; one that is paused holds nobody up; those that are behind, after a pause or a kill, catch up first.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import torch
from torch import Tensor

from tuitrain.config.schema import Config
from tuitrain.runs.control import Command, Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import State
from tuitrain.runs.writer import RunWriter
from tuitrain.training.captured_stack import CapturedStack
from tuitrain.training.data.shared import Shared, SharedBatches, SharedSplit
from tuitrain.training.data.splits import moved
from tuitrain.training.graph import not_captured
from tuitrain.training.job import prepare
from tuitrain.training.late import lead_of
from tuitrain.training.loop import Loop
from tuitrain.training.stacked import StackedMLP, StackedOptimizer
from tuitrain.training.steering import ATTENTION, listen
from tuitrain.training.window import Windows
from tuitrain.training.work import Ending, attempt, finish, note


class Member(Loop):
    """A run of a stack, which takes its steps for it."""

    _held: Command | None = None

    def begin(self) -> None:
        self._begin()

    @property
    def paused(self) -> bool:
        return self._held is not None

    @property
    def position(self) -> tuple[int, int]:
        """Epochs, and mini-batches of the one begun."""
        return self.at.epoch, self.at.batch

    @property
    def at_end(self) -> bool:
        """Whether it has no mini-batch left before an epoch's end."""
        return self._done or self.at.batch >= self.job.batches

    @property
    def kind(self) -> tuple[float, ...]:
        """Runs of one kind take the same steps from the same gradients."""
        optimizer, at = self.config.optimizer, self.at
        return at.lr, optimizer.weight_decay, optimizer.momentum, at.epochs, at.drops

    def rows(self, end: int) -> Tensor:
        """Of the images that the stack shares, those that come next in the epoch, up to its mini-batch `end`."""
        split, size = self.job.dataset.train, self.config.data.batch_size
        assert isinstance(split, SharedSplit)
        return split.rows[moved(self.job.order(self.at.epoch)[self.at.batch * size : end * size], split.rows.device)]

    def count(self) -> None:
        """A mini-batch's gradients are there, and the step comes."""
        self.at.batch += 1
        self._rate, _ = self._next()

    def phase(self, name: str) -> None:
        self._tell(phase=name)

    def row(self, norms: Tensor) -> None:
        self._row(self._rate, norms)

    def look(self) -> None:
        """Now and then, whether it is trained just now or not."""
        self._settle_if_there()
        if self._held is None:
            self._attend()
        else:
            self._tell()
            self._go_on_if_resumed(self._held)

    def _pause(self, command: Command) -> None:
        self._hold(command)
        self._held = command
        self._go_on_if_resumed(command)

    def _go_on_if_resumed(self, held: Command) -> None:
        if self._resumed():
            self._go_on(held)
            self._held = None

    def end_epoch(self) -> Ending | None:
        """And the run, after its last one."""
        self._settle()
        if not self._done:
            self._leaving(self._end_epoch)
        if not self._done:
            return None
        self._finish()
        return "finished", self.at.over

    def start(self) -> None:
        self._start_clock()

    def stop(self) -> bool:
        """Whether its clock was running."""
        running = self._clock is not None
        self._stop_clock()
        return running


class Stack:
    """Trains `runs`, which this process holds, each from its last checkpoint or its beginning, to their ends; `ended`
    is told of each."""

    def __init__(self, runs: Sequence[tuple[RunWriter, Inbox]], ended: Callable[[RunFolder, State], None]) -> None:
        self._ended = ended
        self._members: list[Member] = []
        self._formed: tuple[list[Member], list[tuple[float, ...]]] = [], []
        self._attended = time.monotonic()
        load = Shared()
        for writer, inbox in runs:
            self._attempt(writer, partial(self._join, writer, inbox, load))
        for member in self._members:
            member.writer.log(f"trained as one with {len(self._members) - 1} other runs of its sweep", detail=True)

    def _join(self, writer: RunWriter, inbox: Inbox, load: Shared) -> None:
        writer.update(status="running", phase="preparing", reason="", ended=None)
        job = prepare(writer.folder.config(), listen(writer, inbox, lambda *_: None), load)
        note(writer, job)
        self._members.append(Member(job, writer, inbox))

    def run(self) -> None:
        self._each(self._members, Member.begin)
        while self._members:
            ready = [member for member in self._members if not member.paused]
            if not ready:
                time.sleep(ATTENTION)
                self._look()
                continue
            behind = min(member.position for member in ready)
            front = sorted((one for one in ready if one.position == behind), key=lambda member: member.kind)
            if not front[0].at_end:
                self._attempt_all(front, partial(self._train, front, self._end(front[0], ready)))
            self._each([member for member in front if member.at_end], Member.end_epoch)

    def _end(self, first: Member, ready: Sequence[Member]) -> int:
        """The mini-batch of its epoch up to which `first` goes before others join in."""
        ahead = [member.at.batch for member in ready if member.at.epoch == first.at.epoch]
        return min((batch for batch in ahead if batch > first.at.batch), default=first.job.batches)

    def _form(self, members: list[Member]) -> None:
        """Make the members the ones that are stacked."""
        kinds = [member.kind for member in members]
        if self._formed == (members, kinds):
            return
        self._formed = members, kinds
        jobs = [member.job for member in members]
        self._net = StackedMLP([job.model.train() for job in jobs], jobs[0].config.training.label_smoothing)
        self._optimizer = StackedOptimizer(jobs, self._net, kinds)
        self._windows = Windows([member.window for member in members])
        self._batches = SharedBatches([job.dataset.train for job in jobs if isinstance(job.dataset.train, SharedSplit)])
        self._lead = lead_of(jobs[0].device)
        self._captured = self._capture(members) if jobs[0].device.type == "cuda" else None

    def _capture(self, members: Sequence[Member]) -> CapturedStack | None:
        """The step of whole mini-batches as a CUDA graph, where it can be one; not counted as training."""
        config = members[0].config
        shape = len(members), config.data.batch_size
        for member in members:
            member.phase("warm-up")
        try:
            return CapturedStack(
                self._net, self._optimizer, self._batches, self._windows, shape, config.optimizer.clip_norm
            )
        except RuntimeError as error:
            for member in members:
                member.writer.log(not_captured(error))
        finally:
            for member in members:
                member.phase("training")
        return None

    def _train(self, members: list[Member], end: int) -> None:
        """The steps up to the epoch's mini-batch `end`, or fewer, where a member leaves or is steered on the way."""
        self._form(members)
        first, config = members[0], members[0].config
        rows = torch.stack([member.rows(end) for member in members])
        for member in members:
            member.start()
        for chunk in torch.split(rows, config.data.batch_size, 1):
            for member in members:
                member.count()
            row_due = first.at.step % config.training.log_every == 0 or first.at.batch == first.job.batches
            norms = self._step(chunk, config, row_due)
            if self._lead is not None:
                self._lead.step()
            if self._heed(dict(zip(members, norms, strict=True)) if norms is not None else {}):
                break
        if first.job.device.type == "cuda":
            torch.cuda.synchronize(first.job.device)
        for member in members:
            member.stop()

    def _step(self, rows: Tensor, config: Config, row_due: bool) -> Tensor | None:
        """From `rows` (R, N); where a row is due, the norms of the gradients (R, L)."""
        if self._captured is not None and rows.shape == self._captured.rows.shape:
            self._captured(rows)
            return self._captured.norms() if row_due else None
        images, labels = self._batches(rows)
        losses, logits = self._net(images, labels)
        self._windows.add(losses, logits, labels)
        norms = self._net.norms() if row_due else None
        if config.optimizer.clip_norm:
            self._net.clip(config.optimizer.clip_norm)
        self._optimizer.step()
        return norms

    def _heed(self, norms: dict[Member, Tensor]) -> bool:
        """Rows, where `norms` are there for them, and now and then commands; whether who is stacked has changed."""
        look = time.monotonic() - self._attended >= ATTENTION
        if norms:
            self._each(list(norms), lambda member: member.row(norms[member]))
        if look:
            self._look()
        return bool(norms or look) and self._changed()

    def _changed(self) -> bool:
        members, kinds = self._formed
        return any(member.paused or member not in self._members for member in members) or kinds != [
            member.kind for member in members
        ]

    def _attempt_all(self, members: Sequence[Member], action: Callable[[], None]) -> None:
        """What goes wrong for all is the end of each."""
        try:
            action()
        except Exception as error:
            raised = error

            def again(member: Member) -> None:  # noqa: ARG001
                raise raised

            self._each([member for member in members if member in self._members], again)

    def _look(self) -> None:
        self._attended = time.monotonic()
        self._each(self._members, Member.look)

    def _each(self, members: Sequence[Member], action: Callable[[Member], Ending | None]) -> None:
        """No clock of a member runs meanwhile: what one has to do is not training of the others."""
        running = [member for member in self._members if member.stop()]
        for member in list(members):
            if self._attempt(member.writer, partial(action, member)):
                self._members.remove(member)
        for member in running:
            member.start()

    def _attempt(self, writer: RunWriter, action: Callable[[], Ending | None]) -> bool:
        """Whether the run ended of it."""
        ending = attempt(writer, action, lambda: "the device")
        if ending is None:
            return False
        # Where the end of one cannot be written, the others go on.
        with suppress(OSError):
            finish(writer, *ending)
        writer.close()
        self._ended(writer.folder, writer.state)
        return True
