"""Follow the run of a user's script: its curves by their names, its state as the script's process wrote it."""

import time

from msgspec.structs import replace

from tuitrain.errors import RunError
from tuitrain.runs.changes import Changed
from tuitrain.runs.external.curves import Epochs
from tuitrain.runs.external.follower import ExternalFollower
from tuitrain.runs.external_info import ExternalRunInfo
from tuitrain.runs.records import State, Status
from tuitrain.runs.scripts.commands import STOP, parse_text
from tuitrain.runs.scripts.folder import ScriptFolder


class ScriptFollower(ExternalFollower):
    """Follows a run that a script logs. Its process is known, so that a killed script is interrupted at once."""

    def __init__(self, folder: ScriptFolder, *, brief: bool = False) -> None:
        super().__init__(folder, brief=brief)
        self._script = self.source = folder.source()
        self.events = self._script.events

    def poll(self, budget: float = 0.05) -> bool:
        deadline = time.monotonic() + budget
        news = super().poll(budget)
        self.damaged_rows = self._script.damaged
        if self._brief:
            return news
        try:
            return self._read_log(deadline) or news
        except RunError:
            return news

    @property
    def asks(self) -> list[str]:
        """What the script asks for: `stop`, and names of settings."""
        return self._script.script.asks

    @property
    def asked_settings(self) -> list[str]:
        return [name for name in self.asks if name != STOP]

    def present_setting(self, name: str) -> object:
        """Return the value of a setting that the script asks for: the one that the user gave it last, if any."""
        changed = [event.detail for event in self.events if event.name in ("set", "lr")]
        given = [detail.partition("=")[2] for detail in changed if detail.partition("=")[0] == name]
        return parse_text(given[-1]) if given else self._script.script.settings.get(name)

    @property
    def changes(self) -> dict[str, Changed]:
        return {}

    def _declared(self) -> dict[str, str]:
        return self._script.script.metrics

    def _status(self) -> Status:
        return self._script.state.status

    def _info(self) -> ExternalRunInfo:
        # The folder may be damaged; the source has what could be read.
        return replace(self._script.info, curves=self._counts())

    def _state(self, epochs: Epochs, reason: str) -> State:
        state = self._script.state
        per_epoch = super()._state(epochs, reason).steps_per_epoch
        return replace(state, steps_per_epoch=per_epoch, reason=state.reason or reason)
