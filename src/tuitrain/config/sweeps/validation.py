"""Check a sweep: its options, its size, and the configuration of each trial."""

import math
from collections.abc import Mapping

from tuitrain.config.settings import BEST, FOLD, FOLDS, NODES, SEED, Setting
from tuitrain.config.sweeps.sweep import MAX_TRIALS, Range, Sweep, SweepOptions, Values, format_trial, sweep_settings
from tuitrain.config.validation import check_value, has_validation
from tuitrain.errors import ConfigError
from tuitrain.text import did_you_mean, plain


def check_sweep(sweep: Sweep) -> Sweep:
    """Return `sweep` unchanged. Raise ConfigError if its options, values or trials contradict each other."""
    if sweep.options.method == "grid":
        for key, choices in sweep.values.items():
            if isinstance(choices, Range):
                raise ConfigError(
                    f"sweep.values: {key} is a range, and a grid needs values.",
                    'List them, or set sweep.method = "random" or "tpe".',
                    key=key,
                )
    _check_size(sweep)
    _check_varying_keys(sweep)
    for device in sweep.options.devices:
        check_value("training.device", device)
    for values in (*sweep.fixed_trials, *sweep.added.values()) or ({},):
        _check_trial(sweep, values)
    first = len(sweep.fixed_trials)
    if unknown := [number for number in sweep.added if not first <= number < sweep.trial_count]:
        raise ConfigError(f"sweep.added: trial {unknown[0]} must be numbered from {first} to {sweep.trial_count - 1}.")
    return sweep


def _check_varying_keys(sweep: Sweep) -> None:
    """Raise ConfigError if a setting varies that all runs of this sweep must share."""
    if sweep.seeds > 1 and SEED in sweep.varying_keys:
        raise ConfigError(
            f"{SEED} cannot vary if sweep.seeds is above 1.", f"Use either {SEED} or sweep.seeds.", key=SEED
        )
    if FOLDS in sweep.varying_keys or (sweep.folds and FOLD in sweep.varying_keys):
        key = FOLDS if FOLDS in sweep.varying_keys else FOLD
        raise ConfigError(
            f"{key} cannot vary in a sweep{' with training.folds' * (key == FOLD)}.",
            "Give training.folds one value: each trial then trains every fold.",
            key=key,
        )
    if sweep.options.metric == "validation.best" and BEST in sweep.varying_keys:
        raise ConfigError(
            f"sweep.metric = validation.best cannot rank trials that differ in {BEST}.",
            "Give training.best one value, or set sweep.metric to validation.accuracy.",
            key=BEST,
        )
    if sweep.base.training.nodes > 1 or NODES in sweep.varying_keys:
        raise ConfigError(
            f"A sweep trains each run on one machine, and sets {NODES}.",
            f"Set {NODES} to 1: several machines can work on one sweep.",
            key=NODES,
        )


def _check_size(sweep: Sweep) -> None:
    if not sweep.values and not sweep.extra and sweep.runs_per_trial == 1:
        raise ConfigError(
            "Nothing varies in this sweep.",
            "List values under [sweep.values], or give several: --set optimizer.lr=0.1,0.01",
        )
    size = math.prod(len(choices) for choices in sweep.values.values() if isinstance(choices, tuple))
    if sweep.options.method == "grid" and size > MAX_TRIALS:
        raise ConfigError(f"The grid has {size:,} combinations; the limit is {MAX_TRIALS:,}.", "Use random or tpe.")
    if sweep.options.method != "grid" and not sweep.values:
        raise ConfigError(f"sweep.method = {sweep.options.method} needs values to choose from in [sweep.values].")


def _check_trial(sweep: Sweep, values: Values) -> None:
    try:
        config = sweep.config(values, sweep.runs_per_trial - 1)
    except ConfigError as error:
        raise ConfigError(f"Trial {format_trial(values)}: {error.message}", error.hint, key=error.key) from None
    uses_validation = sweep.options.metric.startswith("validation") or sweep.options.prune
    if uses_validation and not has_validation(config):
        option = "prune = true" if sweep.options.prune else f"metric = {sweep.options.metric}"
        raise ConfigError(
            f"sweep.{option} needs a validation split, and data.validation = 0.",
            "Set data.validation, 0.1 for example, or sweep.metric = train.accuracy.",
            key="data.validation",
        )


def build_options(values: Mapping[str, object]) -> SweepOptions:
    """Return the options with `values`, by name without `sweep.`. Raise ConfigError for an invalid name or value."""
    checked = {name: check_value(find_option(name, "values", "extra"), value) for name, value in values.items()}
    return SweepOptions(**checked)


def find_option(name: str, *subsections: str) -> Setting:
    """Return the setting `sweep.NAME`. Raise ConfigError if it is unknown. The hint of the error suggests the nearest
    name among the options and `subsections` of [sweep]."""
    setting = sweep_settings().get(f"sweep.{name}")
    if setting is None:
        names = [*(key.partition(".")[2] for key in sweep_settings()), *subsections]
        hint = did_you_mean(name, names).replace("mean ", "mean sweep.") or f"The options are {', '.join(names)}."
        raise ConfigError(f"Unknown setting 'sweep.{plain(name, 80)}'.", hint, key=f"sweep.{name}")
    return setting
