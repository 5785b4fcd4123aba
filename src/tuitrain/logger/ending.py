"""How a script ends, and what that says of its run."""

import builtins
import os
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from tuitrain.logger.values import clean_text
from tuitrain.runs.records import Status
from tuitrain.runs.scripts.records import LONGEST_TEXT

REPLACED = "os.exec replaced the script by another program"


# Python gives this code only to the parent process.
UNKNOWN = "the script raised SystemExit itself, so its exit code is unknown"

# The outermost frame of the script, and its last call of sys.exit, exit or quit.
_script: FrameType | None = None
_exit: SystemExit | None = None


def ending(error: BaseException | None) -> tuple[Status, str]:
    """Return the status and reason of a run that ends with an exception, or None."""
    if error is None:
        return "finished", ""
    if isinstance(error, KeyboardInterrupt):
        return "stopped", "interrupted by the user"
    if isinstance(error, SystemExit):
        code = error.code
        if code is None or code == 0:
            return "finished", ""
        if code is UNKNOWN:
            return "finished", UNKNOWN
        return "failed", f"exit code {int(code)}" if isinstance(code, int) else _text(code) or "exit code 1"
    text = _text(error)
    return "failed", clean_text(f"{type(error).__name__}: {text}" if text else type(error).__name__, LONGEST_TEXT)


def _text(value: object) -> str:
    try:
        return clean_text(value, LONGEST_TEXT)
    except Exception:
        # The user's own class may fail to describe itself.
        return ""


def last_error(process: FrameType | None) -> BaseException | None:
    """Return the exception with which the script ends, as far as it is known while Python shuts down. In the `process`
    frame, multiprocessing has the exit code of a process that it started."""
    error = sys.exc_info()[1] or getattr(sys, "last_value", None)
    if error is None and process is not None:
        return SystemExit(process.f_locals.get("exitcode"))
    if error is None and _script is not None and not _has_returned(_script):
        return _exit or SystemExit(UNKNOWN)
    return error


def _has_returned(frame: FrameType) -> bool:
    """Return whether code came to its end, because it caught a SystemExit for example."""
    from opcode import opname

    return opname[frame.f_code.co_code[frame.f_lasti]].startswith("RETURN")


def frame_of_process() -> FrameType | None:
    """Return the frame in which multiprocessing runs this process and, from Python 3.13 on, alone knows its end."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_name != "_bootstrap":
        frame = frame.f_back
    return frame


def notice_exit() -> None:
    """Remember what the script gives to sys.exit, exit and quit, and whether it raises a SystemExit itself."""
    global _script
    _script = sys._current_frames()[threading.main_thread().ident or 0]
    while _script.f_back is not None:
        _script = _script.f_back

    def noticed(leave: Callable[[Any], NoReturn]) -> Callable[..., NoReturn]:
        def remember(code: Any = None) -> NoReturn:
            global _exit
            # Elsewhere, it ends only the thread.
            if threading.current_thread() is threading.main_thread():
                _exit = SystemExit(code)
            leave(code)

        return remember

    sys.exit = noticed(sys.exit)
    for name in ("exit", "quit"):
        # Python without the module site has none.
        if hasattr(builtins, name):
            setattr(builtins, name, noticed(getattr(builtins, name)))


def notice_exec(end: Callable[[Status, str], None]) -> None:
    """Call `end` before another program replaces the script, by any of the functions os.exec*: the new program has the
    same process and start time, so nobody else could tell that the script is gone."""

    def before(replace_program: Callable[..., NoReturn]) -> Callable[..., NoReturn]:
        def replaced(*args: Any, **options: Any) -> NoReturn:
            end("stopped", REPLACED)
            replace_program(*args, **options)

        return replaced

    # The other functions call these two.
    os.execv, os.execve = before(os.execv), before(os.execve)
