"""The preview says what becomes of the initial weights."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.hosts.preview.preview import Preview, add_network, preview_data
from tuitrain.runs.follower import Follower
from tuitrain.training import models
from tuitrain.training.setup import prepare
from tuitrain.widgets.forms.preview import facts


def preview_of(*settings: str, runs_dir: Path = Path("runs")) -> Preview:
    return add_network(preview_data(override(Config(), settings), runs_dir))


def line(preview: Preview, name: str = "weights") -> str:
    lines = facts(preview, 1, {}, compact=False).plain.splitlines()
    return next(line.removeprefix(name).strip() for line in lines if line.startswith(name))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """The weights of a cnn for 10 classes of grey images, and one tensor that it does not need."""
    config = override(Config(), ["model.name=cnn", "model.channels=[4]"])
    tensors = models.build(config.model, (1, 8, 8), 10).state_dict()
    save_file(tensors | {"counter": torch.tensor(1)}, tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


def test_tensors_are_counted_as_the_run_counts_them(weights: Path) -> None:
    settings = ("model.name=cnn", "model.channels=[4]", f"model.weights={weights}", "training.device=cpu")
    preview = preview_of(*settings)
    info = prepare(override(Config(), settings), lambda *_: None).weights
    assert (preview.problem, preview.final) == ("", True)
    assert preview.weights is not None
    assert info is not None
    assert (preview.weights.info.loaded, preview.weights.info.skipped) == (info.loaded, info.skipped)
    assert line(preview) == f"{info.loaded} loaded, 0 created, 1 skipped"


def test_the_classifier_of_other_classes_is_created(tmp_path: Path) -> None:
    network = tmp_path / "mine.py"
    network.write_text(
        "from torch import nn\n"
        "def Net(classes, channels, image_size):\n"
        "    return nn.Sequential(nn.Flatten(), nn.LazyLinear(4), nn.ReLU(), nn.Linear(4, classes))\n"
    )
    trained = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.ReLU(), nn.Linear(4, 3))
    torch.save({"state_dict": trained.state_dict()}, tmp_path / "w.pt")
    preview = preview_of(f"model.name={network}:Net", f"model.weights={tmp_path / 'w.pt'}")
    assert preview.problem == ""
    assert line(preview) == "2 loaded, 2 created (classifier), 0 skipped"


def test_weights_of_another_network_are_refused_at_their_field(weights: Path) -> None:
    preview = preview_of("model.name=cnn", "model.channels=[5]", f"model.weights={weights}")
    assert preview.key == "model.weights"
    assert "does not belong to this network" in preview.problem
    assert preview.network is not None


def test_the_weights_of_a_run_show_its_network_size_and_normalization(
    train: Callable[..., Follower], tmp_path: Path
) -> None:
    run = train("model.name=resnet18", "data.image_size=20", "data.fraction=0.05", "training.epochs=1").folder
    info = run.info()
    preview = preview_of(
        "data.dataset=cifar10", "model.name=resnet18", f"model.weights=run:{info.name}", runs_dir=tmp_path / "runs"
    )
    assert preview.splits is not None
    assert preview.splits.shape == (3, 20, 20)
    assert preview.weights is not None
    assert (preview.weights.info.mean, preview.weights.info.std) == (tuple(info.mean), tuple(info.std))
    mean, std = f"{info.mean[0]:.3g}", f"{info.std[0]:.3g}"
    assert f"resnet18 of {info.name} · 20x20 · mean {mean}, std {std}" in line(preview)


@pytest.mark.parametrize(("name", "message"), [
    ("run:", "model.weights = run: names no run. Set it to run:NAME"), ("run:  ", "names no run"),
    ("run:nobody", "nobody"), ("missing.pt", "there is no file"),
])  # fmt: skip
def test_weights_that_do_not_exist_are_reported_at_their_field(name: str, message: str, tmp_path: Path) -> None:
    preview = preview_of("model.name=cnn", f"model.weights={name}", runs_dir=tmp_path)
    assert message in preview.problem
    assert (preview.key, preview.final) == ("model.weights", True)


def test_pretrained_weights_are_not_downloaded_for_a_preview(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    preview = preview_of("data.dataset=cifar10", "model.name=mobilenet_v3_small", "model.weights=pretrained")
    assert (preview.problem, line(preview)) == ("", "downloaded when the run starts")
    assert list(tmp_path.iterdir()) == []
    assert preview.splits is not None
    assert preview.splits.shape == (3, 224, 224)
