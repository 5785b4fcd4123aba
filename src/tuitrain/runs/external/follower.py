"""Follow the run of another tool: convert its tags to curves and derive its state."""

import time
from collections.abc import Mapping, Sequence
from math import isfinite, nan
from time import monotonic

from tuitrain.runs.external.curves import Chosen, Epochs, TagCurve, choose
from tuitrain.runs.external.folder import SourceFolder
from tuitrain.runs.external.hparams import by_setting
from tuitrain.runs.external.source import Series
from tuitrain.runs.external.tags import steps_are_epochs
from tuitrain.runs.external_info import ExternalRunInfo
from tuitrain.runs.follower import Curve, Follower
from tuitrain.runs.process import SILENCE, Process
from tuitrain.runs.records import Best, Score, State, Status
from tuitrain.text import plain

# Seconds between two updates of the curves while reading many values.
REDRAW = 0.5


class ExternalFollower(Follower):
    """Follows a run of another tool. The run counts as running while its newest value is younger than `SILENCE`
    seconds, unless the tool recorded its end."""

    def __init__(self, folder: SourceFolder, *, brief: bool = False) -> None:
        super().__init__(folder, brief=brief)
        self.folder: SourceFolder = folder
        self.source = folder.source()
        self._train = TagCurve("lr", "grad_norm")
        self._evaluations = {split: TagCurve("best") for split in ("validation", "test")}
        self.train = self._train
        self.evaluations = dict(self._evaluations)
        self._logged: dict[str, TagCurve] = {}
        self._seen: object = None
        self._assembled = 0.0

    def poll(self, budget: float = 0.05) -> bool:
        try:
            self.behind = more = self.source.poll(monotonic() + budget)
        except OSError as error:
            problem, self.problem = self.problem, f"{plain(self.folder.path.name)} cannot be read: {error.strerror}."
            return problem != self.problem
        seen = (self.source.changes, self.source.problems)
        if seen == self._seen or (more and monotonic() - self._assembled < REDRAW):
            return more | self._update_status()
        self._seen = seen
        self._assemble()
        self._assembled = monotonic()
        return True

    def _update_status(self) -> bool:
        """Update the status, which changes with time alone; return whether it changed."""
        before, self.state.status = self.state.status, self._status()
        return before != self.state.status

    def _assemble(self) -> None:
        chosen = choose(self.source.series, self._declared())
        for split, curve in {"train": self._train, **self._evaluations}.items():
            tags = chosen.get(split, {})
            sources = {column: series for column, (_, series) in tags.items() if column in curve.columns}
            curve.fill({name: one for name, one in sources.items() if name != "epoch"}, self.source.first)
        epochs = self._count_epochs(chosen)
        problems = self.source.problems
        self.problem = " ".join(problems) if problems and not any(map(len, self._curves)) else ""
        self.info = self._info()
        self.state = self._state(epochs, " ".join(problems))

    def _declared(self) -> Mapping[str, str]:
        """Return the columns of tags whose names do not tell them."""
        return {}

    @property
    def _curves(self) -> list[Curve]:
        return [self.train, *self.evaluations.values()]

    def _count_epochs(self, chosen: Chosen) -> Epochs:
        series = next((tags["epoch"][1] for tags in chosen.values() if "epoch" in tags), None)
        epochs = Epochs(series)
        tags = [tag for split in chosen.values() for tag, _ in split.values()]
        self._by_epoch = not epochs and steps_are_epochs(tags)
        for curve in self._curves:
            if "epoch" in curve.columns:
                values = [step + 1.0 if self._by_epoch else epochs.at(step) for step in curve.step]
                curve.columns["epoch"][:] = type(curve["epoch"])("d", values)
        return epochs

    def _named(self) -> dict[str, Series]:
        """Return all series; the name of one in a subfolder begins with the folder's split."""
        return {
            f"{part}: {tag}" if part else tag: values
            for part, tags in self.source.series.items()
            for tag, values in tags.items()
        }

    @property
    def logged_names(self) -> Sequence[str]:
        return list(self.info.curves) if isinstance(self.info, ExternalRunInfo) else ()

    def logged(self, name: str) -> Curve:
        curve = self._logged.setdefault(name, TagCurve("value", scored=False))
        if (series := self._named().get(name)) is not None:
            curve.fill({"value": series}, self.source.first)
        return curve

    def _info(self) -> ExternalRunInfo:
        return ExternalRunInfo(
            id=self.folder.id,
            name=self.folder.name(),
            created=self.source.first or self.source.last,
            files=self.folder.title,
            host=plain(self.source.host, 60),
            hparams=by_setting(self.source.settings),
            curves=self._counts(),
        )

    def _counts(self) -> dict[str, int]:
        """Return the number of values of each series."""
        return {name: len(values.step) for name, values in self._named().items()}

    def _status(self) -> Status:
        if self.source.ended is not None:
            return self.source.ended
        return "running" if abs(time.time() - self.source.last) < SILENCE else "finished"

    def _state(self, epochs: Epochs, reason: str) -> State:
        validation = self._evaluations["validation"]
        step = max((max(0, curve.step[-1]) for curve in self._curves if len(curve)), default=0)
        done = step + 1 if self._by_epoch else int(epochs.done)
        planned = self.info.hparams.get("training.epochs") if isinstance(self.info, ExternalRunInfo) else None
        if not isinstance(planned, int):
            planned = 0
        # Most tools evaluate the validation split once per epoch.
        if not done and len(validation) <= planned:
            done = len(validation)
        per_epoch = 1 if self._by_epoch else epochs.steps_per_epoch
        if not per_epoch and len(validation) and step:
            per_epoch = max(1, round(step / len(validation)))
        first, last = self.source.first, self.source.last
        status = self._status()
        return State(
            status=status,
            reason=reason,
            epoch=done,
            # Without any sign of epochs, a total would say that none of them is done.
            epochs=max(done, planned) if done else 0,
            step=step,
            steps_per_epoch=per_epoch,
            seconds=max(0.0, last - first) if first else nan,
            started=first or None,
            ended=None if status == "running" else last or None,
            heartbeat=last,
            # The process is unknown.
            process=Process("", "", 0, 0.0),
            train=_last(self._train),
            validation=_last(validation),
            test=_last(self._evaluations["test"]),
            best=_best(validation),
        )


def _last(curve: TagCurve) -> Score | None:
    """Return the last loss and accuracy; NaN for an accuracy that does not exist."""
    if not len(curve):
        return None
    loss, accuracy = (next((value for value in reversed(curve[name]) if isfinite(value)), nan)
                      for name in ("loss", "accuracy"))  # fmt: skip
    return Score(loss if isfinite(loss) else None, accuracy) if isfinite(loss) or isfinite(accuracy) else None


def _best(curve: TagCurve) -> Best | None:
    """Return the epoch with the lowest loss, or, without losses, the highest accuracy."""
    rows = range(len(curve))
    row = min((row for row in rows if isfinite(curve["loss"][row])), key=lambda row: curve["loss"][row], default=None)
    if row is None:
        finite = (row for row in rows if isfinite(curve["accuracy"][row]))
        row = max(finite, key=lambda row: curve["accuracy"][row], default=None)
    if row is None:
        return None
    loss, epoch = curve["loss"][row], curve["epoch"][row]
    score = Score(loss if isfinite(loss) else None, curve["accuracy"][row])
    number, step = int(epoch) if isfinite(epoch) else 0, max(0, curve.step[row])
    if score.loss is None:
        return Best(number, step, score, metric="accuracy", value=score.accuracy)
    return Best(number, step, score, value=score.loss)
