"""The errors that users see, as `str(error)` and never as a traceback.

TuitrainError            the reason and, if possible, a remedy
  ConfigError            an invalid or unknown setting                           exit 2
  DataError              a data set that cannot be found, read or split          exit 2
  RunError               a run that cannot be found, read, written or resumed    exit 2
  TrustError             code from elsewhere that the user has not allowed       exit 2
  PackError              packages that cannot be packed for another machine     exit 1
  TrainingError          training started and failed                             exit 1
  OutputError            a result that cannot be written to stdout               exit 1
"""

from contextlib import suppress


class TuitrainError(Exception):
    """The base class: `message` is the reason and `hint` the remedy; `hint` may be empty."""

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class ConfigError(TuitrainError):
    """An invalid configuration; `key` is the dotted key of the invalid setting, or empty if several are involved."""

    def __init__(self, message: str, hint: str = "", *, key: str = "") -> None:
        super().__init__(message, hint)
        self.key = key


class DataError(TuitrainError):
    """The data set is missing or damaged, or cannot be split as configured."""


class RunError(TuitrainError):
    """The run does not exist, its folder is damaged or read-only, or its state does not allow the operation."""


class TrustError(TuitrainError):
    """The settings come from elsewhere and contain code that the user has not allowed to run."""


class OutputError(TuitrainError):
    """The operation succeeded, but its result cannot be printed."""

    exit_code = 1


class PackError(TuitrainError):
    """The packages for another machine cannot be downloaded or do not fit each other."""

    exit_code = 1


class TrainingError(TuitrainError):
    """Training failed after it had started: a loss that is not finite, or no memory or disk space left."""

    exit_code = 1


def save_traceback(error: BaseException) -> str:
    """Write the traceback to a new file in the temporary folder; return its path, or an empty string."""
    # Only a crash needs these modules.
    import tempfile
    import traceback

    with (
        suppress(OSError),
        tempfile.NamedTemporaryFile("w", prefix="tuitrain-", suffix=".log", delete=False, errors="replace") as file,
    ):
        traceback.print_exception(error, file=file)
        return file.name
    return ""
