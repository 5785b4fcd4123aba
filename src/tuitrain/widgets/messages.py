"""Messages by which screens request something from the app. Screens do not know each other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field

from textual.message import Message

from tuitrain.analysis.table.markers import RunMarker
from tuitrain.config.code import Code
from tuitrain.config.schema import Config
from tuitrain.hosts.trust import Origin
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import RunInfo, ShownStatus, State
from tuitrain.runs.sweeps.folder import SweepFolder


@dataclass
class OpenRun(Message):
    """Open the live screen of an active run, or the results of any other. With `results`, open the results in any case;
    with `replace`, close the present screen."""

    folder: RunFolder
    _: KW_ONLY
    results: bool = False
    replace: bool = False


@dataclass
class StopInSlurm(Message):
    """Stop a run that waits for Slurm or trains in a job of it."""

    folder: RunFolder


@dataclass
class OpenPrediction(Message):
    """Open the screen that classifies pictures with the network of a run."""

    folder: RunFolder


@dataclass
class AskValue(Message):
    """Ask for one value; call `answer` with a text that `check` accepts, unless the user cancels.

    `check` raises TuitrainError to refuse a text. If `live`, it runs on each change, otherwise only on enter, when it
    may also act on the text. Typing replaces `value` unless it is `kept`. If `is_path`, tab completes the text.
    """

    text: str
    value: str
    check: Callable[[str], object]
    answer: Callable[[str], object] | None = None
    _: KW_ONLY
    live: bool = True
    kept: bool = False
    is_path: bool = False


@dataclass
class AskChoice(Message):
    """Let the user choose one or `many` options, each (key, name, help); call `answer` with the keys, unless the user
    cancels. `chosen` are the keys of the present choice."""

    text: str
    options: Sequence[tuple[str, str, str]]
    answer: Callable[[tuple[str, ...]], object]
    chosen: Sequence[str] = ()
    _: KW_ONLY
    many: bool = False


@dataclass
class AskTrust(Message):
    """Ask whether `unknown` code, which the user has not allowed in `origin`, may run; if so, call `answer` with True.
    With `optional`, also offer to continue without this code, and then call `answer` with False. `run` is the run whose
    copies of the user's files would run."""

    origin: Origin
    unknown: Sequence[Code]
    answer: Callable[[bool], object]
    _: KW_ONLY
    optional: bool = False
    run: RunFolder | None = None


class MoveToBackground(Message):
    """Move the run that trains in this app to a background process."""


@dataclass
class ResumeRun(Message):
    """Resume a run in the background. With `ask`, and for finished runs, ask for the number of epochs first. With
    `watch`, replace the present screen by the live screen."""

    folder: RunFolder
    _: KW_ONLY
    ask: bool = False
    watch: bool = False


@dataclass
class RunEnded(Message):
    """A followed run has ended, or its process is gone."""

    folder: RunFolder
    name: str
    state: State
    status: ShownStatus


@dataclass
class SweepEnded(Message):
    """The last worker of a sweep has ended."""

    folder: SweepFolder


@dataclass
class OpenNewRun(Message):
    """Open the New run form, filled from `config` and `info` if given, and with `texts` by key in other fields."""

    config: Config | None = None
    info: RunInfo | None = None
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass
class OpenComparison(Message):
    """Compare runs, or seed groups if `grouped`. `markers` are those already shown for some of the runs."""

    folders: Sequence[RunFolder]
    markers: Mapping[str, RunMarker] = field(default_factory=dict)
    _: KW_ONLY
    grouped: bool = False


@dataclass
class OpenSweep(Message):
    """Open a sweep; None opens the only sweep or the list of sweeps."""

    folder: SweepFolder | None = None
