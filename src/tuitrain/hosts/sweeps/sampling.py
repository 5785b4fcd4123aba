"""Values for the next trial of a sweep by random or tpe, with Optuna, which is imported only here."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import fmean
from typing import TYPE_CHECKING, Any

from tuitrain.config.formatting import format_value
from tuitrain.config.settings import settings
from tuitrain.config.sweeps.sweep import Choices, Range, Sweep, Values
from tuitrain.errors import ConfigError, RunError, TuitrainError
from tuitrain.runs.catalog.result import metric
from tuitrain.runs.files import read_json
from tuitrain.runs.owner import HeldError
from tuitrain.runs.sweeps.folder import SweepError, SweepFolder
from tuitrain.runs.sweeps.index import Outcome
from tuitrain.runs.sweeps.records import Sample
from tuitrain.text import plain

if TYPE_CHECKING:
    import optuna

# Combinations that the settings refuse are asked for again, so often.
TRIES = 100
# Seconds between two looks whether another process has done with sampling.
WAIT = 0.1


def sample_values(folder: SweepFolder, trial: int, outcomes: list[Outcome]) -> Values:
    """The values of the trial, chosen once and kept, whichever of the processes asks first. Raises RunError, and
    SweepError where Optuna's storage cannot be used."""
    if (known := folder.values(trial)) is None:
        with _alone(folder):
            if (known := folder.values(trial)) is None:
                sampled = _ask(folder, trial, outcomes)
                folder.keep(trial, sampled)
                known = sampled.values
    return known


def report_outcomes(folder: SweepFolder, outcomes: list[Outcome]) -> None:
    """Tell Optuna what came of the last trials, after which no other is asked for. Raises SweepError."""
    sweep = folder.sweep()
    if sweep.options.method != "grid":
        with _alone(folder):
            _tell(_study(folder, sweep, 0), folder, sweep, outcomes)


@contextmanager
def _alone(folder: SweepFolder) -> Iterator[None]:
    """No other process uses the storage meanwhile; what that raises is a SweepError."""
    while True:
        try:
            folder.hold_sampling()
            break
        except HeldError:
            time.sleep(WAIT)
    try:
        yield
    except (TuitrainError, OSError):
        raise
    except Exception as error:
        # Whatever the user's storage and its driver raise, of which the first line says what it is.
        said = plain(str(error).partition("\n")[0], 160)
        raise SweepError(f"Optuna's storage cannot be used: {said.rstrip('.')}.", "Is sweep.storage right?") from None
    finally:
        folder.let_go_sampling()


def _ask(folder: SweepFolder, trial: int, outcomes: list[Outcome]) -> Sample:
    sweep = folder.sweep()
    study = _study(folder, sweep, trial)
    _tell(study, folder, sweep, outcomes)
    for _ in range(TRIES):
        asked = study.ask()
        values = {key: _suggest(asked, key, choices) for key, choices in sweep.values.items()}
        try:
            sweep.config(values, 0)
        except ConfigError:
            study.tell(asked, state=_states().FAIL)
            continue
        return Sample(values, asked.number)
    raise RunError(f"No combination of the sweep's values was allowed in {TRIES} tries.", "Narrow [sweep.values].")


def _study(folder: SweepFolder, sweep: Sweep, trial: int) -> "optuna.Study":
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # Seeded by the trial: random values do not depend on which process asks.
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


def _tell(study: "optuna.Study", folder: SweepFolder, sweep: Sweep, outcomes: list[Outcome]) -> None:
    """What became of the trials of which all runs have ended; those that were told before are passed over."""
    trials: dict[int, list[Outcome]] = {}
    for one in outcomes:
        trials.setdefault(one.job.trial, []).append(one)
    running = {trial.number for trial in study.get_trials(deepcopy=False, states=(_states().RUNNING,))}
    for trial, runs in trials.items():
        path = folder.sample_file(trial)
        if not all(one.done for one in runs) or not path.exists():
            continue
        number = read_json(path, Sample).number
        if number not in running:
            continue
        seen = [value for one in runs if (value := metric(one.state, sweep.options.metric)) is not None]
        if seen and len(seen) == len(runs):
            study.tell(number, fmean(seen), skip_if_finished=True)
        else:
            study.tell(number, state=_states().FAIL, skip_if_finished=True)


def _suggest(trial: "optuna.trial.Trial", key: str, choices: Choices) -> Any:
    if not isinstance(choices, Range):
        # As texts, which any storage keeps and any dashboard shows.
        texts = [format_value(choice) for choice in choices]
        return choices[texts.index(trial.suggest_categorical(key, texts))]
    if settings()[key].kind is int:
        return trial.suggest_int(key, int(choices.low), int(choices.high), log=choices.log)
    value = trial.suggest_float(key, choices.low, choices.high, log=choices.log)
    # Four digits are all that anyone wants to read, and to type.
    return min(choices.high, max(choices.low, float(f"{value:.4g}")))
