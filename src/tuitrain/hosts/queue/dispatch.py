"""Run the queue of a runs folder: start each waiting run as soon as a device is free."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tuitrain.config.devices import can_serve, devices_needed, suits, wanted_devices
from tuitrain.errors import RunError, TrustError
from tuitrain.hosts.queue.devices import QueueDevices
from tuitrain.hosts.queue.slots import Slot, create_slots_folder, make_slots, slot_owners
from tuitrain.hosts.queue.start import start_run
from tuitrain.hosts.trust import check_run
from tuitrain.runs.catalog.index import RunIndex
from tuitrain.runs.catalog.listing import Entry, entry
from tuitrain.runs.owner import OwnedError
from tuitrain.runs.process import Process, available_cores
from tuitrain.runs.queue import QueueFolder, waiting_runs
from tuitrain.runs.records import ACTIVE
from tuitrain.runs.waiting import in_queue
from tuitrain.text import plain

# Seconds between two looks at the runs folder, and between two heartbeats.
POLL, HEARTBEAT = 0.3, 30.0
# Seconds per look to read new runs. A look checks all waiting runs, but only some of thousands that have ended.
READ = 2.0


class Dispatcher:
    """Starts the waiting runs of a runs folder by priority, then age, each in a background process of its own. `ended`
    are the runs that have ended in the slots of this queue. Set `stopping` to start no further runs."""

    def __init__(
        self, runs_dir: Path, devices: QueueDevices, per_device: int = 1, *, keep: bool = False,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self.folder = QueueFolder(runs_dir)
        self.stopping = False
        self.ended: list[Entry] = []
        # The number of attempts to start a run that failed.
        self.not_started = 0
        self._devices, self._keep, self._report = devices, keep, report
        self._slots = make_slots(devices.names, per_device, devices.uuids)
        self._index = RunIndex(runs_dir)
        # The runs in the slots of this queue, also those that an earlier queue started, by id.
        self._running: dict[str, Entry] = {}
        # Waiting runs that cannot start here, with the time since which they wait.
        self._refused: dict[str, float] = {}
        self._began, self._heartbeat = time.time(), 0.0

    def has_started(self, run: Entry) -> bool:
        """Return whether a process trains the run in a slot of this queue, or is about to."""
        return run.folder.id in self._running

    def run(self) -> bool:
        """Train until no run waits that could start, and return True; return False if the queue was stopped. Raise
        OwnedError if this machine already runs a queue for this runs folder."""
        # By default, CUDA numbers GPUs in another order than the driver.
        os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
        create_slots_folder()
        with self._owned():
            stopped_before = self.folder.control().stopped
            while True:
                self._update_session()
                if self.stopping or self.folder.control().stopped != stopped_before:
                    return False
                entries = self._index.refresh(READ)
                self._follow(entries)
                startable = self._startable(entries)
                if not startable and not self._running and not self._keep and self._leave():
                    return True
                self._start(startable)
                time.sleep(POLL)

    @contextmanager
    def _owned(self) -> Iterator[None]:
        self.folder.claim()
        try:
            yield
        finally:
            self.folder.release()

    def _update_session(self) -> None:
        first = not self._heartbeat
        if not first and time.monotonic() - self._heartbeat < HEARTBEAT:
            return
        self._heartbeat = time.monotonic()
        try:
            self.folder.update_session(self._began, tuple(slot.device for slot in self._slots))
        except RunError:
            # A disk that is full for a while must not end the queue.
            if first:
                raise

    def _leave(self) -> bool:
        """Release the queue and return True, or return False if a run has joined it meanwhile."""
        self.folder.release()
        if not self._startable(self._index.refresh(everything=True)):
            return True
        try:
            self.folder.claim()
        except OwnedError:
            return True
        self._heartbeat = 0.0
        return False

    def _follow(self, entries: list[Entry]) -> None:
        """Report the runs that have ended in the slots, and find those that train in them."""
        by_id = {one.folder.id: one for one in entries}
        for id in list(self._running):
            latest = by_id.get(id)
            if latest is None:
                self._report(f"{plain(self._running.pop(id).info.name, 60)} was deleted")
            elif latest.status not in ACTIVE or in_queue(latest.state):
                del self._running[id]
                self.ended.append(latest)
                why = latest.problem or latest.state.reason
                self._report(f"{plain(latest.info.name, 60)} {latest.status}{f': {plain(why)}' if why else ''}")
        owners = set(slot_owners(self._slots).values())
        for one in entries:
            if one.status in ACTIVE and one.state.process in owners:
                self._running[one.folder.id] = one

    def _startable(self, entries: list[Entry]) -> list[Entry]:
        """Return the waiting runs that the devices of this queue can train."""
        found = []
        for one in waiting_runs(entries):
            waiting = in_queue(one.state)
            if waiting is None or waiting.held or self._refused.get(one.folder.id) == waiting.since:
                continue
            if can_serve(self._devices.names, one.config):
                found.append(one)
            else:
                self._refuse(one, f"waits for {wanted_devices(one.config)}, which this queue does not have")
        return found

    def _refuse(self, run: Entry, reason: str) -> None:
        waiting = in_queue(run.state)
        self._refused[run.folder.id] = waiting.since if waiting else 0.0
        self._report(f"{plain(run.info.name, 60)} {reason}")

    def _start(self, startable: list[Entry]) -> None:
        """Start runs in the free slots, in the order of the queue."""
        if not startable:
            return
        owners = slot_owners(self._slots)
        free = self._free(owners)
        for run in startable:
            suitable = _on_different_devices([slot for slot in free if suits(slot.device, run.config)])
            needed = devices_needed(run.config, self._devices.names)
            # A run that needs several devices keeps those that are free, or runs behind it would take them forever.
            free = [slot for slot in free if slot not in suitable[:needed]]
            if len(suitable) >= needed:
                self._start_run(run, suitable[:needed])
            if not free or self.stopping:
                return

    def _free(self, owners: dict[Slot, Process]) -> list[Slot]:
        free = [slot for slot in self._slots if slot not in owners]
        in_use = self._devices.in_use(process.pid for process in owners.values()) if free else ()
        return [slot for slot in free if slot.device not in in_use]

    def _start_run(self, run: Entry, slots: list[Slot]) -> None:
        devices = ", ".join(slot.device for slot in slots)
        # Concurrent runs share the cores, as the workers of a sweep do.
        shares = len(self._slots)
        threads = max(1, min(4, available_cores() // shares)) if shares > 1 else None
        try:
            check_run(run.folder)
        except TrustError as error:
            # Another user, who has allowed this code, may work on the same runs folder.
            self._refuse(run, f"is left to others. {plain(error)}")
            return
        except RunError:
            pass  # The start finds and records the reason.
        try:
            if start_run(run.folder, slots, threads, lambda: self.stopping):
                self._running[run.folder.id] = entry(run.folder)
                self._report(f"{plain(run.info.name, 60)} started on {devices}")
        except RunError as error:
            self.not_started += 1
            self._refuse(run, f"cannot start. {plain(error)}")
            if (latest := entry(run.folder)).status == "failed":
                self.ended.append(latest)


def _on_different_devices(slots: list[Slot]) -> list[Slot]:
    """Return the first slot of each device."""
    return list({slot.device: slot for slot in reversed(slots)}.values())[::-1]
