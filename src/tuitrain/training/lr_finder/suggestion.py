"""Suggest a learning rate from the curve of a range test."""

from collections.abc import Sequence

# Of the previous smoothed loss, in each further one.
MEMORY = 0.9
# A smoothed loss this many times the lowest one means that training diverges.
DIVERGED = 4.0


def smoothed(losses: Sequence[float]) -> list[float]:
    """Return the exponential moving average of `losses`, without the bias of its start, up to where it diverges."""
    average, found = 0.0, list[float]()
    for number, loss in enumerate(losses, 1):
        average = MEMORY * average + (1 - MEMORY) * loss
        value = average / (1 - MEMORY**number)
        if found and value > DIVERGED * min(found):
            break
        found.append(value)
    return found


def suggestion(rates: Sequence[float], losses: Sequence[float]) -> float | None:
    """Return the learning rate at two thirds of the longest fall of the smoothed loss, as fastai's `valley` does; None
    if the loss does not fall."""
    values = smoothed(losses)
    begin, end = _longest_fall(values)
    return rates[begin + (end - begin) * 2 // 3] if end > begin else None


def _longest_fall(values: Sequence[float]) -> tuple[int, int]:
    """Return the indices of the first and last element of the longest falling subsequence."""
    lengths, starts = [1] * len(values), list(range(len(values)))
    for index, value in enumerate(values):
        for before in range(index):
            if values[before] > value and lengths[before] + 1 > lengths[index]:
                lengths[index], starts[index] = lengths[before] + 1, starts[before]
    last = max(range(len(values)), key=lengths.__getitem__, default=0)
    return (starts[last], last) if values else (0, 0)
