"""The command line: parse, call, print."""

import gc
import sys

from tuitrain.errors import TuitrainError
from tuitrain.text import plain


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status: 0 done, 1 the run failed or its result is lost, 2 bad
    usage, 130 stopped by the user."""
    gc.disable()  # what is imported stays
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
        print(_unknown(error), file=sys.__stderr__)
        return 1


def _unknown(error: Exception) -> str:
    """A sentence for what should not have happened; the traceback goes to a file."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="tuitrain-", suffix=".log", delete=False) as file:
        traceback.print_exception(error, file=file)
    return (
        f"tuitrain: something went wrong that it does not know: {type(error).__name__}: {plain(error, 200)}"
        f"\nRuns keep their last checkpoint. The details are in {file.name}"
    )
