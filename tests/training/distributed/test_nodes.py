"""The nodes of a run find each other through a store; what others write into it is harmless."""

import socket
import time
from collections.abc import Callable

import pytest
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from tuitrain.errors import RunError
from tuitrain.runs.process import this_process
from tuitrain.training.distributed import joined_node, leading_node, node_store
from tuitrain.training.distributed.joined_node import Membership
from tuitrain.training.distributed.leading_node import LeadingNode
from tuitrain.training.distributed.node_store import Announcement
from tuitrain.training.distributed.outcome import NodeResult, Outcome, outcome_of_run


@pytest.fixture
def leader(monkeypatch: pytest.MonkeyPatch) -> LeadingNode:
    """The leading node of a run on three nodes, which notices soon that another is lost."""
    monkeypatch.setattr(node_store, "use_interface_of", lambda _: None)
    for module in (leading_node, joined_node):
        monkeypatch.setattr(module, "BEAT", 0.01)
        monkeypatch.setattr(module, "use_interface_of", lambda _: None)
    monkeypatch.setattr(leading_node, "SHORT_SILENCE", 0.3)
    monkeypatch.setattr(leading_node, "SILENCE", 0.3)
    monkeypatch.setattr(leading_node, "GRACE", 0.0)
    return LeadingNode(
        Announcement(run="run", owner=this_process(), nodes=3, ranks=2, versions="1", epochs=None, schedule="stretch")
    )


def port(leader: LeadingNode) -> int:
    return int(leader.endpoint.rpartition(":")[2])


def member(leader: LeadingNode) -> Membership:
    node = Membership("localhost", port(leader))
    node.register()
    return node


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_nodes_join_leave_and_end(leader: LeadingNode) -> None:
    first, left, second = member(leader), member(leader), member(leader)
    left.report(NodeResult(problem="Its process was asked to stop."))
    until(lambda: list(leader.joined()) == [1, 3])
    leader.start(list(leader.joined()))
    late = member(leader)
    until(lambda: all(node.started for node in (first, second, late)))
    assert [node.rendezvous and node.rendezvous.index for node in (first, second, late)] == [1, 2, None]
    assert set(leader.names()) == set(range(6))
    assert not leader.is_broken()

    first.report(NodeResult({2: Outcome("failed", "no memory")}, {2: 1, 3: -15}))
    until(leader.is_broken)
    results, problems = leader.results()
    outcome = outcome_of_run([NodeResult({}, {0: 1}), *results], leader.names(), problems)
    assert outcome.reason == f"Rank 2 (on {leader.names()[2]}): no memory"
    leader.end(outcome)
    until(lambda: all(node.is_over for node in (first, second, late)))
    assert (second.outcome, second.is_lost) == (outcome, False)


def test_a_node_that_shows_no_sign_of_life_is_lost(leader: LeadingNode, monkeypatch: pytest.MonkeyPatch) -> None:
    alive = member(leader)
    monkeypatch.setattr(Membership, "_beat", lambda _: None)
    member(leader)._store.count("beats/2", 1)
    until(lambda: len(leader.joined()) == 2)
    leader.start(list(leader.joined()))
    until(leader.is_broken)
    until(lambda: leader.results()[1])
    # The ranks of the other nodes lose their connections.
    outcome = outcome_of_run(
        [NodeResult({}, {0: 1, 1: 1}), NodeResult({}, {2: 1})], leader.names(), leader.results()[1]
    )
    assert (outcome.status, outcome.reason) == (
        "failed", f"Node {leader.names()[4]} is lost: its process was killed, or the connection to it broke.",
    )  # fmt: skip
    assert not alive.is_over


def test_other_programs_and_hostile_values_are_harmless(leader: LeadingNode, monkeypatch: pytest.MonkeyPatch) -> None:
    store = TCPStore("localhost", port(leader), None, False)
    store.add("tuitrain/nodes/tickets", 2)
    store.set("tuitrain/nodes/node/1", "[" * 10_000)
    store.set("tuitrain/nodes/node/2", r'{"name": "\u001b[31mred", "leader": "127.0.0.1"}')
    store.set("tuitrain/nodes/result/1", '{"outcomes": {"x": 1}}')
    assert leader.joined() == {2: "\N{REPLACEMENT CHARACTER}[31mred"}
    store.set("tuitrain/nodes/announcement", '{"run": 1}')
    with pytest.raises(RunError, match="is not the leading node"):
        Membership("localhost", port(leader))
    monkeypatch.setattr(joined_node, "CONNECT", 0.3)
    with socket.create_server(("localhost", 0)) as silent, pytest.raises(RunError, match="is not the leading node"):
        Membership("localhost", silent.getsockname()[1])
