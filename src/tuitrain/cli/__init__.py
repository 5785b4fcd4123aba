"""The command line: parse, call, print."""

import gc
import sys

from tuitrain.errors import TuitrainError
from tuitrain.text import plain


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit status: 0 success, 1 failed run or lost output, 2 bad usage, 130 stopped."""
    gc.disable()  # Imported modules are never garbage.
    from tuitrain.cli.parser import parse
    from tuitrain.cli.streams import keep_streams

    keep_streams()
    try:
        options = parse(arguments)
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


def _describe_crash(error: Exception) -> str:
    """Return a sentence about an unexpected error, and write the traceback to a file."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="tuitrain-", suffix=".log", delete=False) as file:
        traceback.print_exception(error, file=file)
    return (
        f"tuitrain: unexpected error: {type(error).__name__}: {plain(error, 200)}"
        f"\nRuns keep their last checkpoint. Details: {file.name}"
    )
