"""Read many images in parallel threads."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice

import torch

from tuitrain.runs.process import available_cores
from tuitrain.training.data.decoding.decode import ImageError

# With more threads than this, the interpreter lock limits the speed.
_MAX_THREADS = 32
_PORTION = 256


def decoding_threads() -> int:
    """Return one thread per core, as decoders release the GIL, and two more that wait for the disk."""
    return min(_MAX_THREADS, available_cores() + 2)


def attempts(read: Callable[[int], object], count: int) -> Iterator[str | None]:
    """Yield for each of `count` rows the reason why `read` failed, or None."""

    def attempt(row: int) -> str | None:
        try:
            read(row)
        except ImageError as error:
            return str(error)
        return None

    rows = iter(range(count))
    with _one_thread_per_operator(), ThreadPoolExecutor(decoding_threads()) as pool:
        # Submit in portions, so that errors and stops need not wait for a million images.
        while portion := list(islice(rows, _PORTION)):
            yield from pool.map(attempt, portion)


@contextmanager
def _one_thread_per_operator() -> Iterator[None]:
    """Let torch's operators use one thread in the calling thread and in those that it starts: each thread would
    otherwise start a team of threads of its own."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
