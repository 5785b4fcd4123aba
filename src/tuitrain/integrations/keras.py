"""Log the runs of Keras, and stop them.

`model.fit(..., callbacks=[TuitrainCallback(name="mine")])`
"""

from collections.abc import Mapping
from typing import Any

import keras

import tuitrain
from tuitrain.logger.run import Run


class TuitrainCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """A callback of `fit`; the options are those of `tuitrain.init`. The run ends with the script, so a second `fit`
    continues it."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self._options = options
        self._step = self._epoch = self._first_step = 0
        self.run: Run | None = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        if self.run is None:
            self.run = tuitrain.init(**self._options)
        self.run.config.setdefaults(self._settings())

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        self._epoch, self._first_step = epoch + 1, self._step

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        # With `steps_per_execution`, Keras calls this once for several batches.
        self._step = self._first_step + batch + 1
        self._log(logs)
        if self.run is not None and self.run.should_stop:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        # A model with a training step of its own may have no optimizer.
        if getattr(self.model, "optimizer", None) is not None:
            logs = {"learning_rate": float(self.model.optimizer.learning_rate), **(logs or {})}
        self._log(logs)

    def _log(self, logs: Mapping[str, Any] | None) -> None:
        if self.run is not None:
            self.run.log({**(logs or {}), "epoch": self._epoch}, step=self._step)

    def _settings(self) -> dict[str, Any]:
        settings = {"epochs": self.params["epochs"], "steps_per_epoch": self.params["steps"]}
        if getattr(self.model, "optimizer", None) is not None:
            settings |= self.model.optimizer.get_config()
            settings["optimizer"] = settings.pop("name")
            # Keras returns the learning rate in single precision: 0.1 as 0.10000000149011612.
            if isinstance(settings["learning_rate"], float):
                settings["learning_rate"] = float(f"{settings['learning_rate']:.7g}")
        return {name: value for name, value in settings.items() if value is not None}
