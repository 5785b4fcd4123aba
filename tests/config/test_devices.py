"""Which devices a run may train on."""

import pytest

from tuitrain.config.devices import can_serve, devices_needed, is_distributed, serves
from tuitrain.config.schema import Config
from tuitrain.config.sweeps.sweep import Sweep
from tuitrain.config.sweeps.validation import check_sweep
from tuitrain.config.values import override
from tuitrain.errors import ConfigError


@pytest.mark.parametrize(
    ("wanted", "devices"),
    [
        ("auto", "cpu cuda:0 cuda:1 mps"),
        ("cuda", "cuda:0 cuda:1"),
        ("cuda:1", "cuda:1"),
        ("cpu", "cpu"),
        ("mps", "mps"),
    ],
)
def test_the_devices_that_serve_a_run(wanted: str, devices: str) -> None:
    every = ("cpu", "cuda:0", "cuda:1", "mps")
    config = override(Config(), [f"training.device={wanted}"])
    assert " ".join(device for device in every if serves(device, wanted)) == devices
    assert can_serve(every, config)
    assert not can_serve([device for device in every if device not in devices.split()], config)


@pytest.mark.parametrize(
    ("devices", "serving", "others"),
    [
        ("2", ["cuda:0 cuda:1", "cuda:3 cuda:1 cpu"], ["cuda:0 cuda:0", "cuda:0", "cuda:0 cpu", "cpu"]),
        ("all", ["cuda:0", "cuda:0 cuda:1"], ["cpu"]),
        ("1,3", ["cuda:1 cuda:3", "cuda:0 cuda:1 cuda:3"], ["cuda:0 cuda:1", "cuda:1"]),
    ],
)
def test_a_run_on_several_devices_needs_different_gpus(devices: str, serving: list[str], others: list[str]) -> None:
    config = override(Config(), [f"training.devices={devices}"])
    assert [can_serve(names.split(), config) for names in serving] == [True] * len(serving)
    assert [can_serve(names.split(), config) for names in others] == [False] * len(others)


def test_processes_on_the_cpu_share_it() -> None:
    config = override(Config(), ["training.devices=2", "training.device=cpu"])
    assert can_serve(["cpu"], config)
    assert devices_needed(config, ["cpu"]) == 1


def test_several_machines_have_several_ranks_and_no_single_device() -> None:
    nodes = ["training.nodes=2"]
    assert [is_distributed(override(Config(), each)) for each in ([], nodes, ["training.devices=2"])] == [
        False, True, True,
    ]  # fmt: skip
    assert override(Config(), [*nodes, "training.device=cuda:1"])
    for setting in ("data.batch_size=auto", "training.device=mps", "training.compile=true"):
        with pytest.raises(ConfigError, match=r"training\.nodes = 2"):
            override(Config(), [*nodes, setting])
    with pytest.raises(ConfigError, match="A sweep trains each run on one machine"):
        check_sweep(Sweep(base=override(Config(), nodes), values={"optimizer.lr": (0.1, 0.2)}))
