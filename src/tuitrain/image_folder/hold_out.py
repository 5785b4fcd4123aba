"""Choose the images that are held out of training."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from hashlib import blake2b

from tuitrain.config.data.datasets import held_out_counts


def hold_out(labels: Sequence[int], groups: Sequence[str], fraction: float, salt: str) -> list[int]:
    """Return the rows to hold out, ascending: about `fraction` of the images of each class, whole groups only.

    The groups are ranked by a hash of their name and `salt`, so an image keeps its rank when others are added or
    removed. With one image per group, ceil(fraction * N) rows are held out, shared among the classes by largest
    remainder. Every class keeps an image. The result is empty if no group can be held out.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for row, group in enumerate(groups):
        members[group].append(row)
    kept = Counter(labels)
    wanted = dict(zip(kept, held_out_counts(list(kept.values()), fraction), strict=True))
    held: list[int] = []
    for group in sorted(members, key=lambda group: rank(group, salt)):
        sizes = Counter(labels[row] for row in members[group])
        useful = sum(min(size, wanted[label]) for label, size in sizes.items())
        # Holding out a group with more unwanted than wanted images would make the split worse.
        if 2 * useful > sizes.total() and all(size < kept[label] for label, size in sizes.items()):
            held += members[group]
            kept -= sizes
            wanted = {label: max(0, count - sizes[label]) for label, count in wanted.items()}
    return sorted(held or _smallest(labels, list(members.values())))


def _smallest(labels: Sequence[int], groups: Sequence[list[int]]) -> list[int]:
    """Return the rows of the smallest group without which every class still has an image; empty if there is none."""
    counts = Counter(labels)
    for rows in sorted(groups, key=len):
        if all(size < counts[label] for label, size in Counter(labels[row] for row in rows).items()):
            return rows
    return []


def hold_out_by_position(labels: Sequence[int], fraction: float, seed: int) -> list[int]:
    """Return the rows to hold out, ascending, the same on every machine: ceil(fraction * N) rows, shared among the
    classes by largest remainder. Every class keeps a row. An added image changes the held-out rows of its class."""
    import numpy as np

    classes = np.asarray(labels, dtype=np.int64)
    counts = np.bincount(classes)
    members = np.split(np.argsort(classes, kind="stable"), np.cumsum(counts)[:-1])
    # NumPy guarantees the same numbers in every version for RandomState, but not for its newer generators.
    random = np.random.RandomState(np.random.MT19937(seed))
    shares = held_out_counts(counts.tolist(), fraction)
    held = [random.permutation(rows)[:share] for rows, share in zip(members, shares, strict=True)]
    found: list[int] = np.sort(np.concatenate(held)).tolist()
    return found


def rank(group: str, salt: str) -> bytes:
    """Return a key that sorts groups by a hash of their name and `salt`, the same on every machine."""
    return blake2b(f"{salt}\0{group}".encode("utf-8", "surrogateescape"), digest_size=16).digest()
