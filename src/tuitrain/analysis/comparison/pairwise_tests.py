"""McNemar's tests between the runs of a comparison, cached until a run changes."""

from collections.abc import Mapping

from tuitrain.analysis.comparison.mcnemar import mcnemar
from tuitrain.errors import RunError
from tuitrain.runs.follower import Follower
from tuitrain.runs.records import Evaluation
from tuitrain.text import plain


class PairwiseTests:
    """Test each of `runs`, by id, against a baseline."""

    def __init__(self, runs: Mapping[str, Follower]) -> None:
        self._runs = runs
        self._evaluations: dict[str, tuple[float, Evaluation | None, str]] = {}
        self._p_values: dict[tuple[str, str, float, float], float | None] = {}

    def evaluation(self, id: str) -> tuple[Evaluation | None, str]:
        """Return the test evaluation of the best weights, or None and the reason why it cannot be read."""
        return self._evaluation(id)[1:]

    def p_values(self, baseline: str) -> dict[str, float]:
        """Return the p-value of each run that was evaluated on the same images as `baseline`, by run id."""
        others = [id for id in self._runs if id != baseline]
        return {id: p for id in others if (p := self._p_value(baseline, id)) is not None}

    def _evaluation(self, id: str) -> tuple[float, Evaluation | None, str]:
        """Read the evaluation again if the run has progressed."""
        run = self._runs[id]
        cached = self._evaluations.get(id)
        if cached is None or cached[0] != run.state.heartbeat:
            try:
                evaluation, reason = run.folder.best_test(run.state), ""
            except (RunError, OSError) as error:
                evaluation, reason = None, plain(error)
            cached = self._evaluations[id] = (run.state.heartbeat, evaluation, reason)
        return cached

    def _p_value(self, baseline: str, id: str) -> float | None:
        before, first, _ = self._evaluation(baseline)
        after, second, _ = self._evaluation(id)
        key = (baseline, id, before, after)
        if key not in self._p_values:
            try:
                self._p_values[key] = mcnemar(first, second).p if first and second else None
            except RunError:
                self._p_values[key] = None
        return self._p_values[key]
