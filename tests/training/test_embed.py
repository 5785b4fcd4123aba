from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import Tensor, nn

from tuitrain.config.schema import Config
from tuitrain.errors import RunError
from tuitrain.training.embed import are_cached, embed, embed_split
from tuitrain.training.setup import Setup, prepare

Quick = Callable[..., Config]


def prepared(config: Config) -> Setup:
    return prepare(config, lambda *_: None)


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_the_classifier_turns_the_features_into_the_logits(quick: Quick, name: str) -> None:
    setup = prepared(quick(f"model.name={name}"))
    found = embed_split(setup, setup.dataset.test)
    head = [module for module in setup.model.modules() if isinstance(module, nn.Linear)][-1]
    images, labels = next(setup.dataset.test.batches(torch.arange(360), 360))
    setup.model.eval()
    torch.testing.assert_close(head(found.features), setup.model(setup.normalize(images)))
    assert torch.equal(found.labels, labels)


@torch.no_grad()
def test_positions_before_a_convolutional_classifier_are_averaged(quick: Quick) -> None:
    setup = prepared(quick("model.name=mlp"))
    network = torchvision.models.squeezenet1_1(num_classes=10).eval()
    setup.model = nn.Sequential(nn.Upsample(32), _Colors(), network)
    images, _ = next(setup.dataset.test.batches(torch.arange(3), 3))
    features = embed(setup, images)
    expected = network.features(setup.model[1](setup.model[0](setup.normalize(images))))
    torch.testing.assert_close(features, expected.mean((2, 3)))


class _Colors(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.expand(-1, 3, -1, -1)


def test_the_model_stays_as_it_was(quick: Quick) -> None:
    setup = prepared(quick("model.name=cnn", "training.precision=bf16"))
    setup.model.train()
    next(setup.model.children()).eval()
    modes = [module.training for module in setup.model.modules()]
    embed_split(setup, setup.dataset.test)
    with pytest.raises(ZeroDivisionError):
        embed_split(setup, setup.dataset.train, _fail)
    assert modes == [module.training for module in setup.model.modules()]
    assert not any(module._forward_pre_hooks for module in setup.model.modules())


def _fail(*_: object) -> None:
    raise ZeroDivisionError


def test_features_are_computed_once_per_network(quick: Quick, monkeypatch: pytest.MonkeyPatch) -> None:
    first, again, other = (prepared(quick("model.name=cnn", f"training.seed={seed}")) for seed in (1, 1, 2))
    assert not are_cached(first, first.dataset.test)
    found = embed_split(first, first.dataset.test)
    monkeypatch.setattr("tuitrain.training.embed.embed", _fail)
    assert are_cached(again, again.dataset.test)
    assert torch.equal(embed_split(again, again.dataset.test).features, found.features)
    for setup, split in ((again, again.dataset.train), (other, other.dataset.test)):
        with pytest.raises(ZeroDivisionError):
            embed_split(setup, split)


class _Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused = nn.Linear(64, 10), nn.Linear(64, 10)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.used(images.flatten(1))
        return logits


@pytest.mark.parametrize("model", [_Twice(), nn.Flatten()])
def test_a_network_without_a_classifier_has_no_features(quick: Quick, model: nn.Module) -> None:
    setup = prepared(quick("model.name=mlp"))
    setup.model = model
    with pytest.raises(RunError, match="layer"):
        embed_split(setup, setup.dataset.test)
