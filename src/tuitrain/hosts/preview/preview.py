"""Preview a configuration without training: split sizes, network, memory and learning rates."""

import math
from collections import Counter
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from tuitrain.analysis.memory import Need
from tuitrain.config.code import DATASET, MODEL, code_of, described, is_spec
from tuitrain.config.data.datasets import TEST_FRACTION
from tuitrain.config.data.image_size import image_size, sized
from tuitrain.config.data.schema import Data
from tuitrain.config.fine_tuning import trains_norms
from tuitrain.config.networks import check_network
from tuitrain.config.optimizer_state import tensors_per_parameter
from tuitrain.config.schedule import lr_factor
from tuitrain.config.schema import Config, Model
from tuitrain.errors import ConfigError
from tuitrain.hosts.preview.child import problem_of
from tuitrain.hosts.preview.split_sizes import SplitSizes, split_sizes
from tuitrain.hosts.preview.weights import InitialWeights, initial_weights, with_counts, with_facts

DATA_NOT_ALLOWED = "The data is read once you have allowed its code: ctrl+r asks."


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
    """The facts about `config` known so far; `final` if only the memory that it may `need` follows. `problem` is an
    error message, `key` the dotted key of the setting that causes it. `may_run` says whether the user has allowed the
    files that it names."""

    config: Config
    splits: SplitSizes | None = None
    network: NetworkSummary | None = None
    weights: InitialWeights | None = None
    problem: str = ""
    key: str = ""
    final: bool = False
    may_run: bool = True
    need: Need | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps per epoch; 0 if the size of the training split or of a batch is unknown."""
        count, size = self.splits.train if self.splits else 0, self.config.data.batch_size
        if size == "auto":
            size = self.need.batch_size if self.need else 0
        if not size:
            return 0
        # The training loop drops a last batch of one image, which batch normalization cannot normalize.
        if self.network and self.network.batch_norm and trains_norms(self.config) and size > 1 and count % size == 1:
            count -= 1
        return math.ceil(math.ceil(count / size) / self.config.optimizer.accumulate)

    @property
    def steps(self) -> int:
        return self.steps_per_epoch * self.config.training.epochs

    @property
    def memory_bytes(self) -> int:
        """Bytes of the parameters and the optimizer state in fp32."""
        tensors = tensors_per_parameter(self.config.optimizer)
        return 4 * tensors * (self.network.parameters if self.network else 0)

    def rates(self, points: int = 240) -> tuple[list[float], list[float]]:
        """Return at most `points` epochs, evenly spaced over the run, and the learning rate at each."""
        per_epoch, total = self.steps_per_epoch, self.steps
        steps = sorted({round(index * (total - 1) / (points - 1)) for index in range(points)}) if total else []
        schedule, peak = self.config.schedule, self.config.optimizer.lr
        epochs = [step / per_epoch for step in steps]
        return epochs, [peak * lr_factor(schedule, step, per_epoch, total) for step in steps]


@lru_cache(maxsize=64)
def summarize_network(model: Model, shape: tuple[int, int, int], classes: int, digest: str = "") -> NetworkSummary:  # noqa: ARG001
    """Return the layers and parameters of a network; loads torch. Raise ConfigError if it cannot be built. `digest` is
    that of the user's file, whose new content is a new network."""
    from tuitrain.training.models.summary import summarize

    summary = summarize(model, shape, classes)
    layers = tuple(Layer(layer.kind, layer.output, layer.parameters) for layer in summary.layers)
    return NetworkSummary(summary.title, summary.parameters, layers)


def add_network(preview: Preview) -> Preview:
    """Return `preview` with the network added, or with the problem; loads torch."""
    if preview.splits is None and not is_spec(preview.config.data.dataset):
        return replace(preview, final=True)
    try:
        preview = replace(preview, splits=preview.splits or _user_splits(preview))
        assert preview.splits is not None
        preview = replace(preview, splits=_note_depths(_detect_channels(preview.splits, preview.config.data)))
        model, digest = preview.config.model, _digest(preview)
        preview = _add_facts(preview, model)
        assert preview.splits is not None
        network = summarize_network(model, preview.splits.shape, preview.splits.classes, digest)
        preview = replace(preview, network=network)
        return replace(_add_counts(preview, digest), final=True)
    except (Exception, SystemExit) as error:
        return replace(preview, **_describe_error(error), final=True)


def add_need(preview: Preview) -> Preview:
    """Return `preview` with the memory that a run needs, if that can be estimated; loads torch, and its compiler."""
    from tuitrain.training.device import choose_device, free_memory
    from tuitrain.training.estimate.batch import estimator, with_batch_size
    from tuitrain.training.gpus import driver_free_memory

    splits, config = preview.splits, preview.config
    if preview.network is None or splits is None:
        return preview
    with suppress(Exception, SystemExit):  # The start of the run shows the problem.
        device = choose_device(config.training.device)
        # A CUDA context would take memory of the GPU as long as the form is open.
        free = driver_free_memory(device.index) if device.type == "cuda" else free_memory(device)
        images = splits.train + splits.validation + splits.test
        estimate = estimator(splits.shape, splits.classes, images, device, free)
        return replace(preview, need=estimate(with_batch_size(config, splits.train, estimate)))
    return preview


def _add_facts(preview: Preview, model: Model) -> Preview:
    """Add the facts about the weights, and the image size that they expect."""
    if preview.weights is None or preview.splits is None:
        return preview
    weights = with_facts(preview.weights, model)
    splits = preview.splits
    if not is_spec(preview.config.data.dataset):
        size = image_size(preview.config, weights.info.size)
        splits = replace(splits, shape=sized(splits.shape, size))
    return replace(preview, weights=weights, splits=splits)


def _add_counts(preview: Preview, digest: str) -> Preview:
    if preview.weights is None or preview.splits is None:
        return preview
    model, splits = preview.config.model, preview.splits
    return replace(preview, weights=with_counts(preview.weights, model, splits.shape, splits.classes, digest))


def _user_splits(preview: Preview) -> SplitSizes:
    """Return the sizes of the splits that the user's function returns. Raise ConfigError if it must not run."""
    data, seed = preview.config.data, preview.config.training.seed
    if not preview.may_run:
        raise ConfigError(DATA_NOT_ALLOWED)
    (code,) = code_of({DATASET: data.dataset})
    return _describe_user_data(data, seed, code.digest())


@lru_cache(maxsize=16)
def _describe_user_data(data: Data, seed: int, digest: str) -> SplitSizes:  # noqa: ARG001
    """`digest` is that of the user's file, whose new content is new data."""
    from tuitrain.training.data.user.dataset import describe

    found = describe(data, seed)
    counts = dict(found.counts)
    if "test" not in counts:
        counts["test"] = math.ceil(TEST_FRACTION * counts["train"])
        counts["train"] -= counts["test"]
    if "validation" not in counts:
        counts["validation"] = math.ceil(data.validation * counts["train"])
        counts["train"] -= counts["validation"]
    sizes = {split: counts[split] if data.validation or split != "validation" else 0 for split in counts}
    location = f"returned by {described(data.dataset)}"
    return SplitSizes(sizes["train"], sizes["validation"], sizes["test"], found.shape, found.classes, location)


def _digest(preview: Preview) -> str:
    """Return the digest of the network's file, or an empty string. Raise ConfigError if it must not run."""
    code = code_of({MODEL: preview.config.model.name})
    if code and not preview.may_run:
        raise ConfigError("The network is built once you have allowed its code: ctrl+r asks.")
    return code[0].digest() if code else ""


def _detect_channels(splits: SplitSizes, data: Data) -> SplitSizes:
    """Resolve `data.channels = auto`: one channel if all sampled images are grey, otherwise three."""
    if not splits.samples or data.channels != "auto":
        return splits
    from tuitrain.training.data.decoding.decode import is_grayscale

    has_colour = any(is_grayscale(path) is False for path in splits.samples)
    return replace(splits, shape=(3 if has_colour else 1, *splits.shape[1:]))


def _note_depths(splits: SplitSizes) -> SplitSizes:
    """Add notes about sampled images with more than 8 bits per value."""
    from tuitrain.training.data.decoding.value_ranges import kind_of

    kinds = Counter(kind for kind in map(kind_of, splits.samples) if kind)
    notes = (
        f"{count} of {len(splits.samples)} sampled images have {kind} values, which are scaled to 0-255"
        for kind, count in sorted(kinds.items())
    )
    return replace(splits, notes=(*splits.notes, *notes))


def with_image_size(config: Config, known: int = 0) -> Data:
    """Return the settings of the data, with the size that `data.image_size = auto` means for the network; auto remains
    if the images keep their size. `known` is that of the images that the weights were trained on."""
    return replace(config.data, image_size=image_size(config, known) or "auto")


def preview_data(config: Config, runs_dir: Path = Path("runs"), *, may_run: bool = True) -> Preview:
    """Return the first preview of `config`: split sizes without the network. `model.weights` may name a run in
    `runs_dir`. Does not load torch."""
    try:
        check_network(config.model.name)
        weights = initial_weights(config, runs_dir)
        if is_spec(config.data.dataset):
            return Preview(config, weights=weights, may_run=may_run)  # Only torch can read it.
        data = with_image_size(config, weights.info.size if weights else 0)
        return Preview(config, split_sizes(data, config.training.seed), weights=weights, may_run=may_run)
    except (Exception, SystemExit) as error:
        return Preview(config, **_describe_error(error), may_run=may_run)


def still_known(preview: Preview, config: Config) -> Preview:
    """Return the facts of `preview` that also hold for `config`: all, or none if data or network differ."""
    if preview.config == config:
        return preview
    same = (preview.config.data, preview.config.model) == (config.data, config.model) and not preview.problem
    return replace(preview, config=config, final=False, need=None) if same else Preview(config)


def _describe_error(error: BaseException) -> dict[str, Any]:
    """Return the fields of `Preview` that describe `error`."""
    return {"problem": problem_of(error), "key": error.key if isinstance(error, ConfigError) else ""}
