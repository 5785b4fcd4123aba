"""The devices that a worker gives to its run."""

import pytest

from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.hosts.resources import WorkerResources


@pytest.mark.parametrize(
    ("devices", "given", "expected"),
    [
        ("none", "cuda:1", ("cuda:1", None)),
        ("2", "cuda:3,cuda:1", ("cuda", "cuda:3,cuda:1")),
        ("all", "cuda:0,cuda:1", ("cuda", "cuda:0,cuda:1")),
        # A queue with a single GPU of several.
        ("all", "cuda:2", ("cuda:2", None)),
        ("2", "cpu", ("cpu", "2")),
        ("none", "", ("auto", None)),
    ],
)
def test_the_devices_of_a_run(devices: str, given: str, expected: tuple[str, str | None]) -> None:
    config = WorkerResources(given).apply(override(Config(), [f"training.devices={devices}"]))
    assert (config.training.device, config.training.devices) == expected
