"""Presets for pretrained networks, which depend on the network and on the number of training images."""

from collections.abc import Sequence

from tuitrain.config.networks import TIMM
from tuitrain.config.schema import Config
from tuitrain.config.values import build_config, changed_settings, override

# A good compromise of accuracy and time on one GPU: 28 M parameters.
NETWORK = "timm/convnext_tiny"
# Steps after which fine-tuning a few thousand images has usually converged, and limits of the epochs.
STEPS, LONG_STEPS = 1000, 4000
EPOCHS, LONG_EPOCHS = (5, 30), (20, 100)
# Parts of the names of transformers, which need smaller steps and a faster decay than convolutional networks.
_TRANSFORMERS = ("vit", "swin", "deit", "beit", "eva", "cait", "xcit", "maxvit", "hiera", "siglip", "clip", "mixer")
# A preset keeps the settings of the data and the machine.
_KEPT = ("data.", "training.device", "training.threads", "training.precision", "training.seed", "notify.")

FINE_TUNING = {
    "linear probe": "train only the classifier, in seconds to minutes",
    "fine-tune": "train all layers for a few epochs",
    "fine-tune, long": "train all layers with strong augmentation and averaged weights",
}


def fine_tuning(name: str, current: Config, images: int | None = None) -> Config:
    """Return the configuration of a preset in `FINE_TUNING` for the data of `current`, and for its network if it has
    pretrained weights. `images` is the number of training images; None: unknown."""
    kept = {key: value for key, value in changed_settings(current).items() if key.startswith(_KEPT)}
    if current.data.dataset == "digits":
        # Nobody fine-tunes on the default of the form.
        kept |= {"data.dataset": "image-folder", "data.dir": "images"}
        images = None
    pretrained = current.model.name not in ("mlp", "cnn")
    network = current.model.name if pretrained else NETWORK
    batch = 32 if images is not None and images < 1000 else 64
    common = (
        f"model.name={network}", f"model.weights={(current.model.weights if pretrained else None) or 'pretrained'}",
        f"data.batch_size={batch}", "optimizer.name=adamw", "schedule.name=cosine", "schedule.final=0",
    )  # fmt: skip
    steps_per_epoch = (images or 2000) / batch
    return override(build_config(kept), (*common, *_settings(name, network, steps_per_epoch)))


def _settings(name: str, network: str, steps_per_epoch: float) -> Sequence[str]:
    if name == "linear probe":
        return ("data.augment=[]", "finetune.freeze=backbone", "optimizer.lr=0.001", "training.epochs=20")
    transformer = any(part in network.removeprefix(TIMM) for part in _TRANSFORMERS)
    rate, decay = ("0.0003", "0.75") if transformer else ("0.0005", "0.85")
    common = (
        f"optimizer.lr={rate}", f"finetune.layer_decay={decay}", "optimizer.weight_decay=0.05",
        "optimizer.decay_norms=false", "finetune.freeze_epochs=1", "schedule.warmup=0.5",
        "training.label_smoothing=0.1",
    )  # fmt: skip
    if name == "fine-tune":
        return (*common, "data.augment=[flip]", f"training.epochs={_epochs(STEPS, steps_per_epoch, EPOCHS)}")
    return (
        *common, "data.augment=[random-resized-crop, flip, randaugment, erase, mixup]", "training.ema=0.999",
        f"training.epochs={_epochs(LONG_STEPS, steps_per_epoch, LONG_EPOCHS)}",
    )  # fmt: skip


def _epochs(steps: int, steps_per_epoch: float, limits: tuple[int, int]) -> int:
    return max(limits[0], min(limits[1], round(steps / steps_per_epoch)))


def trains_norms(config: Config) -> bool:
    """Return whether batch normalization uses the statistics of training batches in any epoch."""
    statistics_stay = bool(config.model.weights) and config.finetune.freeze_norms
    return config.finetune.freeze != "backbone" and not statistics_stay
