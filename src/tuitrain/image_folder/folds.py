"""Divide images into the folds of a cross-validation, and choose a fraction of them."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from tuitrain.config.data.datasets import part_counts
from tuitrain.errors import DataError
from tuitrain.image_folder.hold_out import rank

_FEWER = "Use fewer folds, or add images."


def deal(labels: Sequence[int], groups: Sequence[str], folds: int, salt: str) -> list[int]:
    """Return the fold of each image, counted from 0. Folds have nearly equal sizes and classes, and keep groups
    together.

    With one image per group, the sizes of the folds, and of each class in them, differ by at most one. The groups are
    ranked by a hash of their name and `salt`. Larger groups, which are harder to place, come first; each goes to the
    fold with the fewest images of its classes.
    Raise DataError if there are fewer groups than folds.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for row, group in enumerate(groups):
        members[group].append(row)
    if len(members) < folds:
        count = f"{len(labels)}" + (f" in {len(members)} groups" if len(members) < len(labels) else "")
        raise DataError(f"There are too few training images, {count}, for {folds} folds.", _FEWER)
    ranks = {group: rank(group, salt) for group in members}
    found = [0] * len(labels)
    by_class = [Counter[int]() for _ in range(folds)]
    totals = [0] * folds
    for group in sorted(members, key=lambda name: (-len(members[name]), labels[members[name][0]], ranks[name])):
        rows = members[group]
        sizes = Counter(labels[row] for row in rows)
        crowded = [sum(size * counts[label] for label, size in sizes.items()) for counts in by_class]
        fold = min(range(folds), key=lambda fold: (crowded[fold], totals[fold], fold))
        by_class[fold] += sizes
        totals[fold] += len(rows)
        for row in rows:
            found[row] = fold
    return found


def part(labels: Sequence[int], names: Sequence[str], fraction: float, salt: str) -> list[int]:
    """Return the rows of a `fraction` of the images of each class, ascending, at least one per class. The images are
    ranked by a hash of their name and `salt`, so a smaller fraction is contained in a larger one."""
    counts = Counter(labels)
    wanted = dict(zip(counts, part_counts(list(counts.values()), fraction), strict=True))
    kept = []
    for row in sorted(range(len(labels)), key=lambda row: rank(names[row], salt)):
        if wanted[labels[row]]:
            wanted[labels[row]] -= 1
            kept.append(row)
    return sorted(kept)
