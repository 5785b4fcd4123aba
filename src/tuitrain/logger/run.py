"""A run of a user's script, in the words of wandb."""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

from tuitrain.errors import RunError
from tuitrain.logger.ending import ending
from tuitrain.logger.facts import Facts, Summary
from tuitrain.logger.ignored import ignored
from tuitrain.logger.messages import Notes
from tuitrain.logger.processes import is_worker
from tuitrain.logger.values import Value, clean_name, flatten, read_value, take
from tuitrain.logger.writing import LogWriter
from tuitrain.runs.catalog import edit
from tuitrain.runs.records import RunInfo, SplitName, Status

LARGEST_STEP = 2**53


class Run:
    """A run that a script logs. Nothing here raises: a problem becomes one message on stderr.

    Without a `writer` the run is inert, as in the other processes of torchrun: it takes everything and writes nothing,
    and its summary has the last values.
    """

    def __init__(self, config: Facts, notes: Notes, writer: LogWriter | None) -> None:
        self.config = config
        self._unwritten: dict[Any, Value] = {}
        self.summary = writer.summary if writer else Summary(self._last_unwritten)
        self._notes, self._writer, self._why = notes, writer, ""
        self._folder = writer.folder if writer else None
        self._step = self._logged_step = 0

    @property
    def id(self) -> str:
        return self._folder.id if self._folder else ""

    @property
    def name(self) -> str:
        return self._info().name

    @name.setter
    def name(self, name: str) -> None:
        self._edit(edit.rename, name)

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(self._info().tags)

    @tags.setter
    def tags(self, tags: Iterable[str]) -> None:
        self._edit(edit.set_tags, tags)

    @property
    def notes(self) -> str:
        return self._info().notes

    @notes.setter
    def notes(self, notes: str) -> None:
        self._edit(edit.set_notes, notes)

    def _info(self) -> RunInfo:
        with suppress(RunError):
            if self._folder is not None:
                return self._folder.info()
        return RunInfo(id="", name="")

    def _edit(self, change: Callable[..., None], value: Any) -> None:
        try:
            if self._folder is not None:
                change(self._folder, value)
        except Exception as error:
            self._notes.once("edit", str(error))

    @property
    def dir(self) -> str:
        """The folder of the run; empty for an inert run."""
        return str(self._folder.path) if self._folder else ""

    @property
    def step(self) -> int:
        """The step of the next values that `log` gets without a step."""
        return self._step

    def log(
        self,
        data: Mapping[Any, Any],
        step: int | None = None,
        commit: bool | None = None,
        sync: bool | None = None,  # noqa: ARG002
    ) -> None:
        """Log numbers by name. Without a `step` each call is the next step, counted from 0, unless `commit` is False:
        then the next call adds to the same step. `sync` is wandb's and has no effect."""
        writer = self._writer
        if writer is None:
            self._keep_unwritten(data)
            return
        # Between the steps of a training, the processor's caches forget this code: each further call costs 2 µs.
        try:
            values = dict(data)
            for value in values.values():
                if type(value) is not float and type(value) is not int:
                    values = self._numbers(values)
                    break
            if step is None:
                at = self._step
                self._step += commit is not False
            else:
                at = step if type(step) is int and self._step <= step <= LARGEST_STEP else self._at(step)
                if at >= self._step:
                    self._step = at + (commit is True)
            self._logged_step = at
            if values:
                writer.put(at, values)
        except Exception as error:
            self._notes.once("log", f"log() ignores values that it cannot read: {error!r}.")

    def _numbers(self, data: Mapping[Any, Any]) -> dict[Any, Value]:
        """Return the numbers in nested dictionaries by name, and say once for each other kind that it is ignored."""
        numbers: dict[Any, Value] = {}
        for name, value in flatten(data, "/"):
            try:
                taken = take(value)
            except Exception:
                taken = None
            if taken is None:
                kind, shown = type(value).__name__, clean_name(name)
                self._notes.once(f"kind {kind}", f"log() ignores {shown!r}: only single numbers, not {kind}.")
            else:
                numbers[name] = taken
        return numbers

    def _at(self, step: Any) -> int:
        at = int(step) if isinstance(step, float) else operator.index(step)
        if not 0 <= at <= LARGEST_STEP:
            self._notes.once("range", f"step {at} is not from 0 to 2**53; tuitrain takes the nearest.")
            at = min(max(at, 0), LARGEST_STEP)
        if at < self._step:
            self._notes.once("back", f"step {at} comes after step {self._step}; tuitrain sorts the values by step.")
        return at

    def _keep_unwritten(self, data: Mapping[Any, Any]) -> None:
        if not self._why:
            with suppress(Exception):
                for name, value in flatten(data, "/"):
                    # A tensor itself would keep its graph, with all activations, in memory.
                    if (taken := take(value)) is not None:
                        self._unwritten[name] = taken
        elif not is_worker():
            self._notes.once("inert", self._why)

    def _last_unwritten(self) -> Mapping[Any, float]:
        return {name: read_value(value) for name, value in self._unwritten.items()}

    @property
    def should_stop(self) -> bool:
        """Whether the user has asked the run to stop. Costs less than a microsecond."""
        return self._writer is not None and self._writer.steering.should_stop

    def setting(self, name: str, default: Any = None) -> Any:
        """Return a setting of `config`, or the value that the user has given it since. Nested names have dots."""
        if not isinstance(name, str):
            self._notes.once("setting", f"setting() takes the name of a setting, such as 'lr', and not {name!r}.")
            return default
        if self._writer is None:
            return _lookup(self.config, name, default)
        return self._writer.steering.setting(name, lambda: _lookup(self.config, name, default))

    def log_predictions(
        self, labels: Any, probabilities: Any, classes: Sequence[str], split: SplitName = "test"
    ) -> None:
        """Store the true classes (N,) and the probabilities (N, K) of a split, for confusion matrix, metrics and
        McNemar's test, and log its accuracy and loss."""
        if self._writer is None:
            return
        from tuitrain.logger.predictions import store

        try:
            at = self._writer.epoch, self._logged_step
            found = store(self._writer.folder, labels, probabilities, classes, split, at)
            scores = {f"{split}/accuracy": found.accuracy, f"{split}/loss": found.loss or 0.0}
            self._writer.put(self._logged_step, scores)
        except Exception as error:
            self._notes.once("predictions", f"log_predictions() stores nothing: {error}")

    def finish(self, exit_code: int | None = None, quiet: bool | None = None) -> None:  # noqa: ARG002
        """End the run. An `exit_code` other than 0 means that it failed."""
        self.end("failed" if exit_code else "finished", f"exit code {exit_code}" if exit_code else "")

    def end(self, status: Status, reason: str) -> None:
        writer, self._writer, self._why = self._writer, None, "the run has finished; log() ignores further values."
        if writer is not None:
            writer.close(status, reason)

    def detach(self, why: str) -> None:
        """Become inert in a copy of the process; `why` is the message for its first value."""
        self._writer, self._why = None, why

    def __enter__(self) -> "Run":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(*ending(error))

    def __reduce__(self) -> tuple[Any, ...]:
        """Make copies inert: those in other processes, and deep copies of a model that contains the run."""
        return Run, (self.config, Notes(), None)

    def __getattr__(self, name: str) -> Any:
        """Ignore the rest of wandb's run: `watch`, `save`, `url`, `log_artifact` and so on."""
        if name.startswith("_"):
            raise AttributeError(name)
        self._notes.once(name, f"{name} has no effect.")
        return ignored(name)


def _lookup(settings: Mapping[str, Any], name: str, default: Any) -> Any:
    """Return a setting, or one of nested settings by a name with dots."""
    if name in settings:
        return settings[name]
    outer, dot, inner = name.partition(".")
    nested = settings.get(outer) if dot else None
    return _lookup(nested, inner, default) if isinstance(nested, Mapping) else default
