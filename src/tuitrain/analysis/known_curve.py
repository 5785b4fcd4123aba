"""Find the learning curve of a run among the sweeps of its runs folder."""

from msgspec.structs import replace

from tuitrain.analysis.learning_curve import is_learning_curve, learning_curve, read_infos, sentence
from tuitrain.analysis.next_step import CurveResult
from tuitrain.config.schema import Config
from tuitrain.config.settings import FRACTION
from tuitrain.errors import TuitrainError
from tuitrain.runs.files import read
from tuitrain.runs.follower import Follower
from tuitrain.runs.sweeps.catalog import list_sweeps
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.index import SweepIndex


def known_curve(run: Follower) -> CurveResult | None:
    """Return what the newest learning curve with the settings of the run says, judged by validation images; None
    without one. Sweeps that cannot be read have none."""
    for folder in list_sweeps(run.folder.path.parent):
        try:
            if (result := _result(folder, run)) is not None:
                return result
        except TuitrainError:
            continue
    return None


def _result(folder: SweepFolder, run: Follower) -> CurveResult | None:
    """Return what a sweep says about the run, if it is its learning curve. Raises TuitrainError."""
    # Most sweeps vary other settings, and reading a setting file completely takes milliseconds.
    if FRACTION.encode() not in read(folder.sweep_file):
        return None
    sweep = folder.sweep()
    if not is_learning_curve(sweep) or _comparable(sweep.base) != _comparable(run.config):
        return None
    outcomes = SweepIndex(folder).refresh()
    curve = learning_curve(sweep, outcomes, read_infos(outcomes, {}))
    if curve.problem or curve.split == "test" or (gain := curve.gain) is None:
        return None
    return CurveResult(gain.verdict, sentence(curve))


def _comparable(config: Config) -> Config:
    """Return the settings without those in which a run and its learning curve may differ."""
    return replace(
        config,
        data=replace(config.data, fraction=1.0),
        training=replace(config.training, seed=0),
        notify=Config().notify,
    )
