from typing import get_args

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tuitrain.config.networks import NETWORKS
from tuitrain.config.schema import Activation, Model
from tuitrain.errors import ConfigError
from tuitrain.training.models import build
from tuitrain.training.models.summary import summarize

pytestmark = pytest.mark.usefixtures("one_thread")
GREY, COLOUR, LARGE = (1, 8, 8), (3, 32, 32), (4, 100, 90)
NAMES = NETWORKS
# For the others a step on the meta device stands for one on the CPU.
QUICK: tuple[str, ...] = (
    "mlp", "cnn", "resnet18", "squeezenet1_1", "mobilenet_v2", "mobilenet_v3_small", "swin_t", "shufflenet_v2_x1_0",
    "mnasnet1_0", "efficientnet_b0", "regnet_y_400mf", "convnext_tiny",
)  # fmt: skip


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_every_model_trains_on_tiny_images(name: str) -> None:
    with torch.device("meta"):
        model = build(Model(name=name), GREY, 7)
        logits = model(torch.empty(2, *GREY))
        torch.autograd.backward(F.cross_entropy(logits, torch.zeros(2, dtype=torch.long)))
    assert logits.shape == (2, 7)
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize(
    ("name", "shape"), [*((name, GREY) for name in QUICK), *((name, COLOUR) for name in ("mlp", "cnn", "resnet18"))]
)
def test_training_step_gives_finite_gradients(name: str, shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    model = build(Model(name=name), shape, 10)
    loss = F.cross_entropy(model(torch.randn(2, *shape)), torch.tensor([0, 1]))
    torch.autograd.backward(loss)
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)
    assert any(bool(gradient.any()) for gradient in gradients)


@pytest.mark.parametrize("name", ["mlp", "cnn", "resnet18", "squeezenet1_1"])
def test_smallest_image_folder_fits(name: str) -> None:
    assert build(Model(name=name), (1, 4, 4), 10)(torch.randn(2, 1, 4, 4)).shape == (2, 10)


@pytest.mark.parametrize("name", ["resnet18", "inception_v3", "mobilenet_v3_small", "squeezenet1_1", "maxvit_t"])
def test_last_batch_of_one_image_trains(name: str) -> None:
    assert build(Model(name=name), GREY, 10).train()(torch.randn(1, *GREY)).shape == (1, 10)


def test_mlp_is_the_classic_one() -> None:
    torch.manual_seed(3)
    ours = build(Model(activation="sigmoid"), (1, 28, 28), 10)
    torch.manual_seed(3)
    classic = nn.Sequential(
        nn.Flatten(), nn.Linear(784, 128), nn.Sigmoid(), nn.Linear(128, 256), nn.Sigmoid(), nn.Linear(256, 10)
    )
    images = torch.randn(4, 1, 28, 28)
    assert count(ours) == 784 * 128 + 128 + 128 * 256 + 256 + 256 * 10 + 10 == 136_074
    assert torch.equal(ours(images), classic(images))


def test_mlp_without_hidden_layers_is_softmax_regression() -> None:
    model = build(Model(hidden=()), GREY, 10)
    assert [tuple(p.shape) for p in model.parameters()] == [(10, 64), (10,)]


def test_a_cnn_of_given_channels() -> None:
    model = build(Model(name="cnn", channels=(3, 5, 7, 9, 2), convolutions=1), GREY, 10)
    convolutions = [tuple(part.weight.shape) for part in model.modules() if isinstance(part, nn.Conv2d)]
    assert convolutions == [(3, 1, 3, 3), (5, 3, 3, 3), (7, 5, 3, 3), (9, 7, 3, 3), (2, 9, 3, 3)]
    assert model(torch.randn(2, *GREY)).shape == (2, 10)
    deep = build(Model(name="cnn", channels=(3,), convolutions=3), GREY, 10)
    assert sum(isinstance(part, nn.Conv2d) for part in deep.modules()) == 3


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_batch_norm_and_dropout_are_built_in(name: str) -> None:
    model = build(Model(name=name, batch_norm=True, dropout=0.5), GREY, 10)
    images = torch.randn(8, *GREY)
    assert any(isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d)) for part in model.modules())
    assert not torch.equal(model.train()(images), model(images))
    assert torch.equal(model.eval()(images), model(images))


@pytest.mark.parametrize("name", ["mlp", "cnn", "resnet18"])
def test_each_activation_changes_the_output(name: str) -> None:
    outputs = []
    for activation in get_args(Activation):
        torch.manual_seed(0)
        model = build(Model(name=name, activation=activation), GREY, 10).eval()
        outputs.append(model(torch.linspace(-1, 1, 64).reshape(1, *GREY)))
    assert all(not torch.allclose(outputs[0], other) for other in outputs[1:])


def test_activation_takes_the_place_of_every_relu() -> None:
    model = build(Model(name="resnet18", activation="tanh"), COLOUR, 10)
    kinds = [type(part) for part in model.modules()]
    assert nn.ReLU not in kinds
    assert kinds.count(nn.Tanh) == 9


@pytest.mark.parametrize("name", ["efficientnet_b0", "vit_b_16", "googlenet"])
def test_activation_without_relu_to_replace_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="no ReLU") as caught, torch.device("meta"):
        build(Model(name=name, activation="elu"), COLOUR, 10)
    assert caught.value.key == "model.activation"


def test_resnet_has_the_cifar_stem_for_small_images_only() -> None:
    small, large = (summarize(Model(name="resnet18"), (3, side, side), 10) for side in (32, 96))
    # The published size of the CIFAR form, and torchvision's own with ten classes.
    assert (small.parameters, large.parameters) == (11_173_962, 11_181_642)
    assert small.layers[0].output == (64, 32, 32)
    assert large.layers[0].output == (64, 48, 48)


@pytest.mark.parametrize("name", NAMES)
def test_summary_of_every_model_counts_each_parameter_once(name: str) -> None:
    """The summary passes an image of an odd shape through the model."""
    before = torch.get_rng_state()
    summary = summarize(Model(name=name), LARGE, 10)
    with torch.device("meta"):
        assert summary.parameters == count(build(Model(name=name), LARGE, 10))
    assert sum(layer.parameters for layer in summary.layers) == summary.parameters
    assert summary.layers[-1].output[0] == 10
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", ["regnet_x_400mf", "regnet_y_400mf"])
def test_regnets_are_torchvisions(name: str) -> None:
    from torchvision import models

    ours, theirs = build(Model(name=name), (3, 64, 64), 10), getattr(models, name)(num_classes=10)
    assert str(ours) == str(theirs)


def test_maxvit_at_its_own_size_is_torchvisions() -> None:
    from torchvision import models

    with torch.device("meta"):
        ours, theirs = build(Model(name="maxvit_t"), (3, 224, 224), 10), models.maxvit_t(num_classes=10)
    assert str(ours) == str(theirs)


def test_summary_of_an_mlp() -> None:
    summary = summarize(Model(), (1, 28, 28), 10)
    assert summary.title == "mlp 784-128-256-10"
    assert [(layer.kind, layer.output, layer.parameters) for layer in summary.layers] == [
        ("Linear", (128,), 100_480),
        ("ReLU", (128,), 0),
        ("Linear", (256,), 33_024),
        ("ReLU", (256,), 0),
        ("Linear", (10,), 2_570),
    ]


@pytest.mark.parametrize(("name", "title"), [("cnn", "cnn 3x32x32"), ("resnet18", "resnet18")])
def test_summary_title(name: str, title: str) -> None:
    assert summarize(Model(name=name), COLOUR, 10).title == title
