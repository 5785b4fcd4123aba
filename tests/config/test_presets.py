import pytest

from tuitrain.config.formatting import format_value
from tuitrain.config.presets import PRESETS, preset
from tuitrain.config.schema import Config
from tuitrain.config.values import changed_settings, flatten, override


def test_the_first_preset_equals_the_defaults() -> None:
    assert preset(next(iter(PRESETS))) == Config()


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_changes_only_the_settings_it_lists(name: str) -> None:
    assert set(changed_settings(preset(name))) <= {assignment.partition("=")[0] for assignment in PRESETS[name]}


@pytest.mark.parametrize("name", list(PRESETS))
def test_overrides_reproduce_a_preset(name: str) -> None:
    config = preset(name)
    assert override(Config(), [f"{key}={format_value(value)}" for key, value in flatten(config).items()]) == config
    assert (
        override(Config(), [f"{key}={format_value(value)}" for key, value in changed_settings(config).items()])
        == config
    )


def test_classic_presets_describe_the_classic_experiment() -> None:
    for name, optimizer, activation, lr in (
        ("classic: sgd, sigmoid", "sgd", "sigmoid", 0.01),
        ("classic: adam, sigmoid", "adam", "sigmoid", 0.01),
        ("classic: adam, relu", "adam", "relu", 0.001),
    ):
        config = preset(name)
        assert (config.optimizer.name, config.model.activation, config.optimizer.lr) == (optimizer, activation, lr)
        assert (config.data.dataset, config.data.normalize, config.data.validation) == ("mnist", False, 0)
        assert (config.data.batch_size, config.model.hidden, config.training.epochs) == (64, (128, 256), 10)


def test_an_unknown_preset_raises_key_error() -> None:
    with pytest.raises(KeyError):
        preset("nothing")
