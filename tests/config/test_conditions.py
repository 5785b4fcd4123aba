"""Which settings a run uses, and which it ignores."""

import pytest
import torch

from tuitrain.config.conditions import CONDITIONS, unused, unused_because, used_settings
from tuitrain.config.networks import NETWORKS, WITH_RELU
from tuitrain.config.schema import Config, Model
from tuitrain.config.settings import settings
from tuitrain.config.values import flatten, override
from tuitrain.errors import ConfigError
from tuitrain.training import models


def test_conditions_name_existing_settings_and_choices() -> None:
    for key, conditions in CONDITIONS.items():
        assert key in settings()
        for only in conditions:
            patterns = {value for value in only.values if "*" in value}
            if choices := settings()[only.key].choices:
                assert set(only.values) - patterns < set(choices)


def config(*assignments: str) -> Config:
    return override(Config(), assignments)


@pytest.mark.parametrize(
    ("key", "used", "ignored"),
    [
        ("model.activation", ["model.name=mlp", "model.weights=w.pt"], ["model.name=timm/resnet18"]),
        ("model.activation", ["model.name=resnet18"], ["model.name=resnet18", "model.weights=pretrained"]),
        ("model.activation", ["model.name=cnn"], ["model.name=convnext_tiny"]),
        ("model.activation", ["model.name=vgg11_bn"], ["model.name=a.py:Net"]),
        ("model.dropout", ["model.name=timm/resnet18"], ["model.name=resnet18"]),
        ("model.hidden", [], ["model.name=cnn"]),
        ("data.validation", [], ["data.fold=1/5"]),
        ("data.validation", [], ["training.folds=5"]),
        ("data.mixup_alpha", ["data.augment=[flip, mixup]"], ["data.augment=[flip]"]),
        ("data.value_range", ["data.dataset=food101"], []),
        ("data.storage", ["data.dataset=a.py:data"], ["data.dataset=mnist"]),
        ("optimizer.decay_norms", ["optimizer.weight_decay=0.1"], []),
        ("training.min_delta", ["training.patience=3"], []),
        ("training.min_delta", ["schedule.name=plateau"], []),
        ("finetune.layer_decay", ["finetune.freeze_epochs=1"], ["finetune.freeze=backbone"]),
        ("finetune.freeze_epochs", [], ["finetune.freeze=backbone"]),
        ("optimizer.momentum", ["optimizer.name=sgd"], ["optimizer.name=adamw"]),
    ],
)
def test_whether_a_run_uses_a_setting(key: str, used: list[str], ignored: list[str]) -> None:
    assert key not in unused(config(*used))
    assert key in unused(config(*ignored))
    assert key in used_settings(config(*used))
    assert not unused_because(key, flatten(config(*used)))
    assert unused_because(key, flatten(config(*ignored)))


def test_one_of_several_values_in_a_form_suffices() -> None:
    texts = dict.fromkeys(settings(), "") | {"model.name": "timm/resnet18, mlp", "model.weights": "none, run:x"}
    assert not unused_because("model.activation", texts)
    assert unused_because("model.channels", texts) == "for cnn"


@pytest.mark.parametrize("name", NETWORKS)
def test_the_activation_has_an_effect_in_exactly_these_networks(name: str) -> None:
    size = 128 if name == "inception_v3" else 64
    with torch.device("meta"):
        if name in ("mlp", "cnn", *WITH_RELU):
            network = models.build(Model(name=name, activation="elu"), (3, size, size), 4)
            assert any(type(module) is torch.nn.ELU for module in network.modules())
        else:
            with pytest.raises(ConfigError, match="no ReLU to replace"):
                models.build(Model(name=name, activation="elu"), (3, size, size), 4)
