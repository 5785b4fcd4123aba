"""Judge a run, and compute the simple classifiers that it is compared with where they are missing."""

from tuitrain.analysis.verdict import Verdict, judged_evaluation, run_verdict
from tuitrain.errors import RunError
from tuitrain.hosts.explain.explainer import loaded
from tuitrain.hosts.launch import ProgressCallback
from tuitrain.runs.baselines import Baselines, baselines_of, write_baselines
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.records import ACTIVE, Evaluation
from tuitrain.text import plain


def find_verdict(folder: RunFolder, device: str, progress: ProgressCallback, *, trust: bool = False) -> Verdict:
    """Return the verdict on a run, with the stored baselines or computed ones. Raise TuitrainError if the run is active
    or not evaluated, or if its data is missing, has changed or needs code that is not allowed."""
    evaluation = judged(folder)
    baselines = baselines_of(folder, evaluation, folder.info())
    if baselines is None:
        baselines = _computed(folder, evaluation, device, progress, trust=trust)
        try:
            write_baselines(folder, baselines)
        except OSError as error:
            # A read-only run folder must not prevent the verdict.
            progress(f"the result cannot be stored in the run: {error.strerror}", None)
    return run_verdict(folder, evaluation, baselines)


def judged(folder: RunFolder) -> Evaluation:
    """Return the evaluation that the verdict is about. Raise RunError if there is no verdict on the run."""
    folder.check_writable()
    state = folder.state()
    if (status := shown_status(state)) in ACTIVE:
        raise RunError(f"The run {plain(folder.id)} is {status}.", "The verdict is about runs that have ended.")
    if (evaluation := judged_evaluation(folder, state)) is None:
        hint = f"Make one with: tuitrain evaluate {plain(folder.id)}"
        raise RunError(f"The run {plain(folder.id)} has no evaluation.", hint)
    return evaluation


def _computed(
    folder: RunFolder, evaluation: Evaluation, device: str, progress: ProgressCallback, *, trust: bool
) -> Baselines:
    """Return the baselines of the images of an evaluation."""
    with loaded(folder, "last", device, progress, None, trust=trust) as setup:
        from tuitrain.training.evaluation.baselines import compute_baselines
        from tuitrain.training.user_code import explained

        with explained("The comparison", RunError):
            found = compute_baselines(setup.dataset, evaluation.split, progress)
    if not found.matches(evaluation.split, folder.info().fingerprints | {evaluation.split: evaluation.fingerprint}):
        raise RunError(
            "The images of the run have changed since it was evaluated.", "Restore them, or train a new run on these."
        )
    return found
