"""Everything that can go wrong in a way a user can mend.

    TuitrainError            a clear sentence, and a hint at what to do next
      ConfigError            a setting, with key, value and what is allowed      exit 2
      DataError              data that cannot be found, read or split            exit 2
      RunError               a run folder that cannot be found, read or written  exit 2
      TrainingError          training began and could not go on                  exit 1
      OutputError            a result that stdout does not take                  exit 1

A user sees `str(error)`; never a traceback.
"""


class TuitrainError(Exception):
    """`message` says what is wrong with which value; `hint`, which may be empty, what to do next."""

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class ConfigError(TuitrainError):
    """`key` is the dotted key of the setting at fault, or empty where no single one is."""

    def __init__(self, message: str, hint: str = "", *, key: str = "") -> None:
        super().__init__(message, hint)
        self.key = key


class DataError(TuitrainError):
    """The data set is missing, damaged or cannot be split as asked."""


class RunError(TuitrainError):
    """No such run, a damaged run folder, or one that cannot be written."""


class OutputError(TuitrainError):
    """What was to be done is done, and its result cannot be printed."""

    exit_code = 1


class TrainingError(TuitrainError):
    """The run has begun and failed: a loss that is not finite, no memory, no disk."""

    exit_code = 1
