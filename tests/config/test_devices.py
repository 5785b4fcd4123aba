"""Which devices a run may train on."""

import pytest

from tuitrain.config.devices import can_serve, devices_needed, serves
from tuitrain.config.schema import Config
from tuitrain.config.values import override


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
