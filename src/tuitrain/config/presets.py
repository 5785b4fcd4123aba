"""Presets of the New run form: complete configurations, listed as overrides of the defaults."""

from tuitrain.config.fine_tuning import FINE_TUNING, fine_tuning
from tuitrain.config.schema import Config
from tuitrain.config.values import override

_CLASSIC = (
    "data.dataset=mnist",
    "data.normalize=false",
    "data.validation=0",
    "model.hidden=[128, 256]",
    "model.activation=sigmoid",
    "optimizer.lr=0.01",
)

PRESETS: dict[str, tuple[str, ...]] = {
    "digits in seconds": (),
    "classic: sgd, sigmoid": (*_CLASSIC, "optimizer.name=sgd"),
    "classic: adam, sigmoid": (*_CLASSIC, "optimizer.name=adam"),
    "classic: adam, relu": (*_CLASSIC, "optimizer.name=adam", "model.activation=relu", "optimizer.lr=0.001"),
    "mnist cnn": (
        "data.dataset=mnist", "data.augment=[auto]", "data.batch_size=128", "model.name=cnn", "model.batch_norm=true",
        "optimizer.name=adamw", "optimizer.lr=0.003", "schedule.name=one-cycle", "training.epochs=5",
    ),
    "cifar10 resnet18": (
        "data.dataset=cifar10", "data.augment=[auto]", "data.batch_size=128", "model.name=resnet18",
        "optimizer.name=sgd", "optimizer.momentum=0.9", "optimizer.nesterov=true", "optimizer.weight_decay=0.0005",
        "optimizer.lr=0.1", "schedule.name=cosine", "schedule.final=0", "training.epochs=30",
        "training.precision=bf16",
    ),
    "my own images": (
        "data.dataset=image-folder", "data.dir=images", "data.augment=[random-resized-crop, flip]",
        "data.crop_scale=0.35", "model.name=resnet18",
        "optimizer.name=adamw", "schedule.name=cosine", "schedule.warmup=1", "training.epochs=20",
    ),
    # More than 99 % test accuracy, on average over seeds, after one epoch of a few seconds on two cores.
    "mnist-99": (
        "data.dataset=mnist", "data.validation=0", "data.batch_size=96", "model.name=cnn",
        "model.channels=[8, 16, 48]", "model.convolutions=1", "model.batch_norm=true", "optimizer.name=adamw",
        "optimizer.lr=0.015", "optimizer.beta1=0.85", "optimizer.beta2=0.99", "optimizer.weight_decay=0.05",
        "schedule.name=one-cycle", "schedule.final=0.001", "training.epochs=1",
    ),
}  # fmt: skip


def preset(name: str, current: Config | None = None, images: int | None = None) -> Config:
    """Return the configuration of the preset `name`, one of PRESETS or FINE_TUNING. Raise KeyError if there is none.

    Presets of FINE_TUNING keep the data of the `current` configuration, which may be None, and depend on its number of
    training `images`, None if unknown.
    """
    if name in FINE_TUNING:
        return fine_tuning(name, current or Config(), images)
    return override(Config(), PRESETS[name])
