"""Record how each rank ended, and derive from that how the run ended."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from signal import Signals

import msgspec
from msgspec import Struct

from tuitrain.errors import RunError
from tuitrain.runs.files import read_json
from tuitrain.runs.records import Status

# The signal by which the launcher ends the other ranks once one has failed.
_CLOSING = Signals.SIGTERM


class Outcome(Struct, frozen=True):
    """How a rank ended: the status and reason of the run, and whether it `progressed`, that is completed a step. A rank
    that lost another one has no outcome."""

    status: Status
    reason: str
    progressed: bool = False

    def write(self, folder: Path, rank: int) -> None:
        _file(folder, rank).write_bytes(msgspec.json.encode(self))


def read_outcomes(folder: Path, ranks: int) -> dict[int, Outcome]:
    """Return the outcomes that the ranks have written, by rank."""
    found = {}
    for rank in range(ranks):
        with suppress(RunError):
            found[rank] = read_json(_file(folder, rank), Outcome)
    return found


def _file(folder: Path, rank: int) -> Path:
    return folder / f"rank-{rank}.json"


def outcome_of_run(outcomes: Mapping[int, Outcome], failed: Mapping[int, int]) -> Outcome:
    """Return the outcome of the run: that of rank 0, or else the first cause by which a rank failed. `failed` are the
    exit statuses of ranks, negative for signals."""
    if 0 in outcomes:
        return outcomes[0]
    causes = sorted(failed, key=lambda rank: (_order(failed[rank], outcomes.get(rank)), rank))
    if not causes:
        return Outcome("failed", "The processes ended without a result. The run's log may say why.")
    rank = causes[0]
    return Outcome("failed", _reason(rank, failed[rank], outcomes.get(rank)))


def _order(status: int, outcome: Outcome | None) -> int:
    """Return a sort key that is smaller for what came first: a kill, a failure of the rank itself, the consequences."""
    if status < 0 and -status != _CLOSING:
        return 0
    return 1 if outcome else 2 if status > 0 else 3


def _reason(rank: int, status: int, outcome: Outcome | None) -> str:
    if status < 0:
        return f"Rank {rank} was killed (signal {-status}).{_HINTS.get(-status, '')}"
    if outcome:
        return f"Rank {rank}: {outcome.reason}"
    return f"Rank {rank} ended with status {status}. The run's log may say why."


# Linux kills a process if the memory is used up.
_HINTS: dict[int, str] = {Signals.SIGKILL: " Did the machine run out of memory?"}
