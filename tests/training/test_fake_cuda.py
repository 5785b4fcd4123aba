"""Training steps on a simulated GPU: torch's fake tensors have a device and a shape but no values.

Reading a value or mixing devices raises. Only the backward pass is missing, because it needs a driver.
"""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.torch_version import TorchVersion

from tuitrain.config.schema import Config
from tuitrain.training import backward, checkpoint, models, readback
from tuitrain.training.cuda_graphs import step as captured_module
from tuitrain.training.cuda_graphs.graph import SideStream
from tuitrain.training.cuda_graphs.step import GraphStep, capture_obstacle
from tuitrain.training.cuda_graphs.warmup import WARMUP_STEPS
from tuitrain.training.data.augment import augmentations
from tuitrain.training.data.dataset import Dataset
from tuitrain.training.data.decoding.whole_photos import PhotoCrop
from tuitrain.training.data.normalize import Normalization, Normalizer
from tuitrain.training.data.shared import SharedBatches, SharedSplit
from tuitrain.training.data.splits import MemorySplit, to_device
from tuitrain.training.data.transforms.mixing import mixing
from tuitrain.training.evaluation.evaluate import batch_size
from tuitrain.training.loop import Loop
from tuitrain.training.metrics import RunningMetrics, StackedMetrics
from tuitrain.training.optim import build
from tuitrain.training.optim.build import build_optimizer
from tuitrain.training.optim.norms import gradient_layers
from tuitrain.training.progress import TrainingProgress
from tuitrain.training.setup import Setup
from tuitrain.training.stacking import graph_step as captured_stack_module
from tuitrain.training.stacking.graph_step import StackedGraphStep
from tuitrain.training.stacking.network import StackedMLP, StackedOptimizer

Quick = Callable[..., Config]
DEVICE = torch.device("cuda", 0)
RECIPES = {
    "mlp": (),
    "augmented, clipped": ("data.augment=[shift, flip, crop]", "optimizer.clip_norm=1", "schedule.name=one-cycle"),
    "cnn": ("model.name=cnn", "model.batch_norm=true", "model.dropout=0.2", "training.label_smoothing=0.1"),
    "color, mixed": (
        "data.augment=[random-resized-crop, vertical-flip, rotate, color, randaugment, trivialaugment, erase, mixup,"
        " cutmix]", "training.label_smoothing=0.1",
    ),
    "sgd": ("optimizer.name=sgd", "optimizer.momentum=0.9"),
    "nadam": ("optimizer.name=nadam",),
}  # fmt: skip
pytestmark = pytest.mark.skipif(
    TorchVersion(torch.__version__) < "2.10", reason="fake tensors of torch 2.9 need a driver to copy"
)


def fake_backward(self: backward.AutogradBackward, loss: Tensor) -> None:
    assert loss.device == DEVICE
    for parameter in self._model.parameters():
        parameter.grad = torch.empty_like(parameter)


@pytest.fixture(autouse=True)
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    cpu = torch.device("cpu")
    event = SimpleNamespace(query=lambda: False, synchronize=lambda: pytest.fail("waited for the device"))
    monkeypatch.setattr(backward.AutogradBackward, "backward", fake_backward)
    monkeypatch.setattr(torch.autograd, "backward", lambda *_: None)
    monkeypatch.setattr(readback, "record_event", lambda: event)
    monkeypatch.setattr(captured_module, "SideStream", lambda _: SideStream(cpu))
    monkeypatch.setattr(captured_stack_module, "SideStream", lambda _: SideStream(cpu))
    monkeypatch.setattr(checkpoint, "rng_state", lambda _, **__: {})
    monkeypatch.setattr(checkpoint, "set_rng_state", lambda *_: None)
    fused = (torch.optim.Adam, torch.optim.SGD)
    monkeypatch.setattr(build, "_has_fused_kernel", lambda kind, _: kind in fused)
    with torch.library._scoped_library("aten", "IMPL") as library:
        for name in ("_fused_adam_.tensor_lr", "_fused_sgd_.tensor_lr", "_fused_sgd_"):
            library.impl(name, lambda *_, **__: None, "Meta")
        with FakeTensorMode():
            yield


def make_setup(config: Config, split: object = None) -> Setup:
    with DEVICE:
        model = models.build(config.model, (1, 8, 8), 10).train()
        split = split or MemorySplit(torch.empty(200, 1, 8, 8, dtype=torch.uint8), torch.zeros(200, dtype=torch.int64))
        normalization = Normalization((0.1,), (0.3,))
        normalize = Normalizer(normalization, DEVICE)
    dataset = cast(Dataset, SimpleNamespace(train=split, shape=(1, 8, 8)))
    return Setup(
        config=config, device=DEVICE, threads=1, dataset=dataset, model=model,
        optimizer=build_optimizer(config.optimizer, model), scaler=torch.amp.GradScaler("cuda", enabled=False),
        normalize=normalize, transforms=(*augmentations(config.data, normalization.in_unit_range), normalize),
        layers=gradient_layers(model), mix=mixing(config.data, 10),
    )  # fmt: skip


def fake_capture(warm_up: Callable[[], None], step: Callable[[], None]) -> Callable[[], None]:
    for _ in range(WARMUP_STEPS):
        warm_up()
    step()
    return step


def test_reading_a_fake_tensor_raises() -> None:
    with pytest.raises(DataDependentOutputException):
        torch.zeros((), device=DEVICE).item()
    with pytest.raises(RuntimeError):
        torch.zeros(3, device=DEVICE) + torch.zeros(3)


def test_an_order_on_the_gpu_stays_there() -> None:
    order = torch.arange(3, device=DEVICE)
    assert to_device(order, DEVICE) is order


def test_an_evaluation_on_a_gpu_has_large_batches() -> None:
    with DEVICE:
        split = MemorySplit(torch.empty(3000, 1, 8, 8), torch.zeros(3000, dtype=torch.int64))
    assert batch_size(split, (1, 8, 8)) == 1000


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_captured_step_does_not_synchronize(quick: Quick, recipe: str) -> None:
    made = make_setup(quick(*RECIPES[recipe]))
    assert not capture_obstacle(made)
    metrics = RunningMetrics(100, DEVICE)
    captured = GraphStep(made, metrics, fake_capture)
    # Eager steps and checkpoints find numbers and no gradients.
    assert all(isinstance(group["lr"], float) for group in made.optimizer.param_groups)
    assert all(parameter.grad is None for parameter in made.model.parameters())
    for rate in (0.1, 0.1, 0.05):
        captured(torch.arange(64, device=DEVICE), rate)
    assert not metrics.start_readback(captured.norms())[1].ready


def test_crops_of_photos_do_not_synchronize(quick: Quick) -> None:
    with DEVICE:
        split = MemorySplit(torch.empty(200, 1, 12, 12, dtype=torch.uint8), torch.zeros(200, dtype=torch.int64))
        split.crop = PhotoCrop(torch.ones(200), 8, 0.1)
    captured = GraphStep(make_setup(quick(), split), RunningMetrics(100, DEVICE), fake_capture)
    captured(torch.arange(64, device=DEVICE), 0.1)


class BareLoop(Loop):
    """A loop without folder, commands and clock."""

    def __init__(self, setup: Setup) -> None:
        self.setup, self.config, self.progress, self.metrics = (
            setup,
            setup.config,
            TrainingProgress(0.1, 1),
            RunningMetrics(100, DEVICE),
        )


@pytest.mark.parametrize("recipe", [*RECIPES, "accumulated"])
def test_eager_steps_and_rows_do_not_synchronize(quick: Quick, recipe: str) -> None:
    loop = BareLoop(make_setup(quick(*RECIPES.get(recipe, ("optimizer.accumulate=2",)))))
    for norms in loop._eager_steps(torch.arange(200, device=DEVICE)):
        if norms is not None:
            loop.start_row(norms)
    assert loop.progress.samples == 200
    assert len(loop._pending_rows) > 1
    assert len(loop.metrics) == 0


@pytest.mark.parametrize("recipe", ["mlp", "augmented, clipped", "sgd"])
def test_a_captured_step_of_a_stack_does_not_synchronize(quick: Quick, recipe: str) -> None:
    config = quick(*RECIPES[recipe])
    with DEVICE:
        whole = MemorySplit(torch.empty(200, 1, 8, 8, dtype=torch.uint8), torch.zeros(200, dtype=torch.int64))
        splits = [SharedSplit(whole, torch.arange(150)) for _ in range(3)]
    setups = [make_setup(config, split) for split in splits]
    net, stacked = (
        StackedMLP([setup.model for setup in setups]),
        StackedMetrics([RunningMetrics(100, DEVICE) for _ in setups]),
    )
    optimizer: Any = StackedOptimizer(setups, net, [0, 0, 1])
    batches = SharedBatches(whole, [setup.normalize for setup in setups])
    captured = StackedGraphStep(net, optimizer, batches, stacked, (3, 64), config.optimizer.clip_norm, fake_capture)
    captured(torch.zeros(3, 64, dtype=torch.int64, device=DEVICE))
    assert captured.norms().shape == (3, len(setups[0].layers))
    assert [metrics.start_readback()[0] for metrics in stacked._runs] == [[64], [64], [64]]
