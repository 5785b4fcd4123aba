"""Sample the values of a sweep's trials by random or tpe. Optuna is imported only here."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import fmean
from typing import TYPE_CHECKING, Any

from tuitrain.config.formatting import format_value
from tuitrain.config.sweeps.sweep import Choices, Range, Sweep, Values
from tuitrain.config.validation import find_setting
from tuitrain.errors import ConfigError, RunError, TuitrainError
from tuitrain.runs.catalog.result import metric
from tuitrain.runs.files import read_json
from tuitrain.runs.owner import OwnedError, claim_file, release_file
from tuitrain.runs.sweeps.folder import SweepError, SweepFolder
from tuitrain.runs.sweeps.index import Outcome
from tuitrain.runs.sweeps.records import Sample
from tuitrain.text import plain

if TYPE_CHECKING:
    import optuna

# Number of samples to draw before giving up if all of them contradict the settings.
MAX_TRIES = 100
# Seconds between two attempts to get the lock while another process samples.
RETRY_INTERVAL = 0.1


def sample_values(folder: SweepFolder, trial: int, outcomes: list[Outcome]) -> Values:
    """Return the values of a trial; sample and store them first if no process has done so yet. Raise RunError if no
    sample is valid, and SweepError if Optuna's storage cannot be used."""
    if (values := folder.values(trial)) is None:
        with _sampling_lock(folder):
            if (values := folder.values(trial)) is None:
                sample = _draw_sample(folder, trial, outcomes)
                folder.write_sample(trial, sample)
                values = sample.values
    return values


def report_outcomes(folder: SweepFolder, outcomes: list[Outcome]) -> None:
    """Report the last trials to Optuna at the end of the sweep. Raise SweepError if its storage cannot be used."""
    sweep = folder.sweep()
    if sweep.options.method != "grid":
        with _sampling_lock(folder):
            _report_finished_trials(_open_study(folder, sweep, 0), folder, sweep, outcomes)


@contextmanager
def _sampling_lock(folder: SweepFolder) -> Iterator[None]:
    """Keep other processes from sampling; turn errors of Optuna's storage into SweepError."""
    folder.check_own_files()
    owner_file = folder.path / "jobs" / "sampling.owner"
    while True:
        try:
            claim_file(owner_file)
            break
        except OwnedError:
            time.sleep(RETRY_INTERVAL)
    try:
        yield
    except (TuitrainError, OSError):
        raise
    except Exception as error:
        # The user's storage and its driver may raise anything; the first line of the message is the summary.
        summary = plain(str(error).partition("\n")[0], 160).rstrip(".")
        raise SweepError(f"Optuna's storage cannot be used: {summary}.", "Check sweep.storage.") from None
    finally:
        release_file(owner_file)


def _draw_sample(folder: SweepFolder, trial: int, outcomes: list[Outcome]) -> Sample:
    sweep = folder.sweep()
    study = _open_study(folder, sweep, trial)
    _report_finished_trials(study, folder, sweep, outcomes)
    for _ in range(MAX_TRIES):
        optuna_trial = study.ask()
        values = {key: _suggest(optuna_trial, key, choices) for key, choices in sweep.values.items()}
        try:
            sweep.config(values, 0)
        except ConfigError:
            study.tell(optuna_trial, state=_states().FAIL)
            continue
        return Sample(values, optuna_trial.number)
    raise RunError(f"None of {MAX_TRIES} sampled combinations is valid.", "Narrow the choices in [sweep.values].")


def _open_study(folder: SweepFolder, sweep: Sweep, trial: int) -> "optuna.Study":
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # Seeded by the trial, so that random values do not depend on the process that samples them.
    seed = (sweep.base.training.seed * 1_000_003 + trial) % 2**32
    return optuna.create_study(
        study_name=folder.id,
        storage=sweep.options.storage or JournalStorage(JournalFileBackend(str(folder.journal_file))),
        sampler=optuna.samplers.RandomSampler(seed)
        if sweep.options.method == "random"
        else optuna.samplers.TPESampler(seed=seed),
        direction="maximize" if sweep.higher_is_better else "minimize",
        load_if_exists=True,
    )


def _states() -> Any:
    from optuna.trial import TrialState

    return TrialState


def _report_finished_trials(study: "optuna.Study", folder: SweepFolder, sweep: Sweep, outcomes: list[Outcome]) -> None:
    """Report trials whose runs have all ended, once each: the mean metric, or a failure if a run has none."""
    trials: dict[int, list[Outcome]] = {}
    for outcome in outcomes:
        trials.setdefault(outcome.job.trial, []).append(outcome)
    running = {trial.number for trial in study.get_trials(deepcopy=False, states=(_states().RUNNING,))}
    for trial, runs in trials.items():
        path = folder.sample_file(trial)
        if not all(run.done for run in runs) or not path.exists():
            continue
        number = read_json(path, Sample).number
        if number not in running:
            continue
        scores = [score for run in runs if (score := metric(run.state, sweep.objective)) is not None]
        if scores and len(scores) == len(runs):
            study.tell(number, fmean(scores), skip_if_finished=True)
        else:
            study.tell(number, state=_states().FAIL, skip_if_finished=True)


def _suggest(trial: "optuna.trial.Trial", key: str, choices: Choices) -> Any:
    if not isinstance(choices, Range):
        # As text, which every storage keeps and every dashboard shows.
        texts = [format_value(choice) for choice in choices]
        return choices[texts.index(trial.suggest_categorical(key, texts))]
    kind = find_setting(key).kind
    if kind is int or (kind is object and choices.whole):
        return trial.suggest_int(key, int(choices.low), int(choices.high), log=choices.log)
    value = trial.suggest_float(key, choices.low, choices.high, log=choices.log)
    # Four significant digits are readable and easy to type.
    return min(choices.high, max(choices.low, float(f"{value:.4g}")))
