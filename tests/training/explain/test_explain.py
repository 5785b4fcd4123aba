from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from tuitrain.config.schema import Config
from tuitrain.errors import RunError
from tuitrain.training.explain.explain import explain, smoothed
from tuitrain.training.explain.grad_cam import grad_cam
from tuitrain.training.explain.rollout import attention_rollout
from tuitrain.training.fine_tuning.freeze import freeze_backbone
from tuitrain.training.setup import Setup, prepare

Quick = Callable[..., Config]


def prepared(config: Config) -> Setup:
    return prepare(config, lambda *_: None)


def images_of(setup: Setup, count: int) -> Tensor:
    return next(setup.dataset.test.batches(torch.arange(count), count))[0]


def plain_grad_cam(features: Tensor, logits: Tensor, classes: Tensor, channel: int = 1) -> Tensor:
    """The formula of the paper, for a feature map that the logits depend on."""
    (slope,) = torch.autograd.grad(logits.gather(1, classes[:, None]).sum(), features)
    spatial = [dimension for dimension in (1, 2, 3) if dimension != channel]
    return F.relu((slope.mean(spatial, keepdim=True) * features).sum(channel)).detach()


def test_grad_cam_of_a_resnet_is_that_of_its_last_stage() -> None:
    torch.manual_seed(0)
    model = torchvision.models.resnet18(num_classes=5)
    images, classes = torch.randn(3, 3, 96, 64), torch.tensor([4, 0, 2])
    found = grad_cam(model, images, classes)
    model.eval()
    stages = nn.Sequential(*list(model.children())[:-2])
    features = stages(images)
    logits = model.fc(features.mean((2, 3)))
    expected = plain_grad_cam(features, logits, classes)
    assert found.shape == (3, 3, 2)
    assert found.max() > 0
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("name", "layer"), [("squeezenet1_1", "classifier.2"), ("mobilenet_v3_small", "features")])
def test_grad_cam_uses_the_last_feature_map(name: str, layer: str) -> None:
    torch.manual_seed(0)
    model = torchvision.models.get_model(name, num_classes=4).eval()
    images, classes = torch.randn(2, 3, 64, 64), torch.tensor([1, 3])
    found = grad_cam(model, images, classes)
    kept: list[Tensor] = []
    model.get_submodule(layer).register_forward_hook(lambda *given: kept.append(given[2]))
    logits = model(images)
    torch.testing.assert_close(found, plain_grad_cam(kept[0], logits, classes), rtol=0, atol=1e-5)


def test_a_feature_map_with_channels_last() -> None:
    from timm.models.swin_transformer import SwinTransformer

    torch.manual_seed(0)
    model = SwinTransformer(
        img_size=(16, 24), embed_dim=6, depths=(1, 1), num_heads=(1, 2), window_size=2, num_classes=4
    ).eval()
    images, classes = torch.randn(2, 3, 16, 24), torch.tensor([1, 3])
    kept: list[Tensor] = []
    model.norm.register_forward_hook(lambda *given: kept.append(given[2]))
    found = grad_cam(model, images, classes)
    assert found.shape == (2, 2, 3)
    kept.clear()
    torch.testing.assert_close(found, plain_grad_cam((logits := model(images), kept[0])[1], logits, classes, channel=3))


class _Shared(nn.Module):
    """Uses the same modules several times, and its last feature map is not the output of the last module."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.act, self.pool = (
            nn.Conv2d(1, 4, 3),
            nn.Conv2d(4, 4, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.head = nn.LazyLinear(10)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.pool(self.act(self.first(images)))
        hidden = self.act(self.second(hidden))
        logits: Tensor = self.head(hidden.flatten(1))
        return logits


def test_modules_that_are_used_twice() -> None:
    torch.manual_seed(0)
    model = _Shared().eval()
    images, classes = torch.randn(2, 1, 12, 12), torch.tensor([1, 3])
    model(images)
    features = model.act(model.second(model.pool(model.act(model.first(images)))))
    expected = plain_grad_cam(features, model.head(features.flatten(1)), classes)
    torch.testing.assert_close(grad_cam(model, images, classes), expected)


def test_grad_cam_says_that_an_mlp_has_no_feature_map() -> None:
    with pytest.raises(RunError, match="feature map"):
        grad_cam(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), torch.randn(1, 1, 2, 2), torch.tensor([0]))


@pytest.mark.parametrize(("pool", "registers"), [("token", 0), ("avg", 0), ("token", 2)])
def test_attention_rollout_multiplies_the_attention_of_the_layers(pool: Any, registers: int) -> None:
    from timm.models.vision_transformer import VisionTransformer

    torch.manual_seed(0)
    model = VisionTransformer(
        img_size=(8, 12), patch_size=4, embed_dim=12, depth=2, num_heads=3, num_classes=5, global_pool=pool,
        class_token=pool == "token", reg_tokens=registers,
    )  # fmt: skip
    images = torch.randn(2, 3, 8, 12)
    model.eval()
    found = attention_rollout(model, images)
    assert found is not None
    assert found.shape == (2, 2, 3)
    extra = model.num_prefix_tokens
    tokens = model.patch_embed(images)
    tokens = model.norm_pre(model.patch_drop(model._pos_embed(tokens)))
    total = torch.eye(6 + extra).expand(2, -1, -1)
    for block in model.blocks:
        inside: Any = block
        queries, keys, _ = inside.attn.qkv(inside.norm1(tokens)).reshape(2, 6 + extra, 3, 3, 4).permute(2, 0, 3, 1, 4)
        weights = (queries @ keys.transpose(-2, -1) / 2).softmax(-1).mean(1)
        total = (0.5 * weights + 0.5 * torch.eye(6 + extra)) @ total
        tokens = block(tokens)
    expected = total[:, 0, extra:] if pool == "token" else total.mean(1)
    torch.testing.assert_close(found, expected.reshape(2, 2, 3))
    assert all(block.attn.fused_attn for block in model.blocks)  # type: ignore[union-attr]


class _Colors(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return F.interpolate(images, scale_factor=4).expand(-1, 3, -1, -1)


def enlarged(network: nn.Module) -> nn.Module:
    """Let a network for 3x32x32 take the 1x8x8 images of digits."""
    return nn.Sequential(OrderedDict(enlarge=_Colors(), network=network))


def vit() -> nn.Module:
    from timm.models.vision_transformer import VisionTransformer

    network: nn.Module = VisionTransformer(
        img_size=32, patch_size=8, embed_dim=12, depth=2, num_heads=3, num_classes=10
    )
    return network


def other_vit() -> nn.Module:
    network: Any = torchvision.models.VisionTransformer(32, 8, 1, 2, 12, 24, num_classes=10)
    nn.init.normal_(network.heads.head.weight)
    return nn.Sequential(network)


def efficientnet() -> nn.Module:
    import timm

    network: nn.Module = timm.create_model("test_efficientnet", num_classes=10)
    return network


@pytest.mark.parametrize(
    ("build", "method"),
    [("mlp", "input gradient"), ("cnn", "Grad-CAM"), (vit, "attention rollout"), (efficientnet, "Grad-CAM"),
     (other_vit, "input gradient")],
)  # fmt: skip
def test_explanations_have_the_size_of_the_images(
    quick: Quick, build: str | Callable[[], nn.Module], method: str
) -> None:
    setup = prepared(quick("model.name=" + (build if isinstance(build, str) else "mlp")))
    if not isinstance(build, str):
        setup.model = enlarged(build())
    explanation = explain(setup, images_of(setup, 18))
    assert explanation.method == method
    assert explanation.heat.shape == (18, 8, 8)
    assert explanation.heat.min() >= 0
    assert {1.0} <= set(explanation.heat.amax((1, 2)).tolist()) <= {0.0, 1.0}
    assert torch.equal(explanation.probabilities.argmax(1), explanation.classes)


def test_input_gradients_of_a_linear_network_are_its_weights(quick: Quick) -> None:
    setup = prepared(quick("model.name=mlp"))
    linear = nn.Linear(64, 10)
    setup.model = nn.Sequential(nn.Flatten(), linear)
    explanation = explain(setup, images_of(setup, 2), torch.tensor([7, 3]))
    expected = smoothed(linear.weight[[7, 3]].abs().reshape(2, 8, 8))
    torch.testing.assert_close(explanation.heat, (expected / expected.amax((1, 2), keepdim=True)).detach())


def state_of(model: nn.Module) -> list[Any]:
    weights = [(p.requires_grad, p.grad is None, p.detach().clone()) for p in model.parameters()]
    hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()]
    return [[m.training for m in model.modules()], [getattr(m, "fused_attn", None) for m in model.modules()], hooks,
            [each[:2] for each in weights]]  # fmt: skip


@pytest.mark.parametrize("name", ["mlp", "cnn", "vit"])
@pytest.mark.parametrize("fails", [False, True])
def test_the_model_stays_as_it_was(quick: Quick, name: str, fails: bool) -> None:
    setup = prepared(quick("model.name=" + ("cnn" if name == "cnn" else "mlp"), "training.precision=bf16"))
    if name == "vit":
        setup.model = enlarged(vit())
    if name != "mlp":
        freeze_backbone(setup.model)
    setup.model.train()
    next(setup.model.children()).eval()
    before = state_of(setup.model)
    if not fails:
        heat = explain(setup, images_of(setup, 4)).heat
        assert heat.max() == 1
    else:
        head = [module for module in setup.model.modules() if isinstance(module, nn.Linear)][-1]
        handle = head.register_forward_pre_hook(_fail)
        with pytest.raises(ZeroDivisionError):
            explain(setup, images_of(setup, 4))
        handle.remove()
    assert state_of(setup.model) == before


def _fail(*_: Any) -> None:
    raise ZeroDivisionError


def test_a_frozen_network_gets_the_same_explanation(quick: Quick) -> None:
    free, frozen = (prepared(quick("model.name=cnn", *extra)) for extra in ((), ("finetune.freeze=backbone",)))
    images = images_of(free, 4)
    assert torch.equal(explain(free, images).heat, explain(frozen, images).heat)


def test_bf16_changes_an_explanation_little(quick: Quick) -> None:
    exact, rounded = (prepared(quick("model.name=cnn", f"training.precision={kind}")) for kind in ("fp32", "bf16"))
    images, classes = images_of(exact, 8), torch.arange(8)
    difference = explain(exact, images, classes).heat - explain(rounded, images, classes).heat
    assert 0 < difference.abs().max() < 0.1


class _WithoutGradients(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(64, 10)

    def forward(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            logits: Tensor = self.head(images.flatten(1))
        return logits


def test_a_network_without_gradients_is_an_error(quick: Quick) -> None:
    setup = prepared(quick("model.name=mlp"))
    setup.model = _WithoutGradients()
    with pytest.raises(RunError, match="without gradients"):
        explain(setup, images_of(setup, 1))


def test_weights_that_are_not_numbers_give_no_heat(quick: Quick) -> None:
    setup = prepared(quick("model.name=cnn"))
    with torch.no_grad():
        for weight in setup.model.parameters():
            weight.fill_(float("nan"))
    assert explain(setup, images_of(setup, 2)).heat.max() == 0
