"""Find a learning rate by a range test."""

from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from tuitrain.config.schema import Config
from tuitrain.hosts.launch import ProgressCallback
from tuitrain.hosts.log_capture import LogCapture
from tuitrain.hosts.paths import with_absolute_paths

LOW, HIGH, STEPS = 1e-7, 10.0, 100


class RangeTest(Struct, frozen=True):
    """The learning rates of a range test and the smoothed loss at each. `suggestion` is None if the loss did not
    fall."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float | None


def find_learning_rate(
    config: Config,
    runs_dir: Path,
    progress: ProgressCallback,
    *,
    low: float = LOW,
    high: float = HIGH,
    steps: int = STEPS,
) -> RangeTest:
    """Train up to `steps` steps with a growing learning rate, and suggest one. The user has typed or allowed the code
    in `config`. Raise TuitrainError if data, model or optimizer cannot be built."""
    with LogCapture():
        progress("loading torch", None)
        from tuitrain.training.estimate.automatic import choose_batch_size
        from tuitrain.training.lr_finder.range_test import range_test
        from tuitrain.training.lr_finder.suggestion import smoothed, suggestion
        from tuitrain.training.setup import prepare

        setup = prepare(with_what_most_epochs_train(with_absolute_paths(config, runs_dir)), progress)
        if setup.config.data.batch_size == "auto":
            choose_batch_size(setup)
        rates, losses, curve = list[float](), list[float](), list[float]()
        for rate, loss in range_test(setup, low, high, steps):
            rates.append(rate)
            losses.append(loss)
            progress(f"testing learning rates: {rate:.1e} · loss {loss:.4f}", len(rates) / steps)
            curve = smoothed(losses)
            if len(curve) < len(losses):
                break
        return RangeTest(tuple(rates[: len(curve)]), tuple(curve), suggestion(rates, losses))


def with_what_most_epochs_train(config: Config) -> Config:
    """Return `config` without the epochs at the beginning that train only the classifier, whose learning rate is far
    too high for all weights; unchanged if it has no other epochs."""
    if config.finetune.freeze_epochs >= config.training.epochs:
        return config
    return replace(config, finetune=replace(config.finetune, freeze_epochs=0))
