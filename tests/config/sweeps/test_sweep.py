from itertools import product
from pathlib import Path

import msgspec
import pytest

from tuitrain.config.schema import Config
from tuitrain.config.settings import settings
from tuitrain.config.sweeps.overrides import override_sweep
from tuitrain.config.sweeps.sweep import Range, Sweep, short_names, sweep_settings
from tuitrain.config.sweeps.toml import amend, dumps, loads, read
from tuitrain.config.toml import loads as load_config
from tuitrain.config.values import override
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
SAMPLED = """\
[sweep]
method = "tpe"
trials = 7
[sweep.values]
"optimizer.lr" = {low = 1e-4, high = 0.1, log = true}
"data.batch_size" = {low = 16, high = 256}
"model.activation" = ["relu", "tanh"]
[[sweep.extra]]
"optimizer.lr" = 0.5
"""
EXAMPLE = Path(__file__).parents[3] / "examples/optimizers-and-activations.toml"


def test_a_grid_has_every_combination_once_and_the_extra_trials() -> None:
    sweep = loads(TEXT)
    keys = ("optimizer.name", "optimizer.lr", "model.hidden")
    choices = product(("sgd", "adam"), (0.1, 0.01), ((64,), (64, 32)))
    extra = {"optimizer.name": "sgd", "training.epochs": 100}
    assert list(sweep.fixed_trials) == [*(dict(zip(keys, combination, strict=True)) for combination in choices), extra]
    assert sweep.trial_count == 9
    assert sweep.varying_keys == [*keys, "training.epochs"]


def test_a_trial_overrides_the_base_and_counts_seeds_up() -> None:
    sweep = override_sweep(loads(TEXT), ["training.seed=40"])
    expected = ["data.batch_size=32", "optimizer.name=sgd", "training.epochs=100", "training.seed=42"]
    assert sweep.config(sweep.fixed_trials[-1], 2) == override(Config(), expected)


def test_limits_of_a_sweep() -> None:
    assert override_sweep(Sweep(), [f"training.seed={','.join(map(str, range(1000)))}"]).seeds == 1000
    rates = ",".join(map(str, range(1, 101)))
    assert override_sweep(Sweep(), [f"optimizer.lr={rates}", f"data.batch_size={rates}"]).trial_count == 10_000
    with pytest.raises(ConfigError, match="10,100 combinations; the limit is 10,000"):
        override_sweep(Sweep(), [f"optimizer.lr={rates}", f"data.batch_size={rates},101"])


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ("2 = {'optimizer.lr' = 0.3}", ""),
        ("3 = {'optimizer.lr' = 0.3}\n2 = {'optimizer.lr' = 0.4}", ""),
        ("1 = {'optimizer.lr' = 0.3}", "trial 1 must be numbered from 2 to 2"),
        ("3 = {'optimizer.lr' = 0.3}", "trial 3 must be numbered from 2 to 2"),
        ("x = {'optimizer.lr' = 0.3}", "x is not a trial number"),
        ("123456789 = {'optimizer.lr' = 0.3}", "123456789 is not a trial number"),
        ("12345678 = {'optimizer.lr' = 0.3}", "trial 12345678 must be numbered"),
        ("2 = 3", "must be a section of trials"),
    ],
)
def test_added_trials_are_numbered_after_the_others(added: str, message: str) -> None:
    text = f"[sweep.values]\n'optimizer.lr' = [0.1, 0.2]\n[sweep.added]\n{added}\n"
    if message:
        with pytest.raises(ConfigError, match=message):
            loads(text)
    else:
        sweep = loads(text)
        assert sweep.added[2]["optimizer.lr"] in (0.3, 0.4)
        assert sweep.trial_count == 2 + len(sweep.added)


def test_a_sweep_over_seeds_alone_has_one_trial_and_extra_trials_replace_it() -> None:
    assert override_sweep(Sweep(), ["sweep.seeds=2"]).fixed_trials == ({},)
    extra = {"optimizer.lr": 0.5}
    assert override_sweep(Sweep(), ["sweep.seeds=2"], [extra]).fixed_trials == (extra,)
    assert Sweep().fixed_trials == ()
    assert override_sweep(Sweep(), ["optimizer.lr=1,2"], [extra]).fixed_trials[2] == extra


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        (["optimizer.name", "optimizer.lr"], ["optimizer", "lr"]),
        (["schedule.patience", "training.patience", "model.name"], ["schedule.patience", "training.patience", "model"]),
    ],
)
def test_short_names_are_unique(keys: list[str], names: list[str]) -> None:
    assert list(short_names(keys).values()) == names


def test_the_name_of_a_sweep_has_at_most_80_characters() -> None:
    keys = [key for key in settings() if key.startswith(("training.", "schedule.", "data."))]
    assert len(Sweep(values=dict.fromkeys(keys, (1, 2))).name) == 80


def test_sampled_trials_follow_the_extra_trials() -> None:
    sweep = loads(SAMPLED)
    assert sweep.values["optimizer.lr"] == Range(1e-4, 0.1, True)
    assert sweep.values["data.batch_size"] == Range(16, 256, False)
    assert sweep.fixed_trials == ({"optimizer.lr": 0.5},)
    assert sweep.trial_count == 8


@pytest.mark.parametrize("text", [TEXT, SAMPLED])
def test_dumps_and_loads_are_inverse_and_keep_comments(text: str) -> None:
    sweep = loads(text)
    assert dumps(sweep, text) == text
    assert loads(dumps(sweep)) == sweep
    changed = override_sweep(sweep, ["training.epochs=3", "sweep.parallel=4", "model.dropout=0,0.5"])
    written = dumps(changed, text)
    assert loads(written) == changed
    assert ("# small" in written) == ("# small" in text)


def test_amend_keeps_comments_and_rejects_invalid_options() -> None:
    amended = amend(TEXT, {"seeds": 5}, {})
    assert amended == TEXT.replace("seeds = 3", "seeds = 5")
    with pytest.raises(ConfigError, match=r"sweep.seeds = 0 is not allowed"):
        amend(TEXT, {"seeds": 0}, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Nothing varies"),
        ("sweep = 3", "must be a section, [sweep]"),
        ("[sweep]\nvalues = 3", "must be a section, [sweep.values]"),
        ("[sweep]\nextra = 3", "each [[sweep.extra]]"),
        (
            "[sweep]\nmethod = 'gird'",
            "sweep.method = gird is not allowed: it must be one of grid, random, tpe. Did you",
        ),
        ("[sweep]\nseds = 1", "Unknown setting 'sweep.seds'. Did you mean sweep.seeds?"),
        ("[sweep]\nmetric = 'test.accuracy'", "sweep.metric = test.accuracy is not allowed"),
        ("[sweep]\nparallel = 0", "sweep.parallel = 0 is not allowed: it must be a whole number >= 1"),
        ("[sweep.values]\n'optimizer.nam' = ['sgd']", "Unknown setting 'optimizer.nam'. Did you mean optimizer.name?"),
        ("[sweep.values]\n'optimizer.name' = ['sdg']", "optimizer.name = sdg is not allowed"),
        ("[sweep.values]\n'optimizer.lr' = [0.1, -1]", "optimizer.lr = -1 is not allowed: it must be a number > 0."),
        ("[sweep.values]\n'optimizer.lr' = 0.1", "optimizer.lr = 0.1 must be a list of values, or a range"),
        ("[sweep.values]\n'optimizer.lr' = []", "optimizer.lr = [] must be a list of values"),
        ("[sweep.values]\n'model.hidden' = [128, 256]", "model.hidden = 128 is not allowed: it must be a list"),
        ("[sweep.values]\n'optimizer.name' = {low = 1, high = 2}", "must be a list of values."),
        ("[sweep.values]\n'optimizer.lr' = {low = 1, high = 2}", "is a range, and a grid needs values"),
        ("[sweep.values]\n'optimizer.nesterov' = [false, true]", "Trial optimizer.nesterov=true: optimizer.nesterov"),
        ("[sweep]\nseeds = 2\n[sweep.values]\n'training.seed' = [1, 2]", "training.seed cannot vary"),
        ("[sweep]\ndevices = ['gpu']\n[sweep.values]\n'optimizer.lr' = [1]", "training.device = gpu is not allowed"),
        ("[data]\nvalidation = 0\n[sweep.values]\n'optimizer.lr' = [1]", "sweep.metric = validation.accuracy needs a"),
        (
            "data.validation = 0\n[sweep]\nprune = true\nmetric = 'train.loss'\n[sweep.values]\n'optimizer.lr' = [1]",
            "sweep.prune = true needs a validation split",
        ),
        (f"[sweep.values]\n'training.seed' = {list(range(10_001))}", "has 10,001 combinations; the limit is 10,000"),
        ("[modle]\n[sweep.values]\n'optimizer.lr' = [1]", "Unknown section 'modle'"),
        ("[sweep", "not valid TOML"),
    ],
)
def test_invalid_sweep_files_are_rejected(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        loads(text)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("range_", "message"),
    [
        ("{low = 1, high = 1}", "needs low < high"),
        ("{low = 0, high = 1}", "optimizer.lr = 0 is not allowed"),
        ("{low = 1}", "is not a valid range"),
        ("{low = 1, high = 2, lgo = true}", "is not a valid range"),
        ("{low = 'a', high = 2}", "is not a valid range"),
        ("{low = 1, high = inf}", "optimizer.lr = inf is not allowed"),
    ],
)
def test_invalid_ranges_are_rejected(range_: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        loads(f"[sweep]\nmethod = 'random'\n[sweep.values]\n'optimizer.lr' = {range_}")
    assert message in str(error.value)
    assert error.value.key == "optimizer.lr"


def test_a_logarithmic_range_must_start_above_zero() -> None:
    with pytest.raises(ConfigError, match="needs low > 0"):
        loads("[sweep]\nmethod='tpe'\n[sweep.values]\n'optimizer.momentum' = {low = 0, high = 0.9, log = true}")


def test_a_sweep_file_without_options_means_the_defaults() -> None:
    """Changing one would change sweeps that exist already."""
    expected = {
        "name": "", "method": "grid", "trials": 20, "seeds": 1, "seed_values": (), "parallel": 1, "stack": 1,
        "devices": (), "max_minutes": None, "prune": False, "metric": "validation.accuracy", "storage": None,
    }  # fmt: skip
    assert msgspec.to_builtins(loads("[sweep.values]\n'optimizer.lr' = [1]").options) == expected


def test_every_option_has_help() -> None:
    for item in sweep_settings().values():
        assert item.help
        assert item.allowed


def test_the_example_file_describes_the_study() -> None:
    sweep, _ = read(EXAMPLE)
    assert sweep.trial_count == 3 * 2 * 2 + 3
    assert sweep.options.seeds == 3
    classic = sweep.config({"optimizer.name": "sgd", "model.activation": "sigmoid", "optimizer.lr": 0.01}, 0)
    assert classic == override(
        Config(),
        ["data.dataset=mnist", "data.normalize=false", "data.validation=0", "model.activation=sigmoid",
         "optimizer.name=sgd", "optimizer.lr=0.01"],
    )  # fmt: skip
    longer = override(classic, ["training.epochs=100"])
    assert [sweep.config(values, 0) for values in sweep.fixed_trials[-3:]] == [
        longer, override(longer, ["model.activation=relu"]), override(classic, ["training.epochs=1"]),
    ]  # fmt: skip


def test_a_sweep_file_is_not_a_run_configuration() -> None:
    with pytest.raises(ConfigError, match="Unknown section 'sweep'"):
        load_config(TEXT)


def test_a_cross_validation_is_a_trial_with_a_run_per_fold() -> None:
    sweep = override_sweep(Sweep(), ["training.folds=3"])
    assert (sweep.name, sweep.fixed_trials, sweep.runs_per_trial) == ("folds", ({},), 3)
    configs = [sweep.config({}, number) for number in range(3)]
    assert [config.data.fold for config in configs] == ["1/3", "2/3", "3/3"]
    assert {(config.training.seed, config.training.folds) for config in configs} == {(0, None)}
    assert loads(dumps(sweep)) == sweep


def test_every_trial_and_seed_has_every_fold() -> None:
    sweep = override_sweep(Sweep(), ["training.folds=2", "optimizer.lr=0.1,0.01", "training.seed=5,6"])
    assert (sweep.trial_count, sweep.seeds, sweep.runs_per_trial) == (2, 2, 4)
    runs = [sweep.config(sweep.fixed_trials[1], number) for number in range(4)]
    assert [(run.training.seed, run.data.fold, run.optimizer.lr) for run in runs] == [
        (5, "1/2", 0.01), (5, "2/2", 0.01), (6, "1/2", 0.01), (6, "2/2", 0.01),
    ]  # fmt: skip
    assert sweep.describe_run({}, 3) == "seed 6 fold 2/2"


def test_folds_need_no_other_validation_split() -> None:
    override_sweep(Sweep(), ["training.folds=2", "data.validation=0", "sweep.prune=true"])


@pytest.mark.parametrize("settings", [["training.folds=2,3"], ["training.folds=2", "data.fold=1/2,2/2"]])
def test_the_number_of_folds_cannot_vary(settings: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        override_sweep(Sweep(), settings)
    assert raised.value.key in ("training.folds", "data.fold")
