"""Save and restore the part of a checkpoint that belongs to each rank: its random generators, and its part of the
metrics since the last row."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from tuitrain.training import checkpoint
from tuitrain.training.metrics import RunningMetrics
from tuitrain.training.setup import Setup, seed_generators


def rank_seed(seed: int, rank: int, step: int = 0) -> int:
    """Return the seed of the random draws of a rank that begins at `step`. Rank 0 draws as a single process does."""
    text = f"{seed} {rank} {step}".encode()
    return seed if rank == step == 0 else int.from_bytes(blake2b(text, digest_size=8).digest(), "big") % 2**63


def state_of_rank(setup: Setup, metrics: RunningMetrics) -> checkpoint.State:
    """Return this rank's part of a checkpoint, with its tensors on the CPU."""
    window = metrics.state_dict()
    window = {"losses": window["losses"].cpu(), "correct": window["correct"].cpu(), "sizes": window["sizes"]}
    return {"rng": checkpoint.rng_state(setup.device), "window": window}


def window_of_all(ranks: Sequence[checkpoint.State]) -> dict[str, Any]:
    """Return the metrics of the global batches since the last row."""
    windows = [rank["window"] for rank in ranks]
    losses, correct = (sum(window[name] for window in windows) for name in ("losses", "correct"))
    return {"losses": losses, "correct": correct, "sizes": windows[0]["sizes"]}


def own_state(setup: Setup, state: checkpoint.State) -> checkpoint.State:
    """Return the part of this rank in a checkpoint. With another number of ranks than before, rank 0 continues with the
    metrics of all, and the others draw random numbers from new seeds."""
    group, ranks = setup.group, state.get("ranks", ())
    if group is not None and len(ranks) == group.size:
        own: checkpoint.State = ranks[group.rank]
        return own
    if group is None or group.rank == 0:
        return state
    seed_generators(rank_seed(setup.config.training.seed, group.rank, state["progress"]["step"]))
    window = state["window"]
    nothing = {name: window[name] * 0 for name in ("losses", "correct")}
    return {"rng": checkpoint.rng_state(setup.device), "window": nothing | {"sizes": window["sizes"]}}
