"""Group runs that differ only in their seed, or in the fold of a cross-validation, and average them."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from itertools import takewhile
from math import fsum, isfinite, nan, sqrt
from typing import Any, TypeVar

from msgspec import Struct

from tuitrain.config.data.folds import first_fold
from tuitrain.config.settings import FOLD, SEED

T = TypeVar("T")
Points = tuple[Sequence[float], Sequence[float]]


class MeanSD(Struct, frozen=True):
    """Mean and sample standard deviation (n - 1) of `n` values; `sd` is None for a single value."""

    mean: float
    sd: float | None
    n: int


class SeedGroup(Struct, frozen=True):
    """Runs that differ only in their seed or fold: `ids` has one run per seed and fold, `repeats` the others, and
    `name` is the part that their names share."""

    ids: tuple[str, ...]
    name: str
    repeats: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The name, with the number of seeds or folds if there are several runs."""
        return f"{self.name} ×{len(self.ids)}" if len(self.all_ids) > 1 else self.name

    @property
    def all_ids(self) -> tuple[str, ...]:
        return self.ids + self.repeats


def mean_sd(values: Iterable[float | None]) -> MeanSD | None:
    """Summarize the finite values; None if there are none."""
    finite = [value for value in values if value is not None and isfinite(value)]
    if not finite:
        return None
    n = len(finite)
    mean = fsum(value / n for value in finite)
    sd = sqrt(fsum((value - mean) ** 2 for value in finite) / (n - 1)) if n > 1 else None
    return MeanSD(mean, sd, n)


def one_per_seed(runs: Sequence[T], seed: Callable[[T], object], finished: Callable[[T], bool]) -> list[T]:
    """Return one run per seed, in order, a finished one if possible: the same seed again is not another sample."""
    chosen: dict[object, int] = {}
    for index in sorted(range(len(runs)), key=lambda index: not finished(runs[index])):
        chosen.setdefault(seed(runs[index]), index)
    return [runs[index] for index in sorted(chosen.values())]


def group_by_seed(
    settings: Mapping[str, Mapping[str, Any]], names: Mapping[str, str], finished: Container[str] = ()
) -> list[SeedGroup]:
    """Group run ids by their `settings` without the seed and the number of the fold. `finished` are the ids of finished
    runs. A run without a seed, such as one of another tool, is its own group."""
    members: dict[tuple[object, ...], list[str]] = {}
    for run, values in settings.items():
        # Without a seed, equal settings do not prove equal runs.
        key = tuple(_without_repeats(values).items()) if SEED in values else (run,)
        members.setdefault(key, []).append(run)
    groups = []
    for ids in members.values():
        samples = one_per_seed(
            ids, lambda id: (settings[id].get(SEED), settings[id].get(FOLD)), lambda id: id in finished
        )
        repeats = tuple(id for id in ids if id not in samples)
        groups.append(SeedGroup(tuple(samples), shared_name([names[run] for run in ids]), repeats))
    return groups


def _without_repeats(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings without the seed, and with the first fold in place of the others."""
    same = {key: value for key, value in values.items() if key != SEED}
    return same | {FOLD: first_fold(same[FOLD])} if isinstance(same.get(FOLD), str) else same


def shared_name(names: list[str]) -> str:
    """Return the common name: `adam-relu` for `adam-relu-s0` and `adam-relu-s1`."""
    if len(names) == 1:
        return names[0]
    common_letters = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    shared = "".join(letters[0] for letters in common_letters)
    if shared in names:
        trimmed = shared
    else:
        trimmed = shared.removesuffix("-f").rstrip("0123456789").removesuffix("seed").removesuffix("s")
    return trimmed.rstrip(" -_.=") or names[0]


def mean_band(curves: Sequence[Points]) -> tuple[list[float], list[float], list[float], list[float]]:
    """Return x, mean, mean - sd and mean + sd of curves logged at the same steps, up to the end of the shortest. x is
    the mean of the curves' x. A point with a non-finite value is NaN; with a single curve only the band is NaN."""
    size = min((min(len(x), len(y)) for x, y in curves), default=0)
    x, mean, low, high = [], [], [], []
    for index in range(size):
        x.append(fsum(curve[0][index] for curve in curves) / len(curves))
        summary = mean_sd(curve[1][index] for curve in curves)
        complete = summary is not None and summary.n == len(curves)
        middle = summary.mean if summary and complete else nan
        sd = summary.sd if summary and complete and summary.sd is not None else nan
        mean.append(middle)
        low.append(middle - sd)
        high.append(middle + sd)
    return x, mean, low, high
