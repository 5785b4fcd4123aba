"""The devices of the ranks."""

import pytest
import torch

from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.errors import ConfigError
from tuitrain.training.distributed import launch
from tuitrain.training.distributed.rank import check_norms, config_of_rank
from tuitrain.training.setup import prepare


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Four GPUs, of which 3 and 1 are the freest; returns those that are held."""
    held: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(launch, "choose_gpus", lambda count: sorted([3, 1, 0, 2][:count]))
    monkeypatch.setattr(launch, "hold_gpu", held.append)
    return held


def config(*settings: str) -> Config:
    return override(Config(), settings)


@pytest.mark.parametrize(
    ("devices", "chosen"),
    [("2", "cuda:1,cuda:3"), ("all", "cuda:0,cuda:1,cuda:2,cuda:3"), ("2,0", "cuda:2,cuda:0")],
)
def test_a_number_takes_the_freest_gpus(gpus: list[int], devices: str, chosen: str) -> None:
    assert ",".join(launch.choose_devices(config(f"training.devices={devices}"))) == chosen
    assert [f"cuda:{index}" for index in gpus] == chosen.split(",")


@pytest.mark.parametrize("devices", ["5", "0,4"])
def test_missing_gpus_are_an_error(gpus: list[int], devices: str) -> None:
    with pytest.raises(ConfigError, match="torch sees 4 CUDA devices"):
        launch.choose_devices(config(f"training.devices={devices}"))
    assert not gpus


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without GPUs")
@pytest.mark.parametrize("devices", ["2", "all", "0,1"])
def test_without_a_gpu_several_devices_are_an_error(devices: str) -> None:
    with pytest.raises(ConfigError, match="torch sees no CUDA device") as raised:
        launch.choose_devices(config(f"training.devices={devices}"))
    assert raised.value.key == "training.devices"


@pytest.mark.parametrize("setting", ["checkpointing", "compile"])
def test_what_batch_normalization_would_miss_is_refused(setting: str) -> None:
    plain, normalized = (
        prepare(config("training.device=cpu", "model.name=cnn", f"model.batch_norm={norm}"), lambda *_: None)
        for norm in ("no", "yes")
    )
    for setup in (plain, normalized):
        setup.config = override(setup.config, [f"training.{setting}=true"])
    check_norms(plain)
    with pytest.raises(ConfigError, match="does not work with batch normalization on several devices") as raised:
        check_norms(normalized)
    assert raised.value.key == f"training.{setting}"


def test_processes_on_the_cpu_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = config("training.devices=3", "training.device=cpu")
    assert launch.choose_devices(settings) == ["cpu"] * 3
    monkeypatch.setattr("tuitrain.training.distributed.rank.available_cores", lambda: 8)
    assert config_of_rank(settings, "cpu", 3).training.threads == 2
    assert config_of_rank(settings, "cpu", 16).training.threads == 1
    assert config_of_rank(override(settings, ["training.threads=5"]), "cpu", 3).training.threads == 5
    assert config_of_rank(settings, "cuda:1", 2).data.workers == 4
