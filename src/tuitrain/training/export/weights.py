"""Write the weights of a network as safetensors, alone or as a folder that timm opens."""

import json
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tuitrain.config.networks import TIMM
from tuitrain.errors import RunError
from tuitrain.training import checkpoint, models
from tuitrain.training.export.description import Description
from tuitrain.training.export.trained import Trained
from tuitrain.training.fine_tuning.head import head_names
from tuitrain.training.models import timm_models

# timm's names for the values of `data.resize`.
_CROP_MODES = {"crop": "center", "squash": "squash", "pad": "border"}


def save(trained: Trained, path: Path) -> None:
    """Write the model's `state_dict` with metadata. Raises OSError."""
    tensors = {name: tensor.contiguous() for name, tensor in trained.tensors.items()}
    save_file(tensors, path, {"format": "pt", **trained.metadata})


def check_tensors(trained: Trained, path: Path) -> str:
    """Raise RunError unless the file contains the weights of the run, bit by bit; say how many there are."""
    found = load_file(path)
    if found.keys() != trained.tensors.keys() or not all(
        found[name].dtype == value.dtype and found[name].numpy().tobytes() == value.contiguous().numpy().tobytes()
        for name, value in trained.tensors.items()
    ):
        raise RunError("The exported weights differ from those of the run.", "Export them again.")
    return f"{len(found):,} tensors"


def load(trained: Trained, path: Path) -> nn.Module:
    """Return the network with the weights of the file."""
    network = models.build(trained.config.model, trained.info.shape, len(trained.info.classes))
    checkpoint.load_weights(network, {"model": load_file(path)}, path)
    return network.eval()


def is_timm(trained: Trained) -> bool:
    return trained.config.model.name.startswith(TIMM)


def timm_config(trained: Trained, description: Description) -> bytes:
    """Return the config.json of a folder that `timm.create_model("local-dir:FOLDER", pretrained=True)` opens."""
    name = trained.config.model.name.removeprefix(TIMM)
    network: Any = trained.network
    known, images = network.pretrained_cfg, description.preprocessing
    channels, (height, width) = images.channels, images.image_size
    heads = head_names(network)
    config = {
        "architecture": name.partition(".")[0],
        "num_classes": len(description.classes),
        "num_features": network.num_features,
        "label_names": description.classes,
        "model_args": timm_models.shape_options(name, trained.info.shape),
        "pretrained_cfg": {
            "tag": "tuitrain",
            "custom_load": False,
            "input_size": [channels, height, width],
            "fixed_input_size": bool(known.get("fixed_input_size")),
            "interpolation": images.interpolation,
            "crop_pct": images.crop_fraction,
            "crop_mode": _CROP_MODES.get(images.resize or "", "squash"),
            "mean": images.mean,
            "std": images.std,
            "num_classes": len(description.classes),
            "label_names": description.classes,
            # timm 1.0.20 would adapt the weights of this layer to the channels, which they fit already.
            "first_conv": known.get("first_conv") if channels == 3 else None,
            "classifier": list(heads) if len(heads) > 1 else heads[0],
        },
    }  # fmt: skip
    return json.dumps(config, indent=2).encode() + b"\n"


def open_with_timm(folder: Path) -> Callable[[Tensor], Tensor]:
    import timm

    try:
        model: nn.Module = timm.create_model(f"local-dir:{folder}", pretrained=True)
    except UnpicklingError:
        # timm before 1.0.25 opens safetensors files of the hub, but takes local ones for pickles.
        config = json.loads((folder / "config.json").read_bytes())
        model = timm.create_model(config["architecture"], num_classes=config["num_classes"], **config["model_args"])
        model.load_state_dict(load_file(folder / "model.safetensors"))
    return model.eval()
