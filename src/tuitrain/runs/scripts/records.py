"""The files of a run that a user's script logs, where they differ from those of tuitrain's own runs."""

from math import isfinite, nan

from msgspec import Struct, field

from tuitrain.runs.control import Setting
from tuitrain.runs.records import Best, Count, Score, State

# A longer name of a metric or setting is cut, as is a longer text. A script that logs more names is likely in error.
LONGEST_NAME, LONGEST_TEXT, MOST_SETTINGS, MOST_METRICS = 200, 400, 1000, 10_000


class Script(Struct, kw_only=True):
    """script.json: what the script says of itself, in place of config.toml.

    `settings` and `summary` map names to numbers, booleans and text; `summary` contains only what the script stored
    there. `metrics` maps the names of metrics that the script declared to `loss` or `accuracy`.
    `asks` are the commands that the script asks for: `stop`, and the names of settings.
    """

    settings: dict[str, Setting] = {}
    summary: dict[str, Setting] = {}
    metrics: dict[str, str] = {}
    asks: list[str] = []


class Measured(Struct, frozen=True, omit_defaults=True):
    """The last loss and accuracy of a split, or those of its best epoch; None if the script logged none."""

    loss: float | None = None
    accuracy: float | None = None
    step: Count = 0
    epoch: Count = 0

    @property
    def score(self) -> Score:
        """The score, whose accuracy is NaN if it is unknown."""
        return Score(self.loss, nan if self.accuracy is None else self.accuracy)


class ScriptState(State, kw_only=True):
    """state.json: `measured` has the scores by split, and those of the best epoch as `best`. A `Score` cannot be stored
    without an accuracy."""

    measured: dict[str, Measured] = field(default_factory=dict)

    def as_state(self) -> State:
        """Return the state with the scores in the fields of `State`."""
        known = {name: measured.score for name, measured in self.measured.items()}
        fields = {name: getattr(self, name) for name in State.__struct_fields__}
        fields |= {split: known.get(split) for split in ("train", "validation", "test")}
        return State(**(fields | {"best": self._best()}))

    def _best(self) -> Best | None:
        best = self.measured.get("best")
        if best is None:
            return None
        if best.loss is not None and isfinite(best.loss):
            return Best(best.epoch, best.step, best.score, value=best.loss)
        return Best(best.epoch, best.step, best.score, metric="accuracy", value=best.accuracy)
