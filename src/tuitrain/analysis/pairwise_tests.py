"""What the tests of several runs say against each other, worked out once as long as the runs stand still."""

from collections.abc import Mapping

from tuitrain.analysis.mcnemar import McNemar, mcnemar
from tuitrain.errors import RunError
from tuitrain.runs.follower import Follower
from tuitrain.runs.records import Evaluation
from tuitrain.text import plain


class Verdicts:
    """`runs` by id."""

    def __init__(self, runs: Mapping[str, Follower]) -> None:
        self._runs = runs
        self._evaluations: dict[str, tuple[float, Evaluation | None, str]] = {}
        self._tests: dict[tuple[str, str, float, float], McNemar | None] = {}

    def evaluation(self, id: str) -> tuple[Evaluation | None, str]:
        """The test with the last weights, or why there is none."""
        return self._evaluation(id)[1:]

    def against(self, baseline: str) -> dict[str, McNemar]:
        """For each run that was tested on the same images as the baseline."""
        others = {id: self._test(baseline, id) for id in self._runs if id != baseline}
        return {id: test for id, test in others.items() if test is not None}

    def _evaluation(self, id: str) -> tuple[float, Evaluation | None, str]:
        """Read again once the run has got on."""
        run = self._runs[id]
        known = self._evaluations.get(id)
        if known is None or known[0] != run.state.heartbeat:
            try:
                evaluation, reason = run.folder.evaluation("test"), ""
            except (RunError, OSError) as error:
                evaluation, reason = None, plain(error)
            known = self._evaluations[id] = (run.state.heartbeat, evaluation, reason)
        return known

    def _test(self, baseline: str, id: str) -> McNemar | None:
        before, first, _ = self._evaluation(baseline)
        after, second, _ = self._evaluation(id)
        key = (baseline, id, before, after)
        if key not in self._tests:
            try:
                self._tests[key] = mcnemar(first, second) if first and second else None
            except RunError:
                self._tests[key] = None
        return self._tests[key]
