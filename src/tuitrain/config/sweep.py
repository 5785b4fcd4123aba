"""Sweeps: one configuration, and the settings that vary around it."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from tuitrain.config.schema import Config, Positive
from tuitrain.config.settings import Setting, described
from tuitrain.config.toml import dumps as dump_config
from tuitrain.config.toml import from_tree, parse, read_text
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
        str, Meta(min_length=1, max_length=80, description="name of the sweep; its runs are tagged sweep:NAME")
    ] = "sweep"
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
            description="runs to train as one, at most, where they differ in seed, learning rate, weight decay or"
            " momentum alone",
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


class Sweep(Struct, frozen=True, kw_only=True):
    """`values` are the settings that vary, `extra` single trials besides; neither names a setting as it need not."""

    base: Config = Config()
    options: Options = Options()
    values: dict[str, Choices] = {}
    extra: tuple[Values, ...] = ()

    @property
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
    def trials(self) -> int:
        return len(self.known) + (self.options.trials if self.options.method != "grid" else 0)

    @property
    def varying(self) -> list[str]:
        """The keys in which trials differ."""
        return list(dict.fromkeys([*self.values, *itertools.chain(*self.extra)]))

    @property
    def higher_is_better(self) -> bool:
        return self.options.metric.endswith("accuracy")

    def config(self, values: Values, seed: int) -> Config:
        """What the `seed`-th run, from 0, of a trial is made from. Raises ConfigError where `values` do not agree."""
        settings = flat(self.base) | values
        return build(settings | {"training.seed": settings["training.seed"] + seed})


def options() -> dict[str, Setting]:
    """The keys of [sweep], as settings()."""
    return described("sweep", Options)


def loads(text: str, source: str = "the TOML") -> Sweep:
    """Raises ConfigError."""
    tree = parse(text, source)
    section = tree.pop("sweep", {})
    if not isinstance(section, dict):
        raise ConfigError(f"sweep = {shown(section)} in {plain(source)} must be a section, [sweep].")
    values, extra = section.pop("values", {}), section.pop("extra", [])
    if not isinstance(values, dict):
        raise ConfigError("sweep.values must be a section, [sweep.values].")
    if not isinstance(extra, list) or not all(isinstance(one, dict) for one in extra):
        raise ConfigError("sweep.extra must be sections, each [[sweep.extra]].")
    return checked(
        Sweep(
            base=from_tree(tree, source),
            options=_options(section),
            values={key: _choices(key, given) for key, given in _dotted(values)},
            extra=tuple({key: check(key, value) for key, value in _dotted(one)} for one in extra),
        )
    )


def read(path: Path) -> tuple[Sweep, str]:
    """The sweep in the file and the file's text. Raises ConfigError."""
    text = read_text(path)
    return loads(text, str(path)), text


def change(sweep: Sweep, assignments: Iterable[str]) -> Sweep:
    """`sweep` with each `KEY=VALUE` applied, also of [sweep]; a setting given several values varies, one value ends
    that. Raises ConfigError."""
    base, chosen, varying = [], dict(msgspec.to_builtins(sweep.options)), dict(sweep.values)
    for assignment in assignments:
        key, equals, text = (part.strip() for part in assignment.partition("="))
        if key.startswith("sweep.") and equals:
            found = options().get(key)
            chosen[key.removeprefix("sweep.")] = text if found is None else parsed(found, text)
            continue
        found_values = several(key, text) if equals else ()
        if len(found_values) > 1:
            varying[key] = found_values
        else:
            base.append(assignment)
            varying.pop(key, None)
    return checked(Sweep(base=override(sweep.base, base), options=_options(chosen), values=varying, extra=sweep.extra))


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
    for values in sweep.known or ({},):
        _check_trial(sweep, values)
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


def describe(values: Values) -> str:
    """`optimizer.lr=0.1 model.activation=relu`, to show."""
    return plain(" ".join(f"{key}={to_text(value)}" for key, value in values.items()))


def dumps(sweep: Sweep, original: str = "") -> str:
    """`sweep` as TOML; `original`, where it says just that, stays as it is, else at least its comments on settings."""
    import tomlkit

    if original and loads(original) == sweep:
        return original
    document = tomlkit.parse(original)
    document.pop("sweep", None)
    section = tomlkit.table()
    for name, value in msgspec.to_builtins(sweep.options).items():
        section[name] = _storable(value)
    values = tomlkit.table()
    for key, choices in sweep.values.items():
        values[key] = _range(choices) if isinstance(choices, Range) else [_storable(value) for value in choices]
    section["values"] = values
    if sweep.extra:
        section["extra"] = tomlkit.aot()
        for one in sweep.extra:
            section["extra"].append(tomlkit.item({key: _storable(value) for key, value in one.items()}))
    text = dump_config(sweep.base, tomlkit.dumps(document))
    return f"{text.rstrip()}\n\n{tomlkit.dumps(tomlkit.document().add('sweep', section))}"


def amend(text: str, **changes: int) -> str:
    """A sweep's TOML with other options, its comments kept. Raises ConfigError where they are not allowed."""
    import tomlkit

    document = tomlkit.parse(text)
    section: Any = document.setdefault("sweep", tomlkit.table())
    for name, value in changes.items():
        section[name] = conform(options()[f"sweep.{name}"], value)
    amended = tomlkit.dumps(document)
    loads(amended)
    return amended


def several(key: str, text: str) -> tuple[Any, ...]:
    """The values that `text` stands for, each once; commas separate them, and where the setting is itself a list each
    is in brackets. A text that people write freely, as a path, is always one value. Raises ConfigError."""
    wanted, text = setting(key), text.strip()
    free = wanted.kind is str and not wanted.choices and key != "training.device"
    one = free or (wanted.many and not text.startswith("["))
    parts = [text] if one else _split(text)
    return tuple(dict.fromkeys(from_text(key, part) for part in parts))


def expand(texts: Mapping[str, str]) -> list[Values]:
    """All combinations of the values that the texts stand for; of no text one, with nothing in it. Raises
    ConfigError."""
    lists = [several(key, text) for key, text in texts.items()]
    return [dict(zip(texts, combination, strict=True)) for combination in itertools.product(*lists)]


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


def _options(section: Mapping[str, object]) -> Options:
    known = options()
    checked: dict[str, Any] = {}
    for name, value in section.items():
        wanted = known.get(f"sweep.{name}")
        if wanted is None:
            names = [key.partition(".")[2] for key in known]
            hint = nearest(name, [*names, "values", "extra"]) or f"There are {', '.join(names)}, values and extra."
            raise ConfigError(f"Unknown setting 'sweep.{plain(name, 80)}'.", hint, key=f"sweep.{name}")
        checked[name] = conform(wanted, value)
    return Options(**checked)


def _choices(key: str, given: object) -> Choices:
    wanted = setting(key)
    if isinstance(given, list) and given:
        return tuple(dict.fromkeys(check(key, value) for value in given))
    if isinstance(given, dict) and wanted.kind in (int, float) and not wanted.many:
        return _as_range(key, given)
    ranges = ", or a range {low = 1, high = 9}" if wanted.kind in (int, float) and not wanted.many else ""
    raise ConfigError(f"sweep.values: {key} = {shown(given)} must be a list of values{ranges}.", key=key)


def _as_range(key: str, given: dict[str, object]) -> Range:
    try:
        found = msgspec.convert(given, Range)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"sweep.values: {key} is no range: {plain(error)}.", "Write {low = 0.001, high = 0.1, log = true}.", key=key
        ) from None
    whole = setting(key).kind is int
    for bound in (found.low, found.high):
        check(key, int(bound) if whole and bound.is_integer() else bound)
    if found.low >= found.high:
        raise ConfigError(f"sweep.values: {key} needs low < high, not {found.low:g} and {found.high:g}.", key=key)
    if found.log and found.low <= 0:
        raise ConfigError(f"sweep.values: {key} with log = true needs low > 0, not {found.low:g}.", key=key)
    return found


def _dotted(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """`"optimizer.lr" = …` as it stands, and `optimizer.lr = …`, which TOML takes for tables in each other."""
    sections = {key.partition(".")[0] for key in flat(Config())}
    for key, value in values.items():
        if key in sections and isinstance(value, dict):
            yield from ((f"{key}.{name}", inner) for name, inner in value.items())
        else:
            yield key, value


def _range(choices: Range) -> dict[str, Any]:
    return {"low": choices.low, "high": choices.high, "log": choices.log}


def _storable(value: Any) -> Any:
    if value is None:
        return "none"
    return list(value) if isinstance(value, tuple) else value
