"""The folder of a run that a user's script logs."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from tuitrain.errors import RunError
from tuitrain.runs.external.folder import SourceFolder
from tuitrain.runs.external.hparams import by_setting
from tuitrain.runs.external_info import ExternalRunInfo
from tuitrain.runs.files import new_folder, read_json
from tuitrain.runs.folder import Stamp, new_id
from tuitrain.runs.process import this_process
from tuitrain.runs.records import RunInfo, State
from tuitrain.runs.scripts.commands import STOP
from tuitrain.runs.scripts.records import Script, ScriptState
from tuitrain.runs.writer import encode_pretty
from tuitrain.text import listed, plain

if TYPE_CHECKING:
    from tuitrain.runs.scripts.follower import ScriptFollower
    from tuitrain.runs.scripts.source import ScriptSource

NO_COMMANDS = "this script does not ask for commands"
SCRIPT_FILE = "script.json"


class ScriptFolder(SourceFolder):
    """A run that a user's script logs: tuitrain can rename, steer and delete it, but only the script can train it."""

    @property
    def script_file(self) -> Path:
        return self.path / SCRIPT_FILE

    def script(self) -> Script:
        return read_json(self.script_file, Script)

    def info(self) -> ExternalRunInfo:
        fields, script = structs.asdict(super().info()), self.script()
        hparams = by_setting(script.settings)
        return ExternalRunInfo(**fields, files=self.title, hparams=hparams, results=script.summary)

    def raw_state(self) -> ScriptState:
        return read_json(self.state_file, ScriptState)

    def state(self) -> State:
        return self.raw_state().as_state()

    def follow(self, *, brief: bool = False) -> "ScriptFollower":
        from tuitrain.runs.scripts.follower import ScriptFollower

        return ScriptFollower(self, brief=brief)

    @property
    def title(self) -> str:
        return "a script that logs with tuitrain"

    def source(self) -> "ScriptSource":
        from tuitrain.runs.scripts.source import ScriptSource

        return ScriptSource(self)

    def stamp(self) -> Stamp:
        try:
            stat = os.stat(self.script_file)  # noqa: PTH116
        except OSError:
            return super().stamp()
        return (*super().stamp(), (stat.st_ctime_ns, stat.st_ino, stat.st_size))

    def check_writable(self) -> None:
        raise RunError(
            f"{plain(self.id, 100)} is the run of a script.",
            "Only the script itself can train it, and test it with log_predictions().",
        )

    @property
    def asked_settings(self) -> list[str]:
        """The names of the settings that the script asks for."""
        return [name for name in self.script().asks if name != STOP]

    def refusal(self, command: str) -> str:
        """Return why the script does not obey a command: `stop`, or the name of a setting."""
        asks = self.script().asks
        if command in asks:
            return ""
        if not asks:
            return NO_COMMANDS
        return f"this script asks only for {plain(listed(asks, 8), 200)}"


def is_script_folder(path: Path) -> bool:
    return os.path.lexists(f"{path}/{SCRIPT_FILE}")


def create_script_run(runs_dir: Path, info: RunInfo, script: Script) -> ScriptFolder:
    """Create the folder of a script's run completely or not at all, and set `info.id`. Raises RunError."""
    info.id, info.created = new_id(info.name, runs_dir), time.time()
    path = runs_dir / info.id
    with new_folder(path, "run", runs_dir) as draft:
        folder = ScriptFolder(draft)
        now = time.time()
        state = ScriptState(status="running", process=this_process(), started=now, heartbeat=now)
        folder.info_file.write_bytes(encode_pretty(info))
        folder.state_file.write_bytes(encode_pretty(state))
        folder.script_file.write_bytes(encode_pretty(script))
        folder.metrics_file.touch()
        folder.log_file.touch()
        folder.evaluations.mkdir()
    return ScriptFolder(path)
