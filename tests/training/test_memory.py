"""Networks that do not fit into memory are refused before they are built."""

from collections.abc import Callable

import psutil
import pytest
import torch

from tuitrain.config.schema import Config
from tuitrain.errors import ConfigError
from tuitrain.training import memory, models
from tuitrain.training.device import free_memory
from tuitrain.training.memory import check_network_fits
from tuitrain.training.setup import prepare

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
SHAPE = (1, 8, 8)


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The free bytes of each type of device."""
    bytes = {"cpu": 10**9, "cuda": 10**9}
    monkeypatch.setattr(memory, "free_memory", lambda device: bytes[device.type])
    return bytes


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ((f"model.hidden={[65536] * 20}",), "model.hidden"),
        (("model.name=cnn", f"model.channels={[65536] * 4}"), "model.channels"),
    ],
)
def test_a_huge_network_is_refused_before_it_is_built(
    quick: Callable[..., Config], monkeypatch: pytest.MonkeyPatch, settings: tuple[str, ...], key: str
) -> None:
    devices = []
    build = models.build

    def record(*arguments: object) -> torch.nn.Module:
        devices.append(torch.get_default_device().type)
        return build(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(models, "build", record)
    with pytest.raises(ConfigError, match=r"parameters and needs [\d.]+ [GTP]B on cpu .* but .* GB are free") as caught:
        prepare(quick(*settings), lambda *_: None)
    assert caught.value.key == key
    assert devices == ["meta"]


# Numbers per parameter: weight, gradient, the optimizer's state, and the copy of weight and state.
@pytest.mark.parametrize(
    ("settings", "cpu", "cuda"),
    [
        (("optimizer.name=sgd",), 3, 2),
        (("optimizer.name=sgd", "optimizer.momentum=0.9"), 5, 3),
        (("optimizer.name=rmsprop",), 5, 3),
        (("optimizer.name=adam",), 7, 4),
    ],
)
def test_the_needed_memory_is_exact(
    quick: Callable[..., Config], free: dict[str, int], settings: tuple[str, ...], cpu: int, cuda: int
) -> None:
    config = quick(*settings)
    parameters = sum(weight.numel() for weight in models.build(config.model, SHAPE, 10).parameters())
    for device, count in ((CPU, cpu), (CUDA, cuda)):
        free[device.type] = 4 * parameters * count
        check_network_fits(config, SHAPE, 10, device)
        free[device.type] -= 1
        with pytest.raises(ConfigError, match=rf"on {device} with gradients"):
            check_network_fits(config, SHAPE, 10, device)
        free[device.type] = 10**9


def test_a_gpu_run_needs_main_memory_for_its_checkpoint(quick: Callable[..., Config], free: dict[str, int]) -> None:
    free["cpu"] = 0
    with pytest.raises(ConfigError, match="on cpu"):
        check_network_fits(quick(), SHAPE, 10, CUDA)


def test_counting_draws_no_random_numbers(quick: Callable[..., Config]) -> None:
    before = torch.get_rng_state()
    for name in ("mlp", "cnn", "resnet18", "vit_b_16", "googlenet"):
        check_network_fits(quick(f"model.name={name}"), (3, 32, 32), 10, CPU)
    assert torch.equal(torch.get_rng_state(), before)


def test_free_memory_is_what_the_system_reports() -> None:
    assert 0 < free_memory(CPU) <= psutil.virtual_memory().total
