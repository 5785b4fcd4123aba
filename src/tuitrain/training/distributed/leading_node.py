"""The leading node's view of the others: who has joined, who is lost, and how their ranks ended."""

import time
from math import inf
from socket import gethostname

from torch.distributed import TCPStore  # type: ignore[attr-defined]

from tuitrain.text import plain
from tuitrain.training.distributed.agent import Rendezvous
from tuitrain.training.distributed.node_store import (
    ANNOUNCEMENT,
    BEAT,
    BEATS,
    ENDED,
    NODE,
    RESULT,
    SEEN,
    STARTED,
    TICKETS,
    TIMEOUT,
    Announcement,
    JoinedNode,
    NodeStore,
    node_name,
    use_interface_of,
)
from tuitrain.training.distributed.outcome import NodeResult, Outcome

# Seconds without a sign of life after which a node is lost: while the run trains, and while it gathers or ends.
SILENCE, SHORT_SILENCE = 60.0, 5.0
# Seconds that the other nodes have to say how their ranks ended.
GRACE = 10.0


class LeadingNode:
    """The store that the other nodes join. Call `joined` until there are enough, then `start`, and at last `end`."""

    def __init__(self, announcement: Announcement) -> None:
        self._announcement = announcement
        self._store = NodeStore(
            TCPStore("localhost", 0, None, True, TIMEOUT, wait_for_workers=False, multi_tenant=True)
        )
        self._store.write(ANNOUNCEMENT, announcement)
        self._tickets: list[int] = []
        # The last sign of life of each ticket, and when this node saw it.
        self._beats: dict[int, tuple[int, float]] = {}
        # When the first node was lost or failed.
        self._broken = inf

    @property
    def endpoint(self) -> str:
        """The address that the other nodes join."""
        return f"{gethostname()}:{self._store.port}"

    @property
    def rendezvous(self) -> Rendezvous:
        return Rendezvous(self._announcement.nodes, 0, f"localhost:{self._store.port}")

    @property
    def wanted(self) -> int:
        """The number of nodes that must join."""
        return self._announcement.nodes - 1

    def joined(self) -> dict[int, str]:
        """Return the names of the nodes that wait for the start, by ticket."""
        names = {ticket: self._name(ticket) for ticket in self._everyone() if self._waits(ticket)}
        return {ticket: name for ticket, name in names.items() if name}

    def _everyone(self) -> list[int]:
        return list(range(1, self._store.count(TICKETS) + 1))

    def _waits(self, ticket: int) -> bool:
        return self._silence(ticket) < SHORT_SILENCE and self._result(ticket) is None

    def start(self, tickets: list[int]) -> None:
        """Start the ranks of the nodes with these tickets, of which the first becomes node 1."""
        self._tickets = tickets[: self.wanted]
        first = self._store.read(NODE.format(self._tickets[0]), JoinedNode)
        if first is not None:
            use_interface_of(first.leader)
        self._store.write(STARTED, self._tickets)

    def is_broken(self) -> bool:
        """Return whether another node was lost or failed some time ago, so that the ranks of this one cannot
        continue."""
        if self._broken == inf and any(map(self._has_failed, self._tickets)):
            self._broken = time.monotonic()
        return time.monotonic() - self._broken > GRACE

    def results(self) -> tuple[list[NodeResult], list[str]]:
        """Wait a little until the other nodes have said how their ranks ended; return that, and what went wrong with
        the nodes themselves."""
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline and not all(map(self._has_ended, self._tickets)):
            time.sleep(BEAT / 5)
        results = [result for ticket in self._tickets if (result := self._result(ticket)) is not None]
        return results, [problem for ticket in self._tickets if (problem := self._problem(ticket, SHORT_SILENCE))]

    def end(self, outcome: Outcome) -> None:
        """Say how the run ended, and wait until the other nodes know it or are lost."""
        self._store.write(ENDED, outcome)
        waiting, deadline = self._everyone(), time.monotonic() + GRACE
        while waiting and time.monotonic() < deadline:
            time.sleep(BEAT / 5)
            seen = [ticket for ticket in waiting if self._store.count(SEEN.format(ticket))]
            lost = [ticket for ticket in waiting if self._silence(ticket) > SHORT_SILENCE]
            waiting = [ticket for ticket in waiting if ticket not in (*seen, *lost)]

    def names(self) -> dict[int, str]:
        """Return the name of the node of each rank."""
        nodes = [node_name(), *(self._name(ticket) for ticket in self._tickets)]
        ranks = self._announcement.ranks
        return {index * ranks + rank: name for index, name in enumerate(nodes) for rank in range(ranks)}

    def _has_ended(self, ticket: int) -> bool:
        return self._result(ticket) is not None or self._silence(ticket) > SHORT_SILENCE

    def _has_failed(self, ticket: int) -> bool:
        result = self._result(ticket)
        return bool(self._problem(ticket, SILENCE) if result is None else result.problem or result.failed)

    def _problem(self, ticket: int, silence: float) -> str:
        """Return what went wrong with a node itself, not with its ranks, or an empty string."""
        result, name = self._result(ticket), self._name(ticket)
        if result is not None:
            return f"Node {name}: {plain(result.problem, 200)}" if result.problem else ""
        lost = self._silence(ticket) > silence
        return f"Node {name} is lost: its process was killed, or the connection to it broke." if lost else ""

    def _result(self, ticket: int) -> NodeResult | None:
        return self._store.read(RESULT.format(ticket), NodeResult)

    def _name(self, ticket: int) -> str:
        node = self._store.read(NODE.format(ticket), JoinedNode)
        return plain(node.name, 60) if node else ""

    def _silence(self, ticket: int) -> float:
        """Return the seconds since the last sign of life of a node."""
        beats, now = self._store.count(BEATS.format(ticket)), time.monotonic()
        before, since = self._beats.get(ticket, (-1, now))
        if beats != before:
            since = now
            self._beats[ticket] = beats, since
        return now - since
