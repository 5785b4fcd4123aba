"""Weights from files: what is loaded, created and refused."""

import math
import pickle
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torchvision import models as torchvision_models

from tuitrain.config.schema import Config, Model
from tuitrain.config.values import override
from tuitrain.errors import ConfigError
from tuitrain.runs.records import WeightsInfo
from tuitrain.training.models import build
from tuitrain.training.setup import prepare
from tuitrain.training.weights.find import WeightsFile, find_weights
from tuitrain.training.weights.load import load_initial_weights

pytestmark = pytest.mark.usefixtures("one_thread")
NAME, SHAPE = "mobilenet_v3_small", (3, 64, 64)


def quiet(*_: object) -> None:
    pass


def network(classes: int, shape: tuple[int, int, int] = SHAPE, name: str = NAME) -> nn.Module:
    return build(Model(name=name, weights="some.pt"), shape, classes)


def load(model: nn.Module, path: Path) -> WeightsInfo:
    return load_initial_weights(model, WeightsFile(path, WeightsInfo()), str(path))


def error_of(model: nn.Module, path: Path) -> str:
    with pytest.raises(ConfigError) as raised:
        load(model, path)
    return str(raised.value)


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    model: nn.Module = torchvision_models.mobilenet_v3_small(num_classes=7)
    return model


@pytest.fixture(params=["safetensors", "pth", "wrapped", "parallel"])
def file(trained: nn.Module, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    state = trained.state_dict()
    if request.param == "safetensors":
        save_file(state, tmp_path / "w.safetensors")
        return tmp_path / "w.safetensors"
    wrapped = {"epoch": 3, "state_dict": state}
    parallel = {f"module._orig_mod.{name}": value for name, value in state.items()}
    torch.save({"pth": state, "wrapped": wrapped, "parallel": parallel}[request.param], tmp_path / "w.pth")
    return tmp_path / "w.pth"


def test_all_tensors_of_a_network_with_the_same_classes_are_loaded(trained: nn.Module, file: Path) -> None:
    model = network(7)
    info = load(model, file)
    assert (info.loaded, info.created, info.skipped) == (len(trained.state_dict()), 0, 0)
    assert len(info.sha256) == 64
    for name, value in model.state_dict().items():
        assert torch.equal(value, trained.state_dict()[name])


def test_the_classifier_of_other_classes_starts_at_zero(trained: nn.Module, file: Path) -> None:
    model = network(5)
    info = load(model, file)
    assert (info.created, info.loaded) == (2, len(trained.state_dict()) - 2)
    assert not model.state_dict()["classifier.3.weight"].any()
    assert torch.equal(model.state_dict()["classifier.0.weight"], trained.state_dict()["classifier.0.weight"])


def test_the_first_convolution_sums_up_the_colors_for_grey_images(trained: nn.Module, tmp_path: Path) -> None:
    save_file(trained.state_dict(), tmp_path / "w.safetensors")
    model = network(7, (1, 64, 64))
    load(model, tmp_path / "w.safetensors")
    first = trained.state_dict()["features.0.0.weight"].sum(1, keepdim=True)
    assert torch.allclose(model.state_dict()["features.0.0.weight"], first)


def test_weights_of_another_network_are_refused_by_their_first_names(tmp_path: Path) -> None:
    save_file(torchvision_models.resnet18(num_classes=7).state_dict(), tmp_path / "w.safetensors")
    error = error_of(network(7), tmp_path / "w.safetensors")
    assert "w.safetensors does not belong to this network" in error
    assert "features.0.0.weight" in error
    assert "Set model.name" in error


def test_a_deeper_network_of_the_same_family_is_refused(tmp_path: Path) -> None:
    deeper = torchvision_models.resnet34(num_classes=7).state_dict()
    save_file(deeper, tmp_path / "w.safetensors")
    assert "are not part of the network: layer1.2." in error_of(network(7, name="resnet18"), tmp_path / "w.safetensors")


def test_an_executing_pickle_never_executes(tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "owned",))  # type: ignore[return-value]

    path = tmp_path / "w.pt"
    with path.open("wb") as file:
        pickle.dump({"state_dict": Attack()}, file)
    assert "contains code to run, which is not allowed" in error_of(network(7), path)
    torch.save({"state_dict": Attack()}, path)
    assert "contains code to run, which is not allowed" in error_of(network(7), path)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("suffix", ["safetensors", "pt", "pth", "bin"])
def test_damaged_files_are_refused(trained: nn.Module, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"w.{suffix}"
    save_file(trained.state_dict(), path) if suffix == "safetensors" else torch.save(trained.state_dict(), path)
    whole = path.read_bytes()
    for content in (b"", whole[:1000], whole[:-1000], b"<html>404</html>", b"\0" * 5000):
        path.write_bytes(content)
        error = error_of(network(7), path)
        assert f"{path} is damaged or not a file of weights: " in error
        assert not error.endswith(": .")


def test_weights_that_are_not_finite_are_refused_by_name(trained: nn.Module, tmp_path: Path) -> None:
    state = trained.state_dict() | {"classifier.3.bias": torch.full((7,), math.nan)}
    torch.save(state, tmp_path / "w.pt")
    assert "contains NaN or infinite values in classifier.3.bias" in error_of(network(7), tmp_path / "w.pt")


def test_a_file_without_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "w.pt")
    assert "contains no tensors" in error_of(network(7), tmp_path / "w.pt")


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("missing.pt", "there is no file missing.pt"),
        ("weights.npz", "must be none, pretrained, run:NAME or a file that ends with .safetensors"),
        ("pretrained", "There are no pretrained weights of cnn"),
    ],
)
def test_what_cannot_be_weights_is_refused_before_the_data_are_read(weights: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        find_weights(Model(name="cnn", weights=weights), quiet)
    assert raised.value.key == "model.weights"


def test_the_facts_of_a_network_come_from_its_library(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    path.touch()
    found = find_weights(Model(name="resnet18", weights=str(path)), quiet)
    assert found is not None
    assert (found.info.size, found.info.crop, found.info.interpolation) == (224, 224 / 256, "bilinear")
    assert found.info.mean == (0.485, 0.456, 0.406)


def test_weights_that_are_not_in_the_cache_of_an_offline_machine_say_what_to_bring(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError) as raised:
        find_weights(Model(name="timm/resnet10t", weights="pretrained"), quiet)
    assert "cannot be downloaded: HF_HUB_OFFLINE is set. Bring model.safetensors from https://" in str(raised.value)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_first_convolution_is_adapted_as_timm_does(trained: nn.Module, tmp_path: Path, channels: int) -> None:
    from timm.models import adapt_input_conv

    save_file(trained.state_dict(), tmp_path / "w.safetensors")
    model = network(7, (channels, 64, 64))
    load(model, tmp_path / "w.safetensors")
    expected = adapt_input_conv(channels, trained.state_dict()["features.0.0.weight"])
    assert torch.equal(model.state_dict()["features.0.0.weight"], expected)


def test_a_file_of_weights_fits_the_users_own_network(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self, classes, channels, image_size):\n"
        "        super().__init__()\n"
        "        self.stem = nn.Conv2d(channels, 4, 3)\n"
        "        self.head = nn.LazyLinear(classes)\n"
        "    def forward(self, images):\n"
        "        return self.head(self.stem(images).mean((2, 3)))\n"
    )
    state = {"stem.weight": torch.ones(4, 3, 3, 3), "stem.bias": torch.ones(4),
             "head.weight": torch.ones(9, 4), "head.bias": torch.ones(9)}  # fmt: skip
    torch.save({"model": state}, tmp_path / "w.pt")
    settings = (f"model.name={tmp_path / 'mine.py'}:Net", f"model.weights={tmp_path / 'w.pt'}", "training.device=cpu")
    setup = prepare(override(Config(), settings), quiet)
    assert setup.weights is not None
    assert (setup.weights.loaded, setup.weights.created) == (2, 2)
    assert torch.equal(setup.model.state_dict()["stem.weight"], torch.full((4, 1, 3, 3), 3.0))


@pytest.mark.parametrize("settings", [("data.channels=grey",), ()])
def test_grey_photos_get_the_sum_of_the_weights_for_colors(
    trained: nn.Module, tmp_path: Path, settings: tuple[str, ...]
) -> None:
    for number in range(20):
        path = tmp_path / "photos" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = torch.randint(0, 256, (40, 40, 3) if settings else (40, 40), dtype=torch.uint8)
        Image.fromarray(pixels.numpy()).save(path)
    save_file(trained.state_dict(), tmp_path / "w.safetensors")
    setup = prepare(
        override(Config(), (
            "data.dataset=image-folder", f"data.dir={tmp_path / 'photos'}", f"model.name={NAME}", "training.device=cpu",
            "data.image_size=64", f"model.weights={tmp_path / 'w.safetensors'}", *settings,
        )),
        quiet,
    )  # fmt: skip
    assert setup.dataset.shape == (1, 64, 64)
    assert setup.dataset.mean == pytest.approx((sum((0.485, 0.456, 0.406)) / 3,))
    first = trained.state_dict()["features.0.0.weight"].sum(1, keepdim=True)
    assert torch.allclose(setup.model.state_dict()["features.0.0.weight"], first)
    images, labels = next(setup.dataset.train.batches(torch.arange(4), 4))
    assert setup.forward(setup.inputs_and_labels(images, labels)[0]).shape == (4, 2)
