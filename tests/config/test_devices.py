"""Which devices a run may train on."""

import pytest

from tuitrain.config.devices import can_serve, serves
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


def test_a_run_on_two_devices_needs_two_different_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuitrain.config.devices.devices_needed", lambda _: 2)
    assert can_serve(["cuda:0", "cuda:1"], Config())
    assert not can_serve(["cuda:0", "cuda:0"], Config())
