"""What a reader of another tool's files offers to `ExternalFollower`."""

from array import array
from collections.abc import Mapping
from typing import Any, Literal, Protocol

Ended = Literal["finished", "stopped", "failed"]


class Series:
    """All values of one tag, in the order of writing. Unknown times are NaN."""

    def __init__(self) -> None:
        self.step, self.time, self.value = array("q"), array("d"), array("d")

    def add(self, step: int, time: float, value: float) -> None:
        self.step.append(step)
        self.time.append(time)
        self.value.append(value)

    def cut(self, step: int) -> None:
        """Remove the values at `step` and later."""
        keep = [index for index, value_step in enumerate(self.step) if value_step < step]
        for name in ("step", "time", "value"):
            column = getattr(self, name)
            setattr(self, name, array(column.typecode, [column[index] for index in keep]))


class Source(Protocol):
    """Reads the files of one run, also while they grow."""

    @property
    def series(self) -> Mapping[str, Mapping[str, Series]]:
        """The values by part and tag. A part is the split that a subfolder belongs to, or empty."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Hyperparameters by the names that the other tool gives them."""

    @property
    def ended(self) -> Ended | None:
        """How the run ended; None if the files do not say that it ended."""

    @property
    def host(self) -> str:
        """The name of the machine, or empty."""

    @property
    def first(self) -> float:
        """The time of the first value, or 0."""

    @property
    def last(self) -> float:
        """The time of the newest value, or 0."""

    @property
    def problems(self) -> list[str]:
        """A sentence for each file that is damaged or cannot be read."""

    @property
    def changes(self) -> object:
        """A value that changes with everything that `poll` reads."""

    def poll(self, deadline: float) -> bool:
        """Read until `deadline` (of time.monotonic); return whether there is more to read. Raises OSError if the run
        cannot be read at all."""
