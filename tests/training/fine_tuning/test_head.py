"""Which layer is the classifier, and the groups of parameters before it."""

from typing import Any

import pytest
import torch
from torch import nn

from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.errors import ConfigError
from tuitrain.training.fine_tuning.freeze import dropout_before, freeze_backbone, is_frozen
from tuitrain.training.fine_tuning.head import head_names, is_in, network_in
from tuitrain.training.optim.groups import layer_scales, parameter_groups


def network(**config: Any) -> nn.Sequential:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Dropout(), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    if config:
        model.pretrained_cfg = config  # type: ignore[assignment]
    return model


@pytest.mark.parametrize(
    ("classifier", "expected"),
    [("3", ("3",)), (["3", "5"], ("3", "5")), (None, ("5",)), ("gone", ("5",)), (["3", "gone"], ("5",)), ("", ("5",))],
)
def test_the_classifier_is_the_named_or_the_last_layer(classifier: Any, expected: tuple[str, ...]) -> None:
    assert head_names(network(classifier=classifier)) == expected


def test_a_network_without_layers_has_no_classifier() -> None:
    assert head_names(nn.Sequential(nn.Flatten())) == ()
    removed = nn.Sequential(nn.Linear(2, 2), nn.Identity())
    removed.pretrained_cfg = {"classifier": "1"}  # type: ignore[assignment]
    assert head_names(removed) == ("0",)
    assert head_names(nn.Sequential(nn.Conv2d(1, 3, 1), nn.Flatten())) == ("0",)


def test_the_layer_that_enlarges_images_is_no_part_of_the_network() -> None:
    inner = network()
    enlarged = nn.Sequential()
    enlarged.add_module("enlarge", nn.Upsample(8))
    enlarged.add_module("network", inner)
    assert network_in(enlarged) is inner
    assert network_in(inner) is inner
    named = nn.Module()
    assert network_in(named) is named


def test_a_parameter_is_in_a_module_whose_whole_path_it_begins_with() -> None:
    assert is_in("head.fc.weight", ("a", "head"))
    assert not is_in("header.weight", ("head",))
    assert not is_in("head.weight", ())


def test_a_network_of_only_a_classifier_has_nothing_to_freeze() -> None:
    with pytest.raises(ConfigError, match="the network has no layers before its classifier"):
        freeze_backbone(nn.Sequential(nn.Linear(2, 2)))
    model = network()
    freeze_backbone(model)
    assert [name for name, parameter in model.named_parameters() if parameter.requires_grad] == ["5.weight", "5.bias"]


def test_only_dropout_directly_before_the_classifier_belongs_to_it() -> None:
    model = network()
    assert dropout_before(model, "3") == [model[2]]
    assert dropout_before(model, "5") == dropout_before(model, "0") == []
    assert len(dropout_before(nn.Sequential(nn.Dropout(), nn.Linear(4, 3)), "1")) == 1


@pytest.mark.parametrize(
    ("settings", "frozen"),
    [
        ((), [False] * 3),
        (("finetune.freeze=backbone",), [True] * 3),
        (("finetune.freeze_epochs=2",), [True, True, False]),
    ],
)
def test_the_epochs_in_which_only_the_classifier_trains(settings: tuple[str, ...], frozen: list[bool]) -> None:
    config = override(Config(), ["model.weights=w.pt", *settings])
    assert [is_frozen(config, epoch) for epoch in range(3)] == frozen


def test_groups_of_the_classifier_and_of_the_rest() -> None:
    model, config = network(), override(Config(), ["finetune.head_lr=10", "finetune.layer_decay=0.5"])
    every = parameter_groups(config, model)
    backbone, head = parameter_groups(config, model, heads=False), parameter_groups(config, model, backbone=False)
    assert [group["lr_scale"] for group in every] == [0.25, 0.5, 10.0]
    assert [group["lr_scale"] for group in (*backbone, *head)] == [0.25, 0.5, 10.0]
    assert [list(map(id, group["params"])) for group in every] == [
        list(map(id, group["params"])) for group in (*backbone, *head)
    ]
    for parameter in model[3].parameters():
        parameter.requires_grad_(False)
    assert [group["lr_scale"] for group in parameter_groups(config, model)] == [0.25, 10.0]
    assert layer_scales(model, 1.0) == {}


def test_a_list_of_one_layer_is_one_layer() -> None:
    model = nn.Module()
    model.stem = nn.Sequential(nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1)))
    model.blocks = nn.ModuleList([nn.Linear(1, 1), nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))])
    model.token = nn.Parameter(torch.zeros(1))
    scales = layer_scales(model, 0.5)
    assert {name: scales[name] for name in scales if name.endswith("weight") or name == "token"} == {
        "token": 0.125, "stem.0.0.weight": 0.25, "stem.0.1.weight": 0.25, "blocks.0.weight": 0.5,
        "blocks.1.0.weight": 1.0, "blocks.1.1.weight": 1.0,
    }  # fmt: skip
