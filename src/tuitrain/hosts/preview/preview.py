"""What a configuration will come to, before anything is trained."""

import math
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from tuitrain.config.schedule import lr_factor
from tuitrain.config.schema import Config, Data, Model
from tuitrain.errors import ConfigError, TuitrainError
from tuitrain.hosts.preview.split_sizes import SplitSizes, split_sizes
from tuitrain.text import plain

# Tensors of a parameter's size that an optimizer keeps for it, beside a momentum; muon keeps one for some.
STATES = {"adam": 2, "adamw": 2, "nadam": 2, "radam": 2, "muon": 2, "rmsprop": 1, "adagrad": 1}
WITH_MOMENTUM = ("sgd", "rmsprop")


class Layer(Struct, frozen=True):
    kind: str
    output: tuple[int, ...]
    parameters: int


class NetworkSummary(Struct, frozen=True):
    title: str
    parameters: int
    layers: tuple[Layer, ...]

    @property
    def batch_norm(self) -> bool:
        return any(layer.kind.startswith("BatchNorm") for layer in self.layers)


class Preview(Struct, frozen=True):
    """What is known of `config`; `final`. `problem` is a sentence, `key` the setting at fault."""

    config: Config
    splits: SplitSizes | None = None
    network: NetworkSummary | None = None
    problem: str = ""
    key: str = ""
    final: bool = False

    @property
    def steps_per_epoch(self) -> int:
        """0 where the size of the training split is not known."""
        count, size = self.splits.train if self.splits else 0, self.config.data.batch_size
        # As the loop does: a last batch of one image has no variance to normalise by.
        if self.network and self.network.batch_norm and size > 1 and count % size == 1:
            count -= 1
        return math.ceil(math.ceil(count / size) / self.config.optimizer.accumulate)

    @property
    def steps(self) -> int:
        return self.steps_per_epoch * self.config.training.epochs

    @property
    def memory_bytes(self) -> int:
        """Of the parameters and what the optimizer keeps of them, in fp32."""
        optimizer = self.config.optimizer
        states = STATES.get(optimizer.name, 0) + (optimizer.name in WITH_MOMENTUM and optimizer.momentum > 0)
        return 4 * (1 + states) * (self.network.parameters if self.network else 0)

    def rates(self, points: int = 240) -> tuple[list[float], list[float]]:
        """Learning rates over the run, at epochs that are no more than `points`."""
        per_epoch, total = self.steps_per_epoch, self.steps
        steps = sorted({round(index * (total - 1) / (points - 1)) for index in range(points)}) if total else []
        schedule, peak = self.config.schedule, self.config.optimizer.lr
        return [step / per_epoch for step in steps], [
            peak * lr_factor(schedule, step, per_epoch, total) for step in steps
        ]


@lru_cache(maxsize=64)
def summarize_network(model: Model, shape: tuple[int, int, int], classes: int) -> NetworkSummary:
    """Loads torch. Raises ConfigError where the network cannot be built so."""
    from tuitrain.training.models.summary import summarize

    found = summarize(model, shape, classes)
    layers = tuple(Layer(layer.kind, layer.output, layer.parameters) for layer in found.layers)
    return NetworkSummary(found.title, found.parameters, layers)


def add_network(preview: Preview) -> Preview:
    """The second answer, which loads torch."""
    if preview.splits is None:
        return replace(preview, final=True)
    try:
        found = _shaped(preview.splits, preview.config.data)
        return replace(
            preview,
            splits=found,
            network=summarize_network(preview.config.model, found.shape, found.classes),
            final=True,
        )
    except Exception as error:
        problem, key = _told(error)
        return replace(preview, problem=problem, key=key, final=True)


def _shaped(found: SplitSizes, data: Data) -> SplitSizes:
    """`auto` channels: grey where all images looked at are."""
    if data.dataset != "image-folder" or data.channels != "auto":
        return found
    from tuitrain.training.data.decode import is_grey

    rgb = False in [is_grey(path) for path in found.samples]
    return replace(found, shape=(3 if rgb else 1, *found.shape[1:]))


def preview_data(config: Config) -> Preview:
    """The first answer."""
    try:
        return Preview(config, split_sizes(config.data))
    except Exception as error:
        problem, key = _told(error)
        return Preview(config, problem=problem, key=key)


def _told(error: Exception) -> tuple[str, str]:
    if isinstance(error, TuitrainError):
        return plain(error), error.key if isinstance(error, ConfigError) else ""
    return plain(f"{type(error).__name__}: {error}", 200), ""
