import pytest

from tuitrain.config.schema import Config
from tuitrain.config.sweeps.fractions import fractions_sweep
from tuitrain.config.sweeps.toml import dumps, loads
from tuitrain.config.values import override
from tuitrain.errors import ConfigError


def test_the_sweep_trains_the_run_on_each_fraction() -> None:
    config = override(Config(), ["data.fraction=0.3", "training.seed=7", "optimizer.lr=0.1"])
    sweep = fractions_sweep(config, "x" * 100, " 1, 0.25,0.5,0.25 ", 2)
    assert sweep.values == {"data.fraction": (0.25, 0.5, 1)}
    assert sweep.runs_per_trial == 2
    runs = [sweep.config(values, number) for values in sweep.fixed_trials for number in range(2)]
    assert [run.data.fraction for run in runs] == [0.25, 0.25, 0.5, 0.5, 1, 1]
    assert [run.training.seed for run in runs] == [7, 8] * 3
    assert {run.optimizer.lr for run in runs} == {0.1}
    assert loads(dumps(sweep)) == sweep


def test_the_name_of_the_run_is_hostile() -> None:
    sweep = fractions_sweep(Config(), "[red]\x1b[31m\n\u202e\"'", "0.5,1", 1)
    assert loads(dumps(sweep)) == sweep
    assert not set("\x1b\n\u202e") & set(sweep.name)


@pytest.mark.parametrize(
    ("fractions", "reason"),
    [
        ("1", "is one fraction, and a curve needs two"),
        ("0.5,0.5", "is one fraction"),
        ("", "--fractions '' is not allowed. Give fractions"),
        ("0,1", "--fractions '0,1' is not allowed"),
        ("0.5,2", "--fractions '0.5,2' is not allowed"),
        ("half,1", "--fractions 'half,1' is not allowed"),
        ("nan,1", "--fractions 'nan,1' is not allowed"),
        ("\x1b[31m,1", "is not allowed"),
    ],
)
def test_fractions_are_checked(fractions: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as error:
        fractions_sweep(Config(), "mine", fractions, 1)
    assert "\x1b" not in str(error.value)
