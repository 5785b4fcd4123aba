"""Say which layer does not learn, and why, from the statistics of a run's layers."""

from math import isfinite
from typing import NamedTuple

from tuitrain.analysis import units
from tuitrain.runs.follower import Follower
from tuitrain.text import plain

# A layer whose weights change by more than this share of their norm in one step does not settle. Healthy networks
# change by about a thousandth (Karpathy, "A Recipe for Training Neural Networks" and CS231n).
LARGE_UPDATE = 0.1
# A layer does not learn if it changes by less than this, and by less than a thousandth of what another layer changes.
# At the end of a schedule, all layers change little.
SMALL_UPDATE, SMALL_RATIO = 1e-5, 1e-3
# Share of dead units that is worth a warning. In a healthy network some units answer to none of the measured images.
DEAD = 0.8


class LayerState(NamedTuple):
    """The latest statistics of a layer; None where unknown. See `runs.rows.LayerStatistics`."""

    name: str
    update_ratio: float | None
    mean: float | None
    std: float | None
    dead: float | None


def layer_states(run: Follower) -> list[LayerState]:
    """Return the state of each layer in the order of the network; empty before the first measurement."""
    count = max(map(len, run.layer_statistics.values()))
    names = [plain(name, 60) for name in run.info.layers[:count]]
    names += [str(layer) for layer in range(len(names), count)]
    columns = run.layer_statistics

    def latest(column: str, layer: int) -> float | None:
        values = columns[column][layer] if layer < len(columns[column]) else ()
        return values[-1] if values and isfinite(values[-1]) else None

    return [LayerState(name, *(latest(column, layer) for column in columns)) for layer, name in enumerate(names)]


def layer_problem(run: Follower) -> str:
    """Return one sentence on the layer that is worst off, or an empty text."""
    states = layer_states(run)
    return _dead(states) or _large(states) or _stuck(states, run.config.model.activation)


def _dead(states: list[LayerState]) -> str:
    worst = max(states, key=lambda state: state.dead or 0.0, default=None)
    if worst is None or (worst.dead or 0.0) < DEAD:
        return ""
    share = units.percent(worst.dead)
    return f"dead ReLUs: {share} of the units of {worst.name} are zero for all images; lower the learning rate"


def _large(states: list[LayerState]) -> str:
    worst = max(states, key=lambda state: state.update_ratio or 0.0, default=None)
    if worst is None or (worst.update_ratio or 0.0) < LARGE_UPDATE:
        return ""
    share = units.percent(worst.update_ratio)
    return f"steps too large: {worst.name} changes by {share} per step; lower the learning rate"


def _stuck(states: list[LayerState], activation: str) -> str:
    known = [(state.update_ratio, state.name) for state in states if state.update_ratio is not None]
    if len(known) < 2:
        return ""
    (least, name), (most, other) = min(known), max(known)
    if least > SMALL_UPDATE or least > SMALL_RATIO * most:
        return ""
    cause = f"; its gradient vanishes behind the {activation}s, use relu" if activation in ("sigmoid", "tanh") else ""
    changes = f"it changes by {units.number(least)} per step, {other} by {units.number(most)}"
    return f"{name} does not learn: {changes}{cause}"
