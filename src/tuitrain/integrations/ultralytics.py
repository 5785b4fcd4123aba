"""Log the runs of Ultralytics, and stop them.

`model = YOLO("yolo11n-cls.pt"); add_callbacks(model, name="mine"); model.train(...)`
"""

from typing import Any

from ultralytics import YOLO
from ultralytics.engine.trainer import BaseTrainer
from ultralytics.utils import DEFAULT_CFG_DICT

import tuitrain
from tuitrain.logger.run import Run

# The settings that the run always has; of the others, it has those that are not the default.
MAIN = ("model", "data", "epochs", "batch", "imgsz", "optimizer", "lr0", "weight_decay", "seed", "pretrained")


def add_callbacks(model: YOLO, **options: Any) -> None:
    """Log each training of the model as a run; the options are those of `tuitrain.init`."""
    callbacks = Callbacks(options)
    for event in ("on_train_start", "on_train_epoch_start", "on_train_batch_end", "on_fit_epoch_end"):
        model.add_callback(event, getattr(callbacks, event))


class Callbacks:
    """The callbacks of a model. Ultralytics sends them to its other processes before a run starts."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        # The epoch that trains; 0 between epochs.
        self._epoch = self._step = 0
        self._run: Run | None = None

    def on_train_start(self, trainer: BaseTrainer) -> None:
        self._run = tuitrain.init(**self._options)
        for name, value in vars(trainer.args).items():
            if name in MAIN or (value is not None and value != DEFAULT_CFG_DICT.get(name)):
                self._run.config.setdefault(name, value)

    def on_train_epoch_start(self, trainer: BaseTrainer) -> None:
        self._epoch, self._step = trainer.epoch + 1, trainer.epoch * len(trainer.train_loader)

    def on_train_batch_end(self, trainer: BaseTrainer) -> None:
        self._step += 1
        self._log(trainer.label_loss_items(trainer.loss_items, prefix="train"))
        # Other processes would wait for this one for ever if it left them within an epoch.
        if trainer.world_size <= 1:
            self._obey(trainer)

    def on_fit_epoch_end(self, trainer: BaseTrainer) -> None:
        # Ultralytics calls this once more after the last epoch, for the best weights.
        if self._epoch:
            self._log({**(trainer.metrics or {}), **trainer.lr})
            self._obey(trainer)
            self._epoch = 0

    def _log(self, metrics: dict[str, Any]) -> None:
        if self._run is not None:
            self._run.log({**metrics, "epoch": self._epoch}, step=self._step)

    def _obey(self, trainer: BaseTrainer) -> None:
        if self._run is not None and self._run.should_stop:
            trainer.stop = True
