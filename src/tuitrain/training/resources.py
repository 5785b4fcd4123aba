"""Measure what a run uses of its machine: memory, its GPU, and the time that it waits for images."""

from collections.abc import Iterator
from time import monotonic
from typing import TypeVar

import torch

from tuitrain.machine.gpus import Gpu
from tuitrain.machine.watch import GpuWatch
from tuitrain.runs.rows import Resources
from tuitrain.runs.writer import RunWriter
from tuitrain.training.device import memory_in_use
from tuitrain.training.gpus import torch_uuid, visible_gpus
from tuitrain.training.progress import TrainingProgress

Batch = TypeVar("Batch")
# Seconds between the first two rows and between later ones; each pause is twice as long as the one before.
FIRST_PAUSE, LAST_PAUSE = 1.0, 10.0
# Seconds to wait for the driver's answer; then a row is written without the GPU.
PATIENCE = 2.0


class ResourceMeter:
    """Adds up the waiting times of a training loop, and writes every few seconds what the run uses."""

    def __init__(self, device: torch.device, seconds: float, watch: GpuWatch | None = None) -> None:
        """`seconds` is the training time so far."""
        self._device = device
        self._watch = watch or GpuWatch() if device.type == "cuda" else None
        self._pause, self._due = FIRST_PAUSE, monotonic() + FIRST_PAUSE
        # The time waited since the previous row, and the training time at that row.
        self._waited, self._seconds = 0.0, seconds
        # The last reading before the one that the next row needs, and whether the meter has asked for that one.
        self._before, self._asked = None if self._watch is None else self._watch.latest, False

    def timed(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Yield the batches and add up the time until each arrives."""
        while True:
            began = monotonic()
            batch = next(batches, None)
            self._waited += monotonic() - began
            if batch is None:
                return
            yield batch

    def write_if_due(self, writer: RunWriter, progress: TrainingProgress, seconds: float) -> None:
        """Write a row if one is due, after `seconds` of training. A thread reads the GPU, so that a driver that blocks
        stops nothing."""
        if monotonic() < self._due or not self._answered():
            return
        gpu, since = self._gpu(), seconds - self._seconds
        writer.row(
            Resources(
                progress.step, progress.epoch + 1, round(seconds, 4), writer.now(),
                wait=min(1.0, round(self._waited / since, 4)) if since > 0 else None,
                memory=memory_in_use(self._device),
                gpu_use=gpu.use if gpu else None,
                gpu_memory=round(gpu.memory / gpu.total_memory, 4) if gpu and gpu.memory and gpu.total_memory else None,
            )
        )  # fmt: skip
        self._seconds, self._waited, self._asked = seconds, 0.0, False
        self._due, self._pause = monotonic() + self._pause, min(2 * self._pause, LAST_PAUSE)

    def _answered(self) -> bool:
        """Ask the driver, if that has not happened; return whether it has answered or takes too long."""
        if self._watch is None:
            return True
        if not self._asked:
            self._before, self._asked = self._watch.latest, True
            self._watch.look()
        return self._watch.latest is not self._before or monotonic() > self._due + PATIENCE

    def _gpu(self) -> Gpu | None:
        """Return the GPU, or the instance of one, that the run trains on; None if the driver has no new answer."""
        if self._watch is None or self._watch.latest is None or self._watch.latest is self._before:
            return None
        return visible_gpus(self._watch.latest).get(torch_uuid(self._device.index or 0))
