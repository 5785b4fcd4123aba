"""The declaration of a sweep: a base configuration, and the settings that vary around it."""

import itertools
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from tuitrain.config.conditions import unused_keys
from tuitrain.config.data.folds import fold_names
from tuitrain.config.formatting import format_value
from tuitrain.config.schema import Config, Positive
from tuitrain.config.settings import FOLD, FOLDS, SEED, Setting, declared_settings
from tuitrain.config.values import build_config, flatten
from tuitrain.text import plain

# Protect the disk from a typing error.
MAX_TRIALS, MAX_SEEDS = 10_000, 1000
Metric = Literal["validation.accuracy", "validation.loss", "validation.best", "train.accuracy", "train.loss"]
Values = dict[str, Any]


class SweepOptions(Struct, frozen=True, kw_only=True):
    """Sweep: how to choose and run the trials."""

    name: Annotated[
        str,
        Meta(
            max_length=80,
            description="Name of the sweep; its runs are tagged sweep:NAME; empty: the settings that vary",
        ),
    ] = ""
    method: Annotated[
        Literal["grid", "random", "tpe"],
        Meta(description="All combinations, random ones, or Optuna's TPE, which samples near the best trials so far"),
    ] = "grid"
    trials: Annotated[int, Meta(ge=1, le=MAX_TRIALS, description="Number of trials to sample by random or tpe")] = 20
    seeds: Annotated[
        int, Meta(ge=1, le=MAX_SEEDS, description="Runs per trial, with consecutive values of training.seed")
    ] = 1
    seed_values: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=2**63 - 1)], ...],
        Meta(description="Values of training.seed for the runs of a trial; []: consecutive ones"),
    ] = ()
    parallel: Annotated[int, Meta(ge=1, le=64, description="Concurrent runs per device")] = 1
    stack: Annotated[
        int,
        Meta(
            ge=1,
            le=256,
            description="Maximum runs that a worker trains stacked: those that differ only in seed, learning rate,"
            " weight decay and momentum",
        ),
    ] = 1
    devices: Annotated[tuple[str, ...], Meta(description="Devices to distribute runs over; []: training.device")] = ()
    max_minutes: Annotated[
        Positive | None, Meta(description="Minutes after which no further run starts; none: no limit")
    ] = None
    prune: Annotated[
        bool, Meta(description="Stop runs whose validation loss stays above the median of finished runs")
    ] = False
    metric: Annotated[
        Metric,
        Meta(description="Metric that ranks the trials, never of the test split; validation.best: by training.best"),
    ] = "validation.accuracy"
    storage: Annotated[
        str | None,
        Meta(description="URL of the Optuna storage for random and tpe; none: a journal in the sweep folder"),
    ] = None


class Range(Struct, frozen=True, forbid_unknown_fields=True):
    """The numbers from `low` to `high`, both included, sampled uniformly, or uniformly in the logarithm if `log`."""

    low: int | float
    high: int | float
    log: bool = False

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)


Choices = tuple[Any, ...] | Range


class Sweep(Struct, frozen=True, kw_only=True, dict=True):
    """A base configuration and the trials around it. `values` are the choices of each setting that varies. `extra` are
    additional single trials. `added` are trials added after the sweep was created, by trial number."""

    base: Config = Config()
    options: SweepOptions = SweepOptions()
    values: dict[str, Choices] = {}
    extra: tuple[Values, ...] = ()
    added: dict[int, Values] = {}

    @cached_property
    def fixed_trials(self) -> tuple[Values, ...]:
        """The trials known without sampling, which have the lowest numbers: the grid, then the extra trials. In a grid,
        the last setting varies fastest. If only the seed varies, there is one trial."""
        if self.options.method != "grid" or (not self.values and (self.extra or self.runs_per_trial == 1)):
            return self.extra
        lists = [choices for choices in self.values.values() if isinstance(choices, tuple)]
        grid = (dict(zip(self.values, combination, strict=True)) for combination in itertools.product(*lists))
        return (*grid, *self.extra)

    @property
    def name(self) -> str:
        """The name option, or the short names of the settings that vary, as `optimizer-lr`, without added trials."""
        keys = list(dict.fromkeys([*self.values, *itertools.chain(*self.extra)]))
        return self.options.name or "-".join(short_names(keys).values())[:80] or ("folds" if self.folds else "seed")

    @property
    def trial_count(self) -> int:
        return len(self.fixed_trials) + len(self.added) + (self.options.trials if self.options.method != "grid" else 0)

    @property
    def seeds(self) -> int:
        """The number of seeds per trial."""
        return max(self.options.seeds, len(self.options.seed_values))

    @property
    def folds(self) -> tuple[str, ...]:
        """`data.fold` of the runs with the same seed; empty without cross-validation."""
        return fold_names(self.base.training.folds or 0)

    @property
    def runs_per_trial(self) -> int:
        """One run per seed, or per seed and fold."""
        return self.seeds * max(1, len(self.folds))

    @property
    def varying_keys(self) -> list[str]:
        """The dotted keys in which trials differ."""
        return list(dict.fromkeys([*self.values, *itertools.chain(*self.extra, *self.added.values())]))

    @property
    def objective(self) -> str:
        """The metric that ranks the trials. `sweep.metric = validation.best` follows `training.best`:
        `validation.macro-f1`, for example."""
        metric = self.options.metric
        return f"validation.{self.base.training.best}" if metric == "validation.best" else metric

    @property
    def higher_is_better(self) -> bool:
        return not self.objective.endswith("loss")

    @cached_property
    def _base_values(self) -> dict[str, Any]:
        return flatten(self.base)

    def settings(self, values: Values) -> dict[str, Any]:
        """Return all values of a trial by dotted key."""
        return self._base_values | values

    def used(self, values: Values) -> Values:
        """Return the values of a trial that its runs use."""
        ignored = unused_keys(self.settings(values))
        return {key: value for key, value in values.items() if key not in ignored}

    @property
    def repeated_trials(self) -> int:
        """The number of known trials that differ from an earlier one only in settings that they do not use."""
        trials = [*self.fixed_trials, *self.added.values()]
        return len(trials) - len({tuple(self.used(self.settings(values)).items()) for values in trials})

    def seed(self, values: Values, number: int) -> int:
        """Return training.seed of run `number`, counted from 0, of a trial. The folds of a seed follow each other."""
        number //= max(1, len(self.folds))
        listed = self.options.seed_values
        if number < len(listed):
            return listed[number]
        first: int = max(listed) + 1 if listed else values.get(SEED, self.base.training.seed)
        return first + number - len(listed)

    def config(self, values: Values, number: int) -> Config:
        """Return the configuration of run `number`, counted from 0, of a trial. Raise ConfigError if it is invalid."""
        run: Values = {SEED: self.seed(values, number)}
        if self.folds:
            run |= {FOLD: self.fold(number), FOLDS: None}
        return build_config(self.settings(values) | run)

    def fold(self, number: int) -> str | None:
        """Return data.fold of run `number`, counted from 0, of a trial; None without cross-validation."""
        return self.folds[number % len(self.folds)] if self.folds else None

    def describe_run(self, values: Values, number: int) -> str:
        """Describe run `number` of a trial by `seed 0` or `seed 0 fold 2/5`."""
        fold = self.fold(number)
        return f"seed {self.seed(values, number)}" + (f" fold {fold}" if fold else "")


def sweep_settings() -> dict[str, Setting]:
    """Return the settings of [sweep] by dotted key, like `settings()`."""
    return declared_settings("sweep", SweepOptions)


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Return a short name for each key: `optimizer.lr` as `lr`, `optimizer.name` as `optimizer`. Keys whose short names
    would be equal keep their full name."""
    names = {key: key.partition(".")[0] if key.endswith(".name") else key.rpartition(".")[2] for key in keys}
    return {key: name if list(names.values()).count(name) == 1 else key for key, name in names.items()}


def format_trial(values: Values) -> str:
    """Return `optimizer.lr=0.1 model.activation=relu`, safe to show in a terminal."""
    return plain(" ".join(f"{key}={format_value(value)}" for key, value in values.items()))
