"""Log the runs of PyTorch Lightning.

`Trainer(logger=TuitrainLogger(name="mine"), callbacks=[StopOnRequest()])`
"""

from collections.abc import Mapping
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers.logger import Logger, rank_zero_experiment
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_only

import tuitrain
from tuitrain.logger.run import Run


class TuitrainLogger(Logger):  # type: ignore[misc]
    """A Lightning logger; the options are those of `tuitrain.init`."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self._options = options
        self._run: Run | None = None

    @property
    @rank_zero_experiment  # type: ignore[untyped-decorator]
    def experiment(self) -> Run:
        """The run, which begins on first use."""
        if self._run is None:
            self._run = tuitrain.init(**self._options)
        return self._run

    @property
    def name(self) -> str:
        return self._run.name if self._run else str(self._options.get("name") or "")

    @property
    def version(self) -> str:
        return self._run.id if self._run else ""

    @rank_zero_only  # type: ignore[untyped-decorator]
    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None:
        self.experiment.config.update(params)

    @rank_zero_only  # type: ignore[untyped-decorator]
    def log_graph(self, model: LightningModule, input_array: object = None) -> None:  # noqa: ARG002
        # Lightning calls this before it trains, and only the model knows the trainer.
        epochs = model.trainer.max_epochs
        if model.trainer.state.fn == TrainerFn.FITTING and epochs is not None and epochs > 0:
            self.experiment.config.setdefault("max_epochs", epochs)

    @rank_zero_only  # type: ignore[untyped-decorator]
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.experiment.log(metrics, step=step)

    @rank_zero_only  # type: ignore[untyped-decorator]
    def finalize(self, status: str) -> None:
        # Lightning finalizes after each of fit, validate and test; the run ends with the script.
        if status == "failed" and self._run is not None:
            self._run.end("failed", "Lightning reports a failure")


class StopOnRequest(Callback):  # type: ignore[misc]
    """Ends the training when the user stops the run."""

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *_: Any) -> None:  # noqa: ARG002
        runs = [logger.experiment for logger in trainer.loggers if isinstance(logger, TuitrainLogger)]
        if any(run.should_stop for run in runs):
            trainer.should_stop = True
