"""Sweeps from `KEY=VALUE` texts."""

import pytest

from tuitrain.config.sweeps.overrides import combinations, format_values, override_sweep, parse_values
from tuitrain.config.sweeps.sweep import Sweep
from tuitrain.config.sweeps.toml import dumps, loads
from tuitrain.errors import ConfigError

TEXT = """\
# of mine
[data]
batch_size = 32  # small
[sweep]
name = "one"
seeds = 3   # each
[sweep.values]
"optimizer.name" = ["sgd", "adam"]
optimizer.lr = [0.1, 0.01, 0.1]
"model.hidden" = [[64], [64, 32]]
[[sweep.extra]]
"optimizer.name" = "sgd"
"training.epochs" = 100
"""


def test_values_of_the_seed_are_the_seeds_of_each_trial() -> None:
    sweep = override_sweep(Sweep(), ["optimizer.lr=0.1,0.01", "training.seed=7,8"])
    assert (sweep.values, sweep.options.seeds) == ({"optimizer.lr": (0.1, 0.01)}, 2)
    assert [sweep.seed(sweep.fixed_trials[0], number) for number in range(3)] == [7, 8, 9]
    listed = override_sweep(Sweep(), ["training.seed=7,42,1"])
    assert (listed.fixed_trials, listed.seeds, listed.name) == (({},), 3, "seed")
    assert [listed.config({}, number).training.seed for number in range(4)] == [7, 42, 1, 43]
    assert loads(dumps(listed)) == listed
    with pytest.raises(ConfigError, match="1,001 values; the limit is 1,000"):
        override_sweep(Sweep(), [f"training.seed={','.join(map(str, range(1001)))}"])


@pytest.mark.parametrize(
    ("settings", "seeds", "listed"),
    [
        (["training.seed=3,4,5"], [3, 4, 5], ()),
        (["training.seed=5,4"], [5, 4], (5, 4)),
        (["training.seed=0,2"], [0, 2], (0, 2)),
        (["training.seed=7"], [7], ()),
        (["sweep.seeds=3", "training.seed=7"], [7, 8, 9], ()),
    ],
)
def test_seeds_of_a_trial(settings: list[str], seeds: list[int], listed: tuple[int, ...]) -> None:
    sweep = override_sweep(Sweep(), ["optimizer.lr=0.1,0.2", *settings])
    assert sweep.options.seed_values == listed
    assert [sweep.seed(sweep.fixed_trials[0], number) for number in range(sweep.seeds)] == seeds
    assert sweep.trial_count == 2


def test_seeds_cannot_be_listed_and_counted() -> None:
    with pytest.raises(ConfigError, match=r"training.seed cannot vary if sweep.seeds is above 1"):
        override_sweep(Sweep(), ["sweep.seeds=2", "training.seed=1,2"])


def test_override_sweep_varies_and_fixes_settings() -> None:
    assert override_sweep(Sweep(), ["optimizer.name=sgd,adam", "optimizer.lr=1,2"]).name == "optimizer-lr"
    sweep = override_sweep(
        Sweep(), ["optimizer.name=sgd,adam", "training.epochs=2", "sweep.seeds=2", "sweep.name=mine"]
    )
    assert sweep.name == "mine"
    assert sweep.fixed_trials == ({"optimizer.name": "sgd"}, {"optimizer.name": "adam"})
    assert (sweep.base.training.epochs, sweep.options.seeds, sweep.options.name) == (2, 2, "mine")
    fixed = override_sweep(loads(TEXT), ["optimizer.lr=0.5"])
    assert "optimizer.lr" not in fixed.values
    assert {fixed.config(values, 0).optimizer.lr for values in fixed.fixed_trials} == {0.5}


@pytest.mark.parametrize(
    ("key", "text", "values"),
    [
        ("optimizer.name", "sgd, adam", ("sgd", "adam")),
        ("optimizer.name", "sgd", ("sgd",)),
        ("optimizer.lr", "0.1,1e-2,0.1", (0.1, 0.01)),
        ("data.normalize", "true, false", (True, False)),
        ("training.patience", "none, 3", (None, 3)),
        ("training.device", "cuda:0, cuda:1", ("cuda:0", "cuda:1")),
        ("model.hidden", "128, 256", ((128, 256),)),
        ("model.hidden", "[128, 256]", ((128, 256),)),
        ("model.hidden", "[128, 256], [64], []", ((128, 256), (64,), ())),
        ("data.augment", "[], [shift, flip]", ((), ("shift", "flip"))),
        ("model.weights", "none, run:x", (None, "run:x")),
        ("data.dir", "a, b (1), c]", ("a", "b (1)", "c]")),
        ("data.dir", "'a, b', \"c's, d\",e", ("a, b", "c's, d", "e")),
        ("data.dir", "it's, 'b' c", ("it's", "'b' c")),
        ("data.labels", "'it''s, a.csv'", ("it's, a.csv",)),
        ("data.transform", "a.py:f, b.py:g", ("a.py:f", "b.py:g")),
        ("model.name", "mlp, 'a, b.py:Net'", ("mlp", "a, b.py:Net")),
        ("notify.command", "mail -s a,b me", ("mail -s a,b me",)),
        ("notify.command", "{ echo a, b; }", ("{ echo a, b; }",)),
        ("notify.command", 'echo "hi"', ('echo "hi"',)),
    ],
)
def test_parse_values_splits_at_commas_outside_brackets(key: str, text: str, values: tuple[object, ...]) -> None:
    assert parse_values(key, text) == values


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("data.dir", ("a, b", "c's", "'d'", '"e" f', "[g", None)),
        ("data.dir", ('it\'s, "h"',)),
        ("data.transform", ("a, b.py:f",)),
        ("model.name", ("mlp", "a, b.py:Net")),
        ("model.hidden", ((128, 256), ())),
        ("model.args", ('{a = "b, c"}', "{}")),
        ("notify.command", ("'my mail' -s a,b",)),
        ("optimizer.lr", (0.1, 1e-05)),
    ],
)
def test_formatted_values_are_read_back(key: str, values: tuple[object, ...]) -> None:
    assert parse_values(key, format_values(key, values)) == values


@pytest.mark.parametrize("text", ["0.1, x", "0.1, -1", ","])
def test_parse_values_checks_each_value(text: str) -> None:
    with pytest.raises(ConfigError, match=r"optimizer.lr"):
        parse_values("optimizer.lr", text)


def test_combinations_is_the_product_of_all_values() -> None:
    texts = {"optimizer.name": "sgd, adam", "optimizer.lr": "0.1, 0.01, 1", "training.epochs": "3"}
    expanded = combinations(texts)
    assert len(expanded) == 6
    assert expanded[0] == {"optimizer.name": "sgd", "optimizer.lr": 0.1, "training.epochs": 3}
    assert expanded[-1] == {"optimizer.name": "adam", "optimizer.lr": 1.0, "training.epochs": 3}
    assert combinations({}) == [{}]
