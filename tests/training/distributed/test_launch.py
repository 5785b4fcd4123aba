"""The devices of the ranks."""

import sys
from pathlib import Path

import psutil
import pytest
import torch

from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.errors import ConfigError
from tuitrain.runs.control import Inbox
from tuitrain.runs.records import RunInfo
from tuitrain.runs.writer import create
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


def test_more_processes_than_cores_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "available_cores", lambda: 8)
    assert launch.choose_devices(config("training.devices=8", "training.device=cpu")) == ["cpu"] * 8
    with pytest.raises(ConfigError, match="99 processes on the 8 cores"):
        launch.choose_devices(config("training.devices=99", "training.device=cpu"))


def test_ranks_that_do_not_obey_a_stop_are_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "PATIENCE", 0.5)
    folder = create(tmp_path, RunInfo(id="", name="deaf"), Config())
    inbox = Inbox(folder)
    inbox.put("stop")
    deaf = [sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"]
    others = psutil.Process().children(recursive=True)
    outcome = launch.run_ranks(deaf, ["cpu", "cpu"], inbox)
    assert (outcome.status, "were killed" in outcome.reason) == ("stopped", True)
    # Another test's server may run in this process, and who kills a rank may not have waited for its end.
    _, left = psutil.wait_procs(set(psutil.Process().children(recursive=True)).difference(others), 60)
    assert not left


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without GPUs")
@pytest.mark.parametrize("devices", ["2", "all", "0,1"])
def test_without_a_gpu_several_devices_are_an_error(devices: str) -> None:
    with pytest.raises(ConfigError, match="torch sees no CUDA device") as raised:
        launch.choose_devices(config(f"training.devices={devices}"))
    assert raised.value.key == "training.devices"


def test_what_batch_normalization_would_miss_is_refused() -> None:
    plain, normalized = (
        prepare(config("training.device=cpu", "model.name=cnn", f"model.batch_norm={norm}"), lambda *_: None)
        for norm in ("no", "yes")
    )
    for setup in (plain, normalized):
        setup.config = override(setup.config, ["training.checkpointing=true"])
    check_norms(plain)
    with pytest.raises(ConfigError, match="does not work with batch normalization on several devices") as raised:
        check_norms(normalized)
    assert raised.value.key == "training.checkpointing"


def test_processes_on_the_cpu_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = config("training.devices=3", "training.device=cpu")
    assert launch.choose_devices(settings) == ["cpu"] * 3
    monkeypatch.setattr("tuitrain.training.distributed.rank.available_cores", lambda: 8)
    assert config_of_rank(settings, "cpu", 3).training.threads == 2
    assert config_of_rank(settings, "cpu", 16).training.threads == 1
    assert config_of_rank(override(settings, ["training.threads=5"]), "cpu", 3).training.threads == 5
    assert config_of_rank(settings, "cuda:1", 2).data.workers == 4
