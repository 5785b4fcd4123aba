"""timm opens the folder of its networks, and the hub's libraries read the card."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

from training.export.photos import write_photos
from tuitrain.hosts.export import export
from tuitrain.runs.follower import Follower
from tuitrain.training.export.trained import load

# timm before 1.0.25 takes local safetensors files for pickles.
OLD = tuple(map(int, timm.__version__.split(".")[:3])) < (1, 0, 25)
QUICK = ("data.dataset=image-folder", "training.epochs=1", "data.batch_size=12", "finetune.freeze_norms=false")


@pytest.mark.parametrize(
    ("network", "settings"),
    [
        ("test_resnet", ("data.image_size=32", "data.channels=rgb", "training.ema=0.9", "data.resize=pad")),
        ("test_vit", ("data.image_size=64", "data.channels=grey", "model.dropout=0.2")),
    ],
)
def test_timm_opens_the_folder(
    train: Callable[..., Follower], tmp_path: Path, network: str, settings: tuple[str, ...]
) -> None:
    photos = write_photos(tmp_path / "photos", 8, 4)
    run = train(*QUICK, f"data.dir={photos}", f"model.name=timm/{network}", *settings)
    exported = export(run.folder, "safetensors", tmp_path / "net", as_folder=True)
    assert exported.check.startswith("checked on 12 test images: same class for all")
    names = {"model.safetensors", "model.json", "config.json", "README.md"}
    assert {path.name for path in (tmp_path / "net").iterdir()} == names
    if OLD:
        return
    model: Any = timm.create_model(f"local-dir:{tmp_path / 'net'}", pretrained=True).eval()
    images = torch.randn(3, *run.info.shape)
    with torch.no_grad():
        torch.testing.assert_close(model(images), load(run.folder, "last").network(images), rtol=1e-4, atol=1e-5)
    assert model.pretrained_cfg["label_names"] == ["blue", "green", "red"]
    facts = timm.data.resolve_model_data_config(model)  # type: ignore[attr-defined,no-untyped-call]
    assert facts["input_size"] == run.info.shape
    assert list(facts["mean"]) == pytest.approx(run.info.mean)
    assert list(facts["std"]) == pytest.approx(run.info.std)
    assert facts["crop_mode"] == ("border" if "data.resize=pad" in settings else "center")
    card = (tmp_path / "net" / "README.md").read_text()
    assert "library_name: timm" in card
    assert "local-dir:FOLDER" in card


def test_a_fine_tuned_network_keeps_the_crop_of_its_weights(train: Callable[..., Follower], tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "photos", 8, 4)
    network: Any = timm.create_model("test_resnet", num_classes=7)
    known = network.pretrained_cfg
    weights = tmp_path / "weights.safetensors"
    save_file(network.state_dict(), weights)
    run = train(*QUICK, f"data.dir={photos}", "model.name=timm/test_resnet", f"model.weights={weights}")
    export(run.folder, "safetensors", tmp_path / "net", as_folder=True)
    description = json.loads((tmp_path / "net" / "model.json").read_text())["preprocessing"]
    assert description["crop_fraction"] == known["crop_pct"] < 1
    assert description["interpolation"] == known["interpolation"]
    config = json.loads((tmp_path / "net" / "config.json").read_text())["pretrained_cfg"]
    assert (config["crop_pct"], config["interpolation"]) == (known["crop_pct"], known["interpolation"])
    assert config["mean"] == description["mean"] == list(known["mean"])
