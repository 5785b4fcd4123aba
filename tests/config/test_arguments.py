from typing import Any

import pytest

from tuitrain.config import toml
from tuitrain.config.arguments import arguments
from tuitrain.config.schema import Config
from tuitrain.config.sweeps.overrides import override_sweep
from tuitrain.config.sweeps.sweep import Sweep
from tuitrain.config.sweeps.toml import dumps as dump_sweep
from tuitrain.config.sweeps.toml import loads as load_sweep
from tuitrain.config.values import build_config, flatten, override
from tuitrain.errors import ConfigError

OWN = "model.name=mine.py:Net"


def args(config: Config) -> dict[str, Any]:
    return arguments(config.model.args)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3), ("3.5", 3.5), ("1e-3", 0.001), (".5", 0.5), ("true", True), ("False", False), ("gelu", "gelu"),
        ('"3"', "3"), ("'a, b'", "a, b"), ("[1, 2]", [1, 2]), ('["a", "b"]', ["a", "b"]), ("[]", []),
        ("-7", -7), ("1_000", 1000), ("a/b.c:d", "a/b.c:d"),
    ],
)  # fmt: skip
def test_a_value_has_the_type_that_toml_would_read(text: str, value: object) -> None:
    config = override(Config(), [OWN, f"model.args.x={text}"])
    assert args(config) == {"x": value}
    assert type(args(config)["x"]) is type(value)
    # It survives a file, the text of the whole table, and a list of values.
    assert toml.loads(toml.dumps(config)) == config
    assert override(Config(), [OWN, f"model.args={config.model.args}"]) == config
    assert build_config(flatten(config)) == config


@pytest.mark.parametrize(
    ("assignment", "match"),
    [
        ("model.args.x=1, 2", r"model\.args\.x = 1, 2 is not allowed: .*\[1, 2\]"),
        ("model.args.x=[1", "is not allowed"),
        ("model.args.x=", "is not allowed"),
        ("model.args.x={a = 1}", "is not allowed"),
        ("model.args.x=[[1]]", "is not allowed"),
        ("model.args.x=nan", "is not allowed"),
        ("model.args.x=1979-05-27", "is not allowed"),
        ("model.args.x=99999999999999999999", "is not allowed"),
        ("model.args.x=\x1b[31m", "is not allowed"),
        ("model.args.classes=3", r"model\.args\.classes cannot be set: the network gets it from the data"),
        ("model.args.a b=3", r"model\.args\.a b cannot be set: it is not the name of an argument"),
        ("model.args.a.b=3", "it is not the name of an argument"),
        ("model.args=3", "must be a table of names"),
        ("model.args={x = {y = 1}}", "is not allowed"),
        ("model.args={x = 1", "must be a table of names"),
    ],
)
def test_a_wrong_argument_is_refused(assignment: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match) as caught:
        override(Config(), [OWN, assignment])
    assert "\x1b" not in str(caught.value)


def test_only_a_network_of_ones_own_takes_arguments() -> None:
    match = r"model\.args = \{x = 3\} needs a network of your own, and model\.name = mlp"
    with pytest.raises(ConfigError, match=match) as caught:
        override(Config(), ["model.args.x=3"])
    assert caught.value.key == "model.args"


def test_the_table_of_a_file_keeps_its_comments() -> None:
    text = '[model]\nname = "mine.py:Net"\n\n[model.args]\n# wide\nwidth = 3\ndepth = [1, 2]\n'
    config = toml.loads(text)
    assert args(config) == {"width": 3, "depth": [1, 2]}
    changed = override(config, ["model.args.width=4", "model.args.flag=true"])
    dumped = toml.dumps(changed, text)
    assert "# wide\nwidth = 4\n" in dumped
    assert toml.loads(dumped) == changed
    without = override(Config(), [OWN])
    assert toml.loads(toml.dumps(without, text)) == without


def test_the_template_accepts_arguments() -> None:
    template = toml.template()
    assert toml.loads(template) == Config()
    own = template.replace('name = "mlp"', 'name = "mine.py:Net"')
    own = own.replace("\n[model.args]\n", "\n[model.args]\nwidth = 3\n")
    assert args(toml.loads(own)) == {"width": 3}


def test_arguments_can_be_swept() -> None:
    sweep = override_sweep(Sweep(), [OWN, "model.args.width=3, 4", "model.args.act=relu,gelu", "model.args.depth=2"])
    configs = [args(sweep.config(values, 0)) for values in sweep.fixed_trials]
    assert [(found["width"], found["act"]) for found in configs] == [(3, "relu"), (3, "gelu"), (4, "relu"), (4, "gelu")]
    assert {found["depth"] for found in configs} == {2}
    assert sweep.name == "width-act"
    assert load_sweep(dump_sweep(sweep)) == sweep


def test_a_sweep_file_lists_arguments_or_ranges() -> None:
    sweep = load_sweep(
        '[model]\nname = "mine.py:Net"\n[sweep]\nmethod = "random"\n[sweep.values]\n'
        "model.args.width = [[1, 2], [3]]\nmodel.args.rate = {low = 0.1, high = 1.0}\n"
        "'model.args.depth' = {low = 1, high = 3}\n"
    )
    assert sweep.values["model.args.width"] == ((1, 2), (3,))
    assert sweep.varying_keys == ["model.args.width", "model.args.rate", "model.args.depth"]
    assert load_sweep(dump_sweep(sweep)) == sweep
