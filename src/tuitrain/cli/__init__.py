"""The command line: parse, call, print."""

import gc
import os
import sys

from tuitrain.errors import TuitrainError, save_traceback
from tuitrain.text import plain

NO_HOME = "/nonexistent"


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit status: 0 success, 1 failed run or lost output, 2 bad usage, 130 stopped."""
    gc.disable()  # Imported modules are never garbage.
    _find_home()
    from tuitrain.cli.parser import BACKGROUND, parse
    from tuitrain.cli.streams import drop_library_output, keep_streams
    from tuitrain.hosts.preload import check_working_folder

    if "_ARGCOMPLETE" in os.environ:
        # A shell asks for words that complete the command line.
        from tuitrain.cli.completion import complete

        complete()
    keep_streams()
    try:
        options = parse(arguments)
        if options.command not in BACKGROUND:
            drop_library_output()
        check_working_folder()
        code: int = options.run(options)
        return code
    except TuitrainError as error:
        print(f"tuitrain: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        print(_describe_crash(error), file=sys.__stderr__)
        return 1


def _find_home() -> None:
    """Give a user without a home folder, as a container may have, one that does not exist. Then everything that keeps
    files there continues without them, or says that it cannot write them."""
    if not os.environ.get("HOME"):
        os.environ.pop("HOME", None)
        # What the system does not know, this function returns unchanged.
        if os.path.expanduser("~") == "~":  # noqa: PTH111
            os.environ["HOME"] = NO_HOME


def _describe_crash(error: Exception) -> str:
    """Write the traceback to a file; return what happened and where this file is."""
    lines = [f"tuitrain: unexpected error: {type(error).__name__}: {plain(error, 200)}."]
    lines += getattr(error, "__notes__", []) or ["Runs keep their last checkpoint."]
    if path := save_traceback(error):
        lines.append(f"Details: {path}")
    return "\n".join(lines)
