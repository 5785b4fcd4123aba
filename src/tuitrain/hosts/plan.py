"""Plan a run without training it: the memory that it needs, and how long it takes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from tuitrain.analysis.memory import Need
from tuitrain.config.data.datasets import DATASETS
from tuitrain.config.data.photo_datasets import PHOTO_DATASETS
from tuitrain.config.devices import is_distributed
from tuitrain.config.schema import Config
from tuitrain.errors import ConfigError, TrainingError, TuitrainError
from tuitrain.hosts.launch import ProgressCallback
from tuitrain.hosts.log_capture import LogCapture
from tuitrain.hosts.lr_find import with_what_most_epochs_train
from tuitrain.hosts.paths import with_absolute_paths
from tuitrain.hosts.preview.preview import Preview, add_network, preview_data
from tuitrain.hosts.preview.split_sizes import is_on_disk
from tuitrain.runs.records import RunInfo

if TYPE_CHECKING:
    from tuitrain.training.setup import Setup


class Times(Struct, frozen=True):
    """Seconds of a step, an epoch and the run, from `steps` measured steps of one batch; `images` says of which
    images."""

    step: float
    epoch: float
    run: float
    steps: int
    images: str


class Plan(Struct, frozen=True):
    """What a run needs. A step has `accumulate` batches. `times` is None if it does not fit, or if `problem`
    prevented the measurement. `fitting` are the settings with which a run fits that does not, by key; empty if
    unknown."""

    need: Need
    accumulate: int
    steps_per_epoch: int
    epochs: int
    times: Times | None = None
    problem: str = ""
    fitting: dict[str, Any] = {}


def make_plan(config: Config, runs_dir: Path, progress: ProgressCallback) -> Plan:
    """Estimate the memory of a run and, if it fits, measure a few steps. The user has typed or allowed the code in
    `config`. Nothing is downloaded. Raise TuitrainError if the data or the network are not as `config` says."""
    with LogCapture():
        progress("loading torch", None)
        if is_distributed(config):
            from tuitrain.training.distributed.launch import check_devices

            check_devices(config)
        config = with_absolute_paths(with_what_most_epochs_train(config), runs_dir)
        preview = add_network(preview_data(config, runs_dir))
        if preview.problem:
            raise ConfigError(preview.problem, key=preview.key)
        progress("estimating the memory", None)
        with _explained():
            from tuitrain.training.estimate.batch import settings_that_fit, with_batch_size

            estimate = _estimator(preview)
            assert preview.splits is not None
            config = with_batch_size(config, preview.splits.train, estimate)
            preview = replace(preview, config=config)
            need, accumulate = estimate(config), config.optimizer.accumulate
            plan = Plan(need, accumulate, preview.steps_per_epoch, config.training.epochs)
            if not plan.need.fits:
                return replace(plan, fitting=settings_that_fit(config, estimate))
        return _with_times(plan, preview, progress)


def _estimator(preview: Preview) -> Callable[[Config], Need]:
    from tuitrain.training.device import choose_device, free_memory
    from tuitrain.training.estimate.batch import estimator

    splits, device = preview.splits, choose_device(preview.config.training.device)
    assert splits is not None
    images = splits.train + splits.validation + splits.test
    return estimator(splits.shape, splits.classes, images, device, free_memory(device))


@contextmanager
def _explained() -> Iterator[None]:
    """Raise TrainingError if the network cannot be estimated: a user's may read values, which fake tensors lack."""
    try:
        yield
    except TuitrainError:
        raise
    except (Exception, SystemExit) as error:
        from tuitrain.training.user_code import describe

        raise TrainingError(f"The memory cannot be estimated: {describe(error)}.") from None


def _with_times(plan: Plan, preview: Preview, progress: ProgressCallback) -> Plan:
    from tuitrain.training.estimate.speed import measure_speed
    from tuitrain.training.user_code import FAILURES, describe

    splits = preview.splits
    assert splits is not None
    try:
        setup = _setup(preview, progress)
        progress("measuring steps", None)
        speed = measure_speed(setup)
    except FAILURES as error:
        return replace(plan, problem=describe(error))
    images = splits.train + splits.validation + splits.test
    epoch = speed.epoch(plan.steps_per_epoch, splits.validation)
    run = speed.run(plan.epochs, plan.steps_per_epoch, splits.validation, images, splits.test)
    return replace(plan, times=Times(speed.step, epoch, run, speed.steps, setup.dataset.name))


def _setup(preview: Preview, progress: ProgressCallback) -> "Setup":
    """Build what the run would train, with random weights, and with random images if its own are not on the disk."""
    from tuitrain.training.estimate.random_images import random_images
    from tuitrain.training.setup import prepare

    splits, config = preview.splits, preview.config
    assert splits is not None
    # A record of the weights stands in for their file, which may have to be downloaded.
    before = RunInfo(id="", name="", weights=preview.weights.info if preview.weights else None)
    load = None
    if not _is_present(config):
        count = min(splits.train, 2 * config.data.images_per_batch)
        load = random_images(splits.shape, splits.classes, count)
    return prepare(config, progress, load, before, has_checkpoint=True)


def _is_present(config: Config) -> bool:
    """Return whether the images are on the disk, or built in. Only data sets by name can be missing."""
    data = config.data
    named = data.dataset in DATASETS or data.dataset in PHOTO_DATASETS
    return not named or data.dataset == "digits" or is_on_disk(data)
