"""The network of a checkpoint, and the facts about it that exports record."""

import json
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor, nn

from tuitrain import __version__
from tuitrain.config.code import COMMAND, is_spec
from tuitrain.config.schema import Config
from tuitrain.config.values import flatten
from tuitrain.errors import RunError
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Evaluation, RunInfo
from tuitrain.text import plain
from tuitrain.training import checkpoint, models
from tuitrain.training.data.normalize import Normalization
from tuitrain.training.models.user_model import check_output

# Runs of older versions do not record the value of a white pixel.
_DIGITS, _DIGITS_WHITE, _WHITE = "digits", 16, 255


@dataclass(frozen=True)
class Trained:
    """The weights of a checkpoint `which`, last or best; `test` is their evaluation on the test split, or None."""

    folder: RunFolder
    which: str
    info: RunInfo
    config: Config
    tensors: dict[str, Tensor]
    epoch: int
    step: int
    test: Evaluation | None

    @property
    def white(self) -> int | None:
        """The largest value of a pixel; None if the run does not record it."""
        if self.info.white is not None:
            return self.info.white
        if is_spec(self.config.data.dataset):
            return None
        return _DIGITS_WHITE if self.config.data.dataset == _DIGITS else _WHITE

    @property
    def normalization(self) -> Normalization | None:
        """The normalization of the images; None if the run does not record it."""
        if self.white is None or not self.info.mean:
            return None
        return Normalization(tuple(self.info.mean), tuple(self.info.std), self.white)

    @cached_property
    def network(self) -> nn.Module:
        """The network on the CPU, in eval mode. Raises RunError, and ConfigError if it cannot be built."""
        config, shape, classes = self.config.model, self.info.shape, len(self.info.classes)
        network = models.build(config, shape, classes)
        if is_spec(config.name):
            check_output(config, network, shape, classes)  # Creates the parameters of lazy layers.
        checkpoint.load_weights(network, {"model": self.tensors}, self.folder.checkpoints / self.which)
        return network.eval()

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata of safetensors and ONNX files, which must be strings: names as they are, all else as JSON."""
        info = self.info
        # mean and std are null if the run does not record them.
        formula = "(pixel / white - mean) / std per channel; white is the largest pixel value"
        values = {
            "run": self.folder.id, "name": info.name, "checkpoint": self.which, "epoch": self.epoch, "step": self.step,
            "model": info.model, "input": ["batch", *info.shape], "classes": info.classes,
            "normalization": {
                "formula": formula, "white": self.white, "mean": info.mean or None, "std": info.std or None,
            },
            # A command may contain the address of a private channel.
            "settings": flatten(self.config) | {COMMAND: None}, "tuitrain": __version__,
        }  # fmt: skip
        return {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}


def load(folder: RunFolder, which: str) -> Trained:
    """Load the checkpoint `which`, last or best. Raises RunError if it is missing or damaged."""
    path = folder.checkpoints / f"{which}.safetensors"
    info, config, saved = folder.info(), folder.config(), checkpoint.load(path)
    if which == "last":
        epoch, _, step = checkpoint.position(saved, path)
    else:
        best = folder.state().best
        epoch, step = (best.epoch, best.step) if best else (0, 0)
    tensors = saved.get("model")
    if not isinstance(tensors, dict) or not info.classes:
        raise RunError(f"The checkpoint {which} of {plain(folder.id)} is damaged: it contains no model.")
    return Trained(folder, which, info, config, tensors, epoch, step, _test(folder, which, step))


def _test(folder: RunFolder, which: str, step: int) -> Evaluation | None:
    """Return the evaluation of the weights of this step on the test split, if the run has one."""
    for name in dict.fromkeys((which, "last")):
        with suppress(RunError):
            found = folder.evaluation("test", name)
            if found is not None and found.step == step:
                return found
    return None
