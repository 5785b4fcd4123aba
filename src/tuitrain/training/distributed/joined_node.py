"""Another node's view of the leading one: join it, show signs of life, and learn when the run starts and ends."""

import socket
import threading
import time
from contextlib import suppress

from torch.distributed import TCPStore  # type: ignore[attr-defined]

from tuitrain.errors import RunError
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
    LostNodeError,
    NodeStore,
    node_name,
    use_interface_of,
)
from tuitrain.training.distributed.outcome import NodeResult, Outcome

# Seconds that the leading node may take to answer: the first time, and later.
CONNECT, SILENCE = 20.0, 60.0


class Membership:
    """A node that joins the leading one at `host` and `port`. Raises RunError if that is not possible. A thread shows
    signs of life from `register` on, and sets `started`, `outcome` and `is_lost`."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._own, self._leader = _addresses(host, port)
        self._store = _open_store(host, port)
        found = self._store.read(ANNOUNCEMENT, Announcement)
        if found is None:
            raise RunError(f"What listens at {plain(host, 60)}:{port} is not the leading node of a tuitrain run.")
        self.announcement = found
        # The tickets of the nodes that train the run, once it starts, and how it ended.
        self.started: list[int] | None = None
        self.outcome: Outcome | None = None
        self._ticket = 0
        self._answered = time.monotonic()
        self._gone = False

    def register(self) -> None:
        """Join the run, and begin to show signs of life."""
        self._ticket = self._store.count(TICKETS, 1)
        self._store.write(NODE.format(self._ticket), JoinedNode(node_name(), self._leader))
        use_interface_of(self._own)
        threading.Thread(target=self._beat, name="node-beat", daemon=True).start()

    @property
    def is_lost(self) -> bool:
        """Whether the leading node no longer answers."""
        return self._gone or time.monotonic() - self._answered > SILENCE

    @property
    def is_over(self) -> bool:
        """Whether the run has ended, or this node has lost it."""
        return self.outcome is not None or self.is_lost

    @property
    def rendezvous(self) -> Rendezvous | None:
        """Where the ranks of this node meet the others; None if the run has started without this node."""
        if self.started is None or self._ticket not in self.started:
            return None
        index = self.started.index(self._ticket) + 1
        return Rendezvous(self.announcement.nodes, index, f"{self._host}:{self._store.port}")

    def report(self, result: NodeResult) -> None:
        """Tell the leading node how the ranks of this node ended, if it is still there."""
        with suppress(LostNodeError):
            self._store.write(RESULT.format(self._ticket), result)

    def _beat(self) -> None:
        try:
            while self.outcome is None:
                self._store.count(BEATS.format(self._ticket), 1)
                self.started = self.started or self._store.read(STARTED, list[int])
                self.outcome = self._store.read(ENDED, Outcome)
                self._answered = time.monotonic()
                time.sleep(BEAT)
            self._store.count(SEEN.format(self._ticket), 1)
        except LostNodeError:
            self._gone = True


def _addresses(host: str, port: int) -> tuple[str, str]:
    """Return the addresses of this machine and of the leading one on the network that connects them."""
    try:
        with socket.create_connection((host, port), CONNECT) as connection:
            own: str = connection.getsockname()[0]
            leader: str = connection.getpeername()[0]
            return own, leader
    except OSError as error:
        reason = f"Nothing can be reached at {plain(host, 60)}:{port}: {plain(error.strerror or error, 100)}."
        raise RunError(reason, "The log of the run says which command to use while it waits for its nodes.") from None


def _open_store(host: str, port: int) -> NodeStore:
    """Connect to the store of the leading node; give up after a while, which torch does not if a program that is not a
    store listens."""
    opened: list[NodeStore] = []

    def connect() -> None:
        with suppress(RuntimeError):
            opened.append(NodeStore(TCPStore(host, port, None, False, TIMEOUT)))

    thread = threading.Thread(target=connect, name="join", daemon=True)
    thread.start()
    thread.join(CONNECT)
    if not opened:
        raise RunError(f"What listens at {plain(host, 60)}:{port} is not the leading node of a tuitrain run.")
    return opened[0]
