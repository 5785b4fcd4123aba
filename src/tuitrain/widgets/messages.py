"""Messages by which screens request something from the app. Screens do not know each other."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from textual.message import Message

from tuitrain.analysis.table.markers import RunMarker
from tuitrain.config.schema import Config
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import RunInfo, ShownStatus, State
from tuitrain.runs.sweeps.folder import SweepFolder


class OpenRun(Message):
    """Open the live screen of an active run, otherwise its results; `replace` the present screen."""

    def __init__(self, folder: RunFolder, *, results: bool = False, replace: bool = False) -> None:
        super().__init__()
        self.folder, self.results, self.replace = folder, results, replace


class AskValue(Message):
    """Ask for one value; call `answer` with a text that `check` accepts, unless the user cancels.

    `check` raises TuitrainError to refuse a text. If `live`, it runs on each change, otherwise only on enter, when it
    may also act on the text. Typing replaces `value` unless it is `kept`. If `is_path`, tab completes the text.
    """

    def __init__(
        self,
        text: str,
        value: str,
        check: Callable[[str], object],
        answer: Callable[[str], object] | None = None,
        *,
        live: bool = True,
        kept: bool = False,
        is_path: bool = False,
    ) -> None:
        super().__init__()
        self.text, self.value, self.check, self.answer = text, value, check, answer
        self.live, self.kept, self.is_path = live, kept, is_path


class AskChoice(Message):
    """Let the user choose one or `many` options, each (key, name, help); call `answer` with the keys, unless the user
    cancels."""

    def __init__(
        self,
        text: str,
        options: Sequence[tuple[str, str, str]],
        answer: Callable[[tuple[str, ...]], object],
        chosen: Sequence[str] = (),
        *,
        many: bool = False,
    ) -> None:
        super().__init__()
        self.text, self.options, self.answer, self.chosen, self.many = text, options, answer, chosen, many


class MoveToBackground(Message):
    """Move the run that trains in this app to a background process."""


class ResumeRun(Message):
    """Resume a run in the background. With `ask`, and for finished runs, ask for the number of epochs first. `watch`
    replaces the present screen by the live screen."""

    def __init__(self, folder: RunFolder, *, ask: bool = False, watch: bool = False) -> None:
        super().__init__()
        self.folder, self.ask, self.watch = folder, ask, watch


class RunEnded(Message):
    """A followed run has ended, or its process is gone."""

    def __init__(self, folder: RunFolder, name: str, state: State, status: ShownStatus) -> None:
        super().__init__()
        self.folder, self.name, self.state, self.status = folder, name, state, status


class SweepEnded(Message):
    """The last worker of a sweep has ended."""

    def __init__(self, folder: SweepFolder) -> None:
        super().__init__()
        self.folder = folder


class OpenNewRun(Message):
    """Open the New run form, filled from `config` and `info` if given."""

    def __init__(self, config: Config | None = None, info: RunInfo | None = None) -> None:
        super().__init__()
        self.config, self.info = config, info


class OpenComparison(Message):
    """Compare runs, or seed groups if `grouped`. `markers` are those already shown for some of the runs."""

    def __init__(
        self,
        folders: Sequence[RunFolder],
        markers: Mapping[str, RunMarker] = MappingProxyType({}),
        *,
        grouped: bool = False,
    ) -> None:
        super().__init__()
        self.folders, self.markers, self.grouped = tuple(folders), markers, grouped


class OpenSweep(Message):
    """Open a sweep; None opens the only sweep or the list of sweeps."""

    def __init__(self, folder: SweepFolder | None = None) -> None:
        super().__init__()
        self.folder = folder
