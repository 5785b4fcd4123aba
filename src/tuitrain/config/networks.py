"""List the names of the networks and facts about those of timm, without importing torch or timm."""

import csv
import re
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from msgspec import Struct

from tuitrain.errors import ConfigError
from tuitrain.text import did_you_mean, plain

NETWORKS = (
    "mlp", "cnn", "resnet18", "resnet34", "resnet50", "wide_resnet50_2", "resnext50_32x4d", "alexnet", "vgg11_bn",
    "vgg16_bn", "squeezenet1_1", "densenet121", "googlenet", "inception_v3", "mobilenet_v2", "mobilenet_v3_small",
    "mobilenet_v3_large", "shufflenet_v2_x1_0", "mnasnet1_0", "efficientnet_b0", "efficientnet_v2_s", "regnet_x_400mf",
    "regnet_y_400mf", "convnext_tiny", "vit_b_16", "swin_t", "swin_v2_t", "maxvit_t",
)  # fmt: skip
# Those whose ReLU `model.activation` replaces.
WITH_RELU = tuple(name for name in NETWORKS if name not in (
    "googlenet", "inception_v3", "mobilenet_v2", "efficientnet_b0", "efficientnet_v2_s", "convnext_tiny", "vit_b_16",
    "swin_t", "maxvit_t",
))  # fmt: skip
TIMM = "timm/"
# timm's names are those of functions; a tag after a dot selects one of several sets of pretrained weights.
TIMM_NAME = r"timm/[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)?"
# A function or class in a Python file.
FILE_NAME = r".+\.py:[^\W\d]\w*"
# The image size of networks without one of their own.
DEFAULT_SIZE = 64
# The image sizes other than 224 at which torchvision evaluates its weights.
_WEIGHTS_SIZE = 224
_WEIGHTS_SIZES = {"inception_v3": 299, "efficientnet_v2_s": 384, "swin_v2_t": 256}
_REGISTERED = re.compile(r"^@register_model\s+def (\w+)\(", re.MULTILINE)


class NetworkFacts(Struct, frozen=True):
    """A network of timm with its default weights: millions of parameters, image size in pixels, and top-1 accuracy on
    ImageNet-1k in percent. None: unknown."""

    parameters: float | None = None
    size: int | None = None
    accuracy: float | None = None

    def __str__(self) -> str:
        parts = (
            self.parameters is not None and f"{self.parameters:.1f} M parameters",
            self.size is not None and f"{self.size} px",
            self.accuracy is not None and f"ImageNet {self.accuracy:.1f} %",
        )
        return " · ".join(part for part in parts if part)


@cache
def timm_names() -> tuple[str, ...]:
    """Return the names of the installed timm's networks, without the prefix `timm/`, from its source code: importing
    timm takes seconds."""
    spec = find_spec("timm")
    if spec is None or spec.origin is None:
        return ()
    sources = (Path(spec.origin).parent / "models").glob("*.py")
    return tuple(sorted(name for path in sources for name in _REGISTERED.findall(path.read_text(encoding="utf-8"))))


@cache
def _table() -> dict[str, NetworkFacts]:
    def number(text: str) -> float | None:
        return float(text) if text else None

    table = files("tuitrain.config").joinpath("timm_models.csv").read_text(encoding="utf-8")
    return {
            row["name"]: NetworkFacts(number(row["parameters"]), int(row["size"]) if row["size"] else None,
                                      number(row["accuracy"]))
            for row in csv.DictReader(table.splitlines())
        }  # fmt: skip


def facts(name: str) -> NetworkFacts:
    """Return the facts about the network `name`, which has the prefix `timm/`."""
    return _table().get(name.removeprefix(TIMM).partition(".")[0], NetworkFacts())


def check_network(name: str) -> None:
    """Raise ConfigError if the installed timm lacks the network."""
    wanted = name.removeprefix(TIMM).partition(".")[0]
    if not name.startswith(TIMM) or wanted in timm_names():
        return
    hint = did_you_mean(wanted, timm_names()) or "To list its networks, type timm/ in the field network of the form."
    raise ConfigError(f"timm has no network {plain(wanted, 80)!r}.", hint, key="model.name")


def default_image_size(name: str, weights: str | None) -> int:
    """Return the height and width of images that `data.image_size = auto` means for the network."""
    if name.startswith(TIMM):
        return facts(name).size or _WEIGHTS_SIZE
    if weights and name not in ("mlp", "cnn"):
        return _WEIGHTS_SIZES.get(name, _WEIGHTS_SIZE)
    return DEFAULT_SIZE
