"""Sweeps: one configuration, and the settings that vary around it."""

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from tuitrain.config.schema import Config, Positive
from tuitrain.config.settings import Setting, described
from tuitrain.config.values import (
    build,
    check,
    conform,
    flat,
    from_text,
    nearest,
    override,
    parsed,
    setting,
    shown,
    to_text,
)
from tuitrain.errors import ConfigError
from tuitrain.text import plain

# More trials than anyone looks at; a slip of the keyboard must not fill a disk.
MOST_TRIALS = 10_000
Metric = Literal["validation.accuracy", "validation.loss", "train.accuracy", "train.loss"]
Values = dict[str, Any]


class Options(Struct, frozen=True, kw_only=True):
    """Sweep: how trials are chosen and run."""

    name: Annotated[
        str,
        Meta(max_length=80, description="name of the sweep, empty: what varies in it; its runs are tagged sweep:NAME"),
    ] = ""
    method: Annotated[
        Literal["grid", "random", "tpe"],
        Meta(description="all combinations, combinations by chance, or those that look best so far"),
    ] = "grid"
    trials: Annotated[int, Meta(ge=1, le=MOST_TRIALS, description="combinations to try by random or tpe")] = 20
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
    options: Options = Options()
    values: dict[str, Choices] = {}
    extra: tuple[Values, ...] = ()
    added: dict[int, Values] = {}

    @cached_property
    def known(self) -> tuple[Values, ...]:
        """The trials that need no sampling, which have the first numbers: the grid's and the extra ones."""
        return (*self.grid(), *self.extra)

    def grid(self) -> tuple[Values, ...]:
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
    def trials(self) -> int:
        return len(self.known) + len(self.added) + (self.options.trials if self.options.method != "grid" else 0)

    @property
    def varying(self) -> list[str]:
        """The keys in which trials differ."""
        return list(dict.fromkeys([*self.values, *itertools.chain(*self.extra, *self.added.values())]))

    @property
    def higher_is_better(self) -> bool:
        return self.options.metric.endswith("accuracy")

    @cached_property
    def _shared(self) -> dict[str, Any]:
        return flat(self.base)

    def settings(self, values: Values) -> dict[str, Any]:
        """All settings of a trial, by dotted key."""
        return self._shared | values

    def seed(self, values: Values, number: int) -> int:
        """The training.seed of the `number`-th run, from 0, of a trial."""
        seed: int = values.get("training.seed", self.base.training.seed)
        return seed + number

    def config(self, values: Values, number: int) -> Config:
        """What the `number`-th run, from 0, of a trial is made from. Raises ConfigError where `values` do not agree."""
        return build(self.settings(values) | {"training.seed": self.seed(values, number)})


def options() -> dict[str, Setting]:
    """The keys of [sweep], as settings()."""
    return described("sweep", Options)


def change(sweep: Sweep, assignments: Iterable[str], extra: Iterable[Values] = ()) -> Sweep:
    """`sweep` with each `KEY=VALUE` applied, also of [sweep], and more `extra` trials; a setting given several values
    varies, one value ends that. Raises ConfigError."""
    base, own, varying = [], [], dict(sweep.values)
    for assignment in assignments:
        key, equals, text = (part.strip() for part in assignment.partition("="))
        if key.startswith("sweep.") and equals:
            own.append(assignment)
            continue
        found_values = several(key, text) if equals else ()
        if len(found_values) > 1:
            varying[key] = found_values
        elif found_values and len(_parts(key, text)) > 1:
            value = shown(found_values[0])
            raise ConfigError(f"{key} = {shown(text)} is not allowed: {value} stands there twice.", key=key)
        else:
            base.append(assignment)
            varying.pop(key, None)
    chosen = checked_options(msgspec.to_builtins(sweep.options) | assigned_options(own))
    return checked(Sweep(base=override(sweep.base, base), options=chosen, values=varying, extra=(*sweep.extra, *extra)))


def assigned_options(assignments: Iterable[str]) -> dict[str, Any]:
    """What `sweep.KEY=VALUE` says, by KEY. Raises ConfigError."""
    found: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = (part.strip() for part in assignment.partition("="))
        if not key.startswith("sweep.") or not equals:
            raise ConfigError(
                f"--set {plain(assignment, 80)} cannot change a sweep that exists: its runs keep their settings.",
                "Add trials with --add KEY=VALUE, or change a sweep.KEY.",
            )
        name = key.removeprefix("sweep.")
        found[name] = parsed(_option(name), text)
    checked_options(found)
    return found


def checked(sweep: Sweep) -> Sweep:
    """The sweep itself. Raises ConfigError for what no single declaration can say."""
    chosen = sweep.options
    if chosen.method == "grid":
        for key, choices in sweep.values.items():
            if isinstance(choices, Range):
                raise ConfigError(
                    f"sweep.values: {key} is a range, and a grid needs values.",
                    'List them, or set sweep.method = "random" or "tpe".',
                    key=key,
                )
    _check_size(sweep)
    if chosen.seeds > 1 and "training.seed" in sweep.varying:
        raise ConfigError("training.seed cannot vary where sweep.seeds is above 1.", key="training.seed")
    for device in chosen.devices:
        check("training.device", device)
    for values in (*sweep.known, *sweep.added.values()) or ({},):
        _check_trial(sweep, values)
    own = len(sweep.known)
    if wrong := [number for number in sweep.added if not own <= number < sweep.trials]:
        raise ConfigError(f"sweep.added: there is no trial {wrong[0]} to add, only {own} to {sweep.trials - 1}.")
    return sweep


def _check_size(sweep: Sweep) -> None:
    if not sweep.values and not sweep.extra:
        raise ConfigError(
            "Nothing varies in this sweep.",
            "List values under [sweep.values], or give several: --set optimizer.lr=0.1,0.01",
        )
    size = math.prod(len(choices) for choices in sweep.values.values() if isinstance(choices, tuple))
    if sweep.options.method == "grid" and size > MOST_TRIALS:
        raise ConfigError(f"The grid has {size:,} combinations; the most is {MOST_TRIALS:,}.", "Use random or tpe.")
    if sweep.options.method != "grid" and not sweep.values:
        raise ConfigError(f"sweep.method = {sweep.options.method} needs values to choose from in [sweep.values].")


def _check_trial(sweep: Sweep, values: Values) -> None:
    try:
        config = sweep.config(values, sweep.options.seeds - 1)
    except ConfigError as error:
        raise ConfigError(f"Trial {describe(values)}: {error.message}", error.hint, key=error.key) from None
    steered = sweep.options.metric.startswith("validation") or sweep.options.prune
    if steered and config.data.validation == 0:
        what = "prune = true" if sweep.options.prune else f"metric = {sweep.options.metric}"
        raise ConfigError(
            f"sweep.{what} needs a validation split, and data.validation = 0.",
            "Set data.validation, 0.1 for example, or sweep.metric = train.accuracy.",
            key="data.validation",
        )


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """`optimizer`, `lr`, `activation`: keys as people say them, the whole key where two would be the same."""
    names = {key: key.partition(".")[0] if key.endswith(".name") else key.rpartition(".")[2] for key in keys}
    return {key: name if list(names.values()).count(name) == 1 else key for key, name in names.items()}


def describe(values: Values) -> str:
    """`optimizer.lr=0.1 model.activation=relu`, to show."""
    return plain(" ".join(f"{key}={to_text(value)}" for key, value in values.items()))


def several(key: str, text: str) -> tuple[Any, ...]:
    """The values that `text` stands for, each once; commas separate them, and where the setting is itself a list each
    is in brackets. A text that people write freely, as a path, is always one value. Raises ConfigError."""
    return tuple(dict.fromkeys(from_text(key, part) for part in _parts(key, text)))


def _parts(key: str, text: str) -> list[str]:
    wanted, text = setting(key), text.strip()
    free = wanted.kind is str and not wanted.choices and key != "training.device"
    one = free or (wanted.many and not text.startswith("["))
    return [text] if one else _split(text)


def expand(texts: Mapping[str, str]) -> list[Values]:
    """All combinations of the values that the texts stand for; of no text one, with nothing in it. Raises
    ConfigError."""
    lists = [several(key, text) for key, text in texts.items()]
    return [dict(zip(texts, combination, strict=True)) for combination in itertools.product(*lists)]


def trials(assignments: Iterable[str]) -> list[Values]:
    """The trials that `KEY=VALUE[,VALUE]` stand for, all combinations. Raises ConfigError."""
    texts = {}
    for assignment in assignments:
        key, equals, text = (part.strip() for part in assignment.partition("="))
        if not equals:
            raise ConfigError(f"{plain(assignment, 80)!r} is no setting.", "Write KEY=VALUE, as optimizer.lr=0.1.")
        texts[key] = text
    return expand(texts)


def assignments(text: str) -> list[str]:
    """`optimizer.lr=0.3, 0.1 training.epochs=20`: of each setting what belongs to it."""
    return re.split(r"\s+(?=[\w.]+\s*=)", text.strip())


def count(texts: Mapping[str, str]) -> int:
    """How many combinations `expand` would give. Raises ConfigError."""
    return math.prod(len(several(key, text)) for key, text in texts.items())


def _split(text: str) -> list[str]:
    """At the commas that are not in brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character == "[") - (character == "]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part for part in parts if part.strip()] or [""]


def checked_options(section: Mapping[str, object]) -> Options:
    """Raises ConfigError."""
    return Options(**{name: conform(_option(name, "values", "extra"), value) for name, value in section.items()})


def _option(name: str, *sections: str) -> Setting:
    """Raises ConfigError where there is no sweep.NAME; `sections` are what else may stand in [sweep]."""
    wanted = options().get(f"sweep.{name}")
    if wanted is None:
        names = [*(key.partition(".")[2] for key in options()), *sections]
        hint = nearest(name, names).replace("mean ", "mean sweep.") or f"There are {', '.join(names)}."
        raise ConfigError(f"Unknown setting 'sweep.{plain(name, 80)}'.", hint, key=f"sweep.{name}")
    return wanted
