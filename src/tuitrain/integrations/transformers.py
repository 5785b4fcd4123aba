"""Log the runs of Hugging Face's Trainer, and stop them.

`Trainer(..., callbacks=[TuitrainCallback(name="mine")])`
"""

from dataclasses import MISSING, fields
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

import tuitrain
from tuitrain.logger.run import Run

# The settings that the run always has; of the others, it has those that are not the default.
MAIN = (
    "learning_rate", "per_device_train_batch_size", "num_train_epochs", "weight_decay", "seed", "optim",
    "lr_scheduler_type",
)  # fmt: skip


class TuitrainCallback(TrainerCallback):  # type: ignore[misc]
    """A callback of the Trainer; the options are those of `tuitrain.init`. The run ends with the script."""

    def __init__(self, **options: Any) -> None:
        self._options = options
        self.run: Run | None = None

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, *_: Any, **__: Any) -> None:
        if self.run is None and state.is_world_process_zero:
            self.run = tuitrain.init(**self._options)
            self.run.config.setdefaults(_settings(args))

    def on_log(self, _: Any, state: TrainerState, *__: Any, logs: dict[str, Any] | None = None, **___: Any) -> None:
        if self.run is not None and logs:
            self.run.log(logs, step=state.global_step)

    def on_step_end(self, _: Any, __: Any, control: TrainerControl, **___: Any) -> TrainerControl:
        if self.run is not None and self.run.should_stop:
            control.should_training_stop = True
        return control


def _settings(args: TrainingArguments) -> dict[str, Any]:
    values = {field.name: (getattr(args, field.name, None), field) for field in fields(args)}
    return {
        name: value
        for name, (value, field) in values.items()
        if name in MAIN
        or (isinstance(value, (bool, int, float, str)) and field.default is not MISSING and value != field.default)
    }
