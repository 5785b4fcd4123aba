"""What a screen asks the app for; screens do not know each other."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from textual.message import Message

from tuitrain.analysis.table.markers import RunMarker
from tuitrain.config.schema import Config
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import RunInfo, ShownStatus, State
from tuitrain.runs.sweeps.folder import SweepFolder


class OpenRun(Message):
    """Show the run: live where it still goes on, its results where it has ended or `results` is asked for."""

    def __init__(self, folder: RunFolder, *, results: bool = False, replace: bool = False) -> None:
        super().__init__()
        self.folder, self.results, self.replace = folder, results, replace


class AskValue(Message):
    """Ask the user for one value; `answer` gets the text that `check` raised no TuitrainError for, None: called off.

    `check` is asked at each change where it is `live`, else at enter alone, and may be what is to be done. What is
    typed takes the place of `value`, or stands behind it where that is to be `kept`.
    """

    def __init__(
        self,
        text: str,
        value: str,
        check: Callable[[str], object],
        answer: Callable[[str | None], None] | None = None,
        *,
        live: bool = True,
        kept: bool = False,
    ) -> None:
        super().__init__()
        self.text, self.value, self.check, self.answer = text, value, check, answer
        self.live, self.kept = live, kept


class AskChoice(Message):
    """Let the user choose of `options`, (key, name, about), one or `many`; `answer` gets the keys, None: called off."""

    def __init__(
        self,
        text: str,
        options: Sequence[tuple[str, str, str]],
        answer: Callable[[tuple[str, ...] | None], None],
        chosen: Sequence[str] = (),
        *,
        many: bool = False,
    ) -> None:
        super().__init__()
        self.text, self.options, self.answer, self.chosen, self.many = text, options, answer, chosen, many


class MoveToBackground(Message):
    """Move the run that trains in this app to a process of its own."""


class ResumeRun(Message):
    """Train a run on that goes on no more, in a process of its own; `ask` for the number of epochs, as is always done
    of a run that has done all of them. `watch` it from then on, in place of this screen."""

    def __init__(self, folder: RunFolder, *, ask: bool = False, watch: bool = False) -> None:
        super().__init__()
        self.folder, self.ask, self.watch = folder, ask, watch


class RunEnded(Message):
    """A run that was followed goes on no more; interrupted, where its process is gone."""

    def __init__(self, folder: RunFolder, name: str, state: State, status: ShownStatus) -> None:
        super().__init__()
        self.folder, self.name, self.state, self.status = folder, name, state, status


class SweepEnded(Message):
    """Nobody works any more on a sweep on which somebody did before."""

    def __init__(self, folder: SweepFolder) -> None:
        super().__init__()
        self.folder = folder


class OpenNewRun(Message):
    """Open the form, from the settings of a run where one is given."""

    def __init__(self, config: Config | None = None, info: RunInfo | None = None) -> None:
        super().__init__()
        self.config, self.info = config, info


class OpenComparison(Message):
    """Show these runs side by side, or `grouped` those that differ only in their seed as one; `known` are the
    identities by which some of them are seen already."""

    def __init__(
        self,
        folders: Sequence[RunFolder],
        known: Mapping[str, RunMarker] = MappingProxyType({}),
        *,
        grouped: bool = False,
    ) -> None:
        super().__init__()
        self.folders, self.known, self.grouped = tuple(folders), known, grouped


class OpenSweep(Message):
    """Show a sweep; None: the only one, or the list of them."""

    def __init__(self, folder: SweepFolder | None = None) -> None:
        super().__init__()
        self.folder = folder
