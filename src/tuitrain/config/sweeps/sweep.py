"""The declaration of a sweep: a base configuration, and the settings that vary around it."""

import itertools
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from tuitrain.config.formatting import format_value
from tuitrain.config.schema import Config, Positive
from tuitrain.config.settings import Setting, declared_settings
from tuitrain.config.values import build_config, flatten
from tuitrain.text import plain

# More trials than anyone looks at; a slip of the keyboard must not fill a disk.
MAX_TRIALS = 10_000
Metric = Literal["validation.accuracy", "validation.loss", "train.accuracy", "train.loss"]
Values = dict[str, Any]


class SweepOptions(Struct, frozen=True, kw_only=True):
    """Sweep: how trials are chosen and run."""

    name: Annotated[
        str,
        Meta(max_length=80, description="name of the sweep, empty: what varies in it; its runs are tagged sweep:NAME"),
    ] = ""
    method: Annotated[
        Literal["grid", "random", "tpe"],
        Meta(description="all combinations, combinations by chance, or those that look best so far"),
    ] = "grid"
    trials: Annotated[int, Meta(ge=1, le=MAX_TRIALS, description="combinations to try by random or tpe")] = 20
    seeds: Annotated[int, Meta(ge=1, le=1000, description="runs a trial, each with the next training.seed")] = 1
    parallel: Annotated[int, Meta(ge=1, le=64, description="runs at a time, on each device")] = 1
    stack: Annotated[
        int,
        Meta(
            ge=1,
            le=256,
            description="runs that a worker trains together, at most: those that differ in seed, learning rate, weight"
            " decay or momentum alone",
        ),
    ] = 1
    devices: Annotated[tuple[str, ...], Meta(description="devices to spread runs over; []: training.device")] = ()
    max_minutes: Annotated[
        Positive | None, Meta(description="minutes after which no further run begins; none: no limit")
    ] = None
    prune: Annotated[
        bool, Meta(description="end runs whose validation loss stays above the median of the finished ones")
    ] = False
    metric: Annotated[Metric, Meta(description="what best means; the test split only judges")] = "validation.accuracy"
    storage: Annotated[
        str | None,
        Meta(description="URL of Optuna's storage for random and tpe; none: a journal in the sweep's folder"),
    ] = None


class Range(Struct, frozen=True, forbid_unknown_fields=True):
    """Any number from `low` to `high`, both included; `log`: evenly in its logarithm."""

    low: float
    high: float
    log: bool = False


Choices = tuple[Any, ...] | Range


class Sweep(Struct, frozen=True, kw_only=True, dict=True):
    """`values` are the settings that vary, `extra` single trials besides, `added` those that came later, by number;
    none of them names a setting as it need not."""

    base: Config = Config()
    options: SweepOptions = SweepOptions()
    values: dict[str, Choices] = {}
    extra: tuple[Values, ...] = ()
    added: dict[int, Values] = {}

    @cached_property
    def fixed_trials(self) -> tuple[Values, ...]:
        """The trials that need no sampling, which have the first numbers: the grid's and the extra ones."""
        return (*self.grid_trials(), *self.extra)

    def grid_trials(self) -> tuple[Values, ...]:
        """All combinations, the last setting varying fastest; none where trials are sampled."""
        if self.options.method != "grid" or not self.values:
            return ()
        lists = [choices for choices in self.values.values() if isinstance(choices, tuple)]
        return tuple(dict(zip(self.values, combination, strict=True)) for combination in itertools.product(*lists))

    @property
    def name(self) -> str:
        """`optimizer-lr`, where it was given none; trials that are added later do not change it."""
        keys = list(dict.fromkeys([*self.values, *itertools.chain(*self.extra)]))
        return self.options.name or "-".join(short_names(keys).values())[:80]

    @property
    def trial_count(self) -> int:
        return len(self.fixed_trials) + len(self.added) + (self.options.trials if self.options.method != "grid" else 0)

    @property
    def varying_keys(self) -> list[str]:
        """The keys in which trials differ."""
        return list(dict.fromkeys([*self.values, *itertools.chain(*self.extra, *self.added.values())]))

    @property
    def higher_is_better(self) -> bool:
        return self.options.metric.endswith("accuracy")

    @cached_property
    def _shared(self) -> dict[str, Any]:
        return flatten(self.base)

    def settings(self, values: Values) -> dict[str, Any]:
        """All settings of a trial, by dotted key."""
        return self._shared | values

    def seed(self, values: Values, number: int) -> int:
        """The training.seed of the `number`-th run, from 0, of a trial."""
        seed: int = values.get("training.seed", self.base.training.seed)
        return seed + number

    def config(self, values: Values, number: int) -> Config:
        """What the `number`-th run, from 0, of a trial is made from. Raises ConfigError where `values` do not agree."""
        return build_config(self.settings(values) | {"training.seed": self.seed(values, number)})


def sweep_settings() -> dict[str, Setting]:
    """The keys of [sweep], as settings()."""
    return declared_settings("sweep", SweepOptions)


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Return a short name for each key: `optimizer.lr` as `lr`, `optimizer.name` as `optimizer`.

    Keys whose short names would be equal keep their full name.
    """
    names = {key: key.partition(".")[0] if key.endswith(".name") else key.rpartition(".")[2] for key in keys}
    return {key: name if list(names.values()).count(name) == 1 else key for key, name in names.items()}


def format_trial(values: Values) -> str:
    """Return `optimizer.lr=0.1 model.activation=relu`, safe to show in a terminal."""
    return plain(" ".join(f"{key}={format_value(value)}" for key, value in values.items()))
