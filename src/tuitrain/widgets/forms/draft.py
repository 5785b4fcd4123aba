"""The texts of the New run form, and the run or sweep that they describe."""

import math
import re
import shlex
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from weakref import WeakKeyDictionary

from msgspec import Struct, structs
from textual.app import App

from tuitrain.config.code import Code
from tuitrain.config.data.folds import fold_names
from tuitrain.config.schema import Config
from tuitrain.config.settings import BEST, FOLD, FOLDS, settings
from tuitrain.config.sweeps.overrides import format_values, parse_values, separate_seeds
from tuitrain.config.sweeps.sweep import MAX_TRIALS, Metric, Sweep, SweepOptions
from tuitrain.config.sweeps.validation import check_sweep
from tuitrain.config.values import build_config, changed_settings, flatten
from tuitrain.errors import ConfigError
from tuitrain.hosts.slurm.sweep import SWEEP_WORKERS
from tuitrain.hosts.trust import Origin, config_code, unknown_code
from tuitrain.runs.records import RunInfo
from tuitrain.runs.writer import user_named
from tuitrain.text import plain
from tuitrain.widgets.forms.labels import MAX_TEXT, field_text

# Where a run of the form trains.
RunsIn = Literal["this app", "background process", "queue", "Slurm"]

# The maximum number of combinations checked on each key press; of more, only the first is checked.
MAX_CHECKED = 1000


class Draft(Struct):
    """The texts of all fields by key; `original` is the TOML file they were loaded from, or empty. `unknown` is code
    that the user has neither typed nor allowed in its `origin`."""

    texts: dict[str, str]
    name: str = ""
    original: str = ""
    path: str = "run.toml"
    source: str = ""
    origin: Origin | None = None
    unknown: list[Code] = []

    @classmethod
    def of(cls, config: Config, name: str = "", source: str = "") -> "Draft":
        texts = {
            key: field_text(value) if isinstance(value, tuple) else plain(format_values(key, [value]), MAX_TEXT)
            for key, value in flatten(config).items()
        }
        return cls(texts, name, source=source)

    @classmethod
    def of_run(cls, config: Config, info: RunInfo | None) -> "Draft":
        """Copy the settings of a run, and its name unless the name was derived from the settings."""
        name = plain(info.name) if info else ""
        derived = info and not user_named(info, config)
        draft = cls.of(config, "" if derived else name, f"the settings of {name or 'a run'}")
        draft.doubt(Origin("run", info.id) if info else None, config)
        return draft

    def doubt(self, origin: Origin | None, config: Config) -> None:
        """Set `unknown` to the code of `config` that the user has not allowed in `origin`; all of it if that is
        None."""
        self.origin, self.unknown = origin, config_code(config)
        if origin is not None:
            self.unknown = unknown_code(origin, self.unknown)


# The last draft of each app, restored when the form opens again.
saved_drafts: "WeakKeyDictionary[App[Any], Draft]" = WeakKeyDictionary()


class FormResult(Struct, frozen=True, dict=True):
    """The run or sweep that a form describes. `config` is that of the first run; None if a field is invalid. `errors`
    say what is allowed, by key; `values` are the settings with several values."""

    config: Config | None
    errors: dict[str, str]
    values: dict[str, tuple[Any, ...]]

    @property
    def is_sweep(self) -> bool:
        """Whether there are several runs, for settings with several values or for the folds of a cross-validation."""
        return bool(self.values or self._folds)

    @property
    def _folds(self) -> tuple[str, ...]:
        return fold_names((self.config and self.config.training.folds) or 0)

    @property
    def runs(self) -> int:
        return math.prod(map(len, self.values.values())) * max(1, len(self._folds))

    @property
    def first(self) -> dict[str, Any]:
        """The values of the first run, for settings with several values, and its fold."""
        values = {key: values[0] for key, values in self.values.items()}
        return values | ({FOLD: self._folds[0]} if self._folds else {})

    @cached_property
    def first_config(self) -> Config | None:
        """The configuration of the first run, with its fold."""
        if self.config is None or not self._folds:
            return self.config
        replace = structs.replace
        data, training = replace(self.config.data, fold=self._folds[0]), replace(self.config.training, folds=None)
        return replace(self.config, data=data, training=training)

    @property
    def metric(self) -> Metric:
        """The metric that ranks the trials: that of `training.best`, if the user has chosen one."""
        chosen = self.config is not None and self.config.training.best != "loss" and BEST not in self.values
        return "validation.best" if chosen else "validation.accuracy"

    def sweep(self, name: str = "") -> Sweep:
        """Return the sweep over all values, with those of training.seed as its seeds. Requires a `config`."""
        assert self.config is not None
        folds = self.config.training.folds or self.config.data.fold
        no_validation = not folds and 0 in (self.config.data.validation, *self.values.get("data.validation", ()))
        metric: Metric = "train.accuracy" if no_validation else self.metric
        options = SweepOptions(name=name[:80], metric=metric)
        return separate_seeds(Sweep(base=self.config, options=options, values=dict(self.values)))


def parse_form(texts: Mapping[str, str]) -> FormResult:
    parsed: dict[str, tuple[Any, ...]] = {}
    errors: dict[str, str] = {}
    for key, text in texts.items():
        try:
            parsed[key] = parse_values(key, text)
        except ConfigError:
            errors[key] = settings()[key].allowed
    varying = {key: values for key, values in parsed.items() if len(values) > 1}
    if errors:
        return FormResult(None, errors, varying)
    try:
        result = FormResult(build_config({key: values[0] for key, values in parsed.items()}), {}, varying)
        sweep = result.sweep() if result.is_sweep else None
        if sweep and not MAX_CHECKED < result.runs <= MAX_TRIALS:
            check_sweep(sweep)
    except ConfigError as error:
        return FormResult(None, {error.key or next(reversed(varying), FOLDS): brief(error)}, varying)
    return result


def brief(error: ConfigError) -> str:
    """Return the message without the key and value, which the form shows next to it."""
    return re.sub(rf"^(Trial .*?: )?{re.escape(error.key)}( = [^ :]+)?:? +", "", error.message)


def command_line(result: FormResult, runs_dir: Path, name: str = "", runs_in: RunsIn = "this app") -> str:
    """Return the equivalent shell command, without settings at their defaults. Requires a `config`."""
    assert result.config is not None
    words = ["tuitrain", "sweep" if result.values else "submit" if runs_in == "Slurm" else "train"]
    words += ["--runs-dir", str(runs_dir)] if runs_dir != Path("runs") else []
    if result.values:
        words += ["--set", f"sweep.name={name}"] if name else []
        words += ["--set", f"sweep.metric={result.metric}"] if result.metric != SweepOptions().metric else []
    else:
        words += ["--name", name] if name else []
        words += ["--detach"] if runs_in == "background process" else []
    words += ["--queue"] if runs_in == "queue" else []
    words += ["--submit", str(SWEEP_WORKERS)] if runs_in == "Slurm" and result.values else []
    arguments = {key: format_values(key, [value]) for key, value in changed_settings(result.config).items()}
    arguments |= {key: format_values(key, values) for key, values in result.values.items()}
    for key in settings():
        words += ["--set", f"{key}={arguments[key]}"] if key in arguments else []
    return shlex.join(words)
