from collections.abc import Iterator
from typing import Any

import pytest

from config.rejected import error_of
from tuitrain.config.formatting import format_for_message, format_value
from tuitrain.config.schema import Config
from tuitrain.config.settings import Setting, settings
from tuitrain.config.toml import loads
from tuitrain.config.validation import check_value
from tuitrain.config.values import build_config, changed_settings, flatten, override, parse_value
from tuitrain.errors import ConfigError
from tuitrain.text import did_you_mean

EACH = pytest.mark.parametrize("setting", settings().values(), ids=settings())


def examples(setting: Setting) -> Iterator[Any]:
    """Yield valid values of the setting: its default, choices, bounds and values in between."""
    yield setting.default
    if setting.optional:
        yield None
    scalars: list[Any] = list(setting.choices)
    if setting.kind is bool:
        scalars = [True, False]
    elif setting.kind in (int, float):
        low = next(bound for bound in (setting.bounds.ge, setting.bounds.gt) if bound is not None)
        # Fractions and probabilities must stay below 1.
        scalars = [setting.kind(low + 1), 7] if setting.kind is int else [low + 0.1, low + 1 / 3, low + 1e-12]
        scalars += [value for value in (setting.bounds.ge, setting.bounds.le) if value is not None]
    elif setting.key == "training.device":
        scalars = ["auto", "cpu", "mps", "cuda", "cuda:1", "cuda:12"]
    elif setting.key == "training.devices":
        scalars = ["1", "16", "all", "0,1", "cuda:0, 3,cuda:12"]
    elif setting.key == "data.fold":
        scalars = ["1/2", "2/5", "100/100"]
    elif setting.key == "model.args":
        scalars = ["{}", '{a = 1, b = "x, y", c = [1.5, 2]}']
    elif not scalars:
        scalars = ["images", "/a b/ä/日本", "it's", 'a"b', "C:\\x", "#x", "x.py:f", "a=b", "[red]"]
    yield from [tuple(scalars), (), (scalars[0],)] if setting.is_list else scalars


@EACH
def test_format_value_and_parse_value_are_inverse(setting: Setting) -> None:
    for value in examples(setting):
        assert check_value(setting.key, value) == value
        parsed = parse_value(setting.key, format_value(value))
        assert parsed == value
        assert type(parsed) is type(check_value(setting.key, value))


@EACH
def test_override_changes_only_its_setting(setting: Setting) -> None:
    base = build_config({"optimizer.momentum": 0.5, "data.dir": "images"})
    for value in examples(setting):
        try:
            config = override(base, [f"{setting.key}={format_value(value)}"])
        except ConfigError as error:
            # Dependencies between settings are tested below.
            if "needs" not in str(error):
                raise
            continue
        assert flatten(config) == flatten(base) | {setting.key: value}
        assert set(changed_settings(config, base)) <= {setting.key}


REJECTED = [
    ("data.dataset", "mnits", "mnits", "one of digits, mnist", "Did you mean mnist?"),
    ("data.augment", ["shift", "flop"], "[shift, flop]", "auto, shift, flip, crop", "Did you mean flip?"),
    ("data.batch_size", 0, "0", ">= 1", ""),
    ("data.batch_size", 2.5, "2.5", "whole number", ""),
    ("data.batch_size", True, "true", "whole number", ""),
    ("data.batch_size", "64x", "64x", "whole number", ""),
    ("data.normalize", 3, "3", "true or false", ""),
    ("data.validation", 1.0, "1", "< 1", ""),
    ("model.activation", "RELU", "RELU", "relu", ""),
    ("model.hidden", [128, 0], "[128, 0]", ">= 1", ""),
    ("model.hidden", [70000], "[70000]", "<= 65536", ""),
    ("optimizer.name", "adan", "adan", "adamw", "Did you mean adam?"),
    ("optimizer.lr", -1.0, "-1", "> 0", ""),
    ("optimizer.lr", "fast", "fast", "number > 0", ""),
    ("optimizer.lr", True, "true", "number > 0", ""),
    ("optimizer.lr", float("nan"), "nan", "> 0", ""),
    ("optimizer.lr", float("inf"), "inf", "> 0", ""),
    ("optimizer.clip_norm", 0.0, "0", "> 0, or none", ""),
    ("training.epochs", "many", "many", "whole number >= 1", ""),
    ("training.epochs", 10**9 + 1, "1000000001", "<= 1000000000", ""),
    ("training.device", "gpu", "gpu", "cuda:99", ""),
    ("training.device", "cuda:" + "9" * 20, "cuda:" + "9" * 20, "cuda:99", ""),
    ("training.device", "cuda:256", "cuda:256", "cuda:99", ""),
    ("training.device", "cuda:01", "cuda:01", "cuda:99", ""),
    ("training.device", "cuda:x", "cuda:x", "cuda:99", ""),
    ("training.patience", 0, "0", ">= 1, or none", ""),
]


@pytest.mark.parametrize(("key", "value", "shown", "allowed", "hint"), REJECTED)
def test_an_error_names_key_value_allowed_values_and_the_nearest_choice(
    key: str, value: object, shown: str, allowed: str, hint: str
) -> None:
    section, _, name = key.partition(".")
    literal = f'"{value}"' if isinstance(value, str) else format_value(value)
    if isinstance(value, list) and isinstance(value[0], str):
        literal = str(value)
    for attempt in (
        lambda: check_value(key, value),
        lambda: override(Config(), [f"{key}={format_value(value)}"]),
        lambda: loads(f"[{section}]\n{name} = {literal}\n"),
    ):
        with pytest.raises(ConfigError) as raised:
            attempt()
        error = raised.value
        assert error.key == key
        assert f"{key} = {shown} is not allowed" in error.message
        assert allowed in error.message
        assert error.hint == hint


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("optimzer.lr", "Did you mean optimizer.lr?"),
        ("data.batchsize", "Did you mean data.batch_size?"),
        ("lr", "Did you mean optimizer.lr?"),
        ("training.batch_size", "Did you mean data.batch_size?"),
        ("patience", "Did you mean schedule.patience or training.patience?"),
        ("", "See: tuitrain config"),
        ("zzzzzz", "See: tuitrain config"),
    ],
)
def test_an_unknown_key_suggests_the_nearest_one(key: str, hint: str) -> None:
    for attempt in (
        lambda: check_value(key, 1),
        lambda: override(Config(), [f"{key}=1"]),
        lambda: build_config({key: 1}),
    ):
        with pytest.raises(ConfigError) as raised:
            attempt()
        assert raised.value.key == key
        assert f"Unknown setting {key!r}." in str(raised.value)
        assert raised.value.hint == hint


def test_override_requires_an_equals_sign() -> None:
    with pytest.raises(ConfigError, match=r"'optimizer.lr' is not KEY=VALUE. Write it like optimizer.lr=0.01"):
        override(Config(), ["optimizer.lr"])


def test_override_of_an_existing_run_changes_only_some_settings() -> None:
    allowed = ("training.epochs", "training.max_minutes")
    assert override(Config(), ["training.epochs=20"], allowed).training.epochs == 20
    message = (
        "optimizer.lr cannot be changed for an existing run. These settings can: training.epochs, training.max_min"
    )
    with pytest.raises(ConfigError, match=message):
        override(Config(), ["training.epochs=20", "optimizer.lr=1"], allowed)


def test_override_ignores_spaces_and_the_last_assignment_wins() -> None:
    config = override(Config(), ["optimizer.lr=1", " optimizer.lr = 0.5 ", "model.hidden= 3,4 ", "data.dir=a=b"])
    assert (config.optimizer.lr, config.model.hidden, config.data.dir) == (0.5, (3, 4), "a=b")
    assert changed_settings(config) == {"optimizer.lr": 0.5, "model.hidden": (3, 4), "data.dir": "a=b"}
    assert changed_settings(config, config) == {}


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        *(("data.normalize", text, True) for text in ("true", "Yes", "on", "1")),
        *(("data.normalize", text, False) for text in ("false", "no", "off", "0")),
        ("training.epochs", "1_000", 1000),
        ("optimizer.lr", "1e-3", 0.001),
        ("optimizer.lr", "3", 3.0),
        ("model.hidden", "128, 256", (128, 256)),
        ("model.hidden", "[]", ()),
        ("model.hidden", "", ()),
        ("data.augment", "['shift', \"flip\"]", ("shift", "flip")),
        ("data.dir", "none", None),
        ("data.dir", "", None),
        ("training.patience", "None", None),
    ],
)
def test_parse_value_accepts_common_spellings(key: str, text: str, value: object) -> None:
    parsed = parse_value(key, text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"optimizer.nesterov": True}, "optimizer.nesterov"),
        ({"data.dataset": "image-folder"}, "data.dir"),
        ({"data.validation": 0, "training.patience": 3}, "training.patience"),
        ({"data.validation": 0, "schedule.name": "plateau"}, "schedule.name"),
        ({"data.validation": 0, "training.best": "macro-f1"}, "training.best"),
        ({"data.validation": 0, "evaluation.at_start": True}, "evaluation.at_start"),
        ({"data.fold": "6/5"}, "data.fold"),
        ({"data.fold": "1/1"}, "data.fold"),
        ({"data.fold": "1/5", "training.folds": 5}, "data.fold"),
    ],
)
def test_contradicting_settings_are_rejected(values: dict[str, object], key: str) -> None:
    for name, value in values.items():
        assert check_value(name, value) == value
    with pytest.raises(ConfigError, match=r"needs|must be") as raised:
        build_config(values)
    assert raised.value.key == key


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"),
        (True, "true"),
        (0.001, "0.001"),
        (1e-12, "1e-12"),
        (64.0, "64"),
        (1 / 3, "0.3333333333333333"),
        (1e300, "1e+300"),
        (123456789.0, "123456789.0"),
        ((64, 32), "[64, 32]"),
        (["a", None], "[a, none]"),
        ((), "[]"),
    ],
)
def test_values_as_text(value: object, text: str) -> None:
    assert format_value(value) == text
    assert format_for_message(value) == text


def test_long_values_are_cut_in_messages() -> None:
    assert len(format_for_message("x" * 81)) == 80
    assert format_for_message("x" * 80) == "x" * 80
    assert format_for_message(10**5000) == "(int too large to show)"


def test_whole_numbers_of_64_bits_are_floats_too() -> None:
    assert check_value("optimizer.lr", 2**63 - 1) == 2.0**63
    assert "is not allowed" in str(error_of("optimizer.lr", 2**63))


@pytest.mark.parametrize(
    "values",
    [
        {"optimizer.nesterov": True, "optimizer.momentum": 0.9},
        {"data.dataset": "image-folder", "data.dir": "x"},
        {"data.validation": 0.0, "schedule.name": "cosine"},
        {"training.patience": 3, "schedule.name": "plateau"},
    ],
)
def test_settings_that_do_not_contradict_are_accepted(values: dict[str, object]) -> None:
    assert changed_settings(build_config(values)) == values


def test_did_you_mean_suggests_a_close_word_or_nothing() -> None:
    assert did_you_mean("cosin", ["constant", "cosine"]) == "Did you mean cosine?"
    assert did_you_mean("xyz", ["constant", "cosine"]) == ""
    assert did_you_mean("x" * 100_000, ["constant"]) == ""
