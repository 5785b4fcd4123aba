"""Record how each rank ended, and derive from that how the run ended."""

from collections.abc import Iterable, Mapping, Sequence
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


class NodeResult(Struct, frozen=True):
    """How the ranks of a node ended, by rank: the outcomes that they wrote, and the exit statuses of those that
    `failed`, negative for signals. `problem` is what went wrong with the node itself."""

    outcomes: dict[int, Outcome] = {}
    failed: dict[int, int] = {}
    problem: str = ""


def read_outcomes(folder: Path, ranks: Iterable[int]) -> dict[int, Outcome]:
    """Return the outcomes that the ranks have written, by rank."""
    found = {}
    for rank in ranks:
        with suppress(RunError):
            found[rank] = read_json(_file(folder, rank), Outcome)
    return found


def _file(folder: Path, rank: int) -> Path:
    return folder / f"rank-{rank}.json"


def outcome_of_run(
    results: Sequence[NodeResult], nodes: Mapping[int, str] | None = None, problems: Sequence[str] = ()
) -> Outcome:
    """Return the outcome of the run: that of rank 0, or else the first cause by which a rank failed. `results` are
    those of all nodes, `nodes` the name of the node of each rank, empty with a single one, and `problems` what went
    wrong with nodes that are lost."""
    outcomes = {rank: outcome for result in results for rank, outcome in result.outcomes.items()}
    failed = {rank: status for result in results for rank, status in result.failed.items()}
    if 0 in outcomes:
        return outcomes[0]
    causes = sorted(failed, key=lambda rank: (_order(failed[rank], outcomes.get(rank)), rank))
    if not causes or _order(failed[causes[0]], outcomes.get(causes[0])) > 1:
        # Ranks also end because a node is lost.
        problems = [*problems, *(result.problem for result in results if result.problem)]
        if problems:
            return Outcome("failed", problems[0])
    if not causes:
        return Outcome("failed", "The processes ended without a result. The run's log may say why.")
    rank = causes[0]
    name = f"Rank {rank} (on {nodes[rank]})" if nodes and rank in nodes else f"Rank {rank}"
    return Outcome("failed", _reason(name, failed[rank], outcomes.get(rank)))


def _order(status: int, outcome: Outcome | None) -> int:
    """Return a sort key that is smaller for what came first: a kill, a failure of the rank itself, the consequences."""
    if status < 0 and -status != _CLOSING:
        return 0
    return 1 if outcome else 2 if status > 0 else 3


def _reason(rank: str, status: int, outcome: Outcome | None) -> str:
    if status < 0:
        return f"{rank} was killed (signal {-status}).{_HINTS.get(-status, '')}"
    if outcome:
        return f"{rank}: {outcome.reason}"
    return f"{rank} ended with status {status}. The run's log may say why."


# Linux kills a process if the memory is used up.
_HINTS: dict[int, str] = {Signals.SIGKILL: " Did the machine run out of memory?"}
