"""What stands in the form for a new run, right or wrong, and what it comes to."""

import math
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from msgspec import Struct
from textual.app import App

from tuitrain.config.formatting import format_value
from tuitrain.config.schema import Config
from tuitrain.config.settings import settings
from tuitrain.config.sweeps.overrides import parse_values
from tuitrain.config.sweeps.sweep import MAX_TRIALS, Sweep, SweepOptions
from tuitrain.config.sweeps.validation import check_sweep
from tuitrain.config.values import build_config, changed_settings, flatten
from tuitrain.errors import ConfigError
from tuitrain.widgets.forms.labels import shown

# Combinations that are all checked at each key press; of more, only the first is.
AT_ONCE = 1000


class Draft(Struct):
    """`original` is the TOML file it was loaded from, or empty."""

    texts: dict[str, str]
    name: str = ""
    original: str = ""
    path: str = "run.toml"
    source: str = ""

    @classmethod
    def of(cls, config: Config, name: str = "", source: str = "") -> "Draft":
        return cls({key: shown(value) for key, value in flatten(config).items()}, name, source=source)


# The draft that was last left in each app: escape loses nothing.
saved_drafts: "WeakKeyDictionary[App[Any], Draft]" = WeakKeyDictionary()


class FormResult(Struct, frozen=True):
    """`config` is the run, the first where there are several, None where something is wrong; `errors` by key what is
    allowed there, in a few words; `values` the settings that have several."""

    config: Config | None
    errors: dict[str, str]
    values: dict[str, tuple[Any, ...]]

    @property
    def runs(self) -> int:
        return math.prod(map(len, self.values.values()))

    @property
    def first(self) -> dict[str, Any]:
        """Of the settings that have several values, those of the first run."""
        return {key: values[0] for key, values in self.values.items()}

    def sweep(self, name: str = "") -> Sweep:
        """All the runs. Needs a `config`."""
        assert self.config is not None
        blind = 0 in (self.config.data.validation, *self.values.get("data.validation", ()))
        options = SweepOptions(name=name[:80], metric="train.accuracy" if blind else "validation.accuracy")
        return Sweep(base=self.config, options=options, values=dict(self.values))


def parse_form(texts: Mapping[str, str]) -> FormResult:
    found: dict[str, tuple[Any, ...]] = {}
    errors: dict[str, str] = {}
    for key, text in texts.items():
        try:
            found[key] = parse_values(key, text)
        except ConfigError:
            errors[key] = settings()[key].allowed
    varying = {key: values for key, values in found.items() if len(values) > 1}
    if errors:
        return FormResult(None, errors, varying)
    try:
        plan = FormResult(build_config({key: values[0] for key, values in found.items()}), {}, varying)
        if varying and not AT_ONCE < plan.runs <= MAX_TRIALS:
            check_sweep(plan.sweep())
    except ConfigError as error:
        return FormResult(None, {error.key or next(reversed(varying)): brief(error)}, varying)
    return plan


def brief(error: ConfigError) -> str:
    """Without the key and the value that it stands beside."""
    return re.sub(rf"^(Trial .*?: )?{re.escape(error.key)}( = [^ :]+)?:? +", "", error.message)


def command_line(plan: FormResult, runs_dir: Path, name: str = "", *, detach: bool = False) -> str:
    """The same for a shell; settings at their defaults are left out. Needs a `config`."""
    assert plan.config is not None
    words = ["tuitrain", "sweep" if plan.values else "train"]
    words += ["--runs-dir", str(runs_dir)] if runs_dir != Path("runs") else []
    if plan.values:
        words += ["--set", f"sweep.name={name}"] if name else []
    else:
        words += ["--name", name] if name else []
        words += ["--detach"] if detach else []
    said = {key: format_value(value) for key, value in changed_settings(plan.config).items()}
    said |= {key: ",".join(map(format_value, values)) for key, values in plan.values.items()}
    for key in settings():
        words += ["--set", f"{key}={said[key]}"] if key in said else []
    return shlex.join(words)
