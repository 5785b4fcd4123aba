"""The evaluations of a run that show what its network has learned."""

from tuitrain.errors import RunError
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Best, Evaluation

# The most informative first.
EVALUATIONS = (("test", "best"), ("test", "last"), ("validation", "best"), ("validation", "last"))


def read_evaluations(folder: RunFolder, best: Best | None) -> tuple[list[Evaluation], list[str]]:
    """Return the evaluations in the order of `EVALUATIONS`, and why others cannot be read. `best` is the run's best
    epoch: a run that was extended may have become better since the evaluation of the best weights."""
    found, problems = [], []
    for split, which in EVALUATIONS:
        try:
            evaluation = folder.evaluation(split, which)
        except RunError as error:
            problems.append(str(error))
            continue
        if evaluation is not None and (which == "last" or best is None or evaluation.step == best.step):
            found.append(evaluation)
    return found, problems
