"""Start and end the run of a script: `init` and the functions of the module `tuitrain`."""

import atexit
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from tuitrain.errors import TuitrainError
from tuitrain.logger.ending import ending, frame_of_process, last_error, notice_exec, notice_exit
from tuitrain.logger.facts import Facts, Summary
from tuitrain.logger.ignored import ignored
from tuitrain.logger.info import script_info
from tuitrain.logger.messages import Notes, say
from tuitrain.logger.processes import may_log
from tuitrain.logger.run import Run
from tuitrain.logger.values import clean_name
from tuitrain.logger.writing import LogWriter
from tuitrain.runs.records import Status
from tuitrain.runs.scripts.folder import create_script_run
from tuitrain.runs.scripts.records import Script

FORKED = "this process is a copy of the one that logs; its values are ignored."
NOT_STARTED = "there is no run: call tuitrain.init() first."
Names = str | Sequence[str]

run: Run | None = None
_notes = Notes()
_hooked = False


def init(
    project: str | None = None,
    *,
    name: str | None = None,
    config: Any = None,
    runs_dir: str | os.PathLike[str] | None = None,
    notes: str | None = None,
    tags: Names | None = None,
    loss: Names = (),
    accuracy: Names = (),
    mode: str | None = None,
    **others: Any,
) -> Run:
    """Start a run in the runs folder and return it. A run that has not finished ends.

    Without a `name`, the run is named after `project` or the script, and numbered. `config` are the settings: a
    dictionary, a dataclass or argparse's Namespace. `loss` and `accuracy` name the metrics
    that are the loss and accuracy of their splits, if tuitrain does not recognize their names. `mode="disabled"` starts
    an inert run. Other parameters of wandb have no effect.
    """
    global run
    if run is not None:
        run.finish()
    if others:
        _notes.once("init", f"init() ignores {clean_name(', '.join(others))}.")
    settings, said = Facts(), Notes()
    try:
        settings.update(config)
    except Exception as error:
        said.once("config", f"init() cannot read the settings: {error}.")
    writer = None
    if mode != "disabled" and may_log():

        def start() -> LogWriter:
            runs = Path(runs_dir or os.environ.get("TUITRAIN_RUNS") or "runs").absolute()
            columns = dict.fromkeys(_names(loss), "loss") | dict.fromkeys(_names(accuracy), "accuracy")
            script = Script(settings=settings.storable(), metrics=columns)
            info = script_info(runs, name, project, notes, tags)
            return LogWriter(create_script_run(runs, info, script), script, settings, said)

        writer = _or_none(start)
    run = Run(settings, said, writer)
    _hook()
    return run


def _or_none(start: Callable[[], LogWriter]) -> LogWriter | None:
    """Start to write a run; say why if that is impossible."""
    try:
        writer = start()
    except TuitrainError as error:
        say(f"{error.message} The script continues without logging.")
        return None
    except Exception as error:
        say(f"no run can be logged: {error!r}. The script continues.")
        return None
    path = writer.folder.path
    say(f"logging to {path}; watch it with: tuitrain --runs-dir {shlex.quote(str(path.parent))}")
    return writer


def _names(names: Names) -> list[str]:
    return [clean_name(name) for name in ([names] if isinstance(names, str) else names)]


def _hook() -> None:
    """Finish the run at the end of the script, and make it inert in forked processes."""
    global _hooked
    if not _hooked:
        _hooked = True
        atexit.register(_at_exit)
        notice_exec(_end)
        if not _interactive():
            notice_exit()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_in_child)
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        # Processes that multiprocessing forks end without Python's exit functions.
        from multiprocessing.util import Finalize

        Finalize(None, _at_exit, args=(frame_of_process(),), exitpriority=100)


def _at_exit(frame: FrameType | None = None) -> None:
    _end(*ending(None if frame is None and _interactive() else last_error(frame)))


def _end(status: Status, reason: str) -> None:
    if run is not None:
        run.end(status, reason)


def _interactive() -> bool:
    return hasattr(sys, "ps1") or "ipykernel" in sys.modules


def _in_child() -> None:
    if run is not None:
        run.detach(FORKED)


def log(data: Mapping[Any, Any], step: int | None = None, commit: bool | None = None, sync: bool | None = None) -> None:
    """Log to the run that `init` started last; see `Run.log`."""
    if run is None:
        _notes.once("log", NOT_STARTED)
    else:
        run.log(data, step, commit, sync)


def finish(exit_code: int | None = None, quiet: bool | None = None) -> None:
    """End the run that `init` started last."""
    global run
    if run is not None:
        run.finish(exit_code, quiet)
        run = None


def summary() -> Summary:
    """Return the summary of the run that `init` started last; without a run, one that nobody reads."""
    if run is None:
        _notes.once("log", NOT_STARTED)
        return Summary(dict)
    return run.summary


def without_effect(name: str) -> Any:
    """Return a stand-in for a name of wandb, and say once that it does nothing. Of `Image` and other classes, `log`
    says so."""
    if not name[0].isupper():
        _notes.once(name, f"{name} has no effect.")
    return ignored(name)
