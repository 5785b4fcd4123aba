"""What the nodes of a run tell each other: JSON in the store of the leading node, which torchrun's agents use, too."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import msgspec
import psutil
import torch
from msgspec import Struct
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from tuitrain import __version__
from tuitrain.config.schedule import Extension
from tuitrain.runs.files import decode_or_none
from tuitrain.runs.process import Process
from tuitrain.text import plain

T = TypeVar("T")
# Seconds that an answer of the store may take.
TIMEOUT = timedelta(seconds=60)
# Seconds between two signs of life of a node.
BEAT = 0.5
# Keys in the store; a ticket is the number of a node in the order in which they joined.
ANNOUNCEMENT, TICKETS, STARTED, ENDED = "announcement", "tickets", "started", "ended"
NODE, BEATS, RESULT, SEEN = "node/{}", "beats/{}", "result/{}", "seen/{}"
# The environment variable that tells gloo which network interface to use.
_INTERFACE = "GLOO_SOCKET_IFNAME"


class Announcement(Struct, frozen=True, kw_only=True):
    """What the leading node says of the run: its id, the process that owns it, the number of `nodes` and of the `ranks`
    of each, the versions that all nodes need, and the options of `resume_run`."""

    run: str
    owner: Process
    nodes: int
    ranks: int
    versions: str
    epochs: int | None
    schedule: Extension


class JoinedNode(Struct, frozen=True):
    """A node that has joined, and the `leader`'s address as this node sees it."""

    name: str
    leader: str


class LostNodeError(Exception):
    """The connection to the store of the leading node is gone."""


class NodeStore:
    """JSON values and counters in a store, which other nodes see. Its methods raise LostNodeError."""

    def __init__(self, store: TCPStore) -> None:
        self._store = store
        self.port: int = store.port

    def write(self, key: str, value: object) -> None:
        with _connected():
            self._store.set(_name(key), msgspec.json.encode(value).decode())

    def read(self, key: str, kind: type[T]) -> T | None:
        """Return a value, or None if it is missing or not of this kind. Waits for nothing."""
        with _connected():
            content = self._store.get(_name(key)) if self._store.check([_name(key)]) else b""
        return decode_or_none(msgspec.json.Decoder(kind).decode, content)

    def count(self, key: str, more: int = 0) -> int:
        """Add `more` to a counter, and return it."""
        with _connected():
            return int(self._store.add(_name(key), more))


@contextmanager
def _connected() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise LostNodeError(plain(str(error).partition("\n")[0], 200)) from error


def _name(key: str) -> str:
    return f"tuitrain/nodes/{key}"


def node_name() -> str:
    """Return the name of this machine, as Slurm calls it in a job."""
    return plain(os.environ.get("SLURMD_NODENAME") or platform.node(), 60)


def versions() -> str:
    """Return the versions in which all nodes must agree."""
    return f"tuitrain {__version__}, torch {torch.__version__}"


def use_interface_of(address: str) -> None:
    """Let gloo use the network interface with this address of this machine, unless the user has chosen one. Otherwise
    it uses the one that the host name means, which on many machines is 127.0.1.1."""
    for name, addresses in psutil.net_if_addrs().items():
        if any(found.address.partition("%")[0] == address for found in addresses):
            os.environ.setdefault(_INTERFACE, name)
            return
