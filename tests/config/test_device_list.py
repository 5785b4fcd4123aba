"""training.devices in TOML, --set and messages."""

import pytest

from tuitrain.config.device_list import Devices, several_devices
from tuitrain.config.schema import Config
from tuitrain.config.toml import loads
from tuitrain.config.values import build_config, override
from tuitrain.errors import ConfigError


@pytest.mark.parametrize(
    ("toml", "text", "devices"),
    [
        ("2", "2", Devices(2)),
        ('"all"', "all", Devices(0)),
        ('"0,1"', "0,1", Devices(2, (0, 1))),
        ("[3, 1]", "3,1", Devices(2, (3, 1))),
        ('["cuda:0", "cuda:12"]', "cuda:0,cuda:12", Devices(2, (0, 12))),
    ],
)
def test_numbers_and_lists_are_written_as_users_expect(toml: str, text: str, devices: Devices) -> None:
    config = loads(f"[training]\ndevices = {toml}\n", "run.toml")
    assert config == override(Config(), [f"training.devices={text}"])
    assert Devices.parse(config.training.devices or "") == devices


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "0", "cuda:1", "0,", ",1", "cpu", "auto", [], [1], [0, None]])
def test_other_values_are_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="must be a number of devices, all, or a list such as 0,1"):
        build_config({"training.devices": value})


@pytest.mark.parametrize(
    ("devices", "device", "reason"),
    [
        ("1,cuda:1", "auto", "names a device twice"),
        ("0,1", "cpu", "names GPUs"),
        ("all", "cpu", "names GPUs"),
        ("2", "cuda:1", "is one"),
        ("2", "mps", "is one"),
    ],
)
def test_contradictions_are_refused(devices: str, device: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as raised:
        build_config({"training.devices": devices, "training.device": device})
    assert raised.value.key == "training.devices"
    # A single device is no contradiction.
    assert build_config({"training.devices": "1", "training.device": device}).training.device == device


def test_one_device_is_trained_as_before() -> None:
    assert [several_devices(text) for text in (None, "1", "2", "all", "0,1")] == [False, False, True, True, True]


@pytest.mark.parametrize(
    "setting", [("data.batch_size", "auto"), ("training.checkpointing", True), ("training.compile", True)]
)
def test_settings_of_a_single_device_are_refused(setting: tuple[str, object]) -> None:
    key, value = setting
    values = {"model.name": "resnet18", "training.device": "cpu", key: value}
    with pytest.raises(ConfigError, match=r"needs a single device, and training.devices = 2\.") as raised:
        build_config({**values, "training.devices": "2"})
    assert raised.value.key == key
    assert build_config({**values, "training.devices": "1"})
