"""Runs that differ only in their seed, taken together."""

from collections.abc import Iterable, Mapping, Sequence
from math import fsum, isfinite, nan, sqrt
from typing import Any

from msgspec import Struct

from tuitrain.analysis.table.markers import beginning

SEED = "training.seed"
Points = tuple[Sequence[float], Sequence[float]]


class Spread(Struct, frozen=True):
    """Mean and standard deviation, with n - 1, of `n` values; one value has no deviation."""

    mean: float
    sd: float | None
    n: int


class Group(Struct, frozen=True):
    """Ids in the order in which they were given; `name` is what the names of the runs have in common."""

    ids: tuple[str, ...]
    name: str


def spread(values: Iterable[float | None]) -> Spread | None:
    """None where no value is known and finite."""
    known = [value for value in values if value is not None and isfinite(value)]
    if not known:
        return None
    n = len(known)
    mean = fsum(value / n for value in known)
    sd = sqrt(fsum((value - mean) ** 2 for value in known) / (n - 1)) if n > 1 else None
    return Spread(mean, sd, n)


def group(settings: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]) -> list[Group]:
    """The runs, by id, whose settings are the same but for the seed; a run like no other, or one without settings, is a
    group of its own."""
    members: dict[tuple[object, ...], list[str]] = {}
    for run, values in settings.items():
        # Of another tool's run without a seed, nobody knows what else it differs in.
        same = tuple(pair for pair in values.items() if pair[0] != SEED) if SEED in values else (run,)
        members.setdefault(same, []).append(run)
    return [Group(tuple(ids), group_name([names[run] for run in ids])) for ids in members.values()]


def group_name(names: list[str]) -> str:
    """`adam-relu` of `adam-relu-s0` and `adam-relu-s1`."""
    if len(names) == 1:
        return names[0]
    shared = beginning(names)
    trimmed = shared if shared in names else shared.rstrip("0123456789").removesuffix("seed").removesuffix("s")
    return trimmed.rstrip(" -_.=") or names[0]


def band(curves: Sequence[Points]) -> tuple[list[float], list[float], list[float], list[float]]:
    """x, mean, mean - sd and mean + sd of curves whose points stand for the same steps, as far as all of them go; x is
    the mean of theirs. Where a value is not finite, or there is one curve alone, the deviation is NaN."""
    size = min((min(len(x), len(y)) for x, y in curves), default=0)
    x, mean, low, high = [], [], [], []
    for index in range(size):
        x.append(fsum(curve[0][index] for curve in curves) / len(curves))
        found = spread(curve[1][index] for curve in curves)
        whole = found is not None and found.n == len(curves)
        middle = found.mean if found and whole else nan
        sd = found.sd if found and whole and found.sd is not None else nan
        mean.append(middle)
        low.append(middle - sd)
        high.append(middle + sd)
    return x, mean, low, high
